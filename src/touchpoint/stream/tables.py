"""Tables that know which partition each key lives in, and write each touched key once per batch.

Faust's own table records the partition of a key only during recovery, drops falsy values, keeps keys of lost
partitions and sends a changelog record per assignment without waiting for it (faust.md 3). Faust still assigns and
co-partitions these tables; ``recovery.py`` reads their changelogs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import faust

from touchpoint.stages.bounds import Bounds, check
from touchpoint.stream.state_forms import Pairs
from touchpoint.stream.terms import FORM, NO_SECRET, NONE, next_term

Changes = list[tuple[bytes, bytes | None]]
"""Keys with their values, ``None`` where deleted."""


class PartitionState(MutableMapping[bytes, bytes]):
    """One partition of a table in memory, its touched keys, and how far into the changelog it is known to be."""

    __slots__ = (
        "_bounds", "_data", "_disputed", "_log", "_older", "_unsettled", "_upgraded", "contiguous", "next_offset",
        "secret", "sizes", "term",
    )  # fmt: skip

    def __init__(self, table: str = "") -> None:
        """``table``: its name, by which its keys have their bounds."""
        self._bounds = Bounds(table)
        self.sizes: Counter[str] = Counter()
        """Bytes of keys and values, by kind of key."""
        self._data: dict[bytes, bytes] = {}
        self._log: Changes = []  # every change of the batch with the value before, to undo
        self._disputed: set[bytes] = set()  # keys whose last value in the changelog is not ours
        self._older: dict[bytes, int] = {}  # keys whose values have an older form than ours, and which
        self._upgraded: list[Changes] = []  # what came of them, to be written in this order before anything else
        self._unsettled = False
        self.secret = NO_SECRET  # the fingerprint of the party secret that its values are made with
        self.term = NONE  # of the last owner that the changelog names; ours, once claimed
        self.next_offset = 0  # changelog records before it are in _data
        self.contiguous = True  # false once somebody else wrote into our changelog

    def __getitem__(self, key: bytes) -> bytes:
        return self._data[key]

    def __contains__(self, key: object) -> bool:
        return key in self._data

    def get(self, key: bytes, default: Any = None) -> Any:
        return self._data.get(key, default)

    def __setitem__(self, key: bytes, value: bytes) -> None:
        """The one place through which the state of a key grows. Raises ``FullError`` beyond the bound of its kind."""
        before = self._data.get(key)
        if before != value:
            check(self._bounds.of(key), before, value)
            self._put(key, value)
            self._log.append((key, before))

    def __delitem__(self, key: bytes) -> None:
        self._log.append((key, self._data[key]))
        self._put(key, None)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    @property
    def clean(self) -> bool:
        """True if the changelog holds everything this mapping holds."""
        return not self._log and not self._unsettled and not self._upgraded

    def begin(self) -> None:
        """A batch starts: until it is settled, memory may be ahead of the changelog."""
        self._unsettled = True

    def take_changes(self) -> Changes:
        """The touched and the disputed keys with their values, ``None`` where deleted; each once."""
        touched = dict.fromkeys([*self._disputed, *(key for key, _ in self._log)])
        self._log.clear()
        self._disputed.clear()
        return [(key, self._data.get(key)) for key in touched]

    def mark(self) -> int:
        """A point of the batch to roll back to."""
        return len(self._log)

    def roll_back(self, mark: int = 0) -> None:
        """Undo every change since the mark, or since the batch began."""
        while len(self._log) > mark:
            key, before = self._log.pop()
            self._put(key, before)

    def settle(self, written: list[tuple[int, int]]) -> None:
        """All changes taken are acknowledged; ``written``: (base offset, records) of each changelog batch."""
        self._unsettled = False
        for base, count in sorted(written):
            if base == self.next_offset and self.contiguous:
                self.next_offset = base + count
            else:
                self.contiguous = False  # whoever reads on from here sees what the log says

    def restore(self, key: bytes, value: bytes | None, term: bytes = NONE, form: int = FORM) -> None:
        """Apply one changelog record, unless it came after those of a later owner: then its key is written again."""
        # race: a request of the owner before was still in the network when this owner had written. The broker took it
        # as the last value, and whoever reads on would lose the newer one; shown by test_zombies.py
        if term < self.term:
            self._disputed.add(key)
            return
        self.term = term
        self._disputed.discard(key)
        if form != FORM and value is not None:
            self._older[key] = form
        else:
            self._older.pop(key, None)
        self._put(key, value)

    def upgrade(self, upgraded: Callable[[bytes, bytes, int], Pairs]) -> int:
        """Replace the values of older forms by what comes of them (``state_forms.upgraded``). Returns how many changed.

        Called when the changelog is read to its end. What ``take_upgraded`` returns afterwards has to be written before
        the partition takes any record. A key that has a value of our form already keeps it.
        """
        new: dict[bytes, bytes | None] = {}
        replaced: dict[bytes, bytes | None] = {}
        for key, form in self._older.items():
            pairs = dict(upgraded(key, self._data[key], form))
            if pairs == {key: self._data[key]}:
                continue
            replaced[key] = pairs.pop(key, None)
            new |= {key: value for key, value in pairs.items() if key not in self._data}
        self._older.clear()
        for key, value in [*replaced.items(), *new.items()]:
            self._put(key, value)
        self._upgraded = [part for part in (list(new.items()), list(replaced.items())) if part]
        return len(replaced)

    def take_upgraded(self) -> list[Changes]:
        """What ``upgrade`` changed, in parts: each must be acknowledged before the next is written."""
        parts, self._upgraded = self._upgraded, []
        return parts

    def _put(self, key: bytes, value: bytes | None) -> None:
        size = _size(key, value) - _size(key, self._data.get(key))
        self.sizes[self._bounds.of(key).kind] += size
        if value is None:
            self._data.pop(key, None)
        else:
            self._data[key] = value

    def claim(self, generation: int, now_ms: int) -> None:
        """The changelog is read to its end: from now on we write it."""
        self.term = next_term(self.term, generation, now_ms)

    def recovered(self, next_offset: int) -> None:
        """The changelog is applied up to, not including, this offset."""
        self.next_offset = next_offset
        self.contiguous = True


def _size(key: bytes, value: bytes | None) -> int:
    return 0 if value is None else len(key) + len(value)


class Table(faust.Table[bytes, bytes]):
    """A Faust table whose partitions are ``PartitionState``; the setting ``Table`` of the app."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._states: dict[int, PartitionState] = {}

    def partition(self, number: int) -> PartitionState:
        """The state of one partition; empty until it is recovered."""
        state = self._states.get(number)
        if state is None:
            state = self._states[number] = PartitionState(self.name)
        return state

    def keep_only(self, numbers: set[int]) -> None:
        """Forget lost partitions, and those whose memory may be ahead of the changelog: they are read afresh."""
        self._states = {n: s for n, s in self._states.items() if n in numbers and s.clean}

    async def on_start(self) -> None:
        """Faust would declare the changelog here; ``touchpoint topics`` does."""

"""What a feed must remember from record to record, and how that outlives its process."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable
from operator import itemgetter
from typing import Any, Self

import orjson

MOST = 100_000
"""Entries of a memory: at a few for each call that is under way, more than any system has."""
MOST_OF_ENTRY = 64 * 1024
"""Bytes of an entry. One that is larger is forgotten when it would be told: no system says so much of a call."""
MOST_BYTES = 64 * 1024 * 1024
"""Of all entries that were told; of more, those go that were put longest ago."""


class Memory:
    """By key, bounded, what was put longest ago goes first.

    Kept may be what JSON has, and tuples and frozensets of it; no lists. What comes back from bytes is equal.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._scope: str | None = None
        self._held: dict[Any, Any] = {}
        self._changed: dict[Any, None] = {}  # what `changes` has not told yet, in the order of the last change
        self._serial = 0  # of the last change that was told
        self._sizes: dict[Any, int] = {}  # bytes of each entry that was told
        self._bytes = 0  # of all of them
        self.forgotten: Counter[str] = Counter()
        """How many entries had no room, under "memory"; whoever reads it clears it."""

    def get(self, key: Any, default: Any = None) -> Any:
        return self._held.get((self._scope, key), default)

    def put(self, key: Any, value: Any) -> None:
        whole = (self._scope, key)
        self._held.pop(whole, None)
        self._held[whole] = value
        self._note(whole)
        if len(self._held) > self._most:
            oldest = next(iter(self._held))
            del self._held[oldest]
            self._forget(oldest)
            self.forgotten["memory"] += 1

    def pop(self, key: Any) -> Any:
        """What was kept under the key, which is forgotten; None where nothing was."""
        whole = (self._scope, key)
        if whole not in self._held:
            return None
        self._forget(whole)
        return self._held.pop(whole)

    def __len__(self) -> int:
        return len(self._held)

    def _note(self, whole: Any) -> None:
        self._changed.pop(whole, None)
        self._changed[whole] = None

    def _forget(self, whole: Any) -> None:
        if self._serial:
            self._note(whole)
        else:  # of what was never told there is nothing to take back
            self._changed.pop(whole, None)

    def of(self, scope: str | None) -> Memory:
        """The part of one of several feeds that share this memory's room: no other part sees its keys."""
        part = copy.copy(self)
        part._scope = scope  # noqa: SLF001 - its own
        return part

    # --- as bytes -----------------------------------------------------------------------------------------------

    def to_bytes(self) -> bytes:
        """All of it, oldest first, as JSON."""
        return _bytes(list(self._held.items()))

    @classmethod
    def from_bytes(cls, stored: bytes, most: int = MOST) -> Self:
        """What `to_bytes` gave, again. Raises ValueError for anything else."""
        memory = cls(most)
        try:
            memory._held = {_untagged(key): _untagged(value) for key, value in orjson.loads(stored)}
        except (TypeError, RecursionError):
            raise ValueError("not the memory of a feed") from None
        if not all(type(key) is tuple and len(key) == 2 for key in memory._held):
            raise ValueError("not the memory of a feed")
        return memory

    def changes(self) -> list[tuple[bytes, bytes | None]]:
        """The entries that changed since the last call, each by itself; None: it is forgotten."""
        found: dict[bytes, bytes | None] = {}
        for whole in self._changed:
            self._serial += 1
            key, value = _bytes(whole), None
            if whole in self._held:
                value = _bytes((self._serial, self._held[whole]))
                if len(key) + len(value) > MOST_OF_ENTRY:
                    value = None
                    self._drop(whole)
            found[key] = value
            self._weigh(whole, 0 if value is None else len(key) + len(value))
        self._changed.clear()
        while self._bytes > MOST_BYTES:
            oldest = next(iter(self._held))
            found[_bytes(oldest)] = None
            self._drop(oldest)
            self._weigh(oldest, 0)
        return list(found.items())

    def _drop(self, whole: Any) -> None:
        del self._held[whole]
        self.forgotten["memory"] += 1

    def _weigh(self, whole: Any, size: int) -> None:
        self._bytes += size - self._sizes.pop(whole, 0)
        if size:
            self._sizes[whole] = size

    @classmethod
    def restored(cls, entries: Iterable[tuple[bytes, bytes]], most: int = MOST) -> Self:
        """From the entries that `changes` told and that are there still, in any order. Raises ValueError for others."""
        memory = cls(most)
        read = ((key, *orjson.loads(value), len(key) + len(value)) for key, value in entries)
        told = sorted(read, key=itemgetter(1))
        for key, _, value, size in told:
            whole = _untagged(orjson.loads(key))
            memory._held[whole] = _untagged(value)
            memory._weigh(whole, size)
        memory._serial = told[-1][1] if told else 0
        return memory


_SET = "$set"


def _bytes(value: Any) -> bytes:
    return orjson.dumps(value, default=_tagged)


def _tagged(value: Any) -> Any:
    if isinstance(value, frozenset):
        return {_SET: sorted(value)}
    raise TypeError(f"a feed's memory cannot keep {type(value).__name__}")


def _untagged(value: Any) -> Any:
    """JSON has no tuples, so its lists are some."""
    if isinstance(value, list):
        return tuple(_untagged(each) for each in value)
    if isinstance(value, dict):
        if _SET in value:
            return frozenset(_untagged(each) for each in value[_SET])
        return {name: _untagged(each) for name, each in value.items()}
    return value

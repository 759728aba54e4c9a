"""How large the state of one key may be, by what the key is of, and what happens when it is full.

Every key of every table is written through ``tables.PartitionState``, which holds it to its bound. Before that, whoever
writes a key sheds what is remembered for convenience or refuses what would make it larger; what is left is refused by
``FullError``: the record that brought it becomes a dead letter. A worker never ends because a key is full.
"""

from __future__ import annotations

from typing import NamedTuple

from touchpoint.stages.protocol import FIRST, LAST, MOST_STATE

MIB = 1024 * 1024


class Bound(NamedTuple):
    """Of the keys of one kind: those of a table that begin with a prefix and with no other's."""

    table: str  # media, parties or feed
    kind: str  # the label of metrics
    prefix: bytes
    most: int  # bytes of one value
    holds: str
    when_full: str  # for docs/guarantees.md: who loses what


_CLOCK = "event time, how far topics have been read, and the sources with heartbeats"
_CLOCK_FULL = "of too many sources with heartbeats those go that sent the fewest: their silence counts as an item's own"

BOUNDS: tuple[Bound, ...] = (
    Bound("media", "clock", LAST, MIB, _CLOCK, _CLOCK_FULL),
    Bound(
        "media", "item", b"", MOST_STATE + MIB,
        "an open media item, those that travel with it, questions about it",
        "from 6 MiB on its events are dead letters (`too_large`) until it has closed; of questions about it the 1,000 "
        "latest stay: whoever asked before has no parent",
    ),
    Bound("parties", "clock", LAST, MIB, _CLOCK, _CLOCK_FULL),
    Bound(
        "parties", "closed", FIRST, 4 * MIB,
        "what is remembered of a party's closed interactions",
        "beyond 1,000 interactions or 2 MiB the oldest are forgotten before their time: what comes late for them is an "
        "interaction of its own. Of one interaction the names that go first are those of messages",
    ),
    Bound(
        "parties", "questions", b"?", 2 * MIB,
        "questions about a party's media items that wait for event time",
        "beyond 1,000 or 1 MiB the oldest go: whoever asked has no parent",
    ),
    Bound(
        "parties", "party", b"", MOST_STATE + 4 * MIB,
        "what is open of a party, its identity, where its things went",
        "from 6 MiB on what concerns it is a dead letter (`too_large`) until something closes; of identity the 200 "
        "latest changes stay, of ways the 1,000 latest and at most 1 MiB: what comes late for older ones is an "
        "interaction of its own",
    ),
    Bound("feed", "clock", LAST, MIB, _CLOCK, _CLOCK_FULL),
    Bound(
        "feed", "memory", b"memory\0", MIB,
        "what a dialect remembers from record to record, each entry by itself",
        "an entry of more than 64 KiB is forgotten at once, beyond 100,000 entries or 64 MiB the oldest are: a call "
        "that is under way may lack what came before",
    ),
)  # fmt: skip

_OTHER = Bound("", "other", b"", 4 * MIB, "", "")


class FullError(Exception):
    """A value larger than its key may have, and larger than the one before: whatever brought it is refused."""


class Bounds:
    """Those of one table."""

    def __init__(self, table: str = "") -> None:
        """``table``: its name; the tables of topics with a dialect begin with ``feed-``."""
        name = "feed" if table.startswith("feed-") else table
        self._bounds = sorted((b for b in BOUNDS if b.table == name), key=lambda b: -len(b.prefix))

    def kinds(self) -> list[str]:
        """What keys may be of."""
        return [bound.kind for bound in self._bounds]

    def of(self, key: bytes) -> Bound:
        """Hot path: the bound of a key."""
        for bound in self._bounds:
            if key.startswith(bound.prefix):
                return bound
        return _OTHER


def check(bound: Bound, before: bytes | None, value: bytes) -> None:
    """Raises ``FullError`` if a value is too large for its key. What is smaller than before is always taken."""
    if len(value) > bound.most and len(value) > len(before or b""):
        raise FullError(f"the state of its {bound.kind} is full: at most {bound.most >> 20} MiB (docs/guarantees.md)")

"""Event time as partitions see it: watermarks of inputs, and progress that travels with the data (stitching.md, 4)."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from touchpoint.stitching.facts import Micros

EMPTY: Micros = 2**62
"""The watermark of an input that never had an event and has been read to its end for a while: it holds nothing back."""


class Input(msgspec.Struct, array_like=True):
    """One input partition: Flink's watermark, and the pace of the wall clock while it is idle.

    An input that never had an event is not waited for, but only once others have had some for as long as the allowed
    disorder: where everything begins at once, none is ahead because its first event was read a moment earlier.

    `standing`: what it says of parties stands, however long ago it was said. Such an input is waited for as long as it
    is not read to its end, so that nothing closes before it is known whose it is, and then holds nothing back.
    """

    latest: Micros | None = None  # the greatest event time seen
    idle: Micros = 0  # for how long it has been read to its end since, by the wall clock
    standing: bool = False
    at_end: bool = False  # when time last passed

    def saw(self, time: Micros) -> None:
        """An event: time is at least there, and no longer runs on by itself."""
        self.at_end = False
        if self.latest is None or time > self.latest:
            self.idle = 0 if self.latest is None else max(0, self.idle - (time - self.latest))
            self.latest = time

    def passes(self, elapsed: Micros, caught_up: bool, begun: bool = True) -> None:
        """Wall clock time went by: it counts where everything has been read, and there was an event anywhere."""
        self.at_end = caught_up
        if caught_up and (begun or self.latest is not None):
            self.idle += elapsed

    def watermark(self, disorder: Micros) -> Micros | None:
        """No event before it is expected; None: nothing is known yet, so time stands still."""
        if self.standing:
            return EMPTY if self.at_end else None if self.latest is None else self.latest - disorder
        if self.latest is None:
            return EMPTY if self.idle >= disorder else None
        return self.latest - disorder + self.idle


def least(watermarks: Collection[Micros | None]) -> Micros | None:
    """Time is where the slowest is; unknown if any is unknown or none is there."""
    known = [w for w in watermarks if w is not None]
    return min(known) if known and len(known) == len(watermarks) else None


class Progress(msgspec.Struct, array_like=True):
    """What every sending partition has told of its progress, by hop.

    A record may hop from partition to partition. What a partition has received of all senders at hop n is
    what it has passed on at hop n + 1; whoever acts, acts on the last hop: nothing older can still be under way.
    """

    hops: int
    senders: int
    told: dict[int, list[Micros]] = {}  # by sender: its watermarks by hop

    def hear(self, sender: int, watermarks: list[Micros]) -> None:
        """A sender's watermarks never go back, unless it had nothing and now has its first event."""
        known = self.told.get(sender, watermarks)
        self.told[sender] = [b if a == EMPTY else max(a, b) for a, b in zip(known, watermarks, strict=True)]

    @property
    def begun(self) -> bool:
        """Whether any sender had an event."""
        return any(abs(watermarks[0]) != EMPTY for watermarks in self.told.values())

    def at(self, hop: int) -> Micros | None:
        """How far everything of a hop has arrived here."""
        if len(self.told) < self.senders:
            return None
        return min(watermarks[hop] for watermarks in self.told.values())

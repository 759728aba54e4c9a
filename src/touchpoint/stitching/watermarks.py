"""Event time as partitions see it: watermarks of inputs, and progress that travels with the data (stitching.md, 4)."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from touchpoint.stitching.facts import HOUR, Micros

EMPTY: Micros = 2**62
"""The watermark of an input that never had an event and has been read to its end for a while: it holds nothing back."""
UNKNOWN: Micros = -EMPTY
"""The watermark of whoever cannot tell."""
HISTORY: Micros = HOUR
"""An event that is older than this when it is appended belongs to a backfill, whose pauses are no idle time."""


class Input(msgspec.Struct, array_like=True):
    """One input partition: Flink's watermark, and the broker's time while the partition is idle.

    Read to its end, the input stands at its latest event plus the time that has passed at the broker since that
    event's record was appended. So time in which no worker ran, or a worker was starved, is made up for at once.

    Events older than HISTORY at their append count only where time has not passed them yet. Time then stands at the
    latest of them until they are over: until their source flushes, or sends none for as long as HISTORY. Elsewhere they
    move nothing and hold nothing back, so that nobody stops a live stream by what is old.

    An input that never had an event is not waited for, but only once others have had some for as long as the allowed
    disorder: where everything begins at once, none is ahead because its first event was read a moment earlier.

    `standing`: what it says of parties stands, however long ago it was said. Such an input is waited for as long as it
    is not read to its end, so that nothing closes before it is known whose it is, and then holds nothing back.
    """

    latest: Micros | None = None  # the greatest event time seen, without history
    idle: Micros = 0  # how far time has run on since
    standing: bool = False
    at_end: bool = False  # when time last passed
    since: Micros | None = None  # by the broker: when `latest` was appended; without it, when others had begun
    history: Micros | None = None  # the greatest time of a backfill that came first and is not over
    heard: Micros = 0  # by the broker: when the last of its events was appended
    teller: tuple[str, str] = ("", "")  # tenant and source of its greatest event
    began: tuple[Micros, Micros] = (0, 0)  # its first event, and when that was appended

    def observe(
        self, time: Micros, appended: Micros, teller: tuple[str, str] = ("", ""), reached: Micros | None = None
    ) -> None:
        """An event, and when its record was appended: time is at least there, and no longer runs on by itself.

        `reached`: what all inputs together have come to, if that is known.
        """
        self.at_end = False
        if appended - time > HISTORY:
            passed = (reached is not None and time <= reached) or (
                self.latest is not None and time <= self.latest + self.idle
            )
            if self.history is not None or not passed:
                if self.history is None:
                    self.began = time, appended
                if self.history is None or time > self.history:
                    self.history, self.teller = time, teller
                self.heard = max(self.heard, appended)
        elif self.latest is None or time > self.latest:
            self.idle = 0 if self.latest is None else max(0, self.idle - (time - self.latest))
            self.latest, self.since = time, appended

    def flushed(self, until: Micros, teller: tuple[str, str]) -> None:
        """The source of a backfill says that it has told everything."""
        if self.history is not None and teller == self.teller and until >= self.history:
            self.history = None

    def advance(self, now: Micros, caught_up: bool, begun: bool = True) -> None:
        """The broker's time is `now`: it counts where everything has been read, and there was an event anywhere."""
        self.at_end = caught_up
        if self.history is not None and self._is_over(now, caught_up):
            self.history = None
        if not caught_up:
            return
        if begun or self.latest is not None:
            if self.since is None:
                self.since = now - self.idle
            self.idle = max(self.idle, now - self.since)

    def _is_over(self, now: Micros, caught_up: bool) -> bool:
        """Nothing more came of it; or it is the clock of a source that is behind: a backfill is faster than time."""
        time, appended = self.began
        elapsed, told = now - appended, (self.history or time) - time
        return (caught_up and now - self.heard > HISTORY) or (elapsed > HISTORY and told < elapsed)

    def watermark(self, disorder: Micros) -> Micros | None:
        """No event before it is expected; None: nothing is known yet, so time stands still."""
        if self.standing:
            known = self.history if self.latest is None else self.latest
            return EMPTY if self.at_end else None if known is None else known - disorder
        if self.history is not None:
            return self.history - disorder
        if self.latest is None:
            return EMPTY if self.idle >= disorder else None
        return self.latest - disorder + self.idle

    def bound(self, most: Micros) -> None:
        """Of an older release's state: no clock is ahead of `most`."""
        if self.latest is not None and self.latest + self.idle > most:
            self.latest, self.idle = min(self.latest, most), 0


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

    def receive(self, sender: int, watermarks: list[Micros]) -> None:
        """A sender's watermarks never go back, unless it had nothing and now has its first event. What is not known
        changes nothing.
        """
        known = self.told.get(sender, watermarks)
        self.told[sender] = [
            b if a == EMPTY and b != UNKNOWN else max(a, b) for a, b in zip(known, watermarks, strict=True)
        ]

    @property
    def begun(self) -> bool:
        """Whether any sender had an event."""
        return any(abs(watermarks[0]) != EMPTY for watermarks in self.told.values())

    def at(self, hop: int) -> Micros | None:
        """How far everything of a hop has arrived here."""
        if len(self.told) < self.senders:
            return None
        return min(watermarks[hop] for watermarks in self.told.values())

    def bound(self, most: Micros) -> None:
        """Of an older release's state: no sender is ahead of `most`."""
        for sender, watermarks in self.told.items():
            self.told[sender] = bounded(watermarks, most)


def bounded(watermarks: list[Micros], most: Micros) -> list[Micros]:
    """Watermarks, none ahead of `most`, but for those that hold nothing back."""
    return [each if each == EMPTY else min(each, most) for each in watermarks]

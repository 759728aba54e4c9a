"""Event time of one partition of a topic with a dialect; the media agent waits for it as for an input of its own."""

from __future__ import annotations

import msgspec

from touchpoint.stitching.facts import Fact, Micros
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.watermarks import EMPTY, Input
from touchpoint.stream.clock import LONGEST_TICK, UNKNOWN, Reached, broadcast_every, sign_of_life
from touchpoint.stream.stage import Forward, Record
from touchpoint.stream.touches import LINKS, TOUCHES, Told, told


class FeedTime(msgspec.Struct, array_like=True):
    """What of time and of the place in the topic must outlive a restart."""

    input: Input
    reached: Reached = msgspec.field(default_factory=Reached)
    beats: dict[str, list[Micros]] = {}


class FeedClock:
    """Keeps the time of one partition of a feed's topic; tells it to every partition of the media agent."""

    def __init__(self, topic: str, partition: int, of: int, partitions: int, time: FeedTime, limits: Limits) -> None:
        """``of``: partitions of the topic; ``partitions``: those of the media agent."""
        self._topic, self._partition, self._of, self._partitions = topic, partition, of, partitions
        self.time, self._limits = time, limits
        self._caught_up = False
        self._ticked: Micros | None = None
        self._told_at: Micros = 0
        self._said: Micros | None = None

    @property
    def watermark(self) -> Micros | None:
        """How far this partition has come; None while it has not told anything."""
        if self.time.input.latest is None:
            return None
        return self.time.input.watermark(self._limits.disorder)

    def was_taken(self, record: Record) -> bool:
        """Whether a record is read again that the state knows already."""
        if self.time.reached.has(record):
            return True
        self.time.reached.take([record])
        return False

    def saw(self, fact: Fact) -> Micros | None:
        """An event; returns its time if it is a sign of life of a source with a heartbeat."""
        self.time.input.saw(fact.time)
        return sign_of_life(self.time.beats, fact, self._limits)

    def signs(self, signs: dict[str, list[Micros]]) -> list[Forward]:
        """Signs of life, told at once: they must be durable with the events that gave them."""
        if not signs:
            return []
        return told(TOUCHES, Told(self._topic, self._partition, [UNKNOWN], signs), self._partitions)

    def passes(self, now: Micros, caught_up: bool) -> None:
        """The wall clock: a topic that is read to its end runs on at its pace."""
        elapsed = 0 if self._ticked is None else min(LONGEST_TICK, max(0, now - self._ticked))
        self._ticked, self._caught_up = now, caught_up
        if self.time.input.latest is not None:
            self.time.input.passes(elapsed, caught_up)

    def broadcast(self, now: Micros) -> list[Forward]:
        """Our progress, if there is any and not too often. Who never had a record says that it holds nothing back."""
        own = self.watermark
        if own is None and self._caught_up:
            own = EMPTY
        if own is None or own == self._said or now - self._told_at < broadcast_every(max(self._of, self._partitions)):
            return []
        self._told_at, self._said = now, own
        return told(LINKS, Told(self._topic, self._partition, [own], {}, self._of), self._partitions)

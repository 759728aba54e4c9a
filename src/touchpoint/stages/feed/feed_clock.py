"""Event time of one partition of a topic with a dialect; the media agent waits for it as for an input of its own."""

from __future__ import annotations

import msgspec

from touchpoint.stages.heartbeats import Sources
from touchpoint.stages.media.media_clock import Reached, TimeBound, broadcast_every
from touchpoint.stages.messages import LINKS, TOUCHES, Flush, Life, WatermarkUpdate, broadcast
from touchpoint.stages.protocol import Assignment, Forward, Record
from touchpoint.stitching.facts import Fact, Micros
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.watermarks import EMPTY, UNKNOWN, Input


class FeedTime(msgspec.Struct, array_like=True):
    """What of time and of the place in the topic must outlive a restart."""

    input: Input
    reached: Reached = msgspec.field(default_factory=Reached)
    beats: dict[str, list[Micros]] = {}  # of release 0.1.0: not read
    flushed: Micros = 0  # the time of the latest declaration read here
    is_bounded: bool = False


class FeedClock:
    """Keeps the time of one partition of a feed's topic; tells it to every partition of the media agent."""

    def __init__(self, topic: str, assignment: Assignment, time: FeedTime, limits: Limits) -> None:
        self._topic, self._partition = topic, assignment.partition
        self._of, self._partitions = assignment.topic_partitions, assignment.partitions
        self.time, self._limits = time, limits
        self.time.beats = {}
        self._sources = Sources(assignment.state, limits)
        self._bound = TimeBound(limits)
        self._caught_up = False
        self._last_sent_at: Micros = 0
        self._last_sent: tuple[Micros, Micros] | None = None

    @property
    def watermark(self) -> Micros | None:
        """How far this partition has come; None while it has not told anything."""
        if self.time.input.latest is None and self.time.input.history is None:
            return None
        return self.time.input.watermark(self._limits.disorder)

    def taken(self, record: Record, now: Micros) -> Micros | None:
        """When a record was appended; None if it is read again and the state knows it already."""
        if self.time.reached.has(record):
            return None
        appended = self._bound.appended(record, self.time.reached, now)
        self.time.reached.extend_to([record])
        return appended

    def observe(self, fact: Fact, appended: Micros, news: dict[str, Life]) -> None:
        """An event; what it tells of its source's life goes to ``news``."""
        self.time.input.observe(fact.time, appended, (fact.tenant, fact.source))
        self._sources.observe(fact, news)

    def passed(self, fact: Fact) -> None:
        """A declaration was read: what it speaks of came before it."""
        self.time.flushed = max(fact.time, self.time.flushed)

    def flushed(self, fact: Fact) -> list[Forward]:
        """A declaration: told to all parties."""
        self.passed(fact)
        self.time.input.flushed(fact.data["until"], (fact.tenant, fact.source))
        flush = Flush(fact.time, fact.data["until"], fact.tenant, fact.source)
        return broadcast(
            TOUCHES, WatermarkUpdate(self._topic, self._partition, [UNKNOWN], flushes=[flush]), self._partitions
        )

    def lives(self, news: dict[str, Life]) -> list[Forward]:
        """Signs of life, told at once: they must be durable with the events that gave them."""
        if not news:
            return []
        return broadcast(
            TOUCHES, WatermarkUpdate(self._topic, self._partition, [UNKNOWN], lives=news), self._partitions
        )

    def advance(self, now: Micros, caught_up: bool) -> None:
        """A topic that is read to its end runs on at the pace of our clock: nothing else here has the broker's stamp.

        Whoever hears of it believes no more than the stamp of the message.
        """
        if not self.time.is_bounded:  # state of release 0.1.0, which believed any clock
            self.time.input.bound(now + self._limits.ahead)
            self.time.is_bounded = True
        self._caught_up = caught_up
        if self.time.input.latest is not None or self.time.input.history is not None:
            self.time.input.advance(now, caught_up)
        if self.watermark is not None:
            self._sources.forget(self.watermark)

    def broadcast(self, now: Micros) -> list[Forward]:
        """Our progress, if there is any and not too often. Who never had a record says that it holds nothing back."""
        own = self.watermark
        if own is None and self._caught_up:
            own = EMPTY
        said = (own if own is not None else UNKNOWN, self.time.flushed)
        often = broadcast_every(max(self._of, self._partitions))
        if said in ((UNKNOWN, 0), self._last_sent) or now - self._last_sent_at < often:
            return []
        self._last_sent_at, self._last_sent = now, said
        history = self.time.input.history is not None
        message = WatermarkUpdate(
            self._topic, self._partition, [said[0]], of=self._of, flushed=[self.time.flushed], is_history=history
        )
        return broadcast(LINKS, message, self._partitions)

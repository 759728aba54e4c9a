"""Event time of one partition of the media agent: its inputs, its links, the declarations that it has seen."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence

import msgspec

from touchpoint.events import Accepted, DeadLetter, Verdict
from touchpoint.stages.due_times import stamped, unstamped
from touchpoint.stages.heartbeats import Sources
from touchpoint.stages.messages import LINKS, TOUCHES, Flush, Life, WatermarkUpdate, broadcast
from touchpoint.stages.protocol import LAST, Assignment, Forward, InputTime, Record
from touchpoint.stitching.facts import FLUSHED, SECOND, Fact, Micros
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.watermarks import EMPTY, UNKNOWN, Input, Progress, bounded, least

OURS = LAST
_KEY = OURS + b"progress"
STANDING = "parties"
"""The input that tells of parties: it is read before time passes, and has no time of its own."""
LINK_HOPS = 2
LONGEST_TICK: Micros = 5 * SECOND
"""So long after the last stamp of the broker our own clock is believed to say how much time has passed there."""
STAMP = "stamp"
STAMP_EVERY: Micros = 2 * SECOND
"""Without a record the broker's time is not known: so often at least a partition tells itself something."""
READ_EVERY: Micros = 10 * SECOND
MOST_READ = 100
MOST_FLUSHES = 100
"""Declarations that are remembered, the latest."""


class Feeding(msgspec.Struct, array_like=True):
    """A topic with a dialect: what each of its partitions, however many there are, has told of its time."""

    progress: Progress = msgspec.field(default_factory=lambda: Progress(1, 0))
    begun: Micros = 0  # for how long there have been events anywhere, by the wall clock
    flushed: Progress = msgspec.field(default_factory=lambda: Progress(1, 0))

    def receive(self, message: WatermarkUpdate, most: Micros, reached: Micros | None) -> None:
        self.progress.senders = self.flushed.senders = max(self.progress.senders, message.of)
        passed = message.is_history and reached is not None and message.watermarks[0] <= reached
        self.progress.receive(message.sender, [EMPTY] if passed else bounded(message.watermarks, most))
        if message.flushed:
            self.flushed.receive(message.sender, message.flushed)

    def watermark(self, disorder: Micros) -> Micros | None:
        """As of an input: partitions without events are not waited for, once others have had some for a while."""
        if not self.progress.senders or (reached := self.progress.at(0)) is None:
            return None
        waits = self.begun < disorder and any(told == [EMPTY] for told in self.progress.told.values())
        return None if waits else reached


class Reached(msgspec.Struct, array_like=True):
    """How far a topic has been read: what lies before it is in the state, and what followed from it is out."""

    next_offset: int = 0
    newest: int = -1  # the greatest of the records' timestamps, milliseconds
    read: list[tuple[int, Micros]] = []  # (offset, our clock when it was read first), where the broker does not stamp

    def has(self, record: Record) -> bool:
        """Whether a record is read again, as after a crash before its commit.

        A topic that was deleted and made anew counts from 0 again, but with later stamps.
        """
        return record.offset < self.next_offset and record.timestamp <= self.newest

    def extend_to(self, records: Sequence[Record]) -> None:
        self.next_offset = records[-1].offset + 1
        self.newest = max(self.newest, *[record.timestamp for record in records])

    def first_read(self, record: Record, now: Micros) -> Micros:
        """Our clock when a record was read for the first time, in steps of READ_EVERY. Of those long ago, the first
        that is remembered.
        """
        if not self.has(record) and (not self.read or now - self.read[-1][1] >= READ_EVERY):
            self.read = [*self.read, (record.offset, now)][-MOST_READ:]
        place = bisect_right(self.read, record.offset, key=_offset) - 1
        return self.read[max(0, place)][1] if self.read else now


def _offset(mark: tuple[int, Micros]) -> int:
    return mark[0]


class MediaTime(msgspec.Struct, array_like=True):
    """What of time must outlive a restart."""

    inputs: dict[str, Input]
    links: Progress
    beats: dict[str, list[Micros]] = {}  # of release 0.1.0: not read
    feeds: dict[str, Feeding] = {}
    reached: dict[str, Reached] = {}  # by topic
    broker: Micros | None = None  # its latest stamp
    flushed: dict[str, Micros] = {}  # by input topic: the time of the latest declaration read there
    flushes: list[Flush] = []  # the latest
    flush_links: Progress | None = None
    is_bounded: bool = False  # no clock is ahead of the events' appends; false in state of release 0.1.0


_decode = msgspec.msgpack.Decoder(MediaTime).decode
_encode = msgspec.msgpack.Encoder().encode


class BrokerTime:
    """The broker's clock, as the stamps of what a partition reads tell it; between them, for a while, ours.

    Where the broker does not stamp, ours is taken instead.
    """

    def __init__(self, known: Micros | None = None) -> None:
        self.stamp = known
        self._seen_at: Micros | None = None
        self._stamps = True

    def observe(self, record: Record, now: Micros) -> None:
        """A record that was read."""
        if record.stamped:
            time = record.timestamp * 1000
            self._stamps = True
            if self.stamp is None or time > self.stamp:
                self.stamp, self._seen_at = time, now
        elif record.topic == LINKS or self.stamp is None:
            self._stamps = False

    def at(self, now: Micros) -> Micros | None:
        """The broker's time when our clock says `now`; None while nothing is known of it."""
        if not self._stamps:
            return now
        if self.stamp is None:
            return None
        if self._seen_at is None:
            self._seen_at = now
        return self.stamp + min(LONGEST_TICK, max(0, now - self._seen_at))


class TimeBound:
    """Which events are ahead of time: the same verdict whenever a record is read.

    The bound is the append of the event's own record, as the broker stamped it. Without a stamp it is our clock when
    the record was read first, which is kept with the state.
    """

    def __init__(self, limits: Limits) -> None:
        self._ahead = limits.ahead
        self._early = DeadLetter(
            f"time is more than {limits.ahead // SECOND} seconds after the event reached Kafka: check the clock of the "
            "source (or of the broker); TOUCHPOINT_LIMITS__AHEAD is what is allowed",
            "time",
        )
        self._until = DeadLetter("data.until is later than the event itself may be: nothing can be told of it", "time")

    def appended(self, record: Record, reached: Reached, now: Micros) -> Micros:
        """When a record was appended."""
        return record.timestamp * 1000 if record.stamped else reached.first_read(record, now)

    def verdict(self, verdict: Verdict, appended: Micros) -> Verdict:
        """The verdict on a record, or that it is ahead."""
        if isinstance(verdict, Accepted):
            return self.ahead(verdict.fact, appended) or verdict
        if isinstance(verdict, DeadLetter) and verdict.about is not None and self.ahead(verdict.about, appended):
            return DeadLetter(verdict.cause, verdict.code)
        return verdict

    def ahead(self, fact: Fact, appended: Micros) -> DeadLetter | None:
        """Why a fact does not count, if it does not."""
        most = appended + self._ahead
        if fact.time > most:
            return self._early
        return self._until if fact.verb == FLUSHED and fact.data["until"] > most else None


class MediaClock:
    """Reads and keeps the time of one media partition; tells it to everyone who waits for it."""

    def __init__(
        self, assignment: Assignment, holding: Collection[str], limits: Limits, feeds: Collection[str] = ()
    ) -> None:
        self._partition, self._partitions = assignment.partition, assignment.partitions
        self._state, self._limits = assignment.state, limits
        state, partitions = self._state, self._partitions
        raw = state.get(_KEY)
        fresh = MediaTime({}, Progress(LINK_HOPS, partitions), is_bounded=True)
        self.time = _decode(unstamped(raw)) if raw is not None else fresh
        self.time.beats = {}
        self.time.flush_links = self.time.flush_links or Progress(LINK_HOPS, partitions)
        self.time.inputs = {
            topic: self.time.inputs.get(topic) or Input(standing=topic == STANDING) for topic in holding
        }
        self.time.feeds = {topic: self.time.feeds.get(topic) or Feeding() for topic in feeds}
        self.time.flushed = {topic: at for topic, at in self.time.flushed.items() if topic in holding}
        self._sources = Sources(state, limits)
        self._tellers: dict[str, str] = {}  # by input: the source of its latest event
        self._broker = BrokerTime(self.time.broker)
        self._ticked: Micros | None = None
        self._last_sent_at: Micros = 0
        self._last_sent: object = None

    @property
    def watermark(self) -> Micros | None:
        """How far everything that concerns this partition's media items has come; None: not known."""
        return _unless_empty(self.time.links.at(LINK_HOPS - 1))

    def inputs(self) -> dict[str, InputTime]:
        """The time of each input, for people: which of them, and which source in it, holds the others back."""
        disorder = self._limits.disorder
        times = {topic: InputTime(feed.watermark(disorder), "") for topic, feed in self.time.feeds.items()}
        for topic, known in self.time.inputs.items():
            source = self._tellers.get(topic, "") if known.history is None else known.teller[1]
            began = known.latest is not None or known.history is not None
            times[topic] = InputTime(known.watermark(disorder), source if began else None)
        return times

    def save(self) -> None:
        """Into the state."""
        self.time.broker = self._broker.stamp
        self._state[_KEY] = stamped(None, _encode(self.time))

    def reached(self, topic: str) -> Reached:
        """How far a topic has been read."""
        return self.time.reached.setdefault(topic, Reached())

    def observe_stamp(self, record: Record, now: Micros) -> None:
        """A record: the broker may have stamped it."""
        self._broker.observe(record, now)

    def mark_read(self, records: Sequence[Record]) -> None:
        """Records of one topic; what is read again takes nothing back."""
        if records and not self.was_read(records[-1]):
            self.reached(records[0].topic).extend_to(records)

    def was_read(self, record: Record) -> bool:
        """Whether a record is read again."""
        return (reached := self.time.reached.get(record.topic)) is not None and reached.has(record)

    def observe(self, topic: str, fact: Fact, appended: Micros, news: dict[str, Life]) -> None:
        """An event of an input; what it tells of its source's life goes to ``news``."""
        if (known := self.time.inputs.get(topic)) is not None:
            known.observe(fact.time, appended, (fact.tenant, fact.source), self.watermark)
            if known.latest == fact.time:
                self._tellers[topic] = fact.source
        self._sources.observe(fact, news)

    def passed(self, topic: str, fact: Fact) -> None:
        """A declaration was read in an input: what it speaks of came before it there."""
        self.time.flushed[topic] = max(fact.time, self.time.flushed.get(topic, 0))

    def flushed(self, topic: str, fact: Fact) -> list[Forward]:
        """A declaration of an input; the first time that this partition reads it, it is told to all parties."""
        self.passed(topic, fact)
        if (known := self.time.inputs.get(topic)) is not None:
            known.flushed(fact.data["until"], (fact.tenant, fact.source))
        flush = Flush(fact.time, fact.data["until"], fact.tenant, fact.source)
        if flush in self.time.flushes:
            return []
        self.time.flushes = sorted([*self.time.flushes, flush])[-MOST_FLUSHES:]
        return broadcast(
            TOUCHES, WatermarkUpdate("media", self._partition, [UNKNOWN], flushes=[flush]), self._partitions
        )

    def receive(self, message: WatermarkUpdate, record: Record) -> None:
        """What a partition tells of its progress. Of a topic that is declared no longer it does not matter."""
        most = furthest(record, self._limits)
        if message.stage == "media":
            self.time.links.receive(message.sender, bounded(message.watermarks, most))
            if message.flushed and self.time.flush_links is not None:
                self.time.flush_links.receive(message.sender, message.flushed)
        elif (feeding := self.time.feeds.get(message.stage)) is not None:
            feeding.receive(message, most, self.watermark)

    def lives(self, news: dict[str, Life]) -> list[Forward]:
        """Signs of life, told at once: they must be durable with the events that gave them."""
        if not news:
            return []
        update = WatermarkUpdate("media", self._partition, [UNKNOWN], lives=news)
        return broadcast(TOUCHES, update, self._partitions)

    def advance(self, now: Micros, caught_up: Collection[str]) -> None:
        """Our clock says `now`: an input that is read to its end runs on at the broker's pace."""
        if not self.time.is_bounded:
            self._bound(now + self._limits.ahead)
        # a machine that slept, or a tick that waited for a broker, is no quiet time of the sources; shown by
        # test_a_tick_that_waited_for_the_broker_does_not_count_as_a_quiet_time
        elapsed = 0 if self._ticked is None else min(LONGEST_TICK, max(0, now - self._ticked))
        self._ticked = now
        begun = (
            self.time.links.begun
            or any(known.latest is not None and not known.standing for known in self.time.inputs.values())
            or any(feeding.progress.begun for feeding in self.time.feeds.values())
        )
        if (time := self._broker.at(now)) is not None:
            for topic, known in self.time.inputs.items():
                known.advance(time, topic in caught_up, begun)
        for feeding in self.time.feeds.values():
            feeding.begun += elapsed if begun else 0
        if self.watermark is not None:
            self._sources.forget(self.watermark)

    def _bound(self, most: Micros) -> None:
        """State of release 0.1.0, which believed any clock: what is ahead of ours is set back once."""
        for known in self.time.inputs.values():
            known.bound(most)
        for progress in (self.time.links, *(feeding.progress for feeding in self.time.feeds.values())):
            progress.bound(most)
        self.time.is_bounded = True

    def broadcast(self, now: Micros) -> list[Forward]:
        """Our progress, if there is any and not too often; and now and then something to ourselves, for its stamp."""
        if now - self._last_sent_at < broadcast_every(self._partitions):
            return []
        links, flush_links = self.time.links, self.time.flush_links
        assert flush_links is not None
        waited_for: list[Input | Feeding] = [*self.time.inputs.values(), *self.time.feeds.values()]
        own = least([known.watermark(self._limits.disorder) for known in waited_for])
        hops = [_known(own), *(_known(links.at(hop)) for hop in range(LINK_HOPS - 1))]
        flushed = [self._all_flushed(), *(flush_links.at(hop) or 0 for hop in range(LINK_HOPS - 1))]
        final, final_flush = _known(links.at(LINK_HOPS - 1)), flush_links.at(LINK_HOPS - 1) or 0
        said = (hops, final, flushed, final_flush)
        if (own is None and not any(flushed)) or said == self._last_sent:
            if now - self._last_sent_at < STAMP_EVERY:
                return []
            # without a record nobody knows the broker's time, and a quiet night would close nothing (test_time.py)
            self._last_sent_at = now
            return broadcast(LINKS, WatermarkUpdate(STAMP, self._partition, []), 1, self._partition)
        self._last_sent_at, self._last_sent = now, said
        last = WatermarkUpdate("media", self._partition, [final], flushed=[final_flush])
        return [
            *broadcast(LINKS, WatermarkUpdate("media", self._partition, hops, flushed=flushed), self._partitions),
            *broadcast(TOUCHES, last, self._partitions),
        ]

    def _all_flushed(self) -> Micros:
        """The time of the latest declaration that was read in every input."""
        feeds = (feeding.flushed.at(0) or 0 if feeding.flushed.senders else 0 for feeding in self.time.feeds.values())
        return min([*(self.time.flushed.get(topic, 0) for topic in self.time.inputs), *feeds], default=0)


def furthest(record: Record, limits: Limits) -> Micros:
    """How far an honest partition can have come that told of its progress in a record."""
    return record.timestamp * 1000 + limits.ahead if record.stamped else EMPTY


def broadcast_every(partitions: int) -> Micros:
    """Everyone tells everyone: the more they are, the rarer, so that messages grow with them, not with the square."""
    return max(100_000, 20_000 * partitions)


def _known(watermark: Micros | None) -> Micros:
    return UNKNOWN if watermark is None else watermark


def _unless_empty(watermark: Micros | None) -> Micros | None:
    return None if watermark in (UNKNOWN, EMPTY) else watermark

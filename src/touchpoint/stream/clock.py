"""Event time of one partition of the media agent: its inputs, its links, the heartbeats that it has seen."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from touchpoint.stitching.facts import SECOND, Fact, Micros
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.watermarks import EMPTY, Input, Progress, least
from touchpoint.stream.stage import LAST, Forward, Record, State
from touchpoint.stream.timers import stamped, unstamped
from touchpoint.stream.touches import LINKS, TOUCHES, Told, told

OURS = LAST
_KEY = OURS + b"progress"
UNKNOWN: Micros = -EMPTY
STANDING = "parties"
"""The input that tells of parties: it is read before time passes, and has no time of its own."""
LINK_HOPS = 2
_BEATS_KEPT = 16
LONGEST_TICK: Micros = 5 * SECOND
"""What lies between two ticks beyond it was a wait for the broker, or a machine that stood still: not a quiet input."""


class Feeding(msgspec.Struct, array_like=True):
    """A topic with a dialect: what each of its partitions, however many there are, has told of its time."""

    progress: Progress = msgspec.field(default_factory=lambda: Progress(1, 0))
    begun: Micros = 0  # for how long there have been events anywhere, by the wall clock

    def hear(self, message: Told) -> None:
        self.progress.senders = max(self.progress.senders, message.of)
        self.progress.hear(message.sender, message.watermarks)

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

    def has(self, record: Record) -> bool:
        """Whether a record is read again, as after a crash before its commit.

        A topic that was deleted and made anew counts from 0 again, but with later stamps.
        """
        return record.offset < self.next_offset and record.timestamp <= self.newest

    def take(self, records: Sequence[Record]) -> None:
        self.next_offset = records[-1].offset + 1
        self.newest = max(self.newest, *[record.timestamp for record in records])


class MediaTime(msgspec.Struct, array_like=True):
    """What of time must outlive a restart."""

    inputs: dict[str, Input]
    links: Progress
    beats: dict[str, list[Micros]] = {}
    feeds: dict[str, Feeding] = {}
    reached: dict[str, Reached] = {}  # by topic


_decode = msgspec.msgpack.Decoder(MediaTime).decode
_encode = msgspec.msgpack.Encoder().encode


class MediaClock:
    """Reads and keeps the time of one media partition; tells it to everyone who waits for it."""

    def __init__(
        self, partition: int, partitions: int, state: State, holding: Collection[str], limits: Limits,
        feeds: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._partition, self._partitions, self._state, self._limits = partition, partitions, state, limits
        raw = state.get(_KEY)
        fresh = MediaTime({}, Progress(LINK_HOPS, partitions))
        self.time = _decode(unstamped(raw)) if raw is not None else fresh
        self.time.inputs = {
            topic: self.time.inputs.get(topic) or Input(standing=topic == STANDING) for topic in holding
        }
        self.time.feeds = {topic: self.time.feeds.get(topic) or Feeding() for topic in feeds}
        self._ticked: Micros | None = None
        self._told_at: Micros = 0
        self._said: tuple[list[Micros], Micros] | None = None

    @property
    def watermark(self) -> Micros | None:
        """How far everything that concerns this partition's media items has come."""
        return self.time.links.at(LINK_HOPS - 1)

    def save(self) -> None:
        """Into the state."""
        self._state[_KEY] = stamped(None, _encode(self.time))

    def took(self, records: Sequence[Record]) -> None:
        """Records of one topic; what is read again takes nothing back."""
        if records and not self.had(records[-1]):
            self.time.reached.setdefault(records[0].topic, Reached()).take(records)

    def had(self, record: Record) -> bool:
        """Whether a record is read again."""
        return (reached := self.time.reached.get(record.topic)) is not None and reached.has(record)

    def saw(self, topic: str, fact: Fact) -> Micros | None:
        """An event of an input; returns its time if it is a sign of life of a source with a heartbeat."""
        if (known := self.time.inputs.get(topic)) is not None:
            known.saw(fact.time)
        return sign_of_life(self.time.beats, fact, self._limits)

    def hear(self, message: Told) -> None:
        """What a partition tells of its progress. Of a topic that is declared no longer it does not matter."""
        if message.stage == "media":
            self.time.links.hear(message.sender, message.watermarks)
        elif (feeding := self.time.feeds.get(message.stage)) is not None:
            feeding.hear(message)

    def signs(self, signs: dict[str, list[Micros]]) -> list[Forward]:
        """Signs of life, told at once: they must be durable with the events that gave them."""
        if not signs:
            return []
        return told(TOUCHES, Told("media", self._partition, [UNKNOWN], signs), self._partitions)

    def passes(self, now: Micros, caught_up: Collection[str]) -> None:
        """The wall clock: an input that is read to its end runs on at its pace."""
        elapsed = 0 if self._ticked is None else min(LONGEST_TICK, max(0, now - self._ticked))
        self._ticked = now
        begun = (
            self.time.links.begun
            or any(known.latest is not None and not known.standing for known in self.time.inputs.values())
            or any(feeding.progress.begun for feeding in self.time.feeds.values())
        )
        for topic, known in self.time.inputs.items():
            known.passes(elapsed, topic in caught_up, begun)
        for feeding in self.time.feeds.values():
            feeding.begun += elapsed if begun else 0

    def broadcast(self, now: Micros) -> list[Forward]:
        """Our progress, if there is any and not too often."""
        if now - self._told_at < broadcast_every(self._partitions):
            return []
        waited_for: list[Input | Feeding] = [*self.time.inputs.values(), *self.time.feeds.values()]
        own = least([known.watermark(self._limits.disorder) for known in waited_for])
        if own is None:
            return []
        hops = [own, *(_known(self.time.links.at(hop)) for hop in range(LINK_HOPS - 1))]
        final = _known(self.watermark)
        if (hops, final) == self._said:
            return []
        self._told_at, self._said = now, (hops, final)
        return [
            *told(LINKS, Told("media", self._partition, hops), self._partitions),
            *told(TOUCHES, Told("media", self._partition, [final]), self._partitions),
        ]


def sign_of_life(beats: dict[str, list[Micros]], fact: Fact, limits: Limits) -> Micros | None:
    """Its time if it is a heartbeat, or an event that ends a silence; `beats` has the last heartbeats by source."""
    known = beats.get(fact.source)
    if fact.kind == "source":
        beats[fact.source] = sorted({*(known or ()), fact.time})[-_BEATS_KEPT:]
        return fact.time
    if known is None:
        return None
    before = max((beat for beat in known if beat <= fact.time), default=None)
    return fact.time if before is not None and fact.time - before > limits.silence else None


def broadcast_every(partitions: int) -> Micros:
    """Everyone tells everyone: the more they are, the rarer, so that messages grow with them, not with the square."""
    return max(100_000, 20_000 * partitions)


def _known(watermark: Micros | None) -> Micros:
    return UNKNOWN if watermark is None else watermark

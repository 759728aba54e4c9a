"""Event time of one partition of the party agent: what every other partition has told, hop by hop."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from touchpoint.stages.due_times import stamped, unstamped
from touchpoint.stages.heartbeats import Sources
from touchpoint.stages.media.media_clock import MOST_FLUSHES, OURS, Reached, broadcast_every, furthest
from touchpoint.stages.messages import TOUCHES, Flush, WatermarkUpdate, broadcast
from touchpoint.stages.protocol import Assignment, Forward, Record
from touchpoint.stitching.facts import Micros
from touchpoint.stitching.flushes import Declared, Flushes
from touchpoint.stitching.limits import Limits, Silences
from touchpoint.stitching.watermarks import EMPTY, UNKNOWN, Progress, bounded

FACT_HOPS = 4
"""A late claim, a parent, an address identified, a party merged."""
HOPS = FACT_HOPS + 3
"""And the answers about another party's items, on the same ways."""

_KEY = OURS + b"progress"


class PartyTime(msgspec.Struct, array_like=True):
    """What of time must outlive a restart."""

    media: Progress
    parties: Progress
    signs: dict[str, list[Micros]] = {}  # of release 0.1.0: not read
    flush_media: Progress | None = None
    flush_parties: Progress | None = None
    flushes: list[Flush] = []  # the latest
    waiting: list[Flush] = []  # of these: for which every party has still to be looked at
    reached: Reached = msgspec.field(default_factory=Reached)
    is_bounded: bool = False  # no clock is ahead of the events' appends; false in state of release 0.1.0


_decode = msgspec.msgpack.Decoder(PartyTime).decode
_encode = msgspec.msgpack.Encoder().encode


class PartyClock:
    """Reads and keeps the time of one party partition; tells it to the others."""

    def __init__(self, assignment: Assignment, limits: Limits) -> None:
        self._partition, self._partitions = assignment.partition, assignment.partitions
        self._state, self._limits = assignment.state, limits
        state, partitions = self._state, self._partitions
        raw = state.get(_KEY)
        fresh = PartyTime(Progress(1, partitions), Progress(HOPS, partitions), is_bounded=True)
        self.time = _decode(unstamped(raw)) if raw is not None else fresh
        self.time.signs = {}
        self._flush_media = self.time.flush_media = self.time.flush_media or Progress(1, partitions)
        self._flush_parties = self.time.flush_parties = self.time.flush_parties or Progress(HOPS, partitions)
        self._sources = Sources(state, limits)
        self._last_sent_at: Micros = 0
        self._last_sent: object = None
        self._flushes: tuple[Micros, Flushes] = (-1, {})

    @property
    def watermark(self) -> Micros | None:
        """The instant before which every fact that will ever reach this partition is here; None: not known yet."""
        reached = self.time.parties.at(HOPS - 1)
        return None if reached is None or reached in (UNKNOWN, EMPTY) else reached

    @property
    def settled(self) -> Micros | None:
        """The instant before which every fact is here, and other parties may be told of it: ahead of the watermark."""
        reached = self.time.parties.at(FACT_HOPS - 1)
        settled = None if reached is None or reached in (UNKNOWN, EMPTY) else reached
        flushed = self._flush_parties.at(FACT_HOPS - 1) or 0
        told_all = [flush.until + 1 for flush in self.time.waiting if flush.time <= flushed]
        return max([*told_all, *([] if settled is None else [settled])], default=None)

    # --- declarations -----------------------------------------------------------------------------------------

    def flushes(self) -> Flushes:
        """What sources have declared to be over, as far as all that came before it has arrived here."""
        arrived = self._flush_parties.at(HOPS - 1) or 0
        if self._flushes[0] != arrived:
            found: dict[tuple[str, str], list[Declared]] = {}
            for flush in sorted(self.time.flushes, key=lambda each: (each.until, each.time)):
                if flush.time <= arrived:
                    found.setdefault((flush.tenant, flush.source), []).append(Declared(flush.until, flush.time))
            self._flushes = (arrived, found)
        return self._flushes[1]

    def to_carry_out(self) -> list[Flush]:
        """The declarations for which every party has to be looked at now."""
        if not self.time.waiting:
            return []
        arrived = self._flush_parties.at(HOPS - 1) or 0
        return [flush for flush in self.time.waiting if flush.time <= arrived]

    def carried_out(self, flushes: Collection[Flush]) -> None:
        """Every party was looked at."""
        self.time.waiting = [flush for flush in self.time.waiting if flush not in flushes]

    # --- what others tell -------------------------------------------------------------------------------------

    def receive(self, message: WatermarkUpdate, record: Record) -> None:
        """What another partition tells of its progress, of signs of life and of declarations."""
        watermarks = bounded(message.watermarks, furthest(record, self._limits))
        if message.stage == "media":
            self.time.media.receive(message.sender, watermarks)
            if message.flushed:
                self._flush_media.receive(message.sender, message.flushed)
        elif message.stage == "party":
            self.time.parties.receive(message.sender, watermarks)
            if message.flushed:
                self._flush_parties.receive(message.sender, message.flushed)
        self._sources.receive(message.lives)
        new = [flush for flush in message.flushes if flush not in self.time.flushes]
        if new:
            self.time.flushes = sorted([*self.time.flushes, *new])[-MOST_FLUSHES:]
            self.time.waiting = [*self.time.waiting, *new][-MOST_FLUSHES:]
            self._flushes = (-1, {})

    def was_read(self, record: Record) -> bool:
        """Whether a record is read again."""
        return self.time.reached.has(record)

    def mark_read(self, records: Sequence[Record], now: Micros) -> None:
        """Records of our topic; what is read again takes nothing back."""
        if records and not self.was_read(records[-1]):
            self.time.reached.extend_to(records)
        if not self.time.is_bounded:  # state of release 0.1.0, which believed any clock
            for progress in (self.time.media, self.time.parties):
                progress.bound(now + self._limits.ahead)
            self.time.is_bounded = True

    def save(self) -> None:
        """Into the state."""
        self._state[_KEY] = stamped(None, _encode(self.time))

    def silences(self, horizon: Micros) -> Silences:
        """The silences of every source, with those that have not ended at the horizon."""
        return self._sources.silences(horizon)

    def someone_is_silent(self, horizon: Micros) -> bool:
        """Whether a silence may still end, and change when things are due."""
        return self._sources.someone_is_silent(horizon)

    def broadcast(self, now: Micros) -> list[Forward]:
        """Our progress, if there is any and not too often."""
        if now - self._last_sent_at < broadcast_every(self._partitions):
            return []
        # what all partitions have sent at a hop is what this one has passed on at the next: a vector, because a record
        # of hop 2 may be under way when hop 1 has come further (test_stages_agree_with_stitch.py, contradictory worlds)
        reached = [self.time.media.at(0), *(self.time.parties.at(hop) for hop in range(HOPS - 1))]
        hops = [UNKNOWN if w is None else w for w in reached]
        flushed = [
            self._flush_media.at(0) or 0,
            *(self._flush_parties.at(hop) or 0 for hop in range(HOPS - 1)),
        ]
        if (hops, flushed) == self._last_sent:
            return []
        if self.watermark is not None:
            self._sources.forget(self.watermark)
        self._last_sent_at, self._last_sent = now, (hops, flushed)
        return broadcast(TOUCHES, WatermarkUpdate("party", self._partition, hops, flushed=flushed), self._partitions)

"""Event time of one partition of the party agent: what every other partition has told, hop by hop."""

from __future__ import annotations

import msgspec

from touchpoint.stitching.facts import Micros
from touchpoint.stitching.limits import Limits, Silences
from touchpoint.stitching.silence import Span, silences, silent_now, thinned
from touchpoint.stitching.watermarks import EMPTY, Progress
from touchpoint.stream.clock import OURS, UNKNOWN, broadcast_every
from touchpoint.stream.stage import Forward, State
from touchpoint.stream.timers import stamped, unstamped
from touchpoint.stream.touches import TOUCHES, Told, told

FACT_HOPS = 4
"""A late claim, a parent, an address identified, a party merged."""
HOPS = FACT_HOPS + 3
"""And the answers about another party's items, on the same ways."""

_KEY = OURS + b"progress"


class PartyTime(msgspec.Struct, array_like=True):
    """What of time must outlive a restart."""

    media: Progress
    parties: Progress
    signs: dict[str, list[Micros]] = {}


_decode = msgspec.msgpack.Decoder(PartyTime).decode
_encode = msgspec.msgpack.Encoder().encode


class PartyClock:
    """Reads and keeps the time of one party partition; tells it to the others."""

    def __init__(self, partition: int, partitions: int, state: State, limits: Limits) -> None:
        self._partition, self._partitions, self._state, self._limits = partition, partitions, state, limits
        raw = state.get(_KEY)
        fresh = PartyTime(Progress(1, partitions), Progress(HOPS, partitions))
        self.time = _decode(unstamped(raw)) if raw is not None else fresh
        self._told_at: Micros = 0
        self._said: list[Micros] | None = None
        self._silences: dict[str, tuple[Span, ...]] | None = None

    @property
    def watermark(self) -> Micros | None:
        """The instant before which every fact that will ever reach this partition is here; None: not known yet."""
        reached = self.time.parties.at(HOPS - 1)
        return None if reached is None or reached in (UNKNOWN, EMPTY) else reached

    @property
    def settled(self) -> Micros | None:
        """The instant before which every fact is here, and other parties may be told of it: ahead of the watermark."""
        reached = self.time.parties.at(FACT_HOPS - 1)
        return None if reached is None or reached in (UNKNOWN, EMPTY) else reached

    def hear(self, message: Told) -> None:
        """What another partition tells of its progress and of signs of life."""
        if message.stage == "media":
            self.time.media.hear(message.sender, message.watermarks)
        elif message.stage == "party":
            self.time.parties.hear(message.sender, message.watermarks)
        for source, signs in message.signs.items():
            known = self.time.signs.get(source, [])
            self.time.signs[source] = thinned(sorted({*known, *signs}), self.watermark or UNKNOWN, self._limits)
            self._silences = None

    def save(self) -> None:
        """Into the state."""
        self._state[_KEY] = stamped(None, _encode(self.time))

    def silences(self, horizon: Micros) -> Silences:
        """The silences of every source, with those that have not ended at the horizon."""
        if not self.time.signs:
            return {}
        if self._silences is None:
            self._silences = {source: silences(signs, self._limits) for source, signs in self.time.signs.items()}
        return {
            source: spans + silent_now(self.time.signs[source], horizon, self._limits)
            for source, spans in self._silences.items()
        }

    def someone_is_silent(self, horizon: Micros) -> bool:
        """Whether a silence may still end, and change when things are due."""
        return any(silent_now(signs, horizon, self._limits) for signs in self.time.signs.values())

    def broadcast(self, now: Micros) -> list[Forward]:
        """Our progress, if there is any and not too often."""
        if now - self._told_at < broadcast_every(self._partitions):
            return []
        reached = [self.time.media.at(0), *(self.time.parties.at(hop) for hop in range(HOPS - 1))]
        hops = [UNKNOWN if w is None else w for w in reached]
        if hops == self._said:
            return []
        self._told_at, self._said = now, hops
        return told(TOUCHES, Told("party", self._partition, hops), self._partitions)

"""The stage of a topic with a dialect: a vendor's records in, facts out to their media items (docs/capture/README.md).

One of the few stages that are not repeatable by themselves: a record is translated by what the feed remembers of those
before it. So the memory is a part of the state, and with it the offset up to which it has taken the topic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from io import BytesIO
from zoneinfo import ZoneInfo

import msgspec
import orjson

from touchpoint.dialects import DIALECTS, Event, Feed, Memory, Unknown
from touchpoint.events import Accepted, DeadLetter, Decoder
from touchpoint.events.wire import too_large
from touchpoint.sections import DialectTopic
from touchpoint.stitching.facts import UNREADABLE, Fact, Micros, lean
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.watermarks import Input
from touchpoint.stream.dead_letters import dead_letter
from touchpoint.stream.feed_clock import FeedClock, FeedTime
from touchpoint.stream.media import ahead
from touchpoint.stream.stage import Forward, Record, State
from touchpoint.stream.touches import FROM_FEED, Link, link

_PROGRESS = b"progress"
_MEMORY = b"memory\0"
HEARTBEAT = b"source.heartbeat"

_decode = msgspec.msgpack.Decoder(FeedTime).decode
_encode = msgspec.msgpack.Encoder().encode


class FeedStage:
    """One partition of a topic with a dialect."""

    def __init__(  # noqa: PLR0913, PLR0917 - what the runtime and the settings know of it
        self, partition: int, of: int, partitions: int, state: State, topic: str, declared: DialectTopic,
        decoder: Decoder, limits: Limits,
    ) -> None:  # fmt: skip
        """``topic``: as records have it; ``of``: its partitions; ``partitions``: those of the media agent."""
        self._own = limits.own_addresses
        self._state, self._topic, self._declared, self._decoder = state, topic, declared, decoder
        self._dialect, self._zone = DIALECTS[declared.dialect], ZoneInfo(declared.zone)
        raw = state.get(_PROGRESS)
        time = FeedTime(Input()) if raw is None else _decode(raw)
        self._clock = FeedClock(topic, partition, of, partitions, time, limits)
        kept = ((key.removeprefix(_MEMORY), value) for key, value in state.items() if key.startswith(_MEMORY))
        self._memory = Memory.restored(kept)
        self.verdicts: Counter[str] = Counter()
        self.translated: Counter[tuple[str, str]] = Counter()
        self.sources: dict[str, Micros] = {}

    @property
    def watermark(self) -> Micros | None:
        """Event time here, for the metric."""
        return self._clock.watermark

    def apply(self, records: Sequence[Record], now: Micros) -> list[Forward]:
        """Translate, and send each fact to its media item."""
        out: list[Forward] = []
        signs: dict[str, list[Micros]] = {}
        for record in records:
            if self._clock.was_taken(record):
                self._count("again")
                continue
            arrived: dict[tuple[str, str], list[Fact]] = {}
            for fact in self._facts(record, now, out):
                if fact.verb != UNREADABLE:
                    self._see(fact, signs)
                if fact.kind != "source":
                    arrived.setdefault((fact.tenant, _item(fact)), []).append(fact)
            out += (link(Link(tenant, item, FROM_FEED, facts)) for (tenant, item), facts in arrived.items())
        out += self._clock.signs(signs)
        self._save()
        return out

    def _see(self, fact: Fact, signs: dict[str, list[Micros]]) -> None:
        sign = self._clock.saw(fact)
        if sign is not None:
            signs.setdefault(fact.source, []).append(sign)
        self.sources[fact.source] = fact.time

    def tick(self, now: Micros, caught_up: Collection[str]) -> list[Forward]:
        """Time passes, and is told now that all that came before is durable."""
        self._clock.passes(now, self._topic in caught_up)
        told = self._clock.broadcast(now)
        if told:
            self._state[_PROGRESS] = _encode(self._clock.time)
        return told

    def _save(self) -> None:
        for key, value in self._memory.changes():
            if value is not None:
                self._state[_MEMORY + key] = value
            elif _MEMORY + key in self._state:
                del self._state[_MEMORY + key]
        self._state[_PROGRESS] = _encode(self._clock.time)

    # --- one record -------------------------------------------------------------------------------------------

    def _facts(self, record: Record, now: Micros, out: list[Forward]) -> list[Fact]:
        """What a record says; as a dead letter too if a part of it could not be accepted."""
        if record.value is None:
            self.verdicts["skipped"] += 1
            return []
        beat = self._heartbeat(record)
        verdicts = [beat] if beat is not None else list(self._verdicts(record.value, record))
        facts, refused = [], [each for each in verdicts if isinstance(each, DeadLetter)]
        for verdict in verdicts:
            if isinstance(verdict, Accepted):
                early = ahead(verdict.fact, now)
                if early is None:
                    facts.append(lean(verdict.fact))
                else:
                    refused.append(early)
        self.verdicts["accepted"] += len(facts)
        if refused:
            facts += [each.about for each in refused if each.about is not None and ahead(each.about, now) is None]
            self.verdicts["dead letter"] += 1
            out.append(dead_letter(record, refused[0].cause, refused[0].code))
        self._count("dead letter" if refused else "heartbeat" if beat is not None else "events" if facts else "nothing")
        return facts

    def _heartbeat(self, record: Record) -> Accepted | None:
        """Whoever fills the topic may say that the source is alive, as in every input (contract.md, 3)."""
        if HEARTBEAT not in (record.value or b"") and all(value != HEARTBEAT for _, value in record.headers):
            return None
        verdict = self._decoder.decode(record.value, record.headers, record.key)
        return verdict if isinstance(verdict, Accepted) and verdict.fact.kind == "source" else None

    def _verdicts(self, value: bytes, record: Record) -> Iterator[Accepted | DeadLetter]:
        if (large := too_large(value, record.headers)) is not None:
            yield DeadLetter(large.cause, large.code)
            return
        declared = self._declared
        feed = Feed(declared.source, declared.tenant, self._zone, self._memory.of(self._scope(record.key)), self._own)
        for each in self._dialect.read(BytesIO(value)):
            said = self._dialect.translate(each, feed)
            if not isinstance(said, Unknown):
                yield from map(self._verdict, said)
            elif said.dead_letter:
                yield DeadLetter(said.reason, "dialect")
            else:
                self._count("not known")

    def _scope(self, key: bytes | None) -> str | None:
        """Where a dialect follows an order, each key of the topic is a feed of its own: systems share partitions."""
        return None if key is None or not self._dialect.capabilities.ordered else key.decode("latin-1")

    def _verdict(self, event: Event) -> Accepted | DeadLetter:
        verdict = self._decoder.decode(orjson.dumps(event))
        if isinstance(verdict, DeadLetter):
            cause = f"{verdict.cause} (in the event that {self._dialect.name} makes of it)"
            return DeadLetter(cause, verdict.code, verdict.about)
        assert isinstance(verdict, Accepted), "an event is no tombstone"
        return verdict

    def _count(self, outcome: str) -> None:
        self.translated[self._dialect.name, outcome] += 1


def _item(fact: Fact) -> str:
    """The media item whose partition knows what to do with a fact."""
    named: str | None = fact.data.get("media_item") if fact.kind == "activity" else None
    return named or fact.subject

"""The stage of a topic with a dialect: a vendor's records in, facts out to their media items (docs/capture/README.md).

One of the few stages that are not repeatable by themselves: a record is translated by what the feed remembers of those
before it. So the memory is a part of the state, and with it the offset up to which it has taken the topic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import msgspec

from touchpoint.dialects import Lines, Memory
from touchpoint.events import Accepted, DeadLetter, Decoder, Verdict
from touchpoint.events.verdicts import OF_OTHERS, TOMBSTONE
from touchpoint.settings.sections import DialectTopic
from touchpoint.stages.dead_letter_records import dead_letter
from touchpoint.stages.feed.feed_clock import FeedClock, FeedTime
from touchpoint.stages.feed.translation import NOT_KNOWN, Translation
from touchpoint.stages.media.media_clock import TimeBound
from touchpoint.stages.messages import FROM_FEED, Life, Link, link
from touchpoint.stages.protocol import LAST, Forward, Record, State
from touchpoint.stages.rights import Rights
from touchpoint.stitching.facts import FLUSHED, UNREADABLE, Fact, Micros, lean
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.watermarks import Input

_PROGRESS = LAST + b"progress"
_MEMORY = b"memory\0"

_decode = msgspec.msgpack.Decoder(FeedTime).decode
_encode = msgspec.msgpack.Encoder().encode


class FeedStage:
    """One partition of a topic with a dialect."""

    def __init__(  # noqa: PLR0913, PLR0917 - what the runtime and the settings know of it
        self, partition: int, of: int, partitions: int, state: State, topic: str, declared: DialectTopic,
        decoder: Decoder, limits: Limits, rights: Rights, lines: Lines = Lines(),  # noqa: B008 - immutable
    ) -> None:  # fmt: skip
        """``topic``: as records have it; ``of``: its partitions; ``partitions``: those of the media agent."""
        self._state, self._topic, self._rights = state, topic, rights
        raw = state.get(_PROGRESS)
        time = FeedTime(Input()) if raw is None else _decode(raw)
        self._clock = FeedClock(topic, partition, of, partitions, time, state, limits)
        self._bound = TimeBound(limits)
        kept = ((key.removeprefix(_MEMORY), value) for key, value in state.items() if key.startswith(_MEMORY))
        self._translation = Translation(declared, decoder, limits.own_addresses, Memory.restored(kept), lines)
        self.verdicts: Counter[str] = Counter()
        self.translated: Counter[tuple[str, str]] = Counter()
        self.full: Counter[str] = Counter()  # by kind of key (bounds.py)
        self.sources: dict[tuple[str, str], Micros] = {}  # by topic and source

    @property
    def watermark(self) -> Micros | None:
        """Event time here, for the metric."""
        return self._clock.watermark

    def apply(self, records: Sequence[Record], now: Micros) -> list[Forward]:
        """Translate, and send each fact to its media item."""
        out: list[Forward] = []
        lives: dict[str, Life] = {}
        for record in records:
            appended = self._clock.taken(record, now)
            if appended is None:
                self.translated[self._translation.dialect.name, "again"] += 1
                continue
            arrived: dict[tuple[str, str], list[Fact]] = {}
            for fact in self._facts(record, appended, out):
                if fact.verb == FLUSHED:
                    out += self._clock.flushed(fact)
                elif fact.verb != UNREADABLE:
                    self._clock.saw(fact, appended, lives)
                    self.sources[self._topic, fact.source] = fact.time
                if fact.kind != "source":
                    arrived.setdefault((fact.tenant, _item(fact)), []).append(fact)
            out += (link(Link(tenant, item, FROM_FEED, facts)) for (tenant, item), facts in arrived.items())
        out += self._clock.lives(lives)
        self._save()
        return out

    def tick(self, now: Micros, caught_up: Collection[str]) -> list[Forward]:
        """Time passes, and is told now that all that came before is durable."""
        self._clock.passes(now, self._topic in caught_up)
        told = self._clock.broadcast(now)
        if told:
            self._state[_PROGRESS] = _encode(self._clock.time)
        return told

    def _save(self) -> None:
        for key, value in self._translation.memory.changes():
            if value is not None:
                self._state[_MEMORY + key] = value
            elif _MEMORY + key in self._state:
                del self._state[_MEMORY + key]
        self.full += self._translation.memory.forgotten
        self._translation.memory.forgotten.clear()
        self._state[_PROGRESS] = _encode(self._clock.time)

    def _facts(self, record: Record, appended: Micros, out: list[Forward]) -> list[Fact]:
        """What a record says; as a dead letter too if a part of it could not be accepted."""
        facts: list[Fact] = []
        refused: list[DeadLetter] = []
        said = self._translation.verdicts(record.value, record.headers, record.key)
        verdicts = [self._judged(verdict) for verdict in said]
        for verdict in verdicts:
            if isinstance(verdict, Accepted):
                early = self._bound.ahead(verdict.fact, appended)
                if early is None:
                    facts.append(lean(verdict.fact))
                else:
                    refused.append(early)
            elif isinstance(verdict, DeadLetter):
                refused.append(verdict)
        self._count(facts, refused, verdicts)
        if refused:
            about = [each.about for each in refused if each.about is not None]
            facts += [fact for fact in about if self._bound.ahead(fact, appended) is None]
            out.append(dead_letter(record, refused[0].cause, refused[0].code))
        return facts

    def _judged(self, verdict: Verdict) -> Verdict:
        judged = self._rights.judge(verdict)
        if isinstance(verdict, Accepted) and verdict.fact.verb == FLUSHED and not isinstance(judged, Accepted):
            self._clock.passed(verdict.fact)
            return OF_OTHERS
        return judged

    def _count(self, facts: Sequence[Fact], refused: Sequence[DeadLetter], verdicts: Sequence[Verdict]) -> None:
        self.verdicts["accepted"] += len(facts)
        self.verdicts["dead letter"] += bool(refused)
        self.verdicts["skipped"] += TOMBSTONE in verdicts
        if refused:
            outcome = "dead letter"
        elif facts:
            outcome = "heartbeat" if facts[0].kind == "source" else "events"
        else:
            outcome = "not known" if NOT_KNOWN in verdicts else "nothing"
        self.translated[self._translation.dialect.name, outcome] += 1


def _item(fact: Fact) -> str:
    """The media item whose partition knows what to do with a fact."""
    named: str | None = fact.data.get("media_item") if fact.kind == "activity" else None
    return named or fact.subject

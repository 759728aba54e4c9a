"""The stage of a topic with a dialect: a vendor's records in, facts out to their media items (docs/capture/README.md).

One of the few stages that are not repeatable by themselves: a record is translated by what the feed remembers of those
before it. So the memory is a part of the state, and with it the offset up to which it has taken the topic.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from touchpoint.dialects import Feed, Memory
from touchpoint.dialects.translator import NOT_KNOWN, Translator
from touchpoint.events import Accepted, DeadLetter, Verdict
from touchpoint.events.verdicts import OF_OTHERS, TOMBSTONE
from touchpoint.stages.dead_letter_records import dead_letter
from touchpoint.stages.feed.feed_clock import FeedClock, FeedTime
from touchpoint.stages.feed.translation import Translation
from touchpoint.stages.media.media_clock import TimeBound
from touchpoint.stages.messages import FROM_FEED, ItemMessage, Life, link
from touchpoint.stages.protocol import LAST, Assignment, Forward, Record, Report
from touchpoint.stages.rights import Rights
from touchpoint.stitching.facts import FLUSHED, UNREADABLE, Fact, Micros, trimmed
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.watermarks import Input

_PROGRESS = LAST + b"progress"
_MEMORY = b"memory\0"

_decode = msgspec.msgpack.Decoder(FeedTime).decode
_encode = msgspec.msgpack.Encoder().encode


class FeedStage:
    """One partition of a topic with a dialect."""

    def __init__(
        self, assignment: Assignment, topic: str, translator: Translator, feed: Feed, limits: Limits, rights: Rights
    ) -> None:
        """``topic``: as records have it; ``feed``: what its declaration says of it."""
        self._state = state = assignment.state
        self._topic, self._rights = topic, rights
        raw = state.get(_PROGRESS)
        time = FeedTime(Input()) if raw is None else _decode(raw)
        self._clock = FeedClock(topic, assignment, time, limits)
        self._bound = TimeBound(limits)
        kept = ((key.removeprefix(_MEMORY), value) for key, value in state.items() if key.startswith(_MEMORY))
        self._translation = Translation(translator, feed, Memory.restored(kept))
        self._report = Report()

    def parts(self, records: Sequence[Record]) -> Sequence[Sequence[Record]]:
        """The whole batch: it concerns little state."""
        return (records,)

    def apply(self, records: Sequence[Record], now: Micros) -> list[Forward]:
        """Translate, and send each fact to its media item."""
        out: list[Forward] = []
        lives: dict[str, Life] = {}
        for record in records:
            appended = self._clock.taken(record, now)
            if appended is None:
                self._report.translated[self._translation.dialect.name, "again"] += 1
                continue
            arrived: dict[tuple[str, str], list[Fact]] = {}
            for fact in self._facts(record, appended, out):
                if fact.verb == FLUSHED:
                    out += self._clock.flushed(fact)
                elif fact.verb != UNREADABLE:
                    self._clock.observe(fact, appended, lives)
                    self._report.sources[self._topic, fact.source] = fact.time
                if fact.kind != "source":
                    arrived.setdefault((fact.tenant, _item(fact)), []).append(fact)
            out += (link(ItemMessage(tenant, item, FROM_FEED, facts)) for (tenant, item), facts in arrived.items())
        out += self._clock.lives(lives)
        self._save()
        return out

    def tick(self, now: Micros, caught_up: Collection[str]) -> list[Forward]:
        """Time passes, and is told now that all that came before is durable."""
        self._clock.advance(now, self._topic in caught_up)
        told = self._clock.broadcast(now)
        if told:
            self._state[_PROGRESS] = _encode(self._clock.time)
        return told

    def report(self) -> Report:
        """Of events by verdict, of records by outcome, and of sources."""
        return self._report.take(self._clock.watermark)

    def _save(self) -> None:
        for key, value in self._translation.memory.changes():
            if value is not None:
                self._state[_MEMORY + key] = value
            elif _MEMORY + key in self._state:
                del self._state[_MEMORY + key]
        self._report.full += self._translation.memory.forgotten
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
                    facts.append(trimmed(verdict.fact))
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
        self._report.verdicts["accepted"] += len(facts)
        self._report.verdicts["dead letter"] += bool(refused)
        self._report.verdicts["skipped"] += TOMBSTONE in verdicts
        if refused:
            outcome = "dead letter"
        elif facts:
            outcome = "heartbeat" if facts[0].kind == "source" else "events"
        else:
            outcome = "not known" if NOT_KNOWN in verdicts else "nothing"
        self._report.translated[self._translation.dialect.name, outcome] += 1


def _item(fact: Fact) -> str:
    """The media item whose partition knows what to do with a fact."""
    named: str | None = fact.data.get("media_item") if fact.kind == "activity" else None
    return named or fact.subject

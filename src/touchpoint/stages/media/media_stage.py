"""The media agent's stage: events in, each media item's facts out, to its party (docs/architecture.md)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import msgspec

from touchpoint.events import Accepted, DeadLetter, Decoder, Skipped, Verdict
from touchpoint.events.verdicts import OF_OTHERS
from touchpoint.stages.backfill import HELD_FOR
from touchpoint.stages.dead_letter_records import dead_letter, orphan
from touchpoint.stages.due_times import Timers, unstamped
from touchpoint.stages.media.items import Changes, Item, ItemState, Sent
from touchpoint.stages.media.media_clock import LINK_HOPS, OURS, STAMP, MediaClock, TimeBound
from touchpoint.stages.messages import (
    FROM_FEED,
    LINKS,
    Addresses,
    Erasure,
    ItemMessage,
    Life,
    PartyMessage,
    WatermarkUpdate,
    incredible,
    link,
    read,
)
from touchpoint.stages.protocol import MOST_STATE, Assignment, Forward, Record, Report
from touchpoint.stages.rights import Rights
from touchpoint.stitching.facts import FLUSHED, Fact, Micros, trimmed
from touchpoint.stitching.interactions.names import activity_name
from touchpoint.stitching.interactions.party_facts import PartyFacts, PartyKey
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.ownership.claims import claim, claimed_key, identifications
from touchpoint.stitching.watermarks import HISTORY, UNKNOWN

MOST_EXPIRED = 2_000  # in one tick
ERASURE = "erasure_requested"
_REPEATED = Skipped("repeated")
_FULL = f"its media item has {MOST_STATE >> 20} MiB of events, and takes no more; look for a source that repeats itself"


_HOPS = {"media": LINK_HOPS, STAMP: 0}
_decode = msgspec.msgpack.Decoder(ItemState).decode
_encode = msgspec.msgpack.Encoder().encode


def _key(tenant: str, item: str) -> bytes:
    return f"{tenant}\0{item}".encode()


class MediaStage:
    """One partition of the media agent."""

    def __init__(
        self, assignment: Assignment, decoder: Decoder, limits: Limits, secret: bytes, inputs: Mapping[str, Rights],
        feeds: Collection[str] = (),
    ) -> None:  # fmt: skip
        """``inputs``: what each input topic may say; its time is waited for. ``feeds``: topics with a dialect, which
        tell of theirs.
        """
        state, partitions = assignment.state, assignment.partitions
        self._inputs, self._partitions = inputs, partitions
        self._state, self._decoder, self._limits = state, decoder, limits
        self._addresses = Addresses(secret, partitions)
        self._clock = MediaClock(assignment, inputs, limits, feeds)
        self._bound = TimeBound(limits)
        self._timers = Timers(state, lambda key: not key.startswith(OURS))
        self._report = Report()

    def parts(self, records: Sequence[Record]) -> Sequence[Sequence[Record]]:
        """The whole batch: it concerns little state."""
        return (records,)

    def apply(self, records: Sequence[Record], now: Micros) -> list[Forward]:
        """Decode, deduplicate, send on what is new."""
        out: list[Forward] = []
        linked = bool(records) and records[0].topic == LINKS
        if records:
            self._clock.observe_stamp(records[-1], now)
        arrived = self._links(records, out) if linked else self._events(records, now, out)
        for (tenant, item), changes in arrived.items():
            self._settle(tenant, item, changes, out)
        self._clock.mark_read(records)
        self._clock.save()
        return out

    def tick(self, now: Micros, caught_up: Collection[str]) -> list[Forward]:
        """Time passes, and is told now that all that came before is durable; what is long over is forgotten."""
        self._clock.advance(now, caught_up)
        watermark = self._clock.watermark
        out: list[Forward] = []
        if watermark is not None:
            for key in self._timers.pop_due(watermark, MOST_EXPIRED):
                self._shrink(key, out)
        told = self._clock.broadcast(now)
        if told:
            self._clock.save()
        return out + told

    def report(self) -> Report:
        """Of events by verdict, of their sources, and of the time of each input."""
        return self._report.take(self._clock.watermark, self._clock.inputs())

    # --- records in -----------------------------------------------------------------------------------------

    def _events(self, records: Sequence[Record], now: Micros, out: list[Forward]) -> dict[tuple[str, str], Changes]:
        """Hot path: a verdict for each record; accepted facts by media item, everything else on its way."""
        arrived: dict[tuple[str, str], Changes] = defaultdict(Changes)
        lives: dict[str, Life] = {}
        forgotten = self._forgotten
        for record in records:
            appended = self._bound.appended(record, self._clock.reached(record.topic), now)
            verdict = self._judged(record)
            if not isinstance(verdict, Accepted):
                self._refuse(record, verdict, out)
                about = verdict.about if isinstance(verdict, DeadLetter) else None
                if about is not None and about.time >= forgotten and self._bound.ahead(about, appended) is None:
                    self._place(record, about, arrived, out)  # its item is flagged
                continue
            fact = trimmed(verdict.fact)
            if (early := self._bound.ahead(fact, appended)) is not None:
                if fact.verb != ERASURE:
                    self._refuse(record, early, out)
                    continue
                fact = msgspec.structs.replace(fact, time=appended)  # it is a duty, whatever the clock of who asks says
            if fact.time < forgotten and self._is_repeated(record, fact, arrived):
                self._refuse(record, _REPEATED, out)
                continue
            self._report.verdicts["accepted"] += 1
            self._report.sources[record.topic, fact.source] = fact.time
            if fact.verb == FLUSHED:
                out += self._clock.flushed(record.topic, fact)
                continue
            self._clock.observe(record.topic, fact, appended, lives)
            self._place(record, fact, arrived, out)
        out += self._clock.lives(lives)
        return arrived

    def _judged(self, record: Record) -> Verdict:
        decoded = self._decoder.decode(record.value, record.headers, record.key)
        verdict = self._inputs[record.topic].judge(decoded)
        if isinstance(decoded, Accepted) and decoded.fact.verb == FLUSHED and not isinstance(verdict, Accepted):
            self._clock.passed(record.topic, decoded.fact)  # others wait for it
            return OF_OTHERS
        return verdict

    def _refuse(self, record: Record, verdict: object, out: list[Forward]) -> None:
        if isinstance(verdict, DeadLetter):
            self._report.verdicts["dead letter"] += 1
            out.append(dead_letter(record, verdict.cause, verdict.code))
        else:
            self._report.verdicts["skipped"] += 1

    @property
    def _forgotten(self) -> Micros:
        return (self._clock.watermark or UNKNOWN) - self._limits.interaction_age

    def _is_repeated(self, record: Record, fact: Fact, arrived: Collection[tuple[str, str]]) -> bool:
        """Whether what is that old is read again after its item was forgotten: it would open it anew. What comes that
        late for the first time is of a backfill.
        """
        if fact.kind in ("source", "party") or not self._clock.was_read(record):
            return False
        item = (fact.data.get("media_item") if fact.kind == "activity" else None) or fact.subject
        return (fact.tenant, item) not in arrived and _key(fact.tenant, item) not in self._state

    def _place(self, record: Record, fact: Fact, arrived: dict[tuple[str, str], Changes], out: list[Forward]) -> None:
        if fact.kind == "source":
            return
        if fact.kind == "party":
            subject = ("id", fact.data["from"]) if fact.verb == "merged" else ("address", fact.subject)
            if fact.verb in ("merged", "identified"):
                self._touch(PartyKey(fact.tenant, *subject), PartyFacts(identity=[fact]), out)
            elif fact.verb == ERASURE:
                erasure = Erasure(fact.data.get("request") or f"{fact.source} {fact.id}", fact.time)
                touch = PartyMessage(PartyKey(fact.tenant, *subject), 0, PartyFacts(), erasures=[erasure])
                out.append(self._addresses.touch(touch))
            return
        item = fact.subject
        dependent = None
        if fact.kind == "activity":
            item = fact.data.get("media_item") or fact.subject
            own = claimed_key(fact.tenant, claim([fact], self._limits))
            if own is not None or not item:
                self._activity(fact, own, out)
                return
            dependent = activity_name(fact.data["activity"])
        message = ItemMessage(fact.tenant, item, 0, [fact], dependent)
        if record.key is None or record.key != item.encode():  # keyed otherwise: its item may be in another partition
            out.append(link(message))
            return
        changes = arrived[fact.tenant, item]
        changes.records.append(record)
        if dependent is None:
            changes.facts.append(fact)
        else:
            changes.dependents.append(message)

    def _activity(self, fact: Fact, own: PartyKey | None, out: list[Forward]) -> None:
        """An activity that says whose it is goes there itself."""
        key = own or PartyKey(fact.tenant, "anon", fact.data["activity"])
        self._touch(key, PartyFacts(activities={fact.data["activity"]: [fact]}), out)
        for known in identifications([fact], self._limits):
            self._touch(PartyKey(fact.tenant, "address", known.subject), PartyFacts(identity=[known]), out)

    def _links(self, records: Sequence[Record], out: list[Forward]) -> dict[tuple[str, str], Changes]:
        arrived: dict[tuple[str, str], Changes] = defaultdict(Changes)
        for record in records:
            try:
                message = read(record)
            except msgspec.DecodeError as error:
                out.append(dead_letter(record, f"not a link of this version: {error}"))
                continue
            if isinstance(message, WatermarkUpdate):
                if (why := incredible(message, self._partitions, _HOPS)) is None:
                    self._clock.receive(message, record)
                else:
                    out.append(dead_letter(record, f"not what a worker tells of its progress: {why}"))
            elif isinstance(message, ItemMessage) and message.hop == FROM_FEED:
                self._fed(record, message.facts, arrived, out)
            elif isinstance(message, ItemMessage):
                changes = arrived[message.tenant, message.item]
                changes.records.append(record)
                changes.hop = max(changes.hop, message.hop + 1)
                if message.ask is not None:
                    changes.asks.append(message.ask)
                elif message.dependent is not None:
                    changes.dependents.append(message)
                else:
                    changes.facts += message.facts
        return arrived

    def _fed(
        self, record: Record, facts: list[Fact], arrived: dict[tuple[str, str], Changes], out: list[Forward]
    ) -> None:
        """Facts of a topic with a dialect; their record is keyed by their media item."""
        forgotten = self._forgotten
        for fact in facts:
            if fact.time >= forgotten or not self._is_repeated(record, fact, arrived):
                self._place(record, fact, arrived, out)

    # --- media items ------------------------------------------------------------------------------------------

    def _settle(self, tenant: str, name: str, changes: Changes, out: list[Forward]) -> None:
        key = _key(tenant, name)
        raw = self._state.get(key)
        state = _decode(unstamped(raw)) if raw is not None else ItemState()
        item = Item(tenant, name, state, changes.hop, self._limits)
        before = raw and raw[8:]
        sent = item.take(changes)
        after = _encode(state)
        if len(after) > MOST_STATE and len(after) > len(before or b""):
            self._report.full["item"] += 1
            brought = {(record.topic, record.offset): record for record in changes.records}
            out += [dead_letter(record, _FULL, "too_large") for record in brought.values()]
            return
        out += map(self._sent, sent)
        if after != before:
            self._timers.put(key, self._due(item), after)

    def _sent(self, sent: Sent) -> Forward:
        if isinstance(sent, Fact):
            return orphan(sent)
        return link(sent) if isinstance(sent, ItemMessage) else self._addresses.touch(sent)

    def _due(self, item: Item) -> Micros:
        """When an item's facts are no longer needed here; of a backfill that time has passed long ago, later."""
        watermark = self._clock.watermark
        if watermark is not None and item.state.last < watermark - HISTORY:
            return max(item.due, watermark + HELD_FOR)
        return item.due

    def _touch(self, key: PartyKey, facts: PartyFacts, out: list[Forward]) -> None:
        out.append(self._addresses.touch(PartyMessage(key, 0, facts)))

    def _shrink(self, key: bytes, out: list[Forward]) -> None:
        """First to the way that its facts took, for late events to find it; after an interaction's age to nothing."""
        state = _decode(unstamped(self._state[key]))
        if state.stub or (state.route is None and state.parent is None and state.root is None):
            out += [orphan(fact) for fact in state.controls if not state.stub]
            del self._state[key]
            return
        state.facts, state.controls, state.asked, state.stub = [], [], [], True
        for dependent in state.dependents.values():
            dependent.facts = []
        due = state.last + self._limits.interaction_age
        self._timers.put(key, due, _encode(state))

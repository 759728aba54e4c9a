"""The media agent's stage: events in, each media item's facts out, to its party (docs/architecture.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import msgspec

from touchpoint.events import Accepted, DeadLetter, Decoder
from touchpoint.stitching.facts import HOUR, Fact, Micros
from touchpoint.stitching.interactions import aliases
from touchpoint.stitching.interactions.entities import item_refs
from touchpoint.stitching.interactions.identity import claim
from touchpoint.stitching.interactions.model import PartyFacts, PartyKey, union
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.media import merge_facts
from touchpoint.stitching.parties import claimed_key, implied, place
from touchpoint.stream.clock import OURS, MediaClock
from touchpoint.stream.dead_letters import dead_letter
from touchpoint.stream.stage import Forward, Record, State
from touchpoint.stream.timers import Timers, stamped, unstamped
from touchpoint.stream.touches import LINKS, Link, Told, Touch, link, read, touch

MOST_HOPS = 8
MOST_EXPIRED = 2_000  # in one tick
FINAL = frozenset({"ended", "disconnected"})


class ItemState(msgspec.Struct, array_like=True):
    """An open media item: its facts, and where they were sent."""

    facts: list[Fact] = []  # of its channel, its own and its aliases'
    others: list[Fact] = []  # interaction.* and activities that name it and have no party of their own
    route: PartyKey | None = None  # the party they went to
    via: str | None = None  # or the media item: its root, or its parent
    passengers: dict[str, list[Fact]] = {}  # items without a party that name it as parent
    seats: dict[str, PartyKey] = {}  # where those were sent
    last: Micros = 0
    stub: bool = False  # its facts are forgotten; only the way that they took is kept


_decode = msgspec.msgpack.Decoder(ItemState).decode
_encode = msgspec.msgpack.Encoder().encode


class MediaStage:
    """One partition of the media agent."""

    def __init__(
        self, partition: int, partitions: int, state: State, decoder: Decoder, limits: Limits, secret: bytes,
        holding: Collection[str],
    ) -> None:  # fmt: skip
        self._state, self._decoder, self._limits, self._secret = state, decoder, limits, secret
        self._clock = MediaClock(partition, partitions, state, holding, limits)
        self._timers = Timers(state, OURS)
        self.verdicts: Counter[str] = Counter()

    @property
    def watermark(self) -> Micros | None:
        """Event time here, for the metric."""
        return self._clock.watermark

    def apply(self, records: Sequence[Record], now: Micros) -> list[Forward]:
        """Decode, deduplicate, send on what is new."""
        out: list[Forward] = []
        linked = bool(records) and records[0].topic == LINKS
        arrived = self._links(records, out) if linked else self._events(records, out)
        for (tenant, item), changes in arrived.items():
            self._settle(tenant, item, changes, out)
        self._clock.save()
        out += self._clock.broadcast(now)
        return out

    def tick(self, now: Micros, caught_up: Collection[str]) -> list[Forward]:
        """Time passes; what is long over is forgotten."""
        self._clock.passes(now, caught_up)
        watermark = self._clock.watermark
        if watermark is not None:
            for key in self._timers.pop_due(watermark, MOST_EXPIRED):
                self._shrink(key)
        out = self._clock.broadcast(now)
        if out:
            self._clock.save()
        return out

    # --- records in -----------------------------------------------------------------------------------------

    def _events(self, records: Sequence[Record], out: list[Forward]) -> dict[tuple[str, str], _Changes]:
        """Hot path: a verdict for each record; accepted facts by media item, everything else on its way."""
        arrived: dict[tuple[str, str], _Changes] = {}
        signs: dict[str, list[Micros]] = {}
        for record in records:
            verdict = self._decoder.decode(record.value, record.headers)
            if not isinstance(verdict, Accepted):
                self._refuse(record, verdict, out)
                continue
            fact = verdict.fact
            self.verdicts["accepted"] += 1
            sign = self._clock.saw(record.topic, fact)
            if sign is not None:
                signs.setdefault(fact.source, []).append(sign)
            self._place(record, fact, arrived, out)
        out += self._clock.signs(signs)
        return arrived

    def _refuse(self, record: Record, verdict: object, out: list[Forward]) -> None:
        if isinstance(verdict, DeadLetter):
            self.verdicts["dead letter"] += 1
            out.append(dead_letter(record, verdict.cause))
        else:
            self.verdicts["skipped"] += 1

    def _place(self, record: Record, fact: Fact, arrived: dict[tuple[str, str], _Changes], out: list[Forward]) -> None:
        if fact.kind == "source":
            return
        if fact.kind == "party":
            subject = ("id", fact.data["from"]) if fact.verb == "merged" else ("address", fact.subject)
            if fact.verb in ("merged", "identified"):
                self._touch(PartyKey(fact.tenant, *subject), PartyFacts(identity=[fact]), out)
            return
        item = fact.subject
        if fact.kind == "activity":
            item = fact.data.get("media_item") or fact.subject
            own = claimed_key(fact.tenant, claim([fact], self._limits))
            if own is not None or not item:
                key = own or PartyKey(fact.tenant, "anon", fact.data["activity"])
                self._touch(key, PartyFacts(activities={fact.data["activity"]: [fact]}), out)
                for known in implied([fact], self._limits):
                    self._touch(PartyKey(fact.tenant, "address", known.subject), PartyFacts(identity=[known]), out)
                return
        if record.key is not None and record.key == item.encode():
            arrived.setdefault((fact.tenant, item), _Changes()).facts.append(fact)
        else:  # keyed by something else: its item may be in another partition
            out.append(link(Link(fact.tenant, item, 0, [fact])))

    def _links(self, records: Sequence[Record], out: list[Forward]) -> dict[tuple[str, str], _Changes]:
        arrived: dict[tuple[str, str], _Changes] = {}
        for record in records:
            try:
                message = read(record)
            except msgspec.DecodeError as error:
                out.append(dead_letter(record, f"not a link of this version: {error}"))
                continue
            if isinstance(message, Told):
                self._clock.time.links.hear(message.sender, message.watermarks)
            elif isinstance(message, Link):
                changes = arrived.setdefault((message.tenant, message.item), _Changes())
                changes.hop = max(changes.hop, message.hop + 1)
                into = (
                    changes.facts if message.passenger is None else changes.passengers.setdefault(message.passenger, [])
                )
                into += message.facts
        return arrived

    # --- one media item ---------------------------------------------------------------------------------------

    def _settle(self, tenant: str, item: str, changes: _Changes, out: list[Forward]) -> None:
        key = f"{tenant}\0{item}".encode()
        raw = self._state.get(key)
        state = _decode(unstamped(raw)) if raw is not None else ItemState()
        new = _take(state, changes.facts, self._limits)
        fresh = {other: _new(state.passengers, other, facts) for other, facts in changes.passengers.items()}
        if not new and not any(fresh.values()):
            return
        where = _Where(tenant, item, changes.hop)
        self._send(state, where, new, out)
        self._seat(state, where, fresh, out)
        state.last = max(state.last, *(fact.time for facts in (new, *fresh.values()) for fact in facts))
        due = state.last + (self._limits.interaction_age if state.stub else self._settled_after(state))
        self._state[key] = stamped(due, _encode(state))
        self._timers.set(key, due)

    def _send(self, state: ItemState, where: _Where, new: list[Fact], out: list[Forward]) -> None:
        """New facts where the others went; if that has changed, all facts there and word to where they were."""
        via, route = (state.via, state.route) if state.stub else self._way(state, where)
        moved = (via, route) != (state.via, state.route)
        facts = [*state.facts, *state.others] if moved else new
        if moved and state.route is not None:
            out.append(touch(Touch(state.route, 0, PartyFacts(), [where.item]), self._secret))
        state.via, state.route = via, route
        if via is not None:
            passenger = None if via in _aliases(state.facts).values() else where.item
            out.append(link(Link(where.tenant, via, where.hop, facts, passenger)))
        elif route is not None and facts:
            self._touch(route, place(where.item, facts), out)
        for known in implied(new, self._limits):
            self._touch(PartyKey(where.tenant, "address", known.subject), PartyFacts(identity=[known]), out)

    def _way(self, state: ItemState, where: _Where) -> tuple[str | None, PartyKey | None]:
        """Through its root if it is an alias; to its party; through its parent if it has none; else by itself."""
        if where.hop < MOST_HOPS:
            home = aliases.root(where.item, _aliases(state.facts))
            if home != where.item:
                return home, None
        own = [fact for fact in state.facts if fact.subject == where.item]
        if not own:
            return None, None  # only its aliases or others have spoken of it so far
        key = claimed_key(where.tenant, claim(own, self._limits))
        parents = sorted(item_refs(own) - {where.item})
        if key is None and parents and where.hop < MOST_HOPS:
            return parents[0], None
        return None, key or PartyKey(where.tenant, "anon", where.item)

    def _seat(self, state: ItemState, where: _Where, fresh: dict[str, list[Fact]], out: list[Forward]) -> None:
        """Items without a party go where the item goes that they name as their parent."""
        for passenger, facts in state.passengers.items():
            new = fresh.get(passenger, [])
            if state.via is not None:
                if new:
                    out.append(link(Link(where.tenant, state.via, where.hop, facts, passenger)))
                continue
            seat = state.route or PartyKey(where.tenant, "anon", passenger)
            old = state.seats.get(passenger)
            if old is not None and old != seat:
                out.append(touch(Touch(old, 0, PartyFacts(), [passenger]), self._secret))
            state.seats[passenger] = seat
            if new or old != seat:
                self._touch(seat, place(passenger, new if old == seat else facts), out)

    def _touch(self, key: PartyKey, facts: PartyFacts, out: list[Forward]) -> None:
        out.append(touch(Touch(key, 0, facts), self._secret))

    # --- forgetting -------------------------------------------------------------------------------------------

    def _settled_after(self, state: ItemState) -> Micros:
        """When its facts are no longer needed here: an ended item's soon, another's when its age is reached."""
        if any(fact.verb in FINAL for fact in state.facts):
            return HOUR
        channel = self._limits.channels.get(state.facts[0].kind) if state.facts else None
        return HOUR + (channel.age if channel else self._limits.interaction_age)

    def _shrink(self, key: bytes) -> None:
        """First to where its facts went, for late events to find their way; after an interaction's age to nothing."""
        state = _decode(unstamped(self._state[key]))
        over = state.last + self._limits.interaction_age
        if state.stub or (state.route is None and state.via is None):
            del self._state[key]
            return
        stub = ItemState(route=state.route, via=state.via, last=state.last, stub=True)
        self._state[key] = stamped(over, _encode(stub))
        self._timers.set(key, over)


class _Changes:
    """What a batch brought for one media item."""

    __slots__ = ("facts", "hop", "passengers")

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.passengers: dict[str, list[Fact]] = {}
        self.hop = 0


class _Where(msgspec.Struct, frozen=True):
    tenant: str
    item: str
    hop: int


def _aliases(facts: Iterable[Fact]) -> dict[str, str]:
    return aliases.alias_map(fact for fact in facts if fact.verb == "alias")


def _take(state: ItemState, facts: list[Fact], limits: Limits) -> list[Fact]:
    """Add facts to an item's; returns those that were new or changed something."""
    channel = [fact for fact in facts if fact.kind not in ("activity", "interaction")]
    others = [fact for fact in facts if fact.kind in ("activity", "interaction")]
    known = {(fact.source, fact.id): fact for fact in state.facts}
    before = dict(known)
    merge_facts(known, channel, limits)
    state.facts = list(known.values())
    new = [fact for key, fact in known.items() if before.get(key) is not fact]
    if others:
        had = {(fact.source, fact.id): fact for fact in state.others}
        state.others = union(state.others, others)
        new += [fact for fact in state.others if had.get((fact.source, fact.id)) != fact]
    return new


def _new(known: dict[str, list[Fact]], item: str, facts: list[Fact]) -> list[Fact]:
    had = known.get(item, [])
    known[item] = union(had, facts)
    return [fact for fact in known[item] if fact not in had]

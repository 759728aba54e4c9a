"""(b) The same job as a plain Faust app, written as Faust's documentation shows: agents that take one event at a time,
tables that are set once per event, a timer, `take` for what goes into a database; every setting is Faust's default.

What closes and how a record looks is decided by the product's own pure functions, so the difference measured is that of
the streaming. The rest is kept simple, and fast where that is simple too:

* one worker only: the watermark is the least over all input partitions of this process, and travels to the party
  partitions in ticks; a tick is acted on three ticks later, when whatever was sent on from party to party has arrived;
* tables and topics hold bytes that msgspec makes, which is faster than Faust's models;
* no aliases, no items without a party that follow their parent, no parent of another party, no dead letters;
* and it loses events when it crashes, as Faust's defaults do.

Run by bench.plain_run: ``python -m bench.plain_faust worker``, configured by BENCH_BROKER, BENCH_PREFIX, BENCH_DATABASE
and BENCH_STARTED (a file that it makes at its first event).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import AsyncIterator, Iterable
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

import asyncpg
import faust
import msgspec
from faust.types import TP

from touchpoint.events import Accepted, Decoder
from touchpoint.events.outgoing import InteractionAmended, InteractionClosed
from touchpoint.history.writer import HistoryWriter
from touchpoint.settings import FIXED_PARTY_SECRET
from touchpoint.stitching.facts import HOUR, Fact, Micros
from touchpoint.stitching.interactions.advance import advance
from touchpoint.stitching.interactions.party_facts import PartyFacts, PartyKey, merged
from touchpoint.stitching.interactions.pauses import shortest_wait
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.ownership.claims import claim, claimed_key, identifications
from touchpoint.stitching.ownership.identities import Identity
from touchpoint.stitching.ownership.party_sorting import place
from touchpoint.stitching.record_builder import build_identity, build_published_amendment, build_record, instant

BROKER, PREFIX = os.environ["BENCH_BROKER"], os.environ["BENCH_PREFIX"]
DATABASE, STARTED = os.environ["BENCH_DATABASE"], Path(os.environ["BENCH_STARTED"])
PARTITIONS = 4
INPUTS = ("calls", "emails", "faxes", "chats", "activities", "parties")
HOLDING = len(INPUTS[:-1]) * PARTITIONS  # identifications are few and hold nothing back, as in the worker
TICK_SECONDS = 0.5
TICKS_LATER = 3  # address -> party -> merged party, and one for those under way
FINAL = frozenset({"ended", "disconnected"})
LIMITS, SECRET, DECODER = Limits(), FIXED_PARTY_SECRET.encode(), Decoder()


class Item(msgspec.Struct, array_like=True):
    """An open media item: whose it is, what was seen of it, and what waits until it is known whose it is."""

    party: PartyKey | None = None
    seen: set[str] = set()
    waiting: list[Fact] = []
    due: Micros = 0


class Party(msgspec.Struct, array_like=True):
    """What is open of a party."""

    key: PartyKey
    facts: PartyFacts
    due: Micros = 0


class Touch(msgspec.Struct, array_like=True):
    """Facts on their way to a party; or a tick, with the number and the watermark."""

    key: PartyKey | None = None
    facts: PartyFacts | None = None
    tick: tuple[int, Micros] | None = None


read_item = msgspec.msgpack.Decoder(Item).decode
read_party = msgspec.msgpack.Decoder(Party).decode
read_touch = msgspec.msgpack.Decoder(Touch).decode
packed = msgspec.msgpack.Encoder().encode

app = faust.App(
    "plain-" + PREFIX.strip("."), broker=f"kafka://{BROKER}", store="memory://", topic_partitions=PARTITIONS
)
RAW: dict[str, Any] = {"key_serializer": "raw", "value_serializer": "raw"}
events = app.topic(*(PREFIX + name for name in INPUTS), key_type=bytes, value_type=bytes, **RAW)
touches = app.topic(PREFIX + "touches", key_type=str, value_type=bytes, **RAW)
interactions = app.topic(PREFIX + "interactions", key_type=str, value_type=bytes, **RAW)
items = app.Table("items", partitions=PARTITIONS, key_type=str, value_type=bytes)
parties = app.Table("parties", partitions=PARTITIONS, key_type=str, value_type=bytes)


class Due:
    """Keys of one partition by due time; a key may stand in it more than once, its own due time counts."""

    def __init__(self) -> None:
        self._heaps: list[list[tuple[Micros, str]]] = [[] for _ in range(PARTITIONS)]

    def add(self, partition: int, due: Micros, key: str) -> None:
        heappush(self._heaps[partition], (due, key))

    def pop(self, partition: int, before: Micros) -> Iterable[tuple[Micros, str]]:
        heap = self._heaps[partition]
        while heap and heap[0][0] < before:
            yield heappop(heap)


class Time:
    """How far the inputs have come, and which ticks the party partitions have taken."""

    def __init__(self) -> None:
        self._latest: dict[TP, Micros] = {}
        self._ticks: deque[Micros] = deque(maxlen=TICKS_LATER + 1)
        self.number = 0
        self.started = False
        self.taken = [0] * PARTITIONS

    def observe(self, tp: TP, time: Micros) -> None:
        if tp.topic != PREFIX + "parties":
            self._latest[tp] = max(time, self._latest.get(tp, 0))

    @property
    def watermark(self) -> Micros:
        """0 as long as some input partition was never heard of."""
        return min(self._latest.values()) - LIMITS.disorder if len(self._latest) == HOLDING else 0

    def tick(self) -> tuple[int, Micros] | None:
        """The next tick, once all have taken the one before."""
        if min(self.taken) < self.number:
            return None
        self.number += 1
        self._ticks.append(self.watermark)
        return self.number, self._ticks[0] if len(self._ticks) > TICKS_LATER else 0


clock, open_items, open_parties = Time(), Due(), Due()


@app.agent(events)
async def media(stream: Any) -> None:
    """Validate each event, leave out repeats, send it to its party."""
    async for event in stream.events():
        say_started()
        message = event.message
        verdict = DECODER.decode(event.value, tuple((message.headers or {}).items()))
        if isinstance(verdict, Accepted):
            await accept(verdict.fact, message.partition)
            clock.observe(message.tp, verdict.fact.time)


def say_started() -> None:
    """Once, at the first event."""
    if not clock.started:
        clock.started = True
        STARTED.touch()


async def accept(fact: Fact, partition: int) -> None:
    if fact.kind == "source":
        return
    if fact.kind == "party":
        whose = ("id", fact.data["from"]) if fact.verb == "merged" else ("address", fact.subject)
        await to_party(PartyKey(fact.tenant, *whose), PartyFacts(identity=[fact]))
        return
    own = claimed_key(fact.tenant, claim([fact], LIMITS))
    if fact.kind == "activity" and own is not None:
        await to_party(own, place("", [fact]))
        return
    await to_item(fact, own, partition)
    for key in [key for _, key in open_items.pop(partition, clock.watermark)]:
        known = items.get(key)
        if known is not None and read_item(known).due < clock.watermark:
            del items[key]


async def to_item(fact: Fact, own: PartyKey | None, partition: int) -> None:
    """An event of a media item goes where the item's first went; what comes before that waits."""
    name = fact.subject or fact.data["media_item"]
    known = items.get(name)
    item = read_item(known) if known is not None else Item(seen=set(), waiting=[])
    identifier = f"{fact.source}/{fact.id}"
    if identifier in item.seen:
        return
    item.seen.add(identifier)
    item.waiting.append(fact)
    if item.party is None and fact.kind in LIMITS.channels:
        item.party = own or PartyKey(fact.tenant, "anon", name)
    if item.party is not None:
        await to_party(item.party, place(name, item.waiting))
        for told in identifications(item.waiting, LIMITS):
            await to_party(PartyKey(fact.tenant, "address", told.subject), PartyFacts(identity=[told]))
        item.waiting = []
    age = LIMITS.channels[fact.kind].age if fact.kind in LIMITS.channels and fact.verb not in FINAL else 0
    item.due = max(fact.time + HOUR + age, 0 if fact.verb in FINAL else item.due)
    items[name] = packed(item)
    open_items.add(partition, item.due, name)


async def to_party(key: PartyKey, facts: PartyFacts) -> None:
    await touches.send(key=name_of(key), value=packed(Touch(key, facts)))


def name_of(key: PartyKey) -> str:
    return f"{key.tenant}/{key.kind}/{key.value}"


@app.timer(TICK_SECONDS)
async def tick() -> None:
    """Event time to every party partition."""
    new = clock.tick()
    for partition in range(PARTITIONS) if new is not None else ():
        await touches.send(partition=partition, value=packed(Touch(tick=new)))


@app.agent(touches)
async def party(stream: Any) -> None:
    """Collect the facts of each party, send on what is another's, close what is over."""
    async for event in stream.events():
        touch, partition = read_touch(event.value), event.message.partition
        if touch.key is not None and touch.facts is not None:
            await collect(touch.key, touch.facts, partition)
        elif touch.tick is not None:
            number, watermark = touch.tick
            await close(partition, watermark)
            clock.taken[partition] = number


async def collect(key: PartyKey, new: PartyFacts, partition: int) -> None:
    name = name_of(key)
    value = parties.get(name)
    known = read_party(value) if value is not None else Party(key, PartyFacts())
    facts = merged(known.facts, (new, ()))
    other = elsewhere(key, facts.identity)
    if other is not None:
        facts.controls, facts.activities = dict(facts.controls), dict(facts.activities)
        await to_party(other, facts)
        parties[name] = packed(Party(key, PartyFacts(identity=facts.identity)))
        return
    due = first_look(facts)
    parties[name] = packed(Party(key, facts, due))
    if due:
        open_parties.add(partition, due, name)


def elsewhere(key: PartyKey, known: list[Fact]) -> PartyKey | None:
    """The party that an address was identified as, or that a party was merged into."""
    if not known or key.kind == "anon":
        return None
    identified = Identity(known)
    if key.kind == "id":
        root = identified.root(key.value)
        return PartyKey(key.tenant, "id", root) if root != key.value else None
    whose = identified.party_of(key.value, 2**62)
    return PartyKey(key.tenant, "id", whose) if whose is not None else None


def first_look(facts: PartyFacts) -> Micros:
    """Nothing can have closed before; 0 if nothing is open."""
    homes = (facts.items, facts.activities, facts.controls)
    latest = max((fact.time for home in homes for its in home.values() for fact in its), default=None)
    if latest is None:
        return 0
    return latest + (1 if facts.controls or facts.closed else shortest_wait(LIMITS))


async def close(partition: int, watermark: Micros) -> None:
    """Close what is over, and forget what was closed long ago."""
    for due, name in open_parties.pop(partition, watermark):
        value = parties.get(name)
        if value is None or (known := read_party(value)).due != due:
            continue
        step = advance(known.facts, watermark, LIMITS)
        for closed in step.closed:
            record = msgspec.structs.replace(build_record(closed, SECRET), identity=build_identity(closed, SECRET))
            event = InteractionClosed(id=closed.interaction_id, time=instant(closed.instant), data=record)
            await interactions.send(key=record.party_key, value=msgspec.json.encode(event))
        for late in step.amendments:
            data, event_id = build_published_amendment(late, SECRET), f"{late.interaction_id}/{late.seq}"
            amended = InteractionAmended(id=event_id, time=instant(late.time), data=data)
            await interactions.send(key=late.interaction_id, value=msgspec.json.encode(amended))
        look = min((closed.instant + LIMITS.interaction_age + 1 for closed in step.rest.closed), default=None)
        looks = [time for time in (step.due, look) if time is not None]
        if looks or step.rest.identity:
            parties[name] = packed(Party(known.key, step.rest, min(looks, default=0)))
            if looks:
                open_parties.add(partition, min(looks), name)
        else:
            del parties[name]


@app.agent(interactions)
async def history(stream: Any) -> AsyncIterator[None]:
    """Into PostgreSQL, a batch at a time."""
    async with asyncpg.create_pool(DATABASE, min_size=1, max_size=4) as pool:
        writer = HistoryWriter(pool)
        async for values in stream.take(500, within=0.5):
            await writer.write_batch(values)
            yield


if __name__ == "__main__":
    app.main()

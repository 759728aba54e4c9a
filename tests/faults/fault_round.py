"""One round: a stream, workers and a schedule of faults; then what is stored is held against the offline fold."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import orjson
from aiokafka.errors import KafkaError
from crew import Crew
from fault_schedule import AT_FIRST, REBALANCE, SESSION, Fault, schedule
from fault_stream import Bad, Sender, bad_records, good_events
from hostile_attacks import WOVEN, theirs, woven_into
from hostile_producer import HostileProducer
from injection import Injector
from installation import Event, Installation, Records, offline
from surroundings import Surroundings

from touchpoint.cli.comparison import Comparison, compare, differences
from touchpoint.embedded.postgres import EmbeddedPostgresError

PACE = 250.0  # events a second
BAD = 12
GRACE = 8.0
STILL_SECONDS = 120.0  # without any progress after all faults are over: what is not there by then is lost
SHOWN = 20  # differences, in the evidence
Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """Everything about a round that is decided before it: a function of seed, number and faults."""

    number: int
    seed: int  # the round's own
    faults: list[Fault]
    static: bool  # whether workers have instance ids
    brokers: int = 1
    hostile: bool = False  # whether a hostile producer writes beside the stream

    @classmethod
    def of(cls, seed: int, number: int, faults: int, brokers: int = 1, hostile: bool = False) -> Plan:
        """Round `number` of the soak with this seed. One of ten has longer outages."""
        dice = random.Random(f"{seed}/{number}")
        own = dice.randrange(10**9)
        plan = schedule(own, faults, long=number % 10 == 5, brokers=brokers)
        return cls(number, own, plan, number % 2 == 0, brokers, hostile)

    @property
    def name(self) -> str:
        """Of the round's group, and what its topics begin with."""
        return f"round-{self.number}"

    @property
    def seconds(self) -> float:
        """For how long the stream lasts at least: somewhat longer than the faults."""
        return self.faults[-1].at * 1.1 + 8.0

    def events(self) -> list[Event]:
        """The stream, in order of arrival."""
        return good_events(self.seed, int(self.seconds * PACE))

    def stream(self, events: Sequence[Event]) -> list[Event]:
        """What is sent: the events, and in a hostile round among them those of the attacks that are events."""
        return woven_into(events, self.seed) if self.hostile else list(events)

    def bad(self) -> list[Bad]:
        return bad_records(self.seed, BAD, self.seconds)


@dataclass
class Outcome:
    """What came of a round."""

    plan: Plan
    seconds: float = 0.0
    events: int = 0
    interactions: int = 0
    letters: int = 0
    done: Counter[str] = field(default_factory=Counter)
    exits: Counter[str] = field(default_factory=Counter)
    last_words: Counter[str] = field(default_factory=Counter)
    alone: list[Path] = field(default_factory=list)  # logs of workers that ended by themselves
    in_transaction: int = 0
    broken_as: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)  # by the hostile producer, by attack
    compared: Comparison = field(default_factory=lambda: Comparison([], [], []))
    details: list[str] = field(default_factory=list)  # of the first differences
    problems: list[str] = field(default_factory=list)

    @property
    def green(self) -> bool:
        return self.compared.same and not self.problems


async def run_round(plan: Plan, directory: Path, say: Say) -> Outcome:
    """Play a round; its logs stay in the directory. Raises KafkaMissingError."""
    began = time.monotonic()
    surroundings = Surroundings(directory, plan.name, plan.brokers)
    outcome = Outcome(plan)
    try:
        say("starting a broker and a database")
        starting = asyncio.create_task(surroundings.start())
        events = await asyncio.to_thread(plan.events)
        expected = await asyncio.to_thread(offline, events)
        await starting
        outcome.events, outcome.interactions = len(events), len(expected)
        async with installed(surroundings, directory, plan) as installation:
            await play(outcome, installation, surroundings, events, expected, say)
    except* (RuntimeError, OSError, KafkaError, asyncpg.PostgresError, EmbeddedPostgresError) as errors:
        outcome.problems += [f"the round came to no end: {error!r}" for error in leaves(errors)]
    finally:
        await asyncio.to_thread(surroundings.end)
    outcome.seconds = time.monotonic() - began
    return outcome


def leaves(errors: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """The errors of a group and its groups."""
    for error in errors.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error


@contextlib.asynccontextmanager
async def installed(surroundings: Surroundings, directory: Path, plan: Plan) -> AsyncIterator[Installation]:
    """Topics; and in the end no worker that is left."""
    made = Installation(
        surroundings.kafka.bootstrap, surroundings.database, directory, plan.name,
        replication=plan.brokers, min_insync=max(1, plan.brokers - 1),
        session_timeout=SESSION, rebalance_timeout=REBALANCE, grace_seconds=GRACE,
    )  # fmt: skip
    try:
        await made.prepare()
        yield made
    finally:
        made.close()


async def play(
    outcome: Outcome, installation: Installation, surroundings: Surroundings, events: Sequence[Event],
    expected: Records, say: Say,
) -> None:  # fmt: skip
    """The faults while the stream comes in; then until everything is through; then the comparison."""
    plan, bad = outcome.plan, outcome.plan.bad()
    crew = Crew(installation, plan.static)
    stream = await asyncio.to_thread(plan.stream, events)
    injector, sender = Injector(crew, surroundings, GRACE), Sender(installation, stream, bad)
    hostile = HostileProducer(installation, events, plan.seed)
    telling = asyncio.create_task(tell(crew, injector, sender, plan, say))
    try:
        for _ in range(AT_FIRST):
            crew.add()
        async with beside(hostile if plan.hostile else None), asyncio.TaskGroup() as both:
            both.create_task(sender.send(plan.seconds))
            both.create_task(injector.inject(plan.faults))
        say("all faults are over, waiting for what is left")
        await settle(installation, crew, expected, len(bad))
        await crew.end(GRACE + 3.0)
    finally:
        telling.cancel()
        crew.abandon()
        outcome.done.update({str(kind): count for kind, count in injector.done.items()})
        outcome.exits.update({f"{why}: {status}": count for (why, status), count in crew.exits.items()})
        outcome.last_words, outcome.alone = crew.last_words, crew.alone
        outcome.in_transaction = injector.in_transaction
        outcome.broken_as, outcome.written = surroundings.broken_as, hostile.written
        if plan.hostile:
            outcome.written.update({attack.name: attack.times for attack in WOVEN})
        outcome.problems += crew.problems
    say("comparing")
    await check_records(outcome, installation, expected)
    await check_letters(outcome, installation, bad, events)


@contextlib.asynccontextmanager
async def beside(hostile: HostileProducer | None) -> AsyncIterator[None]:
    """Writes for as long as the block lasts."""
    writing = asyncio.create_task(hostile.write()) if hostile is not None else None
    try:
        yield
    finally:
        if writing is not None:
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writing


async def tell(crew: Crew, injector: Injector, sender: Sender, plan: Plan, say: Say) -> None:
    """How far it is, now and then."""
    while True:
        state = ", ".join(sorted(task.get_name() for task in injector.running)) or "nothing is wrong"
        say(
            f"{injector.done.total()} of its {len(plan.faults)} faults over, {sender.sent} events, "
            f"{len(crew.workers())} workers; now: {state}"
        )
        await asyncio.sleep(5.0)  # between two lines


# --- the end ------------------------------------------------------------------------------------------------------


async def settle(installation: Installation, crew: Crew, expected: Records, bad: int) -> None:
    """Until everything expected is there and no worker has anything left to do, or nothing moves any more."""
    wanted = {id_: record["content_hash"] for id_, record in expected.items()}
    before, since = (-1, -1, -1.0), time.monotonic()
    while time.monotonic() - since < STILL_SECONDS:
        found = await installation.hashes()
        letters = len({letter.value for letter in await installation.read("dead-letters")})
        left = await asyncio.to_thread(lag, crew)
        if found.keys() >= wanted.keys() and letters >= bad and left == 0:
            return
        if (now := (len(found), letters, -1.0 if left is None else left)) != before:
            before, since = now, time.monotonic()
        await asyncio.sleep(1.0)  # between questions: a look reads all that is stored
    if await asyncio.to_thread(lag, crew) is None:
        crew.problems.append("a worker does not become ready though nothing is wrong any more")


def lag(crew: Crew) -> float | None:
    """Records that the workers have not read yet; None if one of them is not ready."""
    total = 0.0
    for worker in crew.workers():
        try:
            metrics = worker.metrics()
        except OSError:
            return None
        if not metrics.get("touchpoint_ready"):
            return None
        total += sum(value for name, value in metrics.items() if name.startswith("touchpoint_lag_records"))
    return total if len(crew.workers()) == len(crew.posts) else None


async def check_records(outcome: Outcome, installation: Installation, expected: Records) -> None:
    """Every row of every table, by record and by hash; and what the topic has for others."""
    wanted = {id_: record["content_hash"] for id_, record in expected.items()}
    found = {id_: record for id_, record in (await installation.records()).items() if not theirs(record)}
    hashes = {id_: record["content_hash"] for id_, record in found.items()}
    compared = compare(hashes, wanted)
    members = {id_: list(differences(found[id_], expected[id_])) for id_ in found.keys() & expected.keys()}
    outcome.compared = compared._replace(
        different=sorted({*compared.different, *(id_ for id_, differing in members.items() if differing)})
    )
    for id_ in outcome.compared.different[:SHOWN]:
        outcome.details += [f"{id_} {path}: {stored!r}, expected {folded!r}" for path, stored, folded in members[id_]]
    for id_ in [*compared.missing[:SHOWN], *compared.extra[:SHOWN]]:
        outcome.details.append(f"{id_} {orjson.dumps(found.get(id_) or expected[id_]).decode()}")
    for id_, hash_ in await closed_in_topic(installation):
        if wanted.get(id_) != hash_:
            outcome.problems.append(f"the topic has interaction {id_} with content {hash_}: {wanted.get(id_)} expected")


async def closed_in_topic(installation: Installation) -> set[tuple[str, str]]:
    """(id, content hash) of every closed interaction; repeated ones are one, and hostile ones none."""
    messages = await installation.read("interactions")
    events: list[dict[str, Any]] = [orjson.loads(message.value) for message in messages]
    closed = [event["data"] for event in events if event["type"] == "interaction.closed"]
    return {(data["interaction_id"], data["content_hash"]) for data in closed if not theirs(data)}


async def check_letters(
    outcome: Outcome, installation: Installation, bad: Sequence[Bad], events: Sequence[Event]
) -> None:
    """Each bad record is buried at least once, byte for byte, and none that is good: but for theirs, nothing else."""
    letters = await installation.read("dead-letters")
    outcome.letters = len(letters)
    sent = {(record.key, record.value) for record in bad}
    buried = {(letter.key, letter.value) for letter in letters}
    outcome.problems += [f"a bad record was not buried: {key!r} {value!r}" for key, value in sorted(sent - buried)]
    good = {(event["source"], event["id"]) for event in events}
    for letter in letters:
        if (letter.key, letter.value) not in sent and (not outcome.plan.hostile or identity(letter.value) in good):
            headers = {name: value.decode(errors="replace") for name, value in letter.headers}
            outcome.problems.append(f"a good record was buried: {headers}")


def identity(value: bytes | None) -> tuple[object, object] | None:
    """Source and id of an event; None if it is none."""
    try:
        event = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return None
    return (event.get("source"), event.get("id")) if isinstance(event, dict) else None

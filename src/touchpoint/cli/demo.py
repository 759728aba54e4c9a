"""`touchpoint demo`: everything on this machine, with nothing installed or running beforehand."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from types import FrameType
from typing import Annotated

import asyncpg
import orjson
import typer

from touchpoint.cli.comparison import compare
from touchpoint.cli.demo_report import Screen, Stored
from touchpoint.cli.demo_services import Services
from touchpoint.cli.errors import CliError
from touchpoint.embedded.broker import EmbeddedBroker
from touchpoint.embedded.kafka import ApacheKafka
from touchpoint.events import Accepted, Decoder
from touchpoint.history.reader import content_hashes, one_record, queue_report
from touchpoint.settings import FIXED_PARTY_SECRET
from touchpoint.simulate import simulate
from touchpoint.simulate.produce import produce
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.offline import stitch
from touchpoint.stitching.record import Json

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
PLAYED_WITHIN = 8.0  # seconds, so that there is something to see
STALLED_AFTER = 40.0  # seconds without anything closed
SHOWN = 14  # interactions in the table
PROGRESS = "SELECT (SELECT count(*) FROM touchpoint.media_item), (SELECT count(*) FROM touchpoint.interaction_index)"


class Broker(StrEnum):
    """What the demo runs on."""

    EMBEDDED = "embedded"
    KAFKA = "kafka"


BROKERS: dict[Broker, type[EmbeddedBroker | ApacheKafka]] = {Broker.EMBEDDED: EmbeddedBroker, Broker.KAFKA: ApacheKafka}
Kind = Annotated[
    Broker, typer.Option("--broker", help="`kafka`: Apache Kafka from Maven Central, which needs Java 17 and Maven.")
]
Seed = Annotated[int, typer.Option(help="Another seed is another hour.")]
Volume = Annotated[float, typer.Option(min=20, max=100_000, help="Contacts in the hour.")]
Keep = Annotated[bool, typer.Option("--keep", help="Leave all running at the end, and say how to connect and end it.")]


def demo(seed: Seed = 1, volume: Volume = 300.0, broker: Kind = Broker.EMBEDDED, keep: Keep = False) -> None:
    """See an hour of calls, emails, faxes and chats become interactions.

    Starts a broker, an embedded PostgreSQL and a worker; plays a simulated hour through them; checks the stored
    interactions against the same events folded offline, hash by hash; shows some of them. Ends cleanly and leaves
    nothing running.

    The broker is a Kafka-compatible one from a Python wheel of a single author; with `--broker kafka` it is Apache
    Kafka. Neither the wheel nor that of PostgreSQL is part of a production installation.

    Examples:

        touchpoint demo

        touchpoint demo --broker kafka

        touchpoint demo --seed 7 --keep
    """
    screen = Screen()
    with ending_on_terminate():
        events = list(simulate(seed, START, 1.0, volume))
        expected = offline(events)
        with Services(BROKERS[broker](keep=keep), keep=keep) as services:
            screen.starting(f"PostgreSQL, {services.broker.name}, and a worker")
            services.start()
            stored = asyncio.run(play(services, screen, events, expected))
            verdict(screen, stored, expected)
            asyncio.run(show(services, screen, named(expected, events)))
            if keep:
                services.start_web()
                services.keep()
                screen.kept(services)


@contextmanager
def ending_on_terminate() -> Iterator[None]:
    """SIGTERM unwinds as Ctrl-C does, so that everything that was started ends."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def offline(events: list[Json]) -> list[Json]:
    """What must come out: the same events through the pure fold, as `touchpoint stitch` does it."""
    decoder = Decoder()
    verdicts = (decoder.decode(orjson.dumps(event)) for event in events)
    facts = (verdict.fact for verdict in verdicts if isinstance(verdict, Accepted))
    return list(stitch(facts, Limits(), FIXED_PARTY_SECRET.encode()))


def named(records: list[Json], events: list[Json]) -> list[Json]:
    """The records with the agents' names beside them, which are no part of what is hashed."""
    resources = [event["data"]["resource"] for event in events if "resource" in event["data"]]
    agents = sorted({resource["id"]: resource["name"] for resource in resources}.items())
    return [record | {"identity": {"addresses": [], "agents": agents}} for record in records]


async def play(services: Services, screen: Screen, events: list[Json], expected: list[Json]) -> dict[str, str]:
    """Send the hour and wait until everything is closed; the hash of each stored interaction by its id."""
    pace = max(len(events) / PLAYED_WITHIN, 400)
    items = sum(len(record["media_items"]) for record in expected)
    connection = await asyncpg.connect(services.database_url)
    try:
        with screen.progress(len(events), items, len(expected)) as bars:
            sending = asyncio.create_task(
                produce(events, services.client, services.topic_prefix, pace, finish=True, sent=bars.sent)
            )
            try:
                await all_closed(services, connection, bars.stored, len(expected), sending)
                await sending
            finally:
                sending.cancel()
        return {id_: one.content_hash for id_, one in (await content_hashes(connection)).items()}
    finally:
        await connection.close()


async def all_closed(
    services: Services, connection: asyncpg.Connection, stored: Stored, count: int, sending: asyncio.Task[int]
) -> None:
    """Until so many interactions are stored, or nothing moves any more. Raises CliError if the worker ends."""
    best, moved = -1, time.monotonic()
    while best < count:
        if sending.done():
            sending.result()  # raises what kept it from sending
        services.check()
        [(items, closed)] = await connection.fetch(PROGRESS)
        stored(items, closed)
        if closed > best or not sending.done():
            best, moved = closed, time.monotonic()
        elif time.monotonic() - moved > STALLED_AFTER:
            return
        await asyncio.sleep(0.1)


def verdict(screen: Screen, stored: dict[str, str], expected: list[Json]) -> None:
    """Compare what the worker stored with what the fold says. Raises CliError if they differ."""
    wanted = {record["interaction_id"]: record["content_hash"] for record in expected}
    found = compare(stored, wanted)
    if not found.same:
        told = "\n  ".join(found.lines(5))
        raise CliError(f"the stored interactions are not those of the offline fold:\n  {told}")
    screen.identical(len(stored))


async def show(services: Services, screen: Screen, expected: list[Json]) -> None:
    """Some interactions as a table, the seed's case in full, and the queues' hour."""
    screen.table(expected, SHOWN)
    connection = await asyncpg.connect(services.database_url)
    try:
        case = await one_record(connection, the_case(expected)["interaction_id"])
        assert case is not None
        screen.case(case)
        screen.queues(await queue_report(connection))
    finally:
        await connection.close()


def the_case(records: list[Json]) -> Json:
    """A call, a quote while they talked, a fax of it, and an outcome; of several the one with most in it."""

    def worth(record: Json) -> tuple[bool, bool, int]:
        quoted = any(activity["action"] == "quote" for activity in record["activities"])
        return quoted and record["channels"] == ["call", "fax"], record["follow_up"] is not None, -record["duration_ms"]

    return max(records, key=worth)

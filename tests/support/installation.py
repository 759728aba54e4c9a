"""A whole installation for tests: topics of its own on a broker, a database, workers as processes, and the rows."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from patience import LIMIT, own_seconds_until_the_end

from touchpoint.embedded.broker import free_port
from touchpoint.events import Accepted, Decoder
from touchpoint.kafka.topic_admin import changelog, create_topics, media_topics
from touchpoint.settings import PREFIX, Settings
from touchpoint.stitching.limits import DEFAULT, Limits
from touchpoint.stitching.offline import stitch

Event = dict[str, Any]
Records = dict[str, dict[str, Any]]
"""By interaction id."""

SECRET = "tests"
TRIPS = Path(__file__).with_name("trips.py")
CLOSED_TABLES = (
    "interaction", "media_item", "segment", "activity", "interaction_object", "interaction_resource", "amendment",
)  # fmt: skip
IDENTITY = frozenset({"identity", "party"})  # what the database knows of people by now: no part of a closed record


def arrival(events: Iterable[Event], seed: int, disorder: float = 50.0, duplicates: float = 0.2) -> list[Event]:
    """The events as they come in: each up to `disorder` seconds late, a share of them twice."""
    dice = random.Random(seed)
    stream = []
    for event in events:
        time_ = datetime.fromisoformat(event["time"]).timestamp()
        copies = 1 + (dice.random() < duplicates)
        stream += [(time_ + dice.uniform(0, disorder), dice.random(), event) for _ in range(copies)]
    return [event for *_, event in sorted(stream, key=lambda each: each[:2])]


class JsonSetting(dict[str, Any]):
    """A setting that the environment has as JSON."""

    def __str__(self) -> str:
        return orjson.dumps(self).decode()


def offline(events: Iterable[Event], limits: Limits = DEFAULT) -> Records:
    """What `touchpoint stitch` makes of the events."""
    decoder = Decoder()
    facts = []
    for event in events:
        verdict = decoder.decode(orjson.dumps(event))
        assert isinstance(verdict, Accepted), verdict
        facts.append(verdict.fact)
    return {record["interaction_id"]: record for record in stitch(facts, limits, SECRET.encode())}


class Worker:
    """One process of `touchpoint worker`."""

    def __init__(self, log: Path, environment: dict[str, str], metrics_port: int, trip: str = "") -> None:
        self.log = log
        self.ended_by_us = False
        self.port = metrics_port  # of its page
        program = [str(TRIPS), trip] if trip else ["-m", "touchpoint"]
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, *program, "worker"], stdout=out, stderr=out, env=environment
            )

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """kill -9."""
        self.ended_by_us = True
        self.process.kill()
        self.process.wait()

    async def end(self) -> int:
        """SIGTERM; the exit status."""
        self.ended_by_us = True
        self.process.terminate()
        return await asyncio.to_thread(self.process.wait, LIMIT)

    async def end_within(self, seconds: float) -> int:
        """SIGTERM; the exit status. Fails if it takes longer, not counting what it waits for a processor."""
        self.ended_by_us = True
        self.process.terminate()
        took = await own_seconds_until_the_end(self.process)
        assert took < seconds, f"the end took {took:.1f} s"
        return self.process.wait()

    def page(self, name: str) -> tuple[int, str]:
        """Status and text of one of its pages; status 0 while nobody serves it."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{name}", timeout=5) as page:
                return page.status, page.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metrics(self) -> dict[str, float]:
        """What its page says now, by name with labels."""
        lines = self.page("metrics")[1].splitlines()
        return {name: float(value) for name, _, value in (s.rpartition(" ") for s in lines if not s.startswith("#"))}


class Installation:
    """Topics, workers, database; `name` tells it from others on the same broker."""

    def __init__(self, broker: str, database: str, directory: Path, name: str, **fields: object) -> None:
        self.database = database
        self.directory = directory
        self.workers: list[Worker] = []
        self._fields: dict[str, object] = {
            "brokers": broker, "database_url": database, "app_id": name, "topic_prefix": f"{name}.",
            "partitions": 4, "replication": 1, "min_insync": 1, "session_timeout": 6, "rebalance_timeout": 12,
            "grace_seconds": 8, "party_secret": SECRET, **fields,
        }  # fmt: skip
        self.settings = Settings(**self._fields)  # type: ignore[arg-type]
        self.client = {"bootstrap_servers": broker}

    async def prepare(self) -> None:
        """Make the topics; return when the broker knows of all of them, which is a moment after it made them."""

        async def known() -> bool:
            return not (await create_topics(self.settings)).created

        await self.until(known, "the topics")

    def worker(self, trip: str = "", source: str | Path = "", **own: object) -> Worker:
        """Start a worker; `own`: settings of this one alone; `trip`: a trip wire, see trips.py; `source`: where the
        package is, if another version of it is meant.
        """
        port, number = free_port(), len(self.workers)
        environment = self.environment(**({"metrics_port": port} | own))
        environment |= {"PYTHONPATH": str(source)} if source else {}
        worker = Worker(self.directory / f"worker-{number}.log", environment, port, trip)
        self.workers.append(worker)
        return worker

    def environment(self, **own: object) -> dict[str, str]:
        """Of any `touchpoint` command of this installation."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        return environment | {PREFIX + name.upper(): str(value) for name, value in (self._fields | own).items()}

    def close(self) -> None:
        for worker in self.workers:
            if worker.running:
                worker.kill()

    # --- what is stored ---------------------------------------------------------------------------------------

    async def hashes(self) -> dict[str, str]:
        """The content hash of every stored interaction, by id."""
        rows = await self._fetch("SELECT interaction_id::text, content_hash FROM touchpoint.interaction")
        return dict(map(tuple, rows))

    async def records(self) -> Records:
        """Every stored record, put together again from the rows of all tables."""
        rows = await self._fetch("SELECT interaction_id::text, record FROM touchpoint.interaction_record")
        return {row[0]: orjson.loads(row[1]) for row in rows}

    async def row_versions(self) -> dict[str, set[tuple[Any, ...]]]:
        """Where each closed row lies and which transaction wrote it: a row that is changed lies elsewhere."""
        versions = {}
        for table in CLOSED_TABLES:
            rows = await self._fetch(f"SELECT tableoid, ctid, xmin::text FROM touchpoint.{table}")
            versions[table] = {tuple(row) for row in rows}
        return versions

    async def _fetch(self, sql: str) -> list[Any]:
        async with self.connected() as connection:
            return list(await connection.fetch(sql))

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection as the owner of everything."""
        connection = await asyncpg.connect(self.database)
        try:
            yield connection
        finally:
            await connection.close()

    async def until_count(self, count: int) -> None:
        """Wait for so many interactions."""

        async def stored() -> bool:
            return await self.count() >= count

        await self.until(stored, f"{count} interactions")

    async def until_stored(self, expected: Records, seconds: float = LIMIT) -> None:
        """Wait for as many interactions and amendments as expected, or for another; then compare every row."""
        wanted = {id_: record["content_hash"] for id_, record in expected.items()}
        late = sum(len(record["amendments"]) for record in expected.values())

        async def stored() -> bool:
            found = await self.hashes()
            enough = len(found) >= len(wanted) and await self._count("amendment") >= late
            return enough or not found.items() <= wanted.items()

        await self.until(stored, f"{len(wanted)} interactions", seconds)
        found = await self.records()
        hashes = {id_: record["content_hash"] for id_, record in found.items()}
        assert not wanted.keys() - hashes.keys(), "lost"
        assert not hashes.keys() - wanted.keys(), "nobody's"
        assert hashes == wanted
        for id_, record in found.items():
            assert without(record, IDENTITY) == without(expected[id_], IDENTITY)

    async def count(self) -> int:
        """Stored interactions."""
        return await self._count("interaction_index")

    async def _count(self, table: str) -> int:
        return int((await self._fetch(f"SELECT count(*) FROM touchpoint.{table}"))[0][0])

    async def until(self, condition: Callable[[], Awaitable[bool]], what: str, seconds: float = LIMIT) -> None:
        """Wait for a condition; on failure say what did not happen, with the ends of the workers' logs."""
        deadline = time.monotonic() + seconds
        while not await condition():
            ended = [w.log.name for w in self.workers if w.process.poll() is not None and not w.ended_by_us]
            if ended or time.monotonic() > deadline:
                logs = "\n".join(f"--- {w.log.name}\n{w.log.read_text()[-2000:]}" for w in self.workers)
                raise AssertionError(f"{what}: not within {seconds} s; stored: {await self.count()}; {ended=}\n{logs}")
            await asyncio.sleep(0.1)

    # --- topics ---------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(
            **self.client, linger_ms=5, max_request_size=20_000_000, enable_idempotence=True,
            request_timeout_ms=int(LIMIT * 1000),
        )  # fmt: skip
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    async def until_letters(self, count: int) -> None:
        """Wait for so many dead letters."""

        async def buried() -> bool:
            return len(await self.read("dead-letters")) >= count

        await self.until(buried, f"{count} dead letters")

    async def behind(self) -> dict[TopicPartition, int]:
        """The partitions of the inputs that the workers have not committed to their ends, with the records left."""
        settings = self.settings
        consumer = AIOKafkaConsumer(**self.client, group_id=settings.app_id, enable_auto_commit=False)
        await consumer.start()
        try:
            topics = [settings.topic_prefix + topic for topic in media_topics(settings) if topic != "links"]
            places = [TopicPartition(topic, p) for topic in topics for p in range(settings.partitions)]
            ends = await consumer.end_offsets(places)
            left = {place: end - (await consumer.committed(place) or 0) for place, end in ends.items()}
            return {place: count for place, count in left.items() if count}
        finally:
            await consumer.stop()

    async def read(self, topic: str) -> list[ConsumerRecord]:
        """Everything in a topic (without its prefix)."""
        return await self.read_all(self.settings.topic_prefix + topic)

    async def state(self, table: str) -> dict[tuple[int, bytes], bytes]:
        """What a changelog keeps: the last value of each key of each partition.

        Every partition has its own `\0progress`: without the partition, which of them counts would depend on the
        order in which the partitions happen to be fetched.
        """
        records = await self.read_all(changelog(self.settings, table))
        kept = {(each.partition, each.key): each.value for each in records}
        return {key: value for key, value in kept.items() if value is not None}

    async def read_all(self, name: str) -> list[ConsumerRecord]:
        """Everything in a topic by its full name."""
        consumer = AIOKafkaConsumer(**self.client, auto_offset_reset="earliest")
        await consumer.start()
        try:
            places = [TopicPartition(name, p) for p in range(self.settings.partitions)]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            found: list[ConsumerRecord] = []
            while any([await consumer.position(place) < ends[place] for place in places]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += records
            return found
        finally:
            await consumer.stop()


def without(record: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in names}

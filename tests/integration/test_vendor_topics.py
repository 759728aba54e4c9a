"""Topics that other systems fill, on a real Apache Kafka: of any number of partitions, translated once in effect."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from installation import Event, Installation, JsonSetting, Worker, offline
from kafka_broker import KafkaBroker
from patience import LIMIT
from vendor_day import OWN, VendorRecord, day, translated
from vendor_scenes import SCENES

from touchpoint.dialects import DIALECTS
from touchpoint.kafka.dead_letter_reader import Letter, Wanted, letters, replay
from touchpoint.kafka.topic_admin import TopicsError, check_topics, create_topics
from touchpoint.producer import Producer

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

LATER = "2026-06-30T00:00:00Z"
PARTITIONS = {
    "amazon-connect": 1, "asterisk-ami": 3, "asterisk-cel": 4, "asterisk-queue-log": 2, "freeswitch": 5,
    "genesys-cloud": 4, "twilio-taskrouter": 7, "mailbox": 2, "hylafax": 1,
}  # fmt: skip
"""Ours have four."""


class Vendors(Installation):
    """An installation with topics that are not ours to make: of each dialect, or of some, declared as others."""

    def __init__(self, kafka: KafkaBroker, database: str, directory: Path, name: str, **others: str) -> None:
        dialects = {dialect.replace("_", "-"): other for dialect, other in others.items()}
        dialects = dialects or {dialect: dialect for dialect in PARTITIONS}
        self.topics = {dialect: f"{name}-vendor.{dialect}" for dialect in dialects}
        declared = {self.topics[dialect]: {"dialect": other} for dialect, other in dialects.items()}
        channels = JsonSetting(email={"stitch_gap": "10m"})
        broker = kafka.bootstrap
        fields = {"dialect_topics": JsonSetting(declared), "channels": channels, "own_addresses": ",".join(OWN)}
        super().__init__(broker, database, directory, name, **fields)
        self.limits = self.settings.stitching_limits()

    async def make_topics(self) -> None:
        admin = AIOKafkaAdminClient(**self.client)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(topic, PARTITIONS[each], 1) for each, topic in self.topics.items()])
        finally:
            await admin.close()

        async def known() -> bool:  # a broker hears of new topics a moment later
            return (await create_topics(self.settings)).mismatching == []

        await self.until(known, "the topics")

    async def more_partitions(self, topic: str, count: int) -> None:
        admin = AIOKafkaAdminClient(**self.client)
        await admin.start()
        try:
            await admin.create_partitions({topic: NewPartitions(count)})
        finally:
            await admin.close()

    async def send(self, records: list[VendorRecord], pace: float | None = None) -> None:
        """As other systems do: in batches that are compressed in whichever way."""
        async with AIOKafkaProducer(**self.client, linger_ms=5, compression_type="zstd") as producer:
            for number, record in enumerate(records, 1):
                await producer.send(self.topics[record.dialect], record.value, record.key)
                if pace is not None and not number % 20:
                    await asyncio.sleep(20 / pace)

    async def produce(self, events: list[Event]) -> None:
        """Events of our own producers."""
        async with Producer(self.client, self.settings.topic_prefix) as producer:
            for event in events:
                await producer.send(event)
            assert not (await producer.flush()).failed

    async def finish(self) -> None:
        """A heartbeat beyond all limits to every partition of everything."""
        async with Producer(self.client, self.settings.topic_prefix) as producer:
            await producer.heartbeat("finish", LATER, id_="end")
            assert not (await producer.flush()).failed
        beat = {"specversion": "1.0", "id": "end", "source": "finish", "type": "source.heartbeat", "time": LATER}
        async with self.producer() as out:
            for dialect, topic in self.topics.items():
                for partition in range(PARTITIONS[dialect]):
                    await out.send(topic, orjson.dumps(beat), partition=partition)


@pytest.fixture
async def vendors(kafka: KafkaBroker, database: str, tmp_path: Path) -> AsyncIterator[Vendors]:
    made = Vendors(kafka, database, tmp_path, f"v{uuid.uuid4().hex[:8]}")
    yield made
    made.close()


@pytest.fixture
async def twice(kafka: KafkaBroker, database: str, tmp_path: Path) -> AsyncIterator[tuple[Vendors, Vendors]]:
    """One installation, its topic declared with the wrong dialect, and as it should have been."""
    name = f"v{uuid.uuid4().hex[:8]}"
    wrong = Vendors(kafka, database, tmp_path, name, asterisk_queue_log="twilio-taskrouter")
    right = Vendors(kafka, database, tmp_path, name, asterisk_queue_log="asterisk-queue-log")
    yield wrong, right
    wrong.close()
    right.close()


async def test_a_day_of_all_dialects_with_a_kill_gives_what_translate_and_stitch_give(vendors: Vendors) -> None:
    assert set(vendors.topics) == set(DIALECTS)
    missing = (await create_topics(vendors.settings)).mismatching
    assert missing == [
        f"topic {topic} does not exist: it is declared with a dialect, so the system that fills it makes it"
        for topic in vendors.topics.values()
    ]
    with pytest.raises(TopicsError, match="the system that fills it makes it"):
        await check_topics(vendors.settings)
    await vendors.make_topics()
    scenes = [scene(number) for scene in SCENES for number in range(5)]
    records = [*day(7, copies=20), *(record for scene in scenes for record in scene.records)]
    records.sort(key=lambda each: each.arrives)
    events = [event for scene in scenes for event in scene.events]
    expected = offline([*translated(records), *events], vendors.limits)
    await vendors.produce(events)
    pair = [vendors.worker(), vendors.worker()]
    half = len(records) // 2
    await vendors.send(records[:half])

    def translated_of(number: int) -> float:
        return sum(translated_by(pair[number]).values())

    async def at_work() -> bool:
        return translated_of(0) + translated_of(1) >= 200

    await vendors.until(at_work, "200 records translated")
    sending = asyncio.create_task(vendors.send(records[half:], pace=400))
    busier = max(range(2), key=translated_of)  # one that comes late to the group may find nothing left to translate
    pair[busier].kill()
    pair[busier] = vendors.worker()
    await sending
    await vendors.finish()
    await vendors.until_stored(expected)
    assert await vendors.read("dead-letters") == []

    command = [sys.executable, "-m", "touchpoint", "verify", "--topics", "--rows"]
    verified = await asyncio.to_thread(
        subprocess.run, command, env=vendors.environment(), capture_output=True, text=True, check=False, timeout=LIMIT
    )
    assert verified.stdout == f"{len(expected):,} interactions folded, {len(expected):,} stored: equal\n"


async def test_dead_letters_of_a_wrong_dialect_are_sent_back_to_the_vendors_topic(
    twice: tuple[Vendors, Vendors],
) -> None:
    wrong, right = twice
    records = day(5, copies=3, captures=[("asterisk-queue-log", "queue_log")])
    topic = wrong.topics["asterisk-queue-log"]
    await wrong.make_topics()
    worker = wrong.worker()
    await wrong.send(records)
    await wrong.until_letters(len(records))
    assert await worker.end() == 0
    buried = [each async for each in letters(wrong.settings, Wanted(topic=f"vendor:{topic}"))]
    assert sorted((each.key, each.value) for each in buried) == sorted((each.key, each.value) for each in records)

    again: list[Letter] = []
    await replay(right.settings, letters(right.settings, Wanted(code="dialect")), None, again.append)
    assert len(again) == len(records)
    right.worker()
    await right.finish()
    await right.until_stored(offline(translated(records), right.limits))
    assert len(await right.read("dead-letters")) == len(records), "no more than before"


async def test_a_topic_that_was_given_partitions_needs_as_many_in_its_changelog(twice: tuple[Vendors, Vendors]) -> None:
    vendors, _ = twice
    (topic,) = vendors.topics.values()
    log = f"{vendors.settings.app_id}-feed-{topic}-changelog"
    await vendors.make_topics()
    await vendors.until(as_checked(vendors, {"vendor:" + topic: 2}), "two partitions")
    await vendors.more_partitions(topic, 3)
    await vendors.until(as_checked(vendors, f"--topic {log} --partitions 3"), "the difference to be seen")
    await vendors.more_partitions(log, 3)
    await vendors.until(as_checked(vendors, {"vendor:" + topic: 3}), "three partitions")


def as_checked(vendors: Vendors, wanted: dict[str, int] | str) -> Callable[[], Awaitable[bool]]:
    """The counts, or what is wrong, as the check says once the broker knows."""

    async def said() -> bool:
        try:
            return (await check_topics(vendors.settings)).feeds == wanted
        except TopicsError as error:
            return isinstance(wanted, str) and wanted in str(error)

    return said


def translated_by(worker: Worker) -> dict[str, float]:
    """How many vendor's records a worker has taken, by dialect and outcome."""
    try:
        told = worker.metrics()
    except OSError:
        return {}  # it is not there yet
    return {name: count for name, count in told.items() if name.startswith("touchpoint_vendor_records_total")}

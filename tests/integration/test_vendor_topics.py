"""Topics that other systems fill, on a real Apache Kafka: of any number of partitions, translated once in effect."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from installation import Installation, JsonSetting, Worker, offline
from kafka_broker import KafkaBroker
from vendor_day import VendorRecord, day, translated

from touchpoint.producer import Producer
from touchpoint.stream.topics import TopicsError, check_topics, create_topics

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

LATER = "2026-06-30T00:00:00Z"
PARTITIONS = {
    "amazon-connect": 1, "asterisk-ami": 3, "asterisk-cel": 4, "asterisk-queue-log": 2, "freeswitch": 5,
    "genesys-cloud": 4, "twilio-taskrouter": 7,
}  # fmt: skip
"""Ours have four."""


class Vendors(Installation):
    """An installation with a topic of each dialect, which is not ours to make."""

    def __init__(self, broker: str, database: str, directory: Path, name: str) -> None:
        self.topics = {dialect: f"{name}-vendor.{dialect}" for dialect in PARTITIONS}
        declared = {topic: {"dialect": dialect} for dialect, topic in self.topics.items()}
        super().__init__(broker, database, directory, name, dialect_topics=JsonSetting(declared))
        self.limits = self.settings.stitching_limits()

    async def make_topics(self) -> None:
        admin = AIOKafkaAdminClient(**self.client)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(self.topics[dialect], of, 1) for dialect, of in PARTITIONS.items()])
        finally:
            await admin.close()

    async def send(self, records: list[VendorRecord], pace: float | None = None) -> None:
        async with self.producer() as producer:
            for number, record in enumerate(records, 1):
                await producer.send(self.topics[record.dialect], record.value, record.key)
                if pace is not None and not number % 20:
                    await asyncio.sleep(20 / pace)

    async def finish(self) -> None:
        """A heartbeat beyond all limits, to every partition of everything that is read."""
        async with Producer(self.client, self.settings.topic_prefix) as producer:
            await producer.heartbeat("finish", LATER, id_="end")
            await producer.flush()
        beat = {"specversion": "1.0", "id": "end", "source": "finish", "type": "source.heartbeat", "time": LATER}
        async with self.producer() as out:
            for dialect, topic in self.topics.items():
                for partition in range(PARTITIONS[dialect]):
                    await out.send(topic, orjson.dumps(beat), partition=partition)


@pytest.fixture
async def vendors(kafka: KafkaBroker, database: str, tmp_path: Path) -> AsyncIterator[Vendors]:
    made = Vendors(kafka.bootstrap, database, tmp_path, f"v{uuid.uuid4().hex[:8]}")
    yield made
    made.close()


async def test_a_day_of_all_dialects_with_a_kill_gives_what_translate_and_stitch_give(vendors: Vendors) -> None:
    missing = (await create_topics(vendors.settings)).mismatching
    assert missing == [
        f"topic {topic} does not exist: it is declared with a dialect, so the system that fills it makes it"
        for topic in vendors.topics.values()
    ]
    with pytest.raises(TopicsError, match="the system that fills it makes it"):
        await check_topics(vendors.settings)
    await vendors.make_topics()

    async def known() -> bool:  # a broker hears of new topics a moment later
        return (await create_topics(vendors.settings)).mismatching == []

    await vendors.until(known, "the topics")
    records = day(7, copies=20)
    expected = offline(translated(records), vendors.limits)
    pair = [vendors.worker(), vendors.worker()]
    sending = asyncio.create_task(vendors.send(records, pace=400))

    async def at_work() -> bool:
        return sum(translated_by(pair[0]).values()) >= 200

    await vendors.until(at_work, "200 records translated by the first worker")
    pair[0].kill()
    pair[0] = vendors.worker()
    assert not sending.done(), "in the middle of the stream"
    await sending
    await vendors.finish()
    await vendors.until_stored(expected)
    assert await vendors.read("dead-letters") == []


def translated_by(worker: Worker) -> dict[str, float]:
    """How many vendor's records a worker has taken, by dialect and outcome."""
    try:
        told = worker.metrics()
    except OSError:
        return {}  # it is not there yet
    return {name: count for name, count in told.items() if name.startswith("touchpoint_vendor_records_total")}

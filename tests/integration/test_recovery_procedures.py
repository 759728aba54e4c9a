"""The procedures of docs/recovery.md: after a database or a Kafka is lost, and to more partitions."""

from __future__ import annotations

import asyncio
import math
import os
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from installation import SECRET, Event, Installation, arrival, offline
from kafka_broker import KafkaBroker
from patience import LIMIT

from touchpoint.history.migration_runner import migrate
from touchpoint.settings import PREFIX
from touchpoint.simulate import simulate
from touchpoint.simulate.produce import produce

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
MARY = "tel:+441632960960"


def some_events(seed: int = 5, start: datetime = START) -> list[Event]:
    return arrival(simulate(seed, start, hours=0.5, volume=200), seed=seed)


async def send(installation: Installation, events: list[Event], finish: bool = True) -> None:
    await produce(events, installation.client, installation.settings.topic_prefix, math.inf, finish)


async def verified(installation: Installation, *words: str) -> str:
    """What `touchpoint verify` says of all that is stored."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment |= {PREFIX + "TOPIC_PREFIX": installation.settings.topic_prefix, PREFIX + "PARTY_SECRET": SECRET}
    command = [sys.executable, "-m", "touchpoint", "verify", "--topics", "--rows", *words]
    command += ["--database", installation.database, "--brokers", str(installation.client["bootstrap_servers"])]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, env=environment, check=False, timeout=LIMIT
    )
    return done.stdout + done.stderr


async def rewind(installation: Installation) -> None:
    """As kafka-consumer-groups.sh --reset-offsets --to-earliest for `interactions`, while no worker runs."""
    settings = installation.settings
    places = [TopicPartition(f"{settings.topic_prefix}interactions", number) for number in range(settings.partitions)]
    async with AIOKafkaConsumer(**installation.client, group_id=settings.app_id, enable_auto_commit=False) as consumer:
        consumer.assign(places)
        await consumer.commit(dict.fromkeys(places, 0))


async def test_a_lost_database_is_stored_again_from_the_interactions_topic(installation: Installation) -> None:
    events = some_events()
    expected = offline(events)
    worker = installation.worker()
    await send(installation, events)
    await installation.until_stored(expected)
    assert await worker.end() == 0
    async with installation.connected() as owner:
        await owner.execute("DROP SCHEMA touchpoint CASCADE")
    await migrate(installation.database)
    assert await installation.count() == 0
    await rewind(installation)
    installation.worker()
    await installation.until_stored(expected)
    assert f"{len(expected):,} interactions folded, {len(expected):,} stored: equal" in await verified(installation)
    assert not await installation.read("dead-letters")


async def test_half_a_database_from_a_backup_is_completed_and_nothing_is_stored_twice(
    installation: Installation,
) -> None:
    events = some_events()
    expected = offline(events)
    worker = installation.worker()
    await send(installation, events)
    await installation.until_stored(expected)
    assert await worker.end() == 0
    versions = await installation.row_versions()
    await rewind(installation)
    installation.worker()

    async def read_again() -> bool:
        worker = installation.workers[-1]
        lag = [value for name, value in worker.metrics().items() if name.startswith("touchpoint_lag_records")]
        return bool(lag) and worker.metrics().get("touchpoint_history_rows_total", 0) >= len(expected)

    await installation.until(read_again, "the topic read again")
    assert await installation.row_versions() == versions
    assert not await installation.read("dead-letters")


async def test_after_kafka_is_lost_events_that_come_again_complete_what_is_stored(
    kafka: KafkaBroker, installation: Installation, tmp_path: Path
) -> None:
    closed, open_still = some_events(), some_events(6, START + timedelta(days=2))
    events = [*closed, *open_still]
    lost = installation.worker()
    await send(installation, closed)
    await installation.until_count(len(offline(closed)))
    await send(installation, open_still[: len(open_still) // 2], finish=False)
    lost.kill()
    renewed = Installation(kafka.bootstrap, installation.database, tmp_path, f"n{uuid.uuid4().hex[:8]}")
    await renewed.prepare()
    renewed.worker()
    try:
        await send(renewed, events)
        await renewed.until_stored(offline(events))
        assert "stored: equal" in await verified(renewed)
    finally:
        renewed.close()


async def test_more_partitions_are_an_installation_beside_that_knows_who_addresses_are(
    kafka: KafkaBroker, installation: Installation, tmp_path: Path
) -> None:
    first, second = some_events(5), some_events(6, START + timedelta(days=2))
    identified: Event = {
        "specversion": "1.0", "id": "known", "source": "/crm", "type": "party.identified", "subject": MARY,
        "time": START.isoformat(), "data": {"address": MARY, "id": "mary", "name": "Mary Major"},
    }  # fmt: skip
    call: Event = {"specversion": "1.0", "source": "/pbx", "subject": "after"}
    later = START + timedelta(days=2)
    calls = [
        {**call, "id": "a1", "type": "call.offered", "time": later.isoformat(), "data": {"party": {"address": MARY}}},
        {**call, "id": "a2", "type": "call.ended", "time": (later + timedelta(minutes=1)).isoformat(), "data": {}},
    ]
    installation.worker()
    await send(installation, [identified, *first])
    await installation.until_count(len(offline(first)))
    wider = Installation(
        kafka.bootstrap, installation.database, tmp_path, f"w{uuid.uuid4().hex[:8]}", partitions=6
    )  # fmt: skip
    await wider.prepare()
    async with AIOKafkaProducer(**wider.client) as producer:
        for record in await installation.read("parties"):
            await producer.send(f"{wider.settings.topic_prefix}parties", record.value, record.key)
    wider.worker()
    try:
        await send(wider, [*calls, *second])
        expected = offline([identified, *first, *calls, *second])
        await wider.until_count(len(expected))
        hashes = {id_: record["content_hash"] for id_, record in expected.items()}
        assert await wider.hashes() == hashes
        [known] = [
            record
            for record in expected.values()
            if "after" in {item["media_item_id"] for item in record["media_items"]}
        ]
        assert known["party_id"] == "mary"
        assert not await wider.read("dead-letters")
    finally:
        wider.close()

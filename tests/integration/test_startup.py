"""A worker whose topics do not fit together says so and ends, before it has written anything."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import InvalidReplicationFactorError
from installation import Installation
from kafka_broker import KafkaBroker
from patience import LIMIT

from touchpoint.embedded.broker import free_port
from touchpoint.kafka.topic_admin import create_topics
from touchpoint.settings import Settings
from touchpoint.stream.terms import FORM, OLDEST_FORM

ADDRESS = "tel:+441632960960"
pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.trap(15)]


async def test_changed_number_of_partitions_is_found_at_the_start(
    kafka: KafkaBroker, database: str, tmp_path: Path
) -> None:
    installation = Installation(kafka.bootstrap, database, tmp_path, "misfit")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("misfit.touches", 3, 1)])
    await admin.close()
    await installation.prepare()
    worker = installation.worker()
    try:
        assert await asyncio.to_thread(worker.process.wait, LIMIT) != 0
    finally:
        installation.close()
    said = worker.log.read_text()
    assert "misfit.touches: 3" in said
    assert "Traceback" not in said


async def test_state_in_a_later_form_ends_the_worker_and_stays_as_it_is(
    kafka: KafkaBroker, database: str, tmp_path: Path
) -> None:
    installation = Installation(kafka.bootstrap, database, tmp_path, "otherform")
    await installation.prepare()
    async with installation.producer() as producer:
        await producer.send_and_wait("otherform-media-changelog", b"value", b"key", 0, headers=[("term999", b"x" * 14)])
    worker = installation.worker()
    try:
        assert await asyncio.to_thread(worker.process.wait, LIMIT) == 70
    finally:
        installation.close()
    last = worker.log.read_text().strip().splitlines()[-1]
    assert f"state of form '999'; this version reads forms {OLDEST_FORM} to {FORM}" in last
    assert "start that version or a newer one" in last


async def test_topics_are_made_with_three_replicas_unless_told_otherwise(kafka: KafkaBroker) -> None:
    usual = Settings(brokers=(kafka.bootstrap,), topic_prefix="usual.", app_id="usual")
    assert (usual.replication, usual.min_insync) == (3, 2)
    with pytest.raises(InvalidReplicationFactorError):  # of one broker nobody gets three
        await create_topics(usual)


async def test_changed_party_secret_ends_the_worker_even_without_a_database(
    kafka: KafkaBroker, database: str, tmp_path: Path
) -> None:
    installation = Installation(kafka.bootstrap, database, tmp_path, "othersecret")
    await installation.prepare()
    worker = installation.worker()
    try:
        call: dict[str, Any] = {"specversion": "1.0", "id": "e1", "source": "/test", "type": "call.offered"}
        call |= {"time": datetime.now(UTC).isoformat(), "data": {"media_item_id": "c1", "party": {"address": ADDRESS}}}
        async with installation.producer() as producer:
            await producer.send_and_wait("othersecret.calls", orjson.dumps(call), b"c1")

        async def kept() -> bool:
            return bool(await installation.state("parties"))

        await installation.until(kept, "state of a party")
        assert await worker.end() == 0
        before = await installation.state("parties")
        other = installation.worker(
            party_secret="another", database_url=f"postgresql://nobody@127.0.0.1:{free_port()}/none"
        )
        assert await asyncio.to_thread(other.process.wait, 30) == 2
        assert await installation.state("parties") == before
    finally:
        installation.close()
    last = other.log.read_text().strip().splitlines()[-1]
    assert "TOUCHPOINT_PARTY_SECRET is not the one that the changelogs were written with" in last

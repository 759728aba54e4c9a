"""What a producer of calls can do on a Kafka with an authorizer and the rights of docs/operations.md, and what not."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from installation import Event, Installation, offline
from patience import LIMIT
from secure_kafka import PBX, PBX_PASSWORD, SecureBroker

from touchpoint.kafka.topic_admin import TABLES, changelog
from touchpoint.simulate.produce import produce
from touchpoint.stages.dead_letter_records import CODE

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
MARY = "tel:+441632960001"
NOT_FOR_PRODUCERS = ("parties", "activities", "emails", "links", "touches", "interactions", "dead-letters")


@pytest.fixture
def installation(secure_kafka: SecureBroker, database: str, tmp_path: Path) -> Iterator[Installation]:
    """Its worker may do everything."""
    made = Installation(secure_kafka.bootstrap, database, tmp_path, f"i{uuid.uuid4().hex[:8]}")
    yield made
    made.close()


def pbx(broker: SecureBroker) -> dict[str, Any]:
    """The login of a telephone system."""
    return {
        "bootstrap_servers": broker.at("LOGIN"), "security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN",
        "sasl_plain_username": PBX, "sasl_plain_password": PBX_PASSWORD,
    }  # fmt: skip


def event(kind: str, subject: str, at: str, **data: Any) -> Event:
    return {
        "specversion": "1.0", "id": f"{kind}/{at}", "source": "/pbx", "type": kind, "subject": subject,
        "time": f"2026-03-02T{at}Z", "data": data,
    }  # fmt: skip


KNOWN = [event("party.identified", MARY, "07:00:00", id="P1", name="Mary Jones")]
CALL = [
    event("call.offered", "c1", "08:00:00", party={"address": MARY}, direction="inbound"),
    event("call.answered", "c1", "08:00:10", resource={"id": "john"}),
    event("call.ended", "c1", "08:05:00"),
]
ATTACKS = [
    event("party.erasure_requested", MARY, "08:01:00", request="evil"),
    event("party.merged", MARY, "08:01:01", **{"from": "P1", "into": "EVIL"}),
    event("party.identified", MARY, "08:01:02", id="EVIL"),
    event("interaction.close_requested", "c1", "08:01:03"),
]


async def test_a_producer_of_calls_can_neither_erase_nor_merge_nor_close_nor_write_elsewhere(
    installation: Installation, secure_kafka: SecureBroker
) -> None:
    await installation.prepare()
    prefix = installation.settings.topic_prefix
    secure_kafka.allow(["Write", "Describe"], "--topic", f"{prefix}calls", user=PBX, pattern="literal")
    await produce(KNOWN, installation.client, prefix)
    worker = installation.worker()
    async with AIOKafkaProducer(**pbx(secure_kafka)) as producer:
        for each in [*CALL[:1], *ATTACKS, *CALL[1:]]:
            await producer.send_and_wait(f"{prefix}calls", orjson.dumps(each), b"c1")
        internal = [changelog(installation.settings, table) for table in TABLES]
        for topic in [*(prefix + name for name in NOT_FOR_PRODUCERS), *internal]:
            with pytest.raises(TopicAuthorizationFailedError):
                await producer.send_and_wait(topic, b"{}", b"c1")
    await produce(CALL, installation.client, prefix, finish=True)  # what comes again counts once
    await installation.until_stored(offline([*KNOWN, *CALL]))
    await installation.until_letters(len(ATTACKS))
    letters = await installation.read("dead-letters")
    assert [dict(letter.headers)[CODE] for letter in letters] == [b"type"] * len(ATTACKS)
    async with installation.connected() as connection:
        assert await connection.fetchval("SELECT count(*) FROM touchpoint.erasure") == 0
        assert await connection.fetchval("SELECT name FROM touchpoint.party WHERE party_id = 'P1'") == "Mary Jones"
    assert await worker.end() == 0


async def test_a_producer_can_begin_no_transaction_and_read_nothing(
    installation: Installation, secure_kafka: SecureBroker
) -> None:
    await installation.prepare()
    topic = f"{installation.settings.topic_prefix}calls"
    secure_kafka.allow(["Write", "Describe"], "--topic", topic, user=PBX, pattern="literal")
    holding_back = AIOKafkaProducer(transactional_id="held", **pbx(secure_kafka))
    try:
        with pytest.raises(KafkaError, match=r"(?i)transactional"):
            await asyncio.wait_for(transaction(holding_back, topic), LIMIT)
    finally:
        await holding_back.stop()
    async with AIOKafkaConsumer(topic, auto_offset_reset="earliest", **pbx(secure_kafka)) as consumer:
        async with asyncio.timeout(LIMIT):
            with pytest.raises(TopicAuthorizationFailedError):
                await consumer.getone()


async def transaction(producer: AIOKafkaProducer, topic: str) -> None:
    await producer.start()
    async with producer.transaction():
        await producer.send_and_wait(topic, b"{}")

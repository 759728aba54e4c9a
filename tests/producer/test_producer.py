"""For those who send events themselves: mistakes show before anything is sent, and what became of each is told."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError
from kafka_broker import KafkaBroker
from kafka_fixture import kafka
from patience import LIMIT

from touchpoint.embedded.broker import free_port
from touchpoint.events import Accepted, Decoder
from touchpoint.events.data import Offered, ToAgent
from touchpoint.events.fields import Party, Resource
from touchpoint.kafka.topic_admin import create_topics
from touchpoint.producer import InvalidEventError, Producer, event
from touchpoint.producer.build import as_json
from touchpoint.producer.routing import address
from touchpoint.settings import Settings, load_settings

__all__ = ["kafka"]
NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
PARTITIONS = 3
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "producer.py"


def offered(number: int = 1, **more: Any) -> Any:
    data = Offered(direction="inbound", party=Party(address="01632960960"))
    return event("call.offered", source="/t", id=str(number), time=NOW, subject=f"c{number}", data=data, **more)


def test_an_event_that_is_built_is_one_that_the_worker_accepts() -> None:
    verdict = Decoder().decode(orjson.dumps(as_json(offered(tenant="t", sequence="01"))))
    assert isinstance(verdict, Accepted)
    assert (verdict.fact.subject, verdict.fact.data["party"]["address"]) == ("c1", "tel:+441632960960")
    assert (verdict.fact.tenant, verdict.fact.sequence) == ("t", "01")


@pytest.mark.parametrize(
    ("type_", "more", "said"),
    [
        ("call.answred", {}, "did you mean call.answered"),
        ("call.answered", {}, "data is missing"),
        ("call.answered", {"data": {"resource": {}}}, "data.resource.id is missing"),
        ("call.offered", {"subject": ""}, "subject"),
        ("call.dequeued", {"data": {"reason": "bored"}}, "allowed: answered"),
        ("call.offered", {"time": datetime(2026, 1, 1)}, "no offset"),  # noqa: DTZ001 - that is the mistake
    ],
)
def test_a_mistake_shows_where_it_is_made(type_: str, more: dict[str, Any], said: str) -> None:
    given: dict[str, Any] = {"source": "/t", "id": "1", "time": NOW, "subject": "c1"} | more
    with pytest.raises(InvalidEventError, match=said):
        event(type_, **given)


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ({"type": "call.offered", "subject": "c1"}, ("calls", "c1")),
        ({"type": "activity.recorded", "data": {"media_item": "c1"}}, ("activities", "c1")),
        ({"type": "activity.recorded", "data": {"party": {"address": "tel:1"}}}, ("activities", "tel:1")),
        ({"type": "activity.recorded", "data": None, "id": "9"}, ("activities", "9")),
        ({"type": "party.identified", "subject": "tel:1"}, ("parties", "tel:1")),
    ],
)
def test_the_key_is_the_media_item_else_the_party(said: dict[str, Any], where: tuple[str, str]) -> None:
    assert address(said) == where


@pytest.fixture
async def settings(kafka: KafkaBroker) -> Settings:
    """An installation with a channel of its own, whose topics are empty."""
    made = load_settings(
        {}, brokers=(kafka.bootstrap,), topic_prefix=f"p{uuid.uuid4().hex[:8]}.", partitions=PARTITIONS,
        replication=1, min_insync=1, channels={"sms": {"topic": "texts"}},
    )  # fmt: skip
    await create_topics(made)
    return made


async def everything(settings: Settings, *topics: str) -> dict[tuple[str, int, int], Any]:
    """By (topic, partition, offset): key and value."""
    consumer = AIOKafkaConsumer(bootstrap_servers=list(settings.brokers), auto_offset_reset="earliest")
    await consumer.start()
    try:
        places = [TopicPartition(settings.topic_prefix + name, n) for name in topics for n in range(PARTITIONS)]
        consumer.assign(places)
        left = sum((await consumer.end_offsets(places)).values())
        async with asyncio.timeout(LIMIT):
            found = [await consumer.getone() for _ in range(left)]
    finally:
        await consumer.stop()
    return {(each.topic, each.partition, each.offset): (each.key.decode(), orjson.loads(each.value)) for each in found}


@pytest.mark.kafka
async def test_delivery_report_names_the_events_partition_and_key(settings: Settings) -> None:
    async with Producer.connect(settings, most=20) as producer:
        told = [await producer.send(offered(number)) for number in range(100)]
        sms = {"specversion": "1.0", "id": "s", "source": "/t", "type": "sms.offered", "subject": "s1"}
        text = await (await producer.send(sms | {"time": "2026-01-05T09:00:00Z"}))
        report = await producer.flush()
    stored = await everything(settings, "calls", "texts")
    assert (report.stored, report.failed, len(stored)) == (101, [], 101)
    assert stored[text.topic, text.partition or 0, text.offset or 0][0] == "s1"
    for number, future in enumerate(told):
        delivery = future.result()
        assert delivery.partition is not None
        assert delivery.offset is not None
        key, said = stored[delivery.topic, delivery.partition, delivery.offset]
        assert (key, said["id"], delivery.id) == (f"c{number}", str(number), str(number))


@pytest.mark.kafka
async def test_invalid_events_are_not_sent(settings: Settings) -> None:
    async with Producer.connect(settings) as producer:
        for wrong in (
            {"type": "call.offered"},
            as_json(offered()) | {"time": "yesterday"},
            as_json(offered()) | {"type": "source.heartbeat"},
            as_json(offered()) | {"type": "video.offered"},
        ):
            with pytest.raises(InvalidEventError):
                await producer.send(wrong)
        assert await producer.flush() == (0, [])
    assert await everything(settings, "calls") == {}


@pytest.mark.kafka
async def test_undelivered_event_is_reported_with_its_error(settings: Settings) -> None:
    big = as_json(offered()) | {"more": "x" * 2_000_000}
    unchecked = Producer(
        {"bootstrap_servers": list(settings.brokers), "max_request_size": 1_000_000}, settings.topic_prefix
    )
    async with unchecked as producer:
        told = await producer.send(big)
        await producer.send(offered(2))
        report = await producer.flush()
    assert (report.stored, [each.id for each in report.failed]) == (1, ["1"])
    assert (await told).error is report.failed[0].error is not None


@pytest.mark.kafka
async def test_events_waiting_for_the_broker_are_bounded(kafka: KafkaBroker, settings: Settings) -> None:
    """The broker stands still: the sender does too, instead of filling the memory."""
    async with Producer.connect(settings, most=50) as producer:
        await (await producer.send(offered(0)))
        sent = 0

        async def send() -> None:
            nonlocal sent
            for number in range(1, 500):
                await producer.send(offered(number))
                sent = number

        os.kill(kafka.pid, signal.SIGSTOP)
        try:
            sending = asyncio.create_task(send())
            await asyncio.wait([sending], timeout=2)
            assert sent <= 50
        finally:
            os.kill(kafka.pid, signal.SIGCONT)
        await sending
        assert (await producer.flush()).stored == 500


async def test_producer_without_a_broker_says_so() -> None:
    with pytest.raises(KafkaConnectionError):
        async with Producer({"bootstrap_servers": f"127.0.0.1:{free_port()}"}):
            pass


@pytest.mark.kafka
async def test_the_example_does_what_it_shows(settings: Settings) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TOUCHPOINT_")}
    plain |= {"TOUCHPOINT_BROKERS": ",".join(settings.brokers), "TOUCHPOINT_TOPIC_PREFIX": settings.topic_prefix}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, str(EXAMPLE)],
        env=plain,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == ["not sent: data is missing; call.answered needs it", "3 stored, 0 failed"]
    stored = await everything(settings, "calls", "activities")
    assert sorted(said["type"] for _, said in stored.values()) == ["activity.recorded", "call.answered", "call.offered"]
    assert {key for key, _ in stored.values()} == {"call-7"}


def test_a_class_of_data_may_be_given_in_place_of_a_mapping() -> None:
    said = event(
        "call.answered", source="/t", id="1", time=NOW, subject="c", data=ToAgent(resource=Resource(id="john"))
    )
    assert as_json(said)["data"] == {"resource": {"id": "john"}}

"""Simulated events arrive in Kafka: every one, at the pace asked for, with heartbeats at the end."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from patience import LIMIT

from touchpoint.embedded.broker import EmbeddedBroker
from touchpoint.producer.routing import USUAL, address
from touchpoint.simulate import simulate
from touchpoint.simulate.produce import produce

pytestmark = pytest.mark.slow
START = datetime(2026, 1, 5, 9, tzinfo=UTC)
NAMES = sorted(f"t.{topic}" for topic in set(USUAL.values()))
PARTITIONS = 3


@pytest.fixture(scope="module")
def address_of_broker() -> Iterator[str]:
    with EmbeddedBroker() as broker:
        yield broker.address


@pytest.fixture
async def broker(address_of_broker: str) -> AsyncIterator[str]:
    """A broker whose topics are empty."""
    admin = AIOKafkaAdminClient(bootstrap_servers=address_of_broker)
    await admin.start()
    await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in NAMES])
    yield address_of_broker
    await admin.delete_topics(NAMES)
    await admin.close()


async def everything(broker: str, count: int) -> list[ConsumerRecord[Any, Any]]:
    consumer = AIOKafkaConsumer(*NAMES, bootstrap_servers=broker, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(LIMIT):
            return [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()


async def test_every_event_lies_in_its_topic_under_its_key_in_order(broker: str) -> None:
    events = list(simulate(3, START, 0.3, 300))
    assert await produce(events, {"bootstrap_servers": broker}, "t.") == len(events)
    records = await everything(broker, len(events))
    stored = {orjson.loads(r.value)["id"]: (r.topic, r.key.decode()) for r in records}
    expected = {e["id"]: (f"t.{address(e)[0]}", address(e)[1]) for e in events}
    assert stored == expected
    call = next(e["subject"] for e in events if e["type"] == "call.held")
    said = [orjson.loads(r.value)["id"] for r in records if r.key.decode() == call and r.topic == "t.calls"]
    assert said == [e["id"] for e in events if address(e) == ("calls", call)]


async def test_finishing_says_to_every_partition_that_each_source_has_told_everything(broker: str) -> None:
    events = list(islice(simulate(3, START), 10))
    await produce(events, {"bootstrap_servers": broker}, "t.", finish=True)
    sources = {event["source"] for event in events}
    records = await everything(broker, len(events) + len(sources) * len(NAMES) * PARTITIONS)
    told = [
        (r.topic, r.partition, each) for r in records if (each := orjson.loads(r.value))["type"] == "source.flushed"
    ]
    places = Counter((topic, partition, each["source"]) for topic, partition, each in told)
    assert places == {(n, p, source): 1 for n in NAMES for p in range(PARTITIONS) for source in sources}
    untils = {datetime.fromisoformat(each["data"]["until"]) for *_, each in told}
    assert untils == {max(datetime.fromisoformat(event["time"]) for event in events)}


async def test_a_rate_is_kept(broker: str) -> None:
    began = time.monotonic()
    await produce(islice(simulate(3, START), 101), {"bootstrap_servers": broker}, "t.", pace=200)
    assert time.monotonic() - began >= 0.5


async def test_live_is_as_event_time_passes(broker: str) -> None:
    events = list(islice(simulate(3, START, volume=20_000), 60))
    first, last = (datetime.fromisoformat(events[n]["time"]) for n in (0, -1))
    began = time.monotonic()
    await produce(events, {"bootstrap_servers": broker}, "t.", pace=None)
    assert time.monotonic() - began >= (last - first).total_seconds() > 0.5


async def test_live_sends_no_event_before_its_own_time(broker: str) -> None:
    """The first of a centre with few contacts is hours away: sent at once, the worker refused it."""
    start = datetime.now(UTC) + timedelta(seconds=1)
    events = list(islice(simulate(3, start, volume=50_000), 20))
    await produce(events, {"bootstrap_servers": broker}, "t.", pace=None)
    for record in await everything(broker, len(events)):
        at = datetime.fromisoformat(orjson.loads(record.value)["time"]).timestamp()
        assert record.timestamp >= at * 1000 - 1


@pytest.mark.parametrize("rate", ["max", "5000"])
async def test_traffic_that_ends_now_has_no_event_of_the_future(broker: str, rate: str) -> None:
    """An hour from now on, sent at once, became dead letters but for its first minutes."""
    words = (
        "--brokers",
        broker,
        "--topic-prefix",
        "t.",
        "--start",
        "now",
        "--hours",
        "0.5",
        "--rate",
        rate,
        "--finish",
    )
    command = [sys.executable, "-m", "touchpoint", "simulate", *words]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stderr
    assert "the traffic goes on beyond now, and ends here" in done.stderr
    sent = int(done.stderr.splitlines()[-1].split(" events sent")[0].replace(",", ""))
    assert sent > 500
    records = [orjson.loads(record.value) for record in await everything(broker, sent)]
    times = [datetime.fromisoformat(each["time"]) for each in records]
    assert max(times) <= datetime.now(UTC) < min(times) + timedelta(minutes=31)
    assert max(times) - min(times) > timedelta(minutes=25)


async def test_simulation_reports_what_was_sent(broker: str) -> None:
    told: list[int] = []
    await produce(islice(simulate(3, START), 600), {"bootstrap_servers": broker}, "t.", math.inf, sent=told.append)
    assert told == [250, 500, 600]

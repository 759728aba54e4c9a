"""What a round sends: a seeded stream of good events, repeated and in disorder, and a few bad records among them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import NamedTuple

import orjson
from aiokafka import AIOKafkaProducer
from installation import Event, Installation, arrival

from touchpoint.producer.routing import USUAL
from touchpoint.simulate import simulate
from touchpoint.simulate.produce import produce

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
VOLUME = 500.0  # contacts an hour
EVENTS_AN_HOUR = 7_000  # about, of that volume; fewer than there are
DUPLICATES = 0.2
DISORDER = 45.0
"""Seconds, of the minute that is allowed. What is left is for the producer: an input that is read to its end runs on
with the wall clock, and while it stalls behind a broker that has just come back, nothing of it may be late by that."""


PATIENCE_MS = 300_000
"""Of the producers: aiokafka gives a record up where a partition has no leader for longer, idempotent or not."""


class Bad(NamedTuple):
    """A record that nothing can accept."""

    at: float  # seconds after the beginning
    topic: str
    key: bytes
    value: bytes


def good_events(seed: int, count: int) -> list[Event]:
    """So many events in the order of their arrival, repetitions among them."""
    hours = count / EVENTS_AN_HOUR + 1.0
    return list(islice(arrival(simulate(seed, START, hours, VOLUME), seed, DISORDER, DUPLICATES), count))


def bad_records(seed: int, count: int, seconds: float) -> list[Bad]:
    """So many, all different, at random within so many seconds."""
    dice = random.Random(seed)
    topics = sorted(set(USUAL.values()))
    found = []
    for number in range(count):
        event = {"specversion": "1.0", "id": f"bad-{number}", "source": "/bad", "type": "call.offered", "data": {}}
        value = dice.choice([
            dice.randbytes(40) + b"\xff",
            orjson.dumps(event)[: dice.randint(20, 60)] + b"%d" % number,
            orjson.dumps(event | {"type": "call.exploded", "time": "2026-03-02T09:00:00Z"}),
            orjson.dumps(event | {"time": "half past eight"}),
        ])  # fmt: skip
        found.append(Bad(dice.uniform(0, seconds), dice.choice(topics), b"bad-%d" % number, value))
    return sorted(found)


async def send(installation: Installation, events: Sequence[Event], bad: Sequence[Bad], seconds: float) -> None:
    """All of it within so many seconds, or as long as the broker lets it take; then what closes everything."""
    client: dict[str, object] = {**installation.client, "enable_idempotence": True, "request_timeout_ms": PATIENCE_MS}
    prefix = installation.settings.topic_prefix
    async with asyncio.TaskGroup() as both:
        both.create_task(_send_bad(client, prefix, bad))
        both.create_task(produce(events, client, prefix, pace=len(events) / seconds, finish=True))


async def _send_bad(client: dict[str, object], prefix: str, bad: Sequence[Bad]) -> None:
    began = asyncio.get_running_loop().time()
    async with AIOKafkaProducer(**client) as producer:
        for record in bad:
            await asyncio.sleep(max(0.0, began + record.at - asyncio.get_running_loop().time()))
            await producer.send_and_wait(prefix + record.topic, record.value, record.key)

"""What a round sends: a seeded stream of good events, repeated and in disorder, and a few bad records among them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
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


class Sender:
    """Sends a round's stream; `sent` says how many good events are out."""

    def __init__(self, installation: Installation, events: Sequence[Event], bad: Sequence[Bad]) -> None:
        self.sent = 0
        self._events, self._bad = events, bad
        self._client: dict[str, object] = {
            **installation.client, "enable_idempotence": True, "request_timeout_ms": PATIENCE_MS,
        }  # fmt: skip
        self._prefix = installation.settings.topic_prefix

    async def send(self, seconds: float) -> None:
        """All of it within so many seconds, or as long as the broker lets it take; then what closes everything."""
        pace = len(self._events) / seconds
        async with asyncio.TaskGroup() as both:
            both.create_task(self._send_bad())
            both.create_task(
                produce(
                    self._events, self._client, self._prefix, pace, finish=True, sent=partial(setattr, self, "sent")
                )
            )

    async def _send_bad(self) -> None:
        began = asyncio.get_running_loop().time()
        async with AIOKafkaProducer(**self._client) as producer:
            for record in self._bad:
                await asyncio.sleep(max(0.0, began + record.at - asyncio.get_running_loop().time()))
                await producer.send_and_wait(self._prefix + record.topic, record.value, record.key)

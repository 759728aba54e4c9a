"""Simulated events into Kafka: topics and keys as contract.md 1 has them."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer

from touchpoint.simulate.script import CloudEvent, instant

TOPICS = {
    "call": "calls",
    "email": "emails",
    "fax": "faxes",
    "chat": "chats",
    "activity": "activities",
    "interaction": "activities",
    "party": "parties",
}
BEYOND_ALL_LIMITS = timedelta(days=90)  # an email's age and then an interaction's, and some
REPORT_EVERY = 250  # events

LIVE = None
"""The pace at which event time passes."""

Sent = Callable[[int], None]
"""Called now and then with the number of events sent."""


async def produce(
    events: Iterable[CloudEvent],
    client: dict[str, Any],
    topic_prefix: str,
    pace: float | None = math.inf,
    finish: bool = False,
    sent: Sent = lambda _: None,
) -> int:
    """Send events, `pace` a second, and await that all are stored; how many there were.

    `client` has the options of AIOKafkaProducer, bootstrap_servers among them. `finish`: afterwards a heartbeat
    beyond all limits goes to every partition, so that everything closes. Raises KafkaError.
    """
    producer = AIOKafkaProducer(linger_ms=5, max_batch_size=256 * 1024, **client)
    out = Outgoing(producer)
    try:
        await producer.start()
        count, last = 0, None
        clock = Clock(pace)
        for count, last in enumerate(events, 1):
            await clock.reach(count, last)
            topic, key = address(last)
            await out.send(topic_prefix + topic, orjson.dumps(last), key.encode())
            if not count % REPORT_EVERY:
                sent(count)
                await asyncio.sleep(0)
        await out.stored()
        sent(count)
        if finish and last is not None:
            await finish_with_heartbeats(out, topic_prefix, last)
        return count
    finally:
        await producer.stop()


class Outgoing:
    """Sends, and tells what could not be stored, as flushing a producer does not."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.producer = producer
        self._failure: BaseException | None = None

    async def send(self, topic: str, value: bytes, key: bytes, partition: int | None = None) -> None:
        """Hand over one record. Raises KafkaError for this or an earlier one."""
        self._check()
        (await self.producer.send(topic, value, key, partition)).add_done_callback(self._sent)

    async def stored(self) -> None:
        """Wait until all that was sent is stored. Raises KafkaError."""
        await self.producer.flush()
        self._check()

    def _sent(self, future: asyncio.Future[Any]) -> None:
        if not future.cancelled():
            self._failure = self._failure or future.exception()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure


class Clock:
    """When an event is due: at once, after so many others, or when its own time has come."""

    def __init__(self, pace: float | None) -> None:
        self._pace = pace
        self._began = time.monotonic()
        self._first: datetime | None = None

    async def reach(self, count: int, event: CloudEvent) -> None:
        """Wait until the event, `count` of the stream, is due."""
        if self._pace == math.inf:
            return
        if self._pace is LIVE:
            at = datetime.fromisoformat(event["time"])
            self._first = self._first or at
            due = (at - self._first).total_seconds()
        else:
            due = (count - 1) / self._pace
        ahead = self._began + due - time.monotonic()
        if ahead > 0:
            await asyncio.sleep(ahead)


def address(event: CloudEvent) -> tuple[str, str]:
    """Topic, without the prefix, and key: the media item's id, for a party's event its address, else the party."""
    topic = TOPICS[event["type"].partition(".")[0]]
    subject = event.get("subject") or event["data"].get("media_item")
    if subject:
        return topic, subject
    party = event["data"].get("party", {})
    return topic, party.get("address") or party.get("id") or event["id"]


async def finish_with_heartbeats(out: Outgoing, topic_prefix: str, last: CloudEvent) -> None:
    """A heartbeat long after the last event, to every partition of every input topic; a compacted one wants a key."""
    reached = datetime.fromisoformat(last["time"]) + BEYOND_ALL_LIMITS
    source = "sim/clock"
    beat: CloudEvent = {"specversion": "1.0", "source": source, "type": "source.heartbeat", "data": {}}
    beat["time"] = instant(int(reached.timestamp() * 1_000))
    for topic in sorted(set(TOPICS.values())):
        for partition in sorted(await out.producer.partitions_for(topic_prefix + topic)):
            value = beat | {"id": f"{last['id']}-{topic}-{partition}"}
            await out.send(topic_prefix + topic, orjson.dumps(value), source.encode(), partition)
    await out.stored()

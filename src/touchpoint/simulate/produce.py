"""Simulated events into Kafka: topics and keys as contract.md 1 has them."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from touchpoint.producer import Delivery, Producer
from touchpoint.simulate.script import CloudEvent

REPORT_EVERY = 250  # events

LIVE = None
"""The pace at which event time passes: no event is sent before its own time."""

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

    `client` has the options of AIOKafkaProducer, bootstrap_servers among them. `finish`: afterwards each source
    declares that it has told everything until the last event, so that everything closes. Raises KafkaError.
    """
    # any broker will do: a simulated event that is stored twice counts once
    async with Producer({"enable_idempotence": False, **client}, topic_prefix) as producer:
        count, latest = 0, None
        sources: set[str] = set()
        clock = Clock(pace)
        for count, last in enumerate(events, 1):
            await clock.reach(count, last)
            await producer.send(last)
            at = datetime.fromisoformat(last["time"])
            latest = at if latest is None else max(latest, at)
            sources.add(last["source"])
            if not count % REPORT_EVERY:
                sent(count)
                raise_first(producer.failed)
                await asyncio.sleep(0)
        raise_first((await producer.flush()).failed)
        sent(count)
        if finish and latest is not None:
            for source in sorted(sources):
                await producer.declare_flushed(source, latest.isoformat())
            raise_first((await producer.flush()).failed)
        return count


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
            due = self._began + (at - self._first).total_seconds()
            ahead = max(due - time.monotonic(), at.timestamp() - time.time())
        else:
            ahead = self._began + (count - 1) / self._pace - time.monotonic()
        if ahead > 0:
            await asyncio.sleep(ahead)


def raise_first(failed: Sequence[Delivery]) -> None:
    """Raises KafkaError where something could not be stored."""
    for delivery in failed:
        if delivery.error is not None:
            raise delivery.error

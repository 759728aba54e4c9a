"""Producing: explicit batches, every acknowledgement awaited, broker trouble retried in place.

A future nobody awaits is how stock Faust loses changelog records and forwards (faust.md 1.1).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError
from aiokafka.partitioner import murmur2

from touchpoint.backoff import backoff
from touchpoint.stages.protocol import Headers

log = logging.getLogger(__name__)

Place = tuple[str, int]
"""Topic in full, partition."""

Written = dict[Place, list[tuple[int, int]]]
"""Where -> (base offset, records) of each batch acknowledged."""

Acknowledgement = asyncio.Future[Any]

CACHED_KEYS = 100_000
RECORD_OVERHEAD = 100
LONGEST_PAUSE = 5.0


class AbandonedError(Exception):
    """The partition is being taken away: leave the batch unacknowledged, somebody will read it again."""


class Outbound(msgspec.Struct, frozen=True, gc=False):
    """One record with its destination settled."""

    topic: str  # in full
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()

    @property
    def size(self) -> int:
        """What it will weigh at the broker, rather more than less."""
        headers = sum(len(name.encode()) + len(value or b"") + 8 for name, value in self.headers)
        return RECORD_OVERHEAD + len(self.key or b"") + len(self.value or b"") + headers


class Partitioner:
    """murmur2 over ``partitions``, as every Java and aiokafka producer does; remembers keys, since it is slow."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self._known: dict[bytes, int] = {}

    def __call__(self, key: bytes) -> int:
        partition = self._known.get(key)
        if partition is None:
            if len(self._known) >= CACHED_KEYS:
                self._known.clear()
            partition = self._known[key] = (murmur2(key) & 0x7FFFFFFF) % self.partitions
        return partition


class Outbox:
    """Delivers records; returns only when all are acknowledged by all in-sync replicas."""

    def __init__(self, producer: Callable[[], AIOKafkaProducer], on_retry: Callable[[str], None]) -> None:
        self._producer = producer
        self._on_retry = on_retry

    async def deliver(self, records: Iterable[Outbound], give_up: Callable[[], bool]) -> Written:
        """Produce the records, each destination's in order.

        Raises ``AbandonedError`` if ``give_up`` says so while the broker is in trouble; any other error is not the
        surroundings' and should end the process.
        """
        left: dict[Place, list[Outbound]] = defaultdict(list)
        for record in records:
            left[record.topic, record.partition].append(record)
        written: Written = defaultdict(list)
        delays = backoff(0.1, LONGEST_PAUSE)
        while left:
            results = await asyncio.gather(*(self._send(place, of_place) for place, of_place in left.items()))
            again: dict[Place, list[Outbound]] = {}
            delay = next(delays)
            for place, (done, failed, error) in zip(left, results, strict=True):
                written[place] += done
                if error is not None:
                    again[place] = failed
                    log.warning("producing to %s failed, trying again in %.1f s: %r", place[0], delay, error)
                    self._on_retry("produce")
            left = again
            if left:
                if give_up():
                    raise AbandonedError
                await asyncio.sleep(delay)
        return written

    async def _send(
        self, place: Place, records: list[Outbound]
    ) -> tuple[list[tuple[int, int]], list[Outbound], KafkaError | None]:
        """What was written, and from the first failure on what must be sent again, with the error."""
        written: list[tuple[int, int]] = []
        failed_at: int | None = None
        trouble: KafkaError | None = None
        sent = 0
        for future, count in await self._hand_over(place, records):
            try:
                written.append(((await future).offset, count))
            except KafkaError as error:
                if not _may_pass(error):
                    raise
                failed_at, trouble = (sent, error) if failed_at is None else (failed_at, trouble)
            sent += count
        failed_at = sent if failed_at is None else failed_at
        if sent < len(records) and trouble is None:
            trouble = KafkaTimeoutError("the producer took no more batches")
        return written, records[failed_at:], trouble

    async def _hand_over(self, place: Place, records: list[Outbound]) -> list[tuple[Acknowledgement, int]]:
        """Batches to the producer; fewer than all if it is in trouble already."""
        producer = self._producer()
        now = int(time.time() * 1000)
        handed: list[tuple[Acknowledgement, int]] = []
        position = 0
        while position < len(records):
            batch = producer.create_batch()
            for record in records[position:]:
                headers = list(record.headers)
                if batch.append(timestamp=now, key=record.key, value=record.value, headers=headers) is None:
                    break
            batch.close()
            try:
                acknowledged = await producer.send_batch(batch, place[0], partition=place[1])
            except KafkaError as error:
                if not _may_pass(error):
                    raise
                break
            except AssertionError:  # of a partition that it does not know: a broker just back may not tell of all yet
                producer.client.force_metadata_update()
                break
            handed.append((acknowledged, batch.record_count()))
            position += batch.record_count()
        return handed


def _may_pass(error: KafkaError) -> bool:
    """True for trouble of the surroundings. A producer that lost its sequence must be replaced: the process ends."""
    return bool(error.retriable) or isinstance(error, KafkaTimeoutError | KafkaConnectionError)

"""Topics read to their end as it is now, outside any group: nothing is committed, no worker notices."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaConnectionError

from touchpoint.kafka.fetching import Damaged
from touchpoint.kafka.topic_admin import TopicsError, admin_client, full_name, partition_counts
from touchpoint.kafka_client import client_options
from touchpoint.settings import Settings

FETCH_BYTES = 1024 * 1024  # of each partition: oldest first means that all of them are read at once
STALLED_AFTER = 30.0  # seconds without progress

Bounds = dict[TopicPartition, tuple[int, int]]
"""The first offset to read and the one behind the last."""


async def records(
    settings: Settings, topics: Collection[str], since: int | None = None,
    on_damaged: Callable[[Damaged], None] = lambda _: None,
) -> AsyncIterator[ConsumerRecord]:  # fmt: skip
    """Every record that the topics (without prefix) have now, oldest first.

    ``since``: only those from that timestamp on, in milliseconds. Within a partition the order is that of the offsets.
    ``on_damaged``: called with what cannot be parsed, in place of a record.
    Raises ``TopicsError`` if a topic is missing, ``KafkaError`` if no broker answers or stops to answer.
    """
    places = await _places(settings, topics)
    consumer = _consumer(settings)
    try:
        await consumer.start()
        consumer.assign(places)
        bounds = await _bounds(consumer, places, since)
        async for record in _merged(consumer, bounds):
            if isinstance(record, Damaged):
                on_damaged(record)
            else:
                yield record
    finally:
        await consumer.stop()


async def one_record(settings: Settings, topic: str, partition: int, offset: int) -> ConsumerRecord | None:
    """The record at a place of a topic (without prefix), if it is there. Raises as ``records``."""
    place = TopicPartition(full_name(settings, topic), partition)
    if place not in await _places(settings, [topic]):
        return None
    consumer = _consumer(settings)
    try:
        await consumer.start()
        consumer.assign([place])
        first, end = (await _bounds(consumer, [place], None))[place]
        if not first <= offset < end:
            return None
        async for record in _of(consumer, place, (offset, end)):
            return record if record.offset == offset and not isinstance(record, Damaged) else None
        return None
    finally:
        await consumer.stop()


def _consumer(settings: Settings) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        **client_options(settings), group_id=None, enable_auto_commit=False, auto_offset_reset="earliest",
        isolation_level="read_committed", max_partition_fetch_bytes=FETCH_BYTES, fetch_max_wait_ms=100,
    )  # fmt: skip


async def _places(settings: Settings, topics: Collection[str]) -> list[TopicPartition]:
    names = [full_name(settings, topic) for topic in topics]
    admin = admin_client(settings)
    try:
        await admin.start()
        counts = await partition_counts(admin, names)
    finally:
        await admin.close()
    missing = [f"topic {name} does not exist: run `touchpoint topics`" for name in names if name not in counts]
    if missing:
        raise TopicsError(missing)
    return [TopicPartition(name, partition) for name in names for partition in range(counts[name])]


async def _bounds(consumer: AIOKafkaConsumer, places: Sequence[TopicPartition], since: int | None) -> Bounds:
    firsts = await consumer.beginning_offsets(places)
    ends = await consumer.end_offsets(places)
    if since is not None:
        found = await consumer.offsets_for_times(dict.fromkeys(places, since))
        firsts = {place: found[place].offset if found[place] is not None else ends[place] for place in places}
    return {place: (firsts[place], ends[place]) for place in places}


async def _merged(consumer: AIOKafkaConsumer, bounds: Bounds) -> AsyncIterator[ConsumerRecord]:
    """The partitions' records by timestamp; each partition's are taken as they come."""
    streams = [_of(consumer, place, bound) for place, bound in bounds.items() if bound[0] < bound[1]]
    heads: list[tuple[int, int, ConsumerRecord]] = []
    for number, stream in enumerate(streams):
        await _push(heads, number, stream)
    while heads:
        _, number, record = heapq.heappop(heads)
        yield record
        await _push(heads, number, streams[number])


async def _push(
    heads: list[tuple[int, int, ConsumerRecord]], number: int, stream: AsyncIterator[ConsumerRecord]
) -> None:
    record = await anext(stream, None)
    if record is not None:
        heapq.heappush(heads, (record.timestamp, number, record))


async def _of(
    consumer: AIOKafkaConsumer, place: TopicPartition, bound: tuple[int, int]
) -> AsyncIterator[ConsumerRecord]:
    """One partition's records between two offsets."""
    position, end = bound
    consumer.seek(place, position)
    moved = time.monotonic()
    while position < end:
        for record in (await consumer.getmany(place, timeout_ms=500)).get(place, ()):
            if record.offset >= end:
                return
            yield record
        reached = await consumer.position(place)
        if reached > position:
            position, moved = reached, time.monotonic()
        elif time.monotonic() - moved > STALLED_AFTER:
            raise KafkaConnectionError(f"{place.topic} partition {place.partition} gives nothing at offset {position}")
        await asyncio.sleep(0)

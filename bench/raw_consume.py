"""(a) The floor: aiokafka reads every record and our decoder validates it. Nothing is kept, nothing is written.

As a script: ``python -m bench.raw_consume BROKER TOPIC...``; prints its own measure as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from aiokafka import AIOKafkaConsumer, TopicPartition

from touchpoint.events import Accepted, Decoder


async def consume(broker: str, topics: list[str]) -> dict[str, float]:
    """Read the topics to their ends: events, seconds and CPU seconds from the first fetch on."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker, auto_offset_reset="earliest", enable_auto_commit=False,
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )  # fmt: skip
    await consumer.start()
    try:
        tps = [TopicPartition(topic, p) for topic in topics for p in await partitions(consumer, topic)]
        consumer.assign(tps)
        left = {tp: end for tp, end in (await consumer.end_offsets(tps)).items() if end}
        began, cpu = time.monotonic(), time.process_time()
        events = await read(consumer, left)
        return {"events": events, "seconds": time.monotonic() - began, "cpu": time.process_time() - cpu}
    finally:
        await consumer.stop()


async def partitions(consumer: AIOKafkaConsumer, topic: str) -> list[int]:
    """The partitions of a topic, once its metadata is here."""
    while not (known := consumer.partitions_for_topic(topic)):
        await consumer._client._wait_on_metadata(topic)  # noqa: SLF001 - aiokafka has no other way before an assignment
    return sorted(known)


async def read(consumer: AIOKafkaConsumer, left: dict[TopicPartition, int]) -> int:
    """Decode everything before the ends; how much was accepted."""
    decode, accepted = Decoder().decode, 0
    while left:
        for tp, records in (await consumer.getmany(timeout_ms=1000)).items():
            for record in records:
                accepted += isinstance(decode(record.value, record.headers), Accepted)
            if records[-1].offset + 1 >= left.get(tp, 0):
                left.pop(tp, None)
    return accepted


if __name__ == "__main__":
    print(json.dumps(asyncio.run(consume(sys.argv[1], sys.argv[2:]))))

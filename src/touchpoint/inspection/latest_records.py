"""The latest record of each partition of some topics."""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from touchpoint.kafka.topic_admin import admin_client, partition_counts
from touchpoint.kafka_client import client_options
from touchpoint.settings import Settings


async def latest_records(settings: Settings, topics: list[str]) -> list[ConsumerRecord]:
    """One of each partition that has any; ``topics`` in full. Raises KafkaError."""
    places = await _places(settings, topics)
    consumer = AIOKafkaConsumer(**client_options(settings), group_id=None, enable_auto_commit=False)
    await consumer.start()
    try:
        firsts, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
        filled = {place for place in places if firsts[place] < ends[place]}
        if not filled:
            return []
        consumer.assign(sorted(filled))
        for place in filled:
            consumer.seek(place, ends[place] - 1)
        found: dict[TopicPartition, ConsumerRecord] = {}
        while filled - found.keys():
            for place, records in (await consumer.getmany(timeout_ms=500)).items():
                if records:
                    found[place] = records[-1]
        return list(found.values())
    finally:
        await consumer.stop()


async def _places(settings: Settings, topics: list[str]) -> list[TopicPartition]:
    admin = admin_client(settings)
    await admin.start()
    try:
        counts = await partition_counts(admin, topics)
    finally:
        await admin.close()
    return [TopicPartition(topic, number) for topic, count in counts.items() for number in range(count)]

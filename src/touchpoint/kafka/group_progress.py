"""How far the workers' consumer group has come: its members, their partitions, what is not committed yet."""

from __future__ import annotations

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from touchpoint.kafka.access import Member, consumer_group
from touchpoint.kafka.topic_admin import Counts, admin_client, check_topics, feed_topics, full_name, media_topics
from touchpoint.kafka_client import client_options
from touchpoint.settings import Settings

UNKNOWN_STATE = "unknown"


class PartitionProgress(msgspec.Struct, frozen=True):
    """One partition that workers read."""

    topic: str  # without the prefix
    partition: int
    end: int  # the offset of the next record
    committed: int | None  # None: nothing was ever committed
    lag: int  # records that are not finished and committed
    member: str | None  # the id of whoever has it


class GroupProgress(msgspec.Struct, frozen=True):
    """The group and all partitions that it reads."""

    state: str
    members: list[Member]
    partitions: list[PartitionProgress]


async def group_progress(settings: Settings) -> GroupProgress:
    """Raises ``TopicsError`` where topics are missing, ``KafkaError`` if a broker refuses or none answers."""
    counts = await check_topics(settings)
    places = _places(settings, counts)
    admin = admin_client(settings)
    await admin.start()
    try:
        group = await consumer_group(admin, settings.app_id)
        stored = await admin.list_consumer_group_offsets(settings.app_id)
    finally:
        await admin.close()
    committed = {tp: at.offset for tp, at in stored.items() if at.offset >= 0}
    members = group.members if group is not None else []
    owners = {place: member.member_id for member in members for place in member.assignment}
    begins, ends = await _bounds(settings, list(places))
    partitions = [
        PartitionProgress(
            topic, tp.partition, ends[tp], committed.get(tp), max(0, ends[tp] - max(committed.get(tp, 0), begins[tp])),
            owners.get((tp.topic, tp.partition)),
        )
        for tp, topic in places.items()
    ]  # fmt: skip
    return GroupProgress(group.state if group is not None else UNKNOWN_STATE, members, partitions)


def _places(settings: Settings, counts: Counts) -> dict[TopicPartition, str]:
    """Every partition that workers read, with its topic's name without the prefix."""
    numbers = dict.fromkeys((*media_topics(settings), "touches", "interactions"), counts.ours)
    numbers |= {topic: counts.feeds[topic] for topic in feed_topics(settings)}
    return {
        TopicPartition(full_name(settings, topic), partition): topic
        for topic, number in numbers.items()
        for partition in range(number)
    }


async def _bounds(
    settings: Settings, places: list[TopicPartition]
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    """The first offset of each partition and that of its next record."""
    consumer = AIOKafkaConsumer(**client_options(settings), group_id=None, enable_auto_commit=False)
    await consumer.start()
    try:
        return await consumer.beginning_offsets(places), await consumer.end_offsets(places)
    finally:
        await consumer.stop()

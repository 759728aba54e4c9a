"""Producing through trouble of the broker, on a real one."""

from __future__ import annotations

import pytest
from aiokafka import AIOKafkaProducer
from stream_lab import Lab

from touchpoint.stream.outbox import Outbound, Outbox

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


async def test_a_partition_that_a_broker_just_back_does_not_tell_of_yet_is_asked_for_again(lab: Lab) -> None:
    topic = lab.settings.topic_prefix + "touches"
    retries: list[str] = []
    async with AIOKafkaProducer(bootstrap_servers=lab.broker, enable_idempotence=True) as producer:
        assert 1 in await producer.partitions_for(topic)
        del producer.client.cluster._partitions[topic][1]  # as in metadata of a broker that is still loading them
        written = await Outbox(lambda: producer, retries.append).deliver(
            [Outbound(topic, 1, b"k", b"v"), Outbound(topic, 2, b"k", b"v")], lambda: False
        )
    assert {place: sum(count for _, count in batches) for place, batches in written.items()} == {
        (topic, 1): 1,
        (topic, 2): 1,
    }
    assert retries == ["produce"]

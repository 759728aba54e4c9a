"""Records that a stage or the history gives back, on their way to Kafka: destinations, sizes, counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from touchpoint.stages import dead_letter_records
from touchpoint.stages.protocol import Forward, Record
from touchpoint.stream.outbox import Outbound, Outbox, Partitioner
from touchpoint.telemetry.metric_table import NOBODY
from touchpoint.telemetry.metrics import Metrics


class Destinations(msgspec.Struct, frozen=True):
    """What delivering needs to know of the topics."""

    partitioner: Partitioner
    full_name: Callable[[str], str]  # of a topic without the prefix
    max_bytes: Callable[[str], int]  # of a record, by the topic's full name
    dialects: Mapping[str, str] = {}  # by topic without the prefix


class Delivery:
    """Forwards of one agent's partition: their topics in full, their partitions, their sizes, their counts."""

    def __init__(
        self, agent: str, partition: int, outbox: Outbox, destinations: Destinations, metrics: Metrics,
        give_up: Callable[[], bool],
    ) -> None:  # fmt: skip
        """``give_up``: whether the partition is being taken away."""
        self.agent = agent
        self.partition = partition
        self.metrics = metrics
        self.give_up = give_up
        self.outbox = outbox
        self.max_bytes = destinations.max_bytes
        self._destinations = destinations

    async def forward(self, forwards: Sequence[Forward]) -> None:
        """Deliver them all."""
        if forwards:
            await self.outbox.deliver([self._settled(forward) for forward in forwards], self.give_up)
            self._count(forwards)

    def _settled(self, forward: Forward) -> Outbound:
        partition, partitioner = forward.partition, self._destinations.partitioner
        if partition is None:
            # a topic with a dialect may have more partitions than what is ours
            keyless = self.partition % partitioner.partitions
            partition = keyless if forward.key is None else partitioner(forward.key)
        name = self._destinations.full_name(forward.topic)
        outbound = Outbound(name, partition, forward.key, forward.value, forward.headers)
        limit = self.max_bytes(name)
        if outbound.size <= limit:
            return outbound
        if forward.topic == dead_letter_records.TOPIC:
            forward = dead_letter_records.truncated(forward, limit)
            return Outbound(name, partition, forward.key, forward.value, forward.headers)
        cause = f"too large for topic {forward.topic}: {outbound.size:,} bytes, at most {limit:,}"
        origin = Record(forward.topic, partition, -1, forward.key, forward.value, forward.headers, 0)
        return self._settled(dead_letter_records.dead_letter(origin, cause, "too_large"))

    def _count(self, forwards: Sequence[Forward]) -> None:
        by_topic: dict[str, int] = {}
        for forward in forwards:
            by_topic[forward.topic] = by_topic.get(forward.topic, 0) + 1
            if forward.topic == dead_letter_records.TOPIC:
                origin = dead_letter_records.topic_of(forward) or NOBODY
                dialect = self._destinations.dialects.get(origin, "")
                self.metrics.count("dead_letters", 1, origin, dead_letter_records.code_of(forward), dialect)
        for topic, count in by_topic.items():
            self.metrics.count("forwards", count, topic)
        self.metrics.count("closed_interactions", by_topic.get("interactions", 0))

"""Looking up where a partition begins while its leader moves: nothing else of the old leader's is held up."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer import consumer as consumers
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import NotLeaderForPartitionError
from aiokafka.protocol.fetch import FetchRequest
from patience import LIMIT

from touchpoint.kafka.fetching import lookups

OLD, NEW = 1, 2
MOVED, STAYED = TopicPartition("calls", 0), TopicPartition("chats", 0)


class MovedLeader:
    """In place of aiokafka's client: another broker leads a partition by now, which the metadata does not say yet.

    A real cluster does not do so on demand: it depends on which broker answers a request for metadata, and when.
    """

    _metadata_max_age_ms = 300_000

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.leaders = {MOVED: OLD, STAYED: OLD}
        self.cluster = SimpleNamespace(leader_for_partition=self.leaders.get)
        self.asked: asyncio.Queue[tuple[str, int]] = asyncio.Queue()

    def force_metadata_update(self) -> asyncio.Future[None]:
        self.leaders[MOVED] = NEW
        done: asyncio.Future[None] = self._loop.create_future()
        done.set_result(None)
        return done

    async def send(self, node: int, request: object) -> Any:
        if isinstance(request, FetchRequest):
            self.asked.put_nowait(("records", node))
            await asyncio.sleep(0.01)  # as a broker waits for records
            return SimpleNamespace(API_VERSION=4, topics=[])
        self.asked.put_nowait(("offset", node))
        error = 0 if node == NEW else NotLeaderForPartitionError.errno
        return SimpleNamespace(API_VERSION=1, topics=[(MOVED.topic, [(MOVED.partition, error, -1, 7)])])


async def test_partition_whose_leader_moved_does_not_block_the_old_leaders_others() -> None:
    """A soak with three brokers: no input that the broker led was read for minutes, and 50 interactions not stored."""
    subscription, client = SubscriptionState(), MovedLeader()
    subscription.assign_from_user([MOVED, STAYED])
    subscription.seek(STAYED, 0)
    fetcher = lookups.Fetcher(client, subscription, auto_offset_reset="earliest", retry_backoff_ms=1)
    try:
        fetcher.request_offset_reset([MOVED], consumers.OffsetResetStrategy.EARLIEST)
        async with asyncio.timeout(LIMIT):
            asked = [await client.asked.get() for _ in range(10)]
        assert asked.count(("offset", OLD)) == asked.count(("offset", NEW)) == 1
        assert {("records", OLD), ("records", NEW)} <= {*asked}
        assert subscription.subscription.assignment.state_value(MOVED).position == 7
    finally:
        await fetcher.close()


def test_every_consumer_looks_up_so() -> None:
    assert consumers.Fetcher is lookups.Fetcher

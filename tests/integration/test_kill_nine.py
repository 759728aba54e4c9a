"""kill -9 of a worker in the middle of the stream, ten times: the rows are those of the offline fold all the same."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from datetime import UTC, datetime

import orjson
import pytest
from installation import Event, Installation, arrival, offline

from touchpoint.simulate import simulate
from touchpoint.simulate.produce import produce

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
KILLS = 10
PACE = 400.0  # events a second: enough for each kill to fall into work, and for a day's traffic to outlast all of them


class Traffic:
    """A stream that goes on until it is told that it is enough; what was taken from it."""

    def __init__(self, events: list[Event]) -> None:
        self._events = events
        self.sent: list[Event] = []
        self.enough = False

    def __iter__(self) -> Iterator[Event]:
        for event in self._events:
            if self.enough:
                return
            self.sent.append(event)
            yield event


@pytest.mark.trap(2)
@pytest.mark.trap(13)
async def test_ten_kills_at_random_lose_nothing_store_nothing_twice_and_change_nothing(
    installation: Installation,
) -> None:
    dice = random.Random(9)
    traffic = Traffic(arrival(simulate(9, START, hours=24, volume=500), seed=9))
    prefix = installation.settings.topic_prefix
    pair = [installation.worker(), installation.worker()]
    sending = asyncio.create_task(produce(traffic, installation.client, prefix, PACE, finish=True))
    for _ in range(KILLS):
        await installation.until_count(await installation.count() + 1)  # it is at work
        await asyncio.sleep(dice.uniform(0.0, 1.5))  # the random instant
        victim = dice.randrange(2)
        pair[victim].kill()
        pair[victim] = installation.worker()
    await installation.until_count(await installation.count() + 1)
    assert not sending.done(), "every kill was in the middle of the stream"
    traffic.enough = True
    await sending

    await installation.until_stored(offline(traffic.sent))
    assert not await installation.read("dead-letters")
    assert await contents_differ(installation) == set()


async def contents_differ(installation: Installation) -> set[str]:
    """Interactions that the topic has more than once, as at-least-once delivery may, but with other contents."""
    first: dict[str, str] = {}
    differ = set()
    for message in await installation.read("interactions"):
        event = orjson.loads(message.value)
        if event["type"] == "interaction.closed":
            data = event["data"]
            if first.setdefault(data["interaction_id"], data["content_hash"]) != data["content_hash"]:
                differ.add(data["interaction_id"])
    return differ

"""Two workers with one instance id: the earlier one ends with a sentence, and none hangs or takes its place back."""

from __future__ import annotations

import asyncio

import pytest
from installation import Installation, Worker

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


async def until_ready(installation: Installation, worker: Worker) -> None:
    async def ready() -> bool:
        return "touchpoint_ready 1.0" in (await asyncio.to_thread(worker.page, "metrics"))[1]

    await installation.until(ready, f"{worker.log.name} is ready")


async def ended_with_a_sentence(worker: Worker) -> None:
    worker.ended_by_us = True
    assert await asyncio.to_thread(worker.process.wait, 30) == 70
    last = worker.log.read_text().strip().splitlines()[-1]
    assert "another worker has TOUCHPOINT_INSTANCE_ID 'one' and has taken this one's place" in last
    assert "Traceback" not in worker.log.read_text()


async def test_of_two_workers_with_one_instance_id_the_earlier_ends(installation: Installation) -> None:
    earlier = installation.worker(instance_id="one", session_timeout=4, rebalance_timeout=6)
    await until_ready(installation, earlier)
    later = installation.worker(instance_id="one", session_timeout=4, rebalance_timeout=6)
    await ended_with_a_sentence(earlier)
    await until_ready(installation, later)
    assert await later.end() == 0


async def test_so_it_does_while_the_group_rebalances(installation: Installation) -> None:
    """After a kill -9 two are started in its place, while a third worker joins: one of them hung for ever."""
    killed = installation.worker(instance_id="one", session_timeout=4, rebalance_timeout=6)
    await until_ready(installation, killed)
    killed.kill()
    other = installation.worker(instance_id="two", session_timeout=4, rebalance_timeout=6)
    earlier = installation.worker(instance_id="one", session_timeout=4, rebalance_timeout=6)

    async def joins() -> bool:
        return "Starting..." in earlier.log.read_text()

    await installation.until(joins, "the earlier one joins")
    later = installation.worker(instance_id="one", session_timeout=4, rebalance_timeout=6)
    await ended_with_a_sentence(earlier)
    for worker in (other, later):
        await until_ready(installation, worker)
        assert await worker.end() == 0

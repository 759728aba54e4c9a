"""Two workers with one instance id: the earlier one ends with a sentence, and none hangs."""

from __future__ import annotations

import asyncio

import pytest
from installation import Installation, Worker

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


async def until_ready(installation: Installation, worker: Worker) -> None:
    async def ready() -> bool:
        return "touchpoint_ready 1.0" in (await asyncio.to_thread(worker.page, "metrics"))[1]

    await installation.until(ready, f"{worker.log.name} is ready")


def said_why(worker: Worker) -> None:
    """It ended with the sentence, and without a traceback."""
    assert worker.process.poll() == 70
    last = worker.log.read_text().strip().splitlines()[-1]
    found_by_the_group = "another worker has TOUCHPOINT_INSTANCE_ID 'one' and has taken this one's place" in last
    found_by_a_changelog = "another has the same TOUCHPOINT_INSTANCE_ID" in last  # whichever is told first
    assert found_by_the_group or found_by_a_changelog, last
    assert "Traceback" not in worker.log.read_text()


async def test_of_two_workers_with_one_instance_id_the_earlier_ends(installation: Installation) -> None:
    earlier = installation.worker(instance_id="one", session_timeout=4, rebalance_timeout=6)
    await until_ready(installation, earlier)
    later = installation.worker(instance_id="one", session_timeout=4, rebalance_timeout=6)
    await one_ends(installation, [earlier, later])
    assert earlier.process.returncode == 70


async def one_ends(installation: Installation, pair: list[Worker], *others: Worker) -> None:
    """One of the two ends and says why; the rest are ready, and end when they are told to."""
    for worker in pair:
        worker.ended_by_us = True

    async def one_ended() -> bool:
        return any(not worker.running for worker in pair)

    await installation.until(one_ended, "one of the two ends")
    [stays] = [worker for worker in pair if worker.running]
    [ended] = [worker for worker in pair if not worker.running]
    said_why(ended)
    for worker in (*others, stays):
        await until_ready(installation, worker)
        assert await worker.end() == 0


async def test_second_worker_of_one_instance_id_ends_while_the_group_rebalances(installation: Installation) -> None:
    """After a kill -9 two are started in its place, while a third worker joins: one of them hung for ever."""
    killed = installation.worker(instance_id="one", session_timeout=4, rebalance_timeout=6)
    await until_ready(installation, killed)
    killed.kill()
    other = installation.worker(instance_id="two", session_timeout=4, rebalance_timeout=6)
    pair = [installation.worker(instance_id="one", session_timeout=4, rebalance_timeout=6) for _ in range(2)]
    await one_ends(installation, pair, other)

"""What must survive: kills, rebalances, stops, freezes. On a real Kafka, with workers as processes."""

from __future__ import annotations

import asyncio
import random
import signal

import pytest
from stream_lab import Lab

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.mark.trap(2)
async def test_ten_kills_at_random_lose_nothing(lab: Lab) -> None:
    chance = random.Random(7)
    sending = asyncio.create_task(lab.send(200_000, rate=900))
    for _ in range(10):
        worker = lab.worker()
        await lab.until_more("the first events after a start")
        await asyncio.sleep(chance.uniform(0.0, 1.2))
        worker.kill()
    lab.enough.set()
    await sending
    lab.worker()
    await lab.until_stored()
    await lab.check()


@pytest.mark.trap(4)
async def test_workers_join_and_leave_under_load(lab: Lab) -> None:
    sending = asyncio.create_task(lab.send(200_000, rate=900))
    first = lab.worker()
    await lab.until(lambda: lab.history_lines() > 500, "the first worker's work")
    second = lab.worker()
    await lab.until_ready(second)
    shared = lab.history_lines()
    await lab.until(lambda: lab.history_lines() > shared + 1_000, "the work of both")
    assert await first.end() == 0
    third = lab.worker()
    await lab.until_ready(third)
    lab.enough.set()
    await sending
    await lab.until_stored()
    assert await second.end() == 0
    assert await third.end() == 0
    await lab.check()
    assert lab.history_lines() == len(lab.sent), "clean rebalances repeat nothing"


@pytest.mark.trap(8)
async def test_sigterm_finishes_commits_and_exits_in_time(lab: Lab) -> None:
    await lab.send(20_000)
    worker = lab.worker()
    await lab.until(lambda: lab.history_lines() > 0, "the first events")
    assert await worker.end_within(lab.settings.grace_seconds) == 0
    stored = lab.history_lines()
    lab.worker()
    await lab.until_stored()
    await lab.check()
    assert lab.history_lines() == len(lab.sent), f"what was stored before the stop ({stored}) is not stored again"


@pytest.mark.trap(5)
async def test_a_restart_with_a_backlog_and_a_full_changelog_goes_on_where_it_was(lab: Lab) -> None:
    await lab.send(5_000)
    worker = lab.worker()
    await lab.until_stored()
    assert await worker.end() == 0
    await lab.send(15_000)
    lab.worker()
    await lab.until_stored()
    await lab.check()
    await lab.until_committed()


@pytest.mark.trap(14)
async def test_a_frozen_worker_ends_itself_and_overwrites_nothing(lab: Lab) -> None:
    sending = asyncio.create_task(lab.send(200_000, rate=800))
    zombie = lab.worker()
    await lab.until(lambda: lab.history_lines() > 500, "the first worker's work")
    zombie.signal(signal.SIGSTOP)
    lab.worker()
    stuck = lab.history_lines()
    await lab.until(lambda: lab.history_lines() > stuck + 500, "the second worker's work")
    zombie.signal(signal.SIGCONT)
    await lab.until(lambda: not zombie.running, "the frozen worker's end")
    assert zombie.process.returncode == 70
    lab.enough.set()
    await sending
    await lab.until_stored()
    await lab.check()

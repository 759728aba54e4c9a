"""kill -9 between any two steps of a batch: behind a committed offset there is always all that follows from it."""

from __future__ import annotations

import asyncio

import pytest
from stream_lab import Lab

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.mark.trap(2)
async def test_a_kill_between_any_two_steps_leaves_nothing_committed_that_is_not_done(lab: Lab) -> None:
    sending = asyncio.create_task(lab.send(200_000, rate=200))
    for number, after in enumerate(("forward", "changelog", "history", "ack", "commit")):
        worker = lab.worker(trip=f"{after}:after:kill:{3 + 2 * number}", instance_id="same")
        await lab.until(lambda worker=worker: not worker.running, f"the end after {after}")  # type: ignore[misc]
        assert worker.process.returncode == -9
        await lab.check_commits()
    lab.enough.set()
    await sending
    lab.worker(instance_id="same")
    await lab.until_stored()
    await lab.until_committed()
    assert await lab.check_commits() >= len(lab.sent)
    await lab.check()


async def test_a_worker_whose_membership_fails_unexpectedly_ends_at_once(lab: Lab) -> None:
    """As aiokafka fails that asks a broker which has just started and names no brokers yet."""
    worker = lab.worker(trip="join:before:raise:1")
    await lab.until(lambda: not worker.running, "the end of the worker")
    assert worker.process.returncode == 70
    assert "TrippedError" in worker.log.read_text()

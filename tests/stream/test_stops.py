"""SIGTERM at every moment: the worker ends within its grace period, and nothing unfinished is committed."""

from __future__ import annotations

import asyncio

import pytest
from kafka_broker import KafkaBroker
from stream_lab import Lab

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.trap(8)]
GRACE = 4.0


@pytest.mark.parametrize("moment", ["idle", "starting", "during a rebalance", "with its history stuck"])
async def test_a_stop_keeps_to_the_grace_period_and_commits_nothing_unfinished(lab: Lab, moment: str) -> None:
    await lab.send(2_000)
    worker = lab.worker(grace_seconds=GRACE)
    if moment == "starting":
        await lab.until(lambda: "joining group" in worker.log.read_text(), "the worker's asking to join")
    else:
        await lab.until_stored()
        await lab.until_committed()
    if moment == "during a rebalance":
        await lab.send(4_000)
        other = lab.worker()
        await lab.until(lambda: "joining group" in other.log.read_text(), "a rebalance")
    elif moment == "with its history stuck":
        lab.stuck.touch()
        await lab.send(1_000)
        await lab.until_read("interactions", 3_000)
    assert await worker.end_within(GRACE + 1.5) == 0  # the interpreter's own end
    await lab.check_commits()
    lab.stuck.unlink(missing_ok=True)
    lab.worker()
    await lab.until_stored()
    await lab.check()
    assert lab.history_lines() == len(lab.sent), "what was finished is not repeated"


async def test_a_stop_with_the_broker_gone_keeps_to_the_grace_period(lab: Lab, kafka: KafkaBroker) -> None:
    await lab.send(2_000)
    worker = lab.worker(grace_seconds=GRACE)
    await lab.until_more("the first events")
    kafka.kill()
    try:
        await worker.end_within(GRACE + 1.5)
    finally:
        await asyncio.to_thread(kafka.start)
    await lab.check_commits()
    lab.worker()
    await lab.until_stored()
    await lab.check()

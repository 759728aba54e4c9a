"""Trouble of the surroundings: it is waited for in place, nothing is lost, nothing unfinished is committed."""

from __future__ import annotations

import asyncio

import pytest
from counting_worker import BLOCK, test_settings
from kafka_broker import KafkaBroker
from patience import own_seconds_until_the_end
from stream_lab import Lab

from touchpoint.stream.app import new_app

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.mark.trap(7)
@pytest.mark.trap(8)
async def test_a_history_that_is_down_is_waited_for_while_everything_else_goes_on(lab: Lab) -> None:
    worker = lab.worker()
    await lab.send(500)
    await lab.until_stored()
    lab.down.touch()
    await lab.send(3_000)
    await lab.until_read("interactions", 3_500)  # stitching goes on
    other = lab.worker()  # a rebalance in the middle of the outage
    await lab.until_ready(other)
    assert lab.history_lines() == 500
    assert worker.running
    assert await worker.end() == 0, "an outage does not hold up a stop"
    lab.down.unlink()
    await lab.until_stored()
    await lab.check()
    assert lab.history_lines() == len(lab.sent), "nothing unfinished was committed, nothing finished was repeated"


@pytest.mark.trap(16)
async def test_a_frozen_broker_is_waited_for(lab: Lab, kafka: KafkaBroker) -> None:
    sending = asyncio.create_task(lab.send(200_000, rate=800))
    lab.worker(session_timeout=3, rebalance_timeout=6)
    await lab.until(lambda: lab.history_lines() > 500, "the first events")
    kafka.pause()
    await asyncio.sleep(6)  # two sessions
    kafka.resume()
    await lab.until_more("going on after the freeze")
    lab.enough.set()
    await sending
    await lab.until_stored()
    await lab.check()


@pytest.mark.trap(16)
async def test_a_broker_that_is_killed_and_comes_back_loses_nothing(lab: Lab, kafka: KafkaBroker) -> None:
    sending = asyncio.create_task(lab.send(200_000, rate=800))
    worker = lab.worker()
    await lab.until(lambda: lab.history_lines() > 500, "the first events")
    kafka.kill()
    await asyncio.to_thread(kafka.start)
    await lab.until_more("going on after the restart")
    lab.enough.set()
    await sending
    await lab.until_stored()
    await lab.check()
    assert worker.running


@pytest.mark.trap(8)
async def test_a_stop_with_the_broker_dead_keeps_to_the_grace_period(lab: Lab, kafka: KafkaBroker) -> None:
    await lab.send(2_000)
    worker = lab.worker(grace_seconds=4.0)
    await lab.until_more("the first events")
    kafka.pause()
    try:
        await worker.end_within(6)
    finally:
        kafka.resume()
    lab.worker()
    await lab.until_stored()
    await lab.check()


async def test_a_stop_while_it_starts_with_the_broker_frozen_keeps_to_the_grace_period(
    lab: Lab, kafka: KafkaBroker
) -> None:
    worker = lab.worker(grace_seconds=4.0)
    await lab.until(lambda: "Starting" in worker.log.read_text(), "the beginning of its start")
    kafka.pause()
    try:
        assert await worker.end_within(6) in {0, 1}
    finally:
        kafka.resume()


@pytest.mark.trap(16)
async def test_a_worker_that_stands_still_ends_itself_before_its_session_does(lab: Lab) -> None:
    worker = lab.worker(session_timeout=4)
    await lab.send(600)
    await lab.until_stored()
    async with lab.producer() as producer:
        await producer.send(lab.settings.topic_prefix + "calls", BLOCK, b"key-1")
    await lab.until(lambda: lab.output.with_suffix(".blocked").exists(), "standing still")
    assert await own_seconds_until_the_end(worker.process) < 4
    assert worker.process.returncode == 70
    assert "stood still for" in worker.log.read_text()
    await lab.check_commits()
    lab.worker()
    await lab.send(600)
    await lab.until_stored()
    await lab.check()


@pytest.mark.trap(7)
def test_idle_worker_stays_in_its_group() -> None:
    app = new_app(test_settings("localhost:9092"))
    assert app.conf.broker_max_poll_interval > 10 * 365 * 86400, "a stand-by never polls, and who left never returns"


@pytest.mark.trap(7)
async def test_an_idle_worker_without_partitions_takes_over(lab: Lab) -> None:
    workers = [lab.worker() for _ in range(5)]  # four partitions: one has nothing to do
    for each in workers:
        await lab.until_ready(each)
    await lab.send(1_000)
    await lab.until_stored()
    for each in workers[:4]:
        each.kill()
    await lab.send(1_000)
    await lab.until_stored()
    await lab.check()

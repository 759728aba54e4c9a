"""An exception at any await of a batch: the process ends, the batch is read again, and each row is there once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from installation import Installation, arrival, offline
from patience import LIMIT

from touchpoint.simulate import simulate
from touchpoint.simulate.produce import produce

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
WIRES = (
    "forward:before:raise:2", "changelog:before:raise:3", "changelog:after:raise:4", "history:before:raise:1",
    "history:after:raise:1", "commit:before:raise:1",
)  # fmt: skip


@pytest.mark.trap(1)
async def test_an_exception_at_any_await_ends_the_worker_and_each_row_is_there_once(installation: Installation) -> None:
    events = arrival(simulate(3, START, hours=1, volume=400), seed=3)
    await produce(events, installation.client, installation.settings.topic_prefix, finish=True)
    for wire in WIRES:
        worker = installation.worker(wire, instance_id="one")  # one name: the next takes over at once
        worker.ended_by_us = True
        assert await asyncio.to_thread(worker.process.wait, LIMIT) == 70
        assert "TrippedError" in worker.log.read_text()
    installation.worker(instance_id="one")
    await installation.until_stored(offline(events))

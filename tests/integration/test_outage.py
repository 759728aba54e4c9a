"""PostgreSQL is away for longer than sessions and rebalances last: everything waits, and then every row is there."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from installation import Installation, arrival, offline
from patience import LIMIT
from postgres_server import TestPostgres, outage

from touchpoint.simulate import simulate
from touchpoint.simulate.produce import produce

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.trap(7)]
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
SESSION, REBALANCE = 2, 2


@pytest.mark.trap(8)
async def test_an_outage_longer_than_rebalances_with_workers_that_come_and_go_costs_nothing(
    installation: Installation, postgres: TestPostgres
) -> None:
    events = arrival(simulate(6, START, hours=1, volume=400), seed=6)
    half = len(events) // 2
    first = installation.worker(session_timeout=SESSION, rebalance_timeout=REBALANCE)
    await produce(events[:half], installation.client, installation.settings.topic_prefix)
    await installation.until_count(1)
    async with outage(postgres, installation.database):
        await produce(events[half:], installation.client, installation.settings.topic_prefix, finish=True)
        await until_retrying(installation)
        second = installation.worker(session_timeout=SESSION, rebalance_timeout=REBALANCE)
        await asyncio.sleep(2 * (SESSION + REBALANCE))  # so long that whoever could be thrown out would be
        assert first.running
        assert second.running
        assert await first.end_within(installation.settings.grace_seconds + 1) == 0
    await installation.until_stored(offline(events))


async def test_worker_started_in_an_outage_stitches_and_stores_when_it_is_over(
    installation: Installation, postgres: TestPostgres
) -> None:
    events = arrival(simulate(7, START, hours=0.2, volume=200), seed=7)
    async with outage(postgres, installation.database):
        worker = installation.worker()
        await produce(events, installation.client, installation.settings.topic_prefix, finish=True)

        async def stitched() -> bool:
            return bool(await installation.read("interactions"))

        await installation.until(stitched, "interactions")
        status, said = await asyncio.to_thread(worker.page, "readyz")
        assert (status, "cannot be written to" in said) == (503, True), said
        assert (await asyncio.to_thread(worker.page, "livez"))[0] == 200
        assert worker.metrics()["touchpoint_history_usable"] == 0
    await installation.until_stored(offline(events))
    assert (await asyncio.to_thread(worker.page, "readyz"))[0] == 200
    assert worker.metrics()["touchpoint_history_usable"] == 1
    assert await worker.end() == 0


async def test_a_database_that_refuses_after_an_outage_at_the_start_ends_the_worker(
    installation: Installation, postgres: TestPostgres
) -> None:
    async with outage(postgres, installation.database) as name:
        worker = installation.worker()

        async def recovered() -> bool:
            return worker.running and "touchpoint_ready 1.0" in (await asyncio.to_thread(worker.page, "metrics"))[1]

        await installation.until(recovered, "its partitions")
        await postgres._execute(f"ALTER DATABASE {name} RENAME TO {name}_elsewhere")
        assert await asyncio.to_thread(worker.process.wait, 30) == 3
        await postgres._execute(f"ALTER DATABASE {name}_elsewhere RENAME TO {name}")
    said = worker.log.read_text()
    assert f'database "{name}" does not exist: create it and run touchpoint migrate' in said
    assert "Traceback" not in said


async def until_retrying(installation: Installation) -> None:
    """Wait until the worker has noticed."""

    async with asyncio.timeout(LIMIT):
        while "the history is not writable" not in installation.workers[0].log.read_text():  # noqa: ASYNC110
            await asyncio.sleep(0.1)

"""The same events through real workers, Apache Kafka and PostgreSQL, and through the offline fold: the same rows."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from installation import CLOSED_TABLES, Event, Installation, arrival, offline

from touchpoint.simulate import simulate
from touchpoint.simulate.produce import produce

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
START = datetime(2026, 3, 2, 8, tzinfo=UTC)


async def test_two_workers_store_what_stitch_prints(installation: Installation) -> None:
    events = arrival(simulate(1, START, hours=3, volume=500), seed=1)
    expected = offline(events)
    workers = [installation.worker(), installation.worker()]
    await send(installation, events)
    await installation.until_stored(expected)
    assert all(worker.metrics()["touchpoint_history_rows_total"] > 0 for worker in workers)
    assert not await installation.read("dead-letters")
    await closed_rows_stand(installation)


async def test_a_second_run_adds_no_row_and_changes_none_soon_or_long_after(installation: Installation) -> None:
    events = arrival(simulate(2, START, hours=2, volume=300), seed=2)
    later = list(simulate(3, START + timedelta(days=120), hours=1, volume=60))
    expected = offline(events)
    installation.worker()
    installation.worker()
    await send(installation, events, finish=False)
    await installation.until_count(len(expected) // 2)
    before = await installation.row_versions()
    await send(installation, events)  # while all of it is remembered, and half of it closed
    await installation.until_stored(expected)
    assert not await installation.read("dead-letters")

    await send(installation, events)  # long after all of it is forgotten
    await send(installation, later)  # once this is stored, what was sent before it is done with
    await installation.until_stored(offline(events + later))
    after = await installation.row_versions()
    for table in CLOSED_TABLES:
        assert before[table] <= after[table], f"a row of {table} was changed"
    causes = {dict(letter.headers)["touchpoint-cause"] for letter in await installation.read("dead-letters")}
    assert all(cause.startswith(b"too late: it happened more than 30 days before") for cause in causes)


async def send(installation: Installation, events: list[Event], finish: bool = True) -> None:
    """As fast as the broker takes them; then each source says that it has told everything."""
    await produce(events, installation.client, installation.settings.topic_prefix, math.inf, finish)


async def closed_rows_stand(installation: Installation) -> None:
    """The owner of the tables, a superuser even, can neither change nor remove a row."""
    async with installation.connected() as owner:
        for table in CLOSED_TABLES:
            for change in ("UPDATE touchpoint.{} SET interaction_id = interaction_id", "DELETE FROM touchpoint.{}"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="read only"):
                    await owner.execute(change.format(table))

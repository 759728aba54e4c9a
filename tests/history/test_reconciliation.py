"""Simulated hours, stored: the reports add up to the media items, and these to their parts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson
import pytest
from history_records import START, call, closed, interaction, media_item, segment

from touchpoint.events import Accepted, Decoder
from touchpoint.history.writer import HistoryWriter
from touchpoint.simulate import simulate
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.offline import stitch

pytestmark = pytest.mark.slow
MOST_MS = 3000
"""Of a hole that is no gap (stitching.md 2)."""


def simulated(seed: int) -> list[bytes]:
    decoder = Decoder()
    decoded = (
        decoder.decode(orjson.dumps(one)) for one in simulate(seed, datetime(2026, 1, 5, 9, tzinfo=UTC), 1.0, 200)
    )
    facts = (one.fact for one in decoded if isinstance(one, Accepted))
    return [closed(record) for record in stitch(facts, Limits(), b"x" * 32)]


async def differences(pool: asyncpg.Pool) -> dict[str, int]:
    rows = await pool.fetch("SELECT rule, difference FROM touchpoint.report_reconciliation")
    return {row["rule"]: row["difference"] for row in rows}


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_reports_add_up_to_the_media_items(pool: asyncpg.Pool, seed: int) -> None:
    assert await HistoryWriter(pool).write_batch(simulated(seed)) == []
    found = await differences(pool)
    assert len(found) == 13
    assert {rule: difference for rule, difference in found.items() if difference} == {}


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_parts_of_each_media_item_add_up(pool: asyncpg.Pool, seed: int) -> None:
    assert await HistoryWriter(pool).write_batch(simulated(seed)) == []
    rows = await pool.fetch("SELECT * FROM touchpoint.media_item_reconciliation")
    assert len(rows) > 100
    for row in rows:
        assert row["covered_ms"] + row["untold_ms"] == row["duration_ms"], row["media_item_id"]
        assert row["longest_untold_ms"] <= MOST_MS, row["media_item_id"]
        assert [row[name] for name in row.keys() if name.endswith("difference_ms")] == [0, 0, 0]  # noqa: SIM118


async def test_what_does_not_add_up_is_told(pool: asyncpg.Pool) -> None:
    parts = [
        segment(START, "w", "queue", 0, 10, queue="Sales", end_reason="answered"),
        segment(START, "w", "with_agent", 11, 60, resource_id="john"),
    ]
    resources = [{"resource_id": "john", "talk_ms": 49_000, "hold_ms": 0, "acw_ms": None, "handle_ms": 48_000}]
    wrong: dict[str, Any] = {"queue_wait_ms": 12_000, "handle_ms": 50_000}
    await HistoryWriter(pool).write_batch(
        [closed(interaction("w", [media_item(START, "w", parts, **wrong)], resources=resources)), closed(call("right"))]
    )
    told = {rule: difference for rule, difference in (await differences(pool)).items() if difference}
    assert told.pop("handling of agents = handling of media items, ms") == -2000
    assert set(told.values()) == {-2000, -1000}
    assert {rule.partition(" ")[0] for rule in told} == {"waits", "handling"}
    by_item = {
        row["media_item_id"]: row for row in await pool.fetch("SELECT * FROM touchpoint.media_item_reconciliation")
    }
    assert (by_item["w"]["untold_ms"], by_item["w"]["longest_untold_ms"]) == (1000, 1000)
    assert (by_item["w"]["queue_wait_difference_ms"], by_item["w"]["handle_difference_ms"]) == (2000, 1000)
    assert by_item["right"]["queue_wait_difference_ms"] == 0

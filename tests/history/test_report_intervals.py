"""Reports by interval: where intervals begin, and what of a wait, an agent's work and a media item counts in which."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from history_records import START, call, closed, interaction, media_item, segment

from touchpoint.history.writer import HistoryWriter

pytestmark = pytest.mark.slow
DAY = timedelta(days=1)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


async def bounds(pool: asyncpg.Pool, since: datetime, until: datetime, length: timedelta, zone: str) -> list[datetime]:
    found: list[datetime] = await pool.fetchval(
        "SELECT touchpoint.interval_bounds($1, $2, $3, $4)", since, until, length, zone
    )
    return found


def midnight(zone: str, *day: int) -> datetime:
    return datetime(*day, tzinfo=ZoneInfo(zone)).astimezone(UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("zone", "day", "length", "count", "longest"),
    [
        ("Europe/Berlin", (2026, 3, 29), HOUR, 23, HOUR),  # the clock is put forward
        ("Europe/Berlin", (2026, 10, 25), HOUR, 25, HOUR),  # and back
        ("Europe/Berlin", (2026, 10, 25), 15 * MINUTE, 100, 15 * MINUTE),
        ("Europe/Berlin", (2026, 3, 29), 4 * HOUR, 6, 4 * HOUR),
        ("Europe/Berlin", (2026, 10, 25), 4 * HOUR, 6, 5 * HOUR),
        ("Europe/Berlin", (2026, 10, 25), DAY, 1, 25 * HOUR),
        ("Australia/Lord_Howe", (2026, 4, 5), HOUR, 24, 90 * MINUTE),  # back by half an hour
        ("Asia/Kathmandu", (2026, 1, 5), HOUR, 24, HOUR),  # 5:45 ahead of UTC
        ("America/Sao_Paulo", (2018, 11, 4), HOUR, 23, HOUR),  # there was no midnight
        ("America/Sao_Paulo", (2018, 11, 4), 12 * HOUR, 2, 12 * HOUR),
        ("UTC", (2026, 1, 5), 20 * MINUTE, 72, 20 * MINUTE),
        ("UTC", (2026, 1, 5), MINUTE, 1440, MINUTE),
    ],
)
async def test_intervals_follow_the_clock_of_the_zone(
    pool: asyncpg.Pool, zone: str, day: tuple[int, ...], length: timedelta, count: int, longest: timedelta
) -> None:
    since = midnight(zone, *day)
    until = (datetime(*day, tzinfo=ZoneInfo(zone)) + DAY).astimezone(UTC)  # type: ignore[arg-type, misc]
    found = await bounds(pool, since, until, length, zone)
    assert (found[0], found[-1], len(found) - 1) == (since, until, count)
    spans = [later - earlier for earlier, later in itertools.pairwise(found)]
    assert max(spans) == longest
    local = [instant.astimezone(ZoneInfo(zone)) for instant in found[1:-1]]
    assert all((at.hour * 60 + at.minute) * MINUTE % length == timedelta(0) for at in local)


async def test_intervals_that_overlap_the_period_are_whole(pool: asyncpg.Pool) -> None:
    found = await bounds(pool, START + 7 * MINUTE, START + 31 * MINUTE, 15 * MINUTE, "UTC")
    assert found == [START + minutes * MINUTE for minutes in (0, 15, 30, 45)]


@pytest.mark.parametrize(
    "length", ["7 minutes", "0", "-1 hour", "90 seconds", "2 days", "1 year", "36 hours", "30 days"]
)
async def test_a_length_that_does_not_divide_a_day_is_refused(pool: asyncpg.Pool, length: str) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError, match="minutes that divide a day"):
        await pool.fetchval(
            f"SELECT touchpoint.interval_bounds('2026-01-05', '2026-01-06', interval '{length}', 'UTC')"
        )


async def test_weeks_begin_on_monday_and_months_on_their_first(pool: asyncpg.Pool) -> None:
    for length, expected in (("1 week", ["2026-01-05", "2026-01-12"]), ("1 month", ["2026-01-01", "2026-02-01"])):
        found = await pool.fetchval(
            f"SELECT touchpoint.interval_bounds('2026-01-07', '2026-01-08', interval '{length}', 'Europe/Berlin')"
        )
        assert [str(at.astimezone(ZoneInfo("Europe/Berlin")).date()) for at in found] == expected


async def queues(pool: asyncpg.Pool, minutes: int = 15) -> list[asyncpg.Record]:
    return await pool.fetch(
        "SELECT * FROM touchpoint.queue_intervals('default', $1, $2, $3)", START, START + HOUR, minutes * MINUTE
    )


async def test_a_wait_counts_by_its_start_by_its_end_and_split(pool: asyncpg.Pool) -> None:
    parts = [
        segment(START, "w", "queue", 600, 2100, queue="Sales", end_reason="answered"),
        segment(START, "w", "with_agent", 2100, 2200, resource_id="john"),
    ]
    await HistoryWriter(pool).write_batch([closed(interaction("w", [media_item(START, "w", parts)]))])
    first, second, third = await queues(pool)
    names = ("offered", "answered", "wait_ms", "ended", "ended_answered", "ended_wait_ms", "waiting_ms")
    assert [first[name] for name in names] == [1, 1, 1_500_000, 0, 0, 0, 300_000]
    assert [second[name] for name in names] == [0, 0, 0, 0, 0, 0, 900_000]
    assert [third[name] for name in names] == [0, 0, 0, 1, 1, 1_500_000, 300_000]
    assert (second["service_level"], first["service_level"], first["interval_end"]) == (None, 0, START + 15 * MINUTE)
    [whole] = await queues(pool, 60)
    assert [whole[name] for name in names] == [1, 1, 1_500_000, 1, 1, 1_500_000, 1_500_000]


async def test_a_wait_that_ends_with_its_interval_is_not_of_the_next_but_by_end(pool: asyncpg.Pool) -> None:
    parts = [segment(START, "w", "queue", 0, 900, queue="Sales", end_reason="timeout")]
    await HistoryWriter(pool).write_batch([closed(interaction("w", [media_item(START, "w", parts)]))])
    first, second = await queues(pool)
    assert (first["offered"], first["other"], first["ended"], first["waiting_ms"]) == (1, 1, 0, 900_000)
    assert (second["offered"], second["ended"], second["ended_other"], second["waiting_ms"]) == (0, 1, 1, 0)


async def test_chats_beside_each_other_add_up_in_handling_and_not_in_occupancy(pool: asyncpg.Pool) -> None:
    batch = []
    for name, begin in (("a", 0), ("b", 300)):
        parts = [
            segment(START, name, "with_agent", begin, begin + 600, resource_id="zoe"),
            segment(START, name, "hold", begin + 100, begin + 300, resource_id="zoe", depth=1),
            segment(START, name, "hold", begin + 200, begin + 400, resource_id="zoe", depth=1),
        ]
        resources = [{"resource_id": "zoe", "talk_ms": 0, "hold_ms": 0, "acw_ms": None, "handle_ms": 0}]
        item = media_item(START, name, parts, channel="chat")
        batch.append(closed(interaction(name, [item], resources=resources)))
    await HistoryWriter(pool).write_batch(batch)
    row = (await pool.fetch("SELECT * FROM touchpoint.agent_interval"))[0]
    assert (row["handle_ms"], row["occupied_ms"], row["occupancy"]) == (1_200_000, 900_000, 1.0)
    assert (row["talk_ms"], row["hold_ms"], row["connected"], row["bot"]) == (600_000, 600_000, 2, False)


async def test_bots_have_rows_of_their_own(pool: asyncpg.Pool) -> None:
    parts = [
        segment(START, "c", "with_agent", 0, 60, resource_id="ada"),
        segment(START, "c", "alerting", 60, 70, resource_id="tom", end_reason="no_answer"),
        segment(START, "c", "with_agent", 70, 100, resource_id="zoe", transferred_from="ada"),
    ]
    resources = [{"resource_id": "zoe", "talk_ms": 30_000, "hold_ms": 0, "acw_ms": None, "handle_ms": 30_000}]
    await HistoryWriter(pool).write_batch(
        [closed(interaction("c", [media_item(START, "c", parts, handle_ms=30_000)], resources=resources))]
    )
    rows = {row["resource_id"]: row for row in await pool.fetch("SELECT * FROM touchpoint.agent_interval")}
    assert {name: row["bot"] for name, row in rows.items()} == {"ada": True, "tom": False, "zoe": False}
    assert (rows["tom"]["offered"], rows["tom"]["not_answered"], rows["tom"]["ring_ms"]) == (1, 1, 10_000)
    assert (rows["zoe"]["transferred_in"], rows["zoe"]["handle_ms"]) == (1, 30_000)
    [checked] = await pool.fetch("SELECT * FROM touchpoint.media_item_reconciliation")
    assert (checked["handle_difference_ms"], checked["bot_ms"]) == (0, 60_000)


async def test_the_backlog_is_what_began_before_and_has_not_ended(pool: asyncpg.Pool) -> None:
    def mail(name: str, begin: float, end: float) -> dict[str, Any]:
        parts = [segment(START, name, "queue", begin, end, queue="Mail", end_reason="answered")]
        return closed(interaction(name, [media_item(START, name, parts, channel="email")], START))  # type: ignore[return-value]

    await HistoryWriter(pool).write_batch([mail("a", 0, 1800), mail("b", 60, 900), mail("c", 1000, 1100)])  # type: ignore[list-item]
    rows = await pool.fetch("SELECT * FROM touchpoint.channel_interval ORDER BY interval_start")
    names = ("started", "ended", "open_at_start", "open_ms")
    assert [[row[name] for name in names] for row in rows] == [
        [2, 0, 0, 1_740_000],
        [1, 2, 1, 1_000_000],
        [0, 1, 0, 0],
    ]


async def test_a_report_of_a_period_reads_no_month_before_it(pool: asyncpg.Pool) -> None:
    for month in (1, 6):
        at = START.replace(month=month)
        assert await HistoryWriter(pool).write_batch([closed(call(f"c{month}", at))]) == []
    for function in ("queue_intervals", "agent_intervals", "channel_intervals"):
        source = await pool.fetchval("SELECT prosrc FROM pg_proc WHERE proname = $1", function)
        body = source.split("$query$")[1]
        bounds = "'{2026-06-05,2026-06-06}'::timestamptz[]"
        arguments = ("'default'", bounds, "'2026-06-05'", "'2026-06-06'", *["NULL::text[]"] * 2)
        for number, argument in enumerate(arguments, 1):
            body = body.replace(f"${number}", argument)
        plan = [row[0] for row in await pool.fetch(f"EXPLAIN (ANALYZE, COSTS off, TIMING off) {body}")]
        scans = [line for line in plan if " on " in line and "never executed" not in line]
        assert any("_y2026m06" in line for line in scans), function
        assert [line for line in scans if "_y2026m01" in line] == [], function

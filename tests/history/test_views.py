"""The views' numbers on a small history that can be checked by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from history_records import START, call, closed, identifier, interaction, media_item, seed_case, segment

from touchpoint.history.reader import one_record, party_records, queue_report
from touchpoint.history.writer import HistoryWriter

pytestmark = pytest.mark.slow


def queued(name: str, at: datetime, wait: float, end: str, *, served: float = 0, wrap: float = 0, **item: Any) -> bytes:
    """A call that waited in the queue Sales, and was answered by an agent, or not."""
    parts = [segment(at, name, "queue", 0, wait, queue="Sales", end_reason=end)]
    if served:
        parts.append(segment(at, name, "with_agent", wait, wait + served, resource_id="john"))
    if wrap:
        parts.append(segment(at, name, "wrap_up", wait + served, wait + served + wrap, resource_id="john"))
    return closed(interaction(name, [media_item(at, name, parts, **item)], at))


async def test_queue_interval_counts_what_was_offered_in_each_quarter_of_an_hour(pool: asyncpg.Pool) -> None:
    later = START + timedelta(minutes=15)
    await HistoryWriter(pool).write_batch(
        [
            queued("a", START, 10, "answered", served=60, wrap=30),
            queued("b", START + timedelta(seconds=899), 20, "answered", served=100),
            queued("c", START, 50, "answered", served=200),
            queued("d", START, 40, "abandoned", abandoned="in_queue"),
            queued("e", START, 3, "abandoned", abandoned="in_queue", flags=["short_abandon"]),
            queued("f", START, 120, "timeout"),
            queued("g", later, 30, "answered", served=1),
        ]
    )
    first, second = await queue_report(await _dsn(pool), tenant="default")
    assert {name: first[name] for name in list(first)[:11]} == {
        "tenant": "default",
        "queue": "Sales",
        "interval_start": START,
        "offered": 6,
        "answered": 3,
        "abandoned": 2,
        "short_abandons": 1,
        "service_level": pytest.approx(2 / 6),
        "average_speed_of_answer_ms": 26_667,
        "max_speed_of_answer_ms": 50_000,
        "average_handle_ms": (90_000 + 100_000 + 200_000) / 3,
    }
    assert (second["interval_start"], second["offered"], second["service_level"]) == (later, 1, 0)


async def test_the_queue_report_has_no_row_where_nothing_was_offered(pool: asyncpg.Pool) -> None:
    await HistoryWriter(pool).write_batch([queued("a", START, 2000, "answered", served=60)])
    [row] = await queue_report(await _dsn(pool))
    assert (row["offered"], await pool.fetchval("SELECT count(*) FROM touchpoint.queue_interval")) == (1, 3)


async def _dsn(pool: asyncpg.Pool) -> str:
    directory = await pool.fetchval("SELECT current_setting('unix_socket_directories')")
    return f"postgresql://postgres@/{await pool.fetchval('SELECT current_database()')}?host={directory}"


async def test_handle_time_is_that_of_the_agent_who_answered_this_wait(pool: asyncpg.Pool) -> None:
    parts = [
        segment(START, "t", "queue", 0, 10, queue="Sales", end_reason="answered"),
        segment(START, "t", "with_agent", 10, 70, resource_id="john", end_reason="transferred"),
        segment(START, "t", "queue", 70, 80, queue="Service", end_reason="answered"),
        segment(START, "t", "with_agent", 80, 380, resource_id="rhonda"),
        segment(START, "t", "wrap_up", 380, 400, resource_id="rhonda"),
    ]
    await HistoryWriter(pool).write_batch([closed(interaction("t", [media_item(START, "t", parts)]))])
    report = {row["queue"]: row["average_handle_ms"] for row in await queue_report(await _dsn(pool))}
    assert report == {"Sales": 60_000, "Service": 320_000}


async def test_interaction_history_has_a_line_as_an_agent_would_read_it(pool: asyncpg.Pool) -> None:
    await HistoryWriter(pool).write_batch([closed(seed_case(), agents={"john": "John Doe"})])
    [line] = await pool.fetch("SELECT * FROM touchpoint.interaction_history")
    assert (line["party"], line["party_address"], line["account_id"]) == ("Mary Jones", "tel:+441632960960", "ACME")
    assert (line["channels"], line["direction"], line["first_agent"]) == (["call", "fax"], "inbound", "John Doe")
    assert (line["wait_ms"], line["talk_ms"], line["outcome"]) == (12_000, 130_000, "quote sent")
    assert line["summary"] == "inbound call; outbound fax 3 pages; quote opportunity o1 created"


async def test_interaction_history_falls_back_to_the_opaque_key_after_an_erasure(pool: asyncpg.Pool) -> None:
    await HistoryWriter(pool).write_batch([closed(call("c1"))])
    await pool.execute("DELETE FROM touchpoint.party_address")
    [line] = await pool.fetch("SELECT * FROM touchpoint.interaction_history")
    assert line["party"] == f"party {line['party_key'][:12]}"
    assert (line["party_name"], line["party_address"]) == (None, None)


async def test_media_item_timeline_gives_offsets_from_the_start_of_the_item(pool: asyncpg.Pool) -> None:
    await HistoryWriter(pool).write_batch(
        [closed(call("c1", datetime(2026, 3, 1, tzinfo=UTC)), agents={"john": "John Doe"})]
    )
    rows = await pool.fetch("SELECT offset_ms, duration_ms, type, resource_name FROM touchpoint.media_item_timeline")
    assert [tuple(row) for row in rows] == [
        (0, 12_000, "queue", None),
        (12_000, 150_000, "with_agent", "John Doe"),
        (60_000, 20_000, "hold", "John Doe"),
        (162_000, 30_000, "wrap_up", "John Doe"),
    ]


async def test_tenants_never_mix(pool: asyncpg.Pool) -> None:
    other = call("c1") | {"tenant": "other", "interaction_id": identifier("other")}
    await HistoryWriter(pool).write_batch([closed(call("c1")), closed(other)])
    assert [(row["tenant"], row["offered"]) for row in await queue_report(await _dsn(pool))] == [
        ("default", 1),
        ("other", 1),
    ]


async def test_reads_by_id_respect_the_named_tenant(pool: asyncpg.Pool) -> None:
    theirs = call("c1") | {"tenant": "other", "interaction_id": identifier("other")}
    assert await HistoryWriter(pool).write_batch([closed(theirs), closed(call("mine"))]) == []
    for wanted in (theirs["interaction_id"], theirs["interaction_id"].upper(), "c1", "tel:+441632960960"):
        assert await one_record(await _dsn(pool), wanted) is None, wanted
        assert await one_record(await _dsn(pool), wanted, tenant="third") is None, wanted
    for wanted in (theirs["interaction_id"], "c1"):
        found = await one_record(await _dsn(pool), wanted, tenant="other")
        assert found is not None
        assert found["interaction_id"] == theirs["interaction_id"]
    for tenant in ("other", "default"):
        found_all = await party_records(await _dsn(pool), "tel:+441632960960", tenant=tenant)
        assert {record["tenant"] for record in found_all} <= {tenant}


async def activities(pool: asyncpg.Pool, *records: dict[str, Any]) -> list[tuple[Any, ...]]:
    assert await HistoryWriter(pool).write_batch([closed(record) for record in records]) == []
    rows = await pool.fetch("SELECT * FROM touchpoint.interaction_activity ORDER BY interaction_id, position")
    assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
    return [
        (row["activity"], row["resource_id"], row["to_resource_id"] or row["queue"], row["duration_ms"]) for row in rows
    ]


async def test_business_activities_and_handling_stand_in_one_order(pool: asyncpg.Pool) -> None:
    assert await activities(pool, seed_case()) == [
        ("answered", "john", None, 150_000),
        ("put on hold", "john", None, 20_000),
        ("quote", "john", None, 40_000),
        ("wrapped up", "john", None, 30_000),
        ("fax sent", None, None, 45_000),
    ]
    rows = await pool.fetch("SELECT * FROM touchpoint.interaction_activity WHERE activity IN ('quote', 'fax sent')")
    assert [(row["kind"], row["result"], row["channel"]) for row in rows] == [
        ("business", None, "call"),
        ("media", "3 pages", "fax"),
    ]


async def test_transfers_and_conferences_name_both_agents(pool: asyncpg.Pool) -> None:
    parts = [
        segment(START, "t", "with_agent", 0, 60, resource_id="john", end_reason="transferred"),
        segment(START, "t", "queue", 60, 70, queue="Service", transferred_from="john", end_reason="answered"),
        segment(START, "t", "with_agent", 70, 100, resource_id="zoe", conference=True, transferred_from="john"),
    ]
    assert await activities(pool, interaction("t", [media_item(START, "t", parts)])) == [
        ("answered", "john", None, 60_000),
        ("transferred to", "john", "Service", 0),
        ("conferenced", "zoe", None, 30_000),
        ("transferred to", "john", "zoe", 0),
    ]


async def test_a_sent_mail_is_an_activity_whether_or_not_its_sender_was_connected(pool: asyncpg.Pool) -> None:
    answered = [
        segment(START, "in", "with_agent", 0, 300, resource_id="john", end_reason="replied"),
        segment(START, "in", "drafting", 100, 300, resource_id="john", depth=1, end_reason="sent"),
    ]
    resources = [{"resource_id": "john", "talk_ms": 0, "hold_ms": 0, "acw_ms": None, "handle_ms": 0}]
    mails = [
        media_item(START, "in", answered, channel="email", end_reason="replied"),
        media_item(START + timedelta(hours=1), "new", [], channel="email", direction="outbound", end_reason="sent"),
    ]
    assert await activities(pool, interaction("mails", mails, resources=resources)) == [
        ("answered", "john", None, 300_000),
        ("email sent", "john", None, 0),
        ("email sent", "john", None, 0),
    ]

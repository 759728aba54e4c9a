"""Reports of the web: what they say, to whom, in parts, and which interactions a bar leads to."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any, cast
from urllib.parse import quote

import asyncpg
import pytest
from history_records import START, call, closed, instant, interaction, media_item, segment
from web_service import IN_YEARS, Web

from touchpoint.history.writer import HistoryWriter
from touchpoint.web.static_tokens import TokenGrant, create_token
from touchpoint.web.viewer import Role

pytestmark = pytest.mark.slow
API = "/api/v1"
DAY = "from=2026-01-05T00:00:00Z&to=2026-01-06T00:00:00Z"


def waited(
    name: str, minute: int, queue: str, end: str = "answered", agent: str = "john", wait: int = 30, **item: Any
) -> bytes:
    """A call that waited in a queue from a minute after nine, and 60 s with an agent if it was answered."""
    at = START + timedelta(minutes=minute)
    parts = [segment(at, name, "queue", 0, wait, queue=queue, end_reason=end)]
    resources: list[dict[str, Any]] = []
    if end == "answered":
        parts.append(segment(at, name, "with_agent", wait, wait + 60, resource_id=agent))
        resources = [{"resource_id": agent, "talk_ms": 60_000, "hold_ms": 0, "acw_ms": None, "handle_ms": 60_000}]
    item = {"abandoned": "in_queue" if end == "abandoned" else None} | item
    return closed(interaction(name, [media_item(at, name, parts, **item)], at, resources=resources))


@pytest.fixture
async def stored(pool: asyncpg.Pool) -> asyncpg.Pool:
    batch = [
        waited("s1", 1, "Sales"), waited("s2", 2, "Sales", "abandoned"), waited("s3", 16, "Sales", wait=10),
        waited("t1", 3, "Service", agent="zoe"), waited("t2", 4, "Service", "timeout"),
        waited("s4", 40, "Sales", "abandoned"), waited("s5", 41, "Sales", "abandoned", abandoned="while_ringing"),
        closed(call("theirs") | {"tenant": "other"}),
    ]  # fmt: skip
    assert not await HistoryWriter(pool).write_batch(batch)
    return pool


async def grant(pool: asyncpg.Pool, web: Web, name: str, **bound: tuple[str, ...]) -> None:
    granted = TokenGrant(name, "default", Role.SUPERVISOR, IN_YEARS, **bound)
    web.tokens[name] = await create_token(cast("asyncpg.Connection", pool), granted)


async def test_a_supervisor_reads_queues_and_agents_by_interval(stored: asyncpg.Pool, web: Web) -> None:
    queues = (await web.json(f"{API}/queues/intervals?{DAY}", "supervisor"))["items"]
    assert [(row["queue"], row["interval_start"], row["offered"], row["answered_in_time"]) for row in queues] == [
        ("Sales", "2026-01-05T09:00:00+00:00", 2, 0),
        ("Sales", "2026-01-05T09:15:00+00:00", 1, 1),
        ("Sales", "2026-01-05T09:30:00+00:00", 2, 0),
        ("Service", "2026-01-05T09:00:00+00:00", 2, 0),
    ]
    agents = (await web.json(f"{API}/agents/intervals?{DAY}&length=P1D&zone=Asia/Kathmandu", "supervisor"))["items"]
    assert [(row["resource_id"], row["handle_ms"], row["interval_start"]) for row in agents] == [
        ("john", 120_000, "2026-01-04T18:15:00+00:00"),
        ("zoe", 60_000, "2026-01-04T18:15:00+00:00"),
    ]
    assert all("tenant" not in row for row in queues + agents)


async def test_reports_take_the_role_supervisor_and_a_bounded_period(stored: asyncpg.Pool, web: Web) -> None:
    for role in ("reader", "agent", "auditor"):
        assert (await web.get(f"{API}/queues/intervals?{DAY}", role)).status_code == 403
    for query, name in (
        ("", "from"), (DAY + "&zone=Mars/Olympus", "zone"), (DAY + "&zone=../../etc/passwd", "zone"),
        (DAY + "&length=PT7M", "length"), ("from=2026-01-05T00:00:00Z&to=2027-01-05T00:00:00Z", "intervals"),
        (DAY + "&cursor=WzEsMiwzXQ", "cursor"), (DAY + "&cursor=eyJhIjoxfQ", "cursor"),
    ):  # fmt: skip
        response = await web.get(f"{API}/agents/intervals?{query}", "supervisor")
        assert response.status_code == 422, query
        assert name in response.json()["detail"], query


async def test_a_report_goes_on_where_its_part_ended(stored: asyncpg.Pool, web: Web) -> None:
    for path in ("queues", "agents"):
        whole = (await web.json(f"{API}/{path}/intervals?{DAY}", "supervisor"))["items"]
        url, found = f"{API}/{path}/intervals?{DAY}&limit=1", []
        while url:
            page = await web.json(url, "supervisor")
            found += page["items"]
            url = page["links"]["next"]
        assert found == whole
        assert len(found) > 1


async def test_a_bound_supervisor_reads_reports_of_their_queues_and_agents(stored: asyncpg.Pool, web: Web) -> None:
    await grant(stored, web, "sales", queues=("Sales",))
    await grant(stored, web, "zoe's", resources=("zoe",))
    for token, queues, agents in (("sales", {"Sales"}, {"john"}), ("zoe's", set(), {"zoe"})):
        rows = (await web.json(f"{API}/queues/intervals?{DAY}", token))["items"]
        assert {row["queue"] for row in rows} == queues
        rows = (await web.json(f"{API}/queues/intervals?{DAY}&queue=Service", token))["items"]
        assert rows == [], "another queue by its name"
        rows = (await web.json(f"{API}/agents/intervals?{DAY}", token))["items"]
        assert {row["resource_id"] for row in rows} == agents


async def test_reports_without_a_context_are_empty(stored: asyncpg.Pool, web: Web, database: str) -> None:
    login = await asyncpg.connect(database.replace("//postgres@", "//web_login@"))
    for report in ("viewed_queue_intervals", "viewed_agent_intervals"):
        query = f"SELECT * FROM touchpoint.{report}('2026-01-05', '2026-01-06', '15 minutes', 'UTC', NULL)"
        assert await login.fetch(query) == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await login.fetch(
                f"SELECT * FROM touchpoint.{report.removeprefix('viewed_')}(NULL, '2026-01-05', '2026-01-06')"
            )
    await login.close()


async def test_a_bar_leads_to_the_interactions_that_it_counts(stored: asyncpg.Pool, web: Web) -> None:
    async def items(query: str) -> list[str]:
        found = (await web.json(f"{API}/interactions?{query}", "supervisor"))["items"]
        return sorted(one["record"]["media_items"][0]["media_item_id"] for one in found)

    quarter = f"wait_from={quote(instant(START, 0))}&wait_to={quote(instant(START, 900))}"
    assert await items(f"queue=Sales&{quarter}") == ["s1", "s2"]
    assert await items(f"queue=Sales&{quarter}&wait_outcome=abandoned") == ["s2"]
    assert await items(f"queue=Service&{quarter}&wait_outcome=other") == ["t2"]
    assert await items("queue=Sales&wait_outcome=abandoned") == ["s2", "s4", "s5"]
    assert await items("queue=Sales&wait_outcome=abandoned_in_queue") == ["s2", "s4"]
    assert await items("queue=Sales&wait_outcome=abandoned_while_ringing") == ["s5"]
    assert await items("queue=Sales&wait_outcome=answered") == ["s1", "s3"]
    assert await items(f"resource=john&work_from={quote(instant(START, 0))}&work_to={quote(instant(START, 300))}") == [
        "s1"
    ]
    assert await items(f"resource=john&work_from={quote(instant(START, 600))}") == ["s3"]
    for query in (quarter, "work_from=2026-01-05T00:00:00Z", "wait_outcome=other"):
        assert (await web.get(f"{API}/interactions?{query}", "supervisor")).status_code == 422


async def page(web: Web, path: str, token: str = "supervisor") -> str:
    web.client.cookies.clear()
    await web.client.post("/login", data={"token": web.tokens[token]})
    response = await web.client.get(path)
    assert response.status_code == 200, (path, response.text)
    return response.text


async def test_the_page_shows_the_last_day_and_each_bar_leads_to_its_interactions(
    stored: asyncpg.Pool, web: Web
) -> None:
    shown = await page(web, "/reports?zone=Europe/Berlin")
    assert 'name="from" type="date" value="2026-01-05"' in shown
    bars = re.findall(r'<a href="([^"]+)" aria-label="([^"]+)"><title>[^<]*</title><rect class="(\w+)"', shown)
    words = [(html.unescape(said), kind) for _, said, kind in bars]
    assert ("Mon 05 Jan 10:00 to 10:30: 2 answered", "answered") in words
    assert ("Mon 05 Jan 10:00 to 10:30: 1 abandoned in the queue", "abandoned") in words
    assert ("Mon 05 Jan 10:00 to 10:30: 33% answered within 20 s", "level") in words
    assert ("Mon 05 Jan 10:00 to 10:30: 8% occupied, 2 connections".replace("8%", "7%"), "answered") in words
    for address, said, kind in bars:
        led = await page(web, html.unescape(address))
        count = len(re.findall(r'<td><a href="/interactions/', led))
        expected = {"abandoned": 1, "ringing": 1}.get(kind, 0 if " 0%" in said else 2)
        assert count == expected, (said, address)


async def test_the_page_of_reports_is_for_supervisors_and_bound_as_they_are(stored: asyncpg.Pool, web: Web) -> None:
    await grant(stored, web, "sales", queues=("Sales",))
    shown = await page(web, "/reports", "sales")
    assert ">Sales<" in shown
    assert "Service" not in shown.replace("Service level", "").replace("service level", "")
    assert "zoe" not in shown
    assert "/reports" in await page(web, "/interactions")
    assert "/reports" not in await page(web, "/interactions", "agent")
    assert (await web.client.get("/reports")).status_code == 403


async def test_what_the_form_of_reports_cannot_use_is_told(stored: asyncpg.Pool, web: Web) -> None:
    await page(web, "/reports?from=&to=&queue=&resource=nobody&zone=")
    for query in (
        "zone=Mars", "from=2026-01-05&to=2026-01-04", "from=0001-01-01", "to=9999-12-31",
        "length=PT15M&from=2025-01-01",
        "length=PT1M", "from=yesterday", "other=1",
    ):  # fmt: skip
        response = await web.client.get(
            f"/reports?{query}&to=2026-01-05" if "to=" not in query else f"/reports?{query}"
        )
        assert response.status_code == 422, query
    empty = await page(web, "/reports?from=2001-01-01&length=P1D")
    assert "Nothing was offered" in empty

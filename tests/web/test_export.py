"""Lists as files: whole records, streamed, in the order of the list."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any, cast

import asyncpg
import orjson
import pyarrow.parquet as pq
import pytest
from history_records import START, call, closed, seed_case
from patience import LIMIT
from web_service import IN_YEARS, Web

from touchpoint.history.writer import HistoryWriter
from touchpoint.web import view
from touchpoint.web.api.export import BATCH, batches
from touchpoint.web.service import Service
from touchpoint.web.view import EXPORTS
from touchpoint.web.viewer import Role, Viewer

pytestmark = pytest.mark.slow
COUNT = 1_200  # more than two batches
EXPORT = "/api/v1/export/interactions"


@pytest.fixture
async def stored(pool: asyncpg.Pool) -> asyncpg.Pool:
    calls = [closed(call(f"n{n}", START + timedelta(minutes=n), address="tel:+441632960123")) for n in range(COUNT)]
    assert not await HistoryWriter(pool).write_batch([*calls, closed(seed_case(), agents={"john": "=cmd()"})])
    return pool


async def test_each_kind_of_file_has_every_interaction_of_the_list_in_its_order(stored: asyncpg.Pool, web: Web) -> None:
    listed: list[str] = []
    path = "/api/v1/interactions?limit=500&channel=call"
    while path:
        page = await web.json(path)
        listed += [item["record"]["interaction_id"] for item in page["items"]]
        path = page["links"]["next"]
    assert len(listed) == COUNT + 1
    lines = (await web.get(f"{EXPORT}?format=jsonl&channel=call")).content.splitlines()
    assert [orjson.loads(line)["interaction_id"] for line in lines] == listed
    table = pq.read_table(io.BytesIO((await web.get(f"{EXPORT}?format=parquet&channel=call")).content))
    assert table["interaction_id"].to_pylist() == listed
    rows = list(csv.DictReader(io.StringIO((await web.get(f"{EXPORT}?format=csv&channel=call")).text)))
    assert [row["interaction_id"] for row in rows] == listed


async def test_a_file_has_whole_records_no_formula_and_for_a_reader_no_name(stored: asyncpg.Pool, web: Web) -> None:
    [line] = (await web.get(f"{EXPORT}?format=jsonl&party=P-17")).content.splitlines()
    record = orjson.loads(line)
    assert record | {"identity": None} == seed_case() | {"identity": None}
    [row] = pq.read_table(io.BytesIO((await web.get(f"{EXPORT}?format=parquet&party=P-17")).content)).to_pylist()
    assert row["media_items"][0]["segments"][0]["queue"] == "Sales"
    assert row["started_at"] == START
    [shown] = list(csv.DictReader(io.StringIO((await web.get(f"{EXPORT}?format=csv&party=P-17")).text)))
    assert shown["first_agent"] == "'=cmd()"
    for kind in ("jsonl", "csv", "parquet"):
        assert b"Mary" not in (await web.get(f"{EXPORT}?format={kind}&party=P-17", "reader")).content


async def test_an_export_is_logged_and_a_list_of_nothing_is_an_empty_file(stored: asyncpg.Pool, web: Web) -> None:
    for kind in ("jsonl", "csv", "parquet"):
        assert (await web.get(f"{EXPORT}?format={kind}&outcome=none")).status_code == 200
    rows = await stored.fetch("SELECT by, action, target FROM touchpoint.access ORDER BY access_id")
    assert [tuple(row) for row in rows] == [("export", kind, "outcome=none") for kind in ("jsonl", "csv", "parquet")]
    assert (await web.get(f"{EXPORT}?format=xml")).status_code == 422
    assert (await web.get(f"{EXPORT}?format=csv", "auditor")).status_code == 403


def slowly(service: Service) -> AsyncGenerator[list[Any], None]:
    """An export whose client takes its rows when it likes."""
    viewer = Viewer(tenant="default", role=Role.AGENT, who="slow", expires=IN_YEARS)
    return cast("AsyncGenerator[list[Any], None]", batches(service, viewer, "export_records", {}))


async def test_slow_exports_leave_the_connections_of_pages_and_lists_alone(
    stored: asyncpg.Pool, web: Web, service: Service
) -> None:
    running = [slowly(service) for _ in range(EXPORTS)]
    for one in running:
        assert len(await anext(one)) == BATCH
    refused = await web.get(f"{EXPORT}?format=jsonl")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
    assert "exports are running" in refused.json()["detail"]
    answers = await asyncio.gather(*(web.get("/api/v1/interactions?limit=1") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    await running.pop().aclose()
    assert (await web.get(f"{EXPORT}?format=csv")).status_code == 200
    for one in running:
        await one.aclose()


async def test_an_export_that_nobody_reads_is_ended(
    stored: asyncpg.Pool, web: Web, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "IDLE_SECONDS", 1)
    one = slowly(service)
    await anext(one)
    left = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'web_login' AND state = 'idle in transaction'"
    async with asyncio.timeout(LIMIT):
        while await stored.fetchval(left):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError)):
        await anext(one)
    assert service.views.exporting == 0

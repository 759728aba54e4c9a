"""docs/reports.md: each query runs as a viewer, against the hour that `touchpoint demo` plays, and finds something."""

from __future__ import annotations

import re
from pathlib import Path

import asyncpg
import orjson
import pytest
from database_roles import acting_as
from history_records import call, closed

from touchpoint.cli.demo import START, offline
from touchpoint.history.writer import HistoryWriter
from touchpoint.simulate import simulate

pytestmark = pytest.mark.slow
PAGE = (Path(__file__).parents[2] / "docs" / "reports.md").read_text()
QUESTIONS = re.findall(r"^## (\d+)\. (.+?)\n.*?```sql\n(.+?);\n```", PAGE, re.MULTILINE | re.DOTALL)

WHOLE = "SELECT count(*), count(*) FILTER (WHERE outcome = 'abandoned') FROM touchpoint.queue_wait"


@pytest.fixture
async def demo(pool: asyncpg.Pool) -> asyncpg.Pool:
    """The history of the demo's hour, with its default seed and volume, and a call of a campaign: it has none."""
    events = [orjson.loads(orjson.dumps(event)) for event in simulate(1, START, 1.0, 300.0)]
    of_campaign = call("campaign", START) | {"campaign": "spring", "outcome": "sold"}
    records = [*offline(events), of_campaign]
    assert await HistoryWriter(pool).write_batch([closed(record) for record in records]) == []
    return pool


async def test_twenty_questions_have_answers_in_the_demo(demo: asyncpg.Pool) -> None:
    assert [int(number) for number, _, _ in QUESTIONS] == list(range(1, 21))
    found = {}
    async with acting_as(demo, "touchpoint_viewer") as connection:
        for number, question, query in QUESTIONS:
            found[f"{number}. {question}"] = await connection.fetch(query)
    assert [question for question, rows in found.items() if not rows] == []
    [whole] = await demo.fetch(WHOLE)
    levels = found["1. Service level by half hour"]
    assert sum(row["offered"] for row in levels) == whole[0]
    buckets = found["3. Abandonment by how long they had waited"]
    assert [sum(row[name] for row in buckets) for name in ("waits", "abandoned")] == list(whole)

"""Who an address is turns out after the close: one row, and each interaction that it concerns shows it."""

from __future__ import annotations

import json
from typing import Any

import asyncpg
import orjson
import pytest
from database_commands import touchpoint
from stage_cluster import Cluster

from touchpoint.history.reader import records
from touchpoint.history.writer import HistoryWriter
from touchpoint.stitching.limits import Limits

pytestmark = pytest.mark.slow
MARY, OTHER = "tel:+441632960960", "tel:+441632960961"
KNOWN_AT = "2026-01-05T16:00:00Z"


def event(kind: str, subject: str, time: str, **data: Any) -> dict[str, Any]:
    made = {"specversion": "1.0", "id": f"{kind}/{time}", "source": "/crm", "type": kind, "subject": subject}
    return made | {"time": f"2026-01-05T{time}Z", "data": data}


def call(item: str, hour: int, address: str = MARY) -> list[dict[str, Any]]:
    return [
        event("call.offered", item, f"{hour:02}:00:00", party={"address": address}, direction="inbound"),
        event("call.ended", item, f"{hour:02}:01:00"),
    ]


EVENTS = [
    *call("morning", 9),
    *call("noon", 12),
    *call("other", 13, OTHER),
    *call("afternoon", 14),
    event("party.identified", MARY, "16:00:00", id="P-17", name="Mary Jones"),
    *call("evening", 18),
]


@pytest.fixture
async def history(database: str, pool: asyncpg.Pool) -> str:
    """The DSN of a database with what both stages make of the events."""
    cluster = Cluster(2, 1, Limits())
    cluster.produce(EVENTS)
    cluster.finish("2026-03-01T00:00:00Z")
    assert not await HistoryWriter(pool).write_batch([orjson.dumps(each) for each in cluster.run()])
    return database


async def test_one_row_is_shown_at_every_interaction_that_had_closed(history: str, pool: asyncpg.Pool) -> None:
    done = touchpoint("history", "P-17", "--format", "json", database=history)
    found = {record["media_items"][0]["media_item_id"]: record for record in map(json.loads, done.stdout.splitlines())}
    assert list(found) == ["evening", "afternoon", "noon", "morning"], done.stderr
    [stored] = found["afternoon"]["amendments"]
    assert (stored["kind"], stored["payload"]["data"], stored["payload"]["time"]) == (
        "party.identified",
        {"id": "P-17"},
        KNOWN_AT,
    )
    shown = stored | {"interaction_id": found["afternoon"]["interaction_id"]}
    assert found["morning"]["amendments"] == found["noon"]["amendments"] == [shown]
    assert found["evening"]["amendments"] == [], "it was known whose it is"
    assert await pool.fetchval("SELECT count(*) FROM touchpoint.amendment") == 1


async def test_people_read_it_at_each_of_them(history: str) -> None:
    shown = touchpoint("history", "P-17", database=history).stdout
    assert shown.count("amended after the close (1): party.identified") == 3
    assert "amended" not in touchpoint("history", OTHER, database=history).stdout


async def test_explain_says_with_which_interaction_it_is_stored(history: str) -> None:
    done = touchpoint("history", "P-17", "--format", "json", database=history)
    _, afternoon, *_ = map(json.loads, done.stdout.splitlines())
    lines = touchpoint("explain", "morning", database=history).stdout.splitlines()
    [line] = [line for line in lines if "party.identified" in line]
    assert "P-17" in line
    assert f"stored with {afternoon['interaction_id']}" in line
    own = touchpoint("explain", "afternoon", database=history).stdout
    assert "party.identified" in own
    assert "stored with" not in own


async def test_the_record_has_only_the_rows_of_its_own(history: str, pool: asyncpg.Pool) -> None:
    """`verify --rows` compares it with what `stitch` prints."""
    ids = [row[0] for row in await pool.fetch("SELECT interaction_id::text FROM touchpoint.interaction")]
    assert sum(len(record["amendments"]) for record in (await records(history, ids)).values()) == 1


async def test_what_is_forgotten_is_found_by_nobody_and_shown_nowhere_by_name(history: str, pool: asyncpg.Pool) -> None:
    asked = {"tenant": "default", "party": {"address": MARY, "id": "P-17"}}
    erasure = {"specversion": "1.0", "id": "x", "source": "/t", "type": "party.erased", "data": asked}
    await HistoryWriter(pool).write_batch([orjson.dumps(erasure | {"time": "2026-01-06T00:00:00Z"})])
    assert touchpoint("history", "P-17", database=history).returncode == 1
    shown = touchpoint("explain", "morning", database=history).stdout
    assert "Mary" not in shown
    assert MARY.removeprefix("tel:") not in shown

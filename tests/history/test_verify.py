"""`touchpoint verify`: what is stored against the events folded again, on a real PostgreSQL."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from history_records import call, closed, event
from patience import LIMIT

from touchpoint.cli.comparison import compare, differences
from touchpoint.events import Accepted, Decoder
from touchpoint.history.writer import HistoryWriter
from touchpoint.settings import PREFIX, load_settings
from touchpoint.simulate import simulate
from touchpoint.stitching.offline import stitch

EXAMPLE = Path(__file__).parents[2] / "docs/examples/quote.jsonl"
slow = pytest.mark.slow
EVENTS = list(simulate(3, datetime(2026, 1, 5, 9, tzinfo=UTC), 0.5, 100))


def folded() -> list[dict[str, Any]]:
    settings = load_settings({})
    verdicts = [Decoder().decode(json.dumps(each).encode()) for each in EVENTS]
    facts = [verdict.fact for verdict in verdicts if isinstance(verdict, Accepted)]
    return list(stitch(facts, settings.stitching_limits(), settings.party_secret.get_secret_value().encode()))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in EVENTS))
    return path


def verify(database: str, *words: object) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    command = [sys.executable, "-m", "touchpoint", "verify", "--database", database, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=LIMIT)


async def store(pool: asyncpg.Pool, records: list[dict[str, Any]]) -> None:
    assert await HistoryWriter(pool).write_batch([event(record) for record in records]) == []


@slow
async def test_stored_rows_equal_the_fold_to_the_last_row(database: str, pool: asyncpg.Pool, file: Path) -> None:
    records = folded()
    await store(pool, records)
    done = verify(database, file, "--rows", "--complete")
    assert done.stdout == f"{len(records)} interactions folded, {len(records)} stored: equal\n", done.stderr
    assert done.returncode == 0


@slow
async def test_missing_extra_and_different_ones_are_named_with_what_differs(
    database: str, pool: asyncpg.Pool, file: Path
) -> None:
    records = folded()
    other = copy.deepcopy(next(record for record in records if record["media_items"]))
    other["media_items"][0]["talk_ms"] += 7
    other["content_hash"] = "0" * 64
    lost = next(record for record in records if record["interaction_id"] != other["interaction_id"])
    kept = [r for r in records if r["interaction_id"] not in (other["interaction_id"], lost["interaction_id"])]
    await store(pool, [*kept, other])
    nobodys = call("nobody's")
    await HistoryWriter(pool).write_batch([closed(nobodys)])

    done = verify(database, file, "--complete")
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"missing    {lost['interaction_id']}  {lost['started_at']} to {lost['ended_at']}")
    assert lines[1] == f"extra      {nobodys['interaction_id']}"
    assert lines[2] == f"different  {other['interaction_id']}  stored -> folded"
    item, talk = other["media_items"][0]["media_item_id"], other["media_items"][0]["talk_ms"]
    assert f"             media_items[{item}].talk_ms: {talk} -> {talk - 7}" in lines
    assert len([line for line in lines if line.startswith(" ")]) == 2, "the hash and the one member"
    assert lines[-1].endswith("1 missing, 1 extra, 1 different")


@slow
async def test_a_row_that_is_not_what_its_hash_says_is_found_by_rows_alone(
    database: str, pool: asyncpg.Pool, file: Path
) -> None:
    records = folded()
    forged = copy.deepcopy(records)
    forged[0]["duration_ms"] += 1
    await store(pool, forged)
    assert verify(database, file).returncode == 0
    done = verify(database, file, "--rows")
    assert done.returncode == 1
    assert f"different  {records[0]['interaction_id']}" in done.stdout
    assert "duration_ms: " in done.stdout


@slow
async def test_rows_of_earlier_rules_are_counted_apart_from_different_rows(
    database: str, pool: asyncpg.Pool, file: Path
) -> None:
    """A row of 0.1.0 with another content, and one that had an item which is an interaction of its own by now."""
    records = folded()
    changed, joined, lost, *_ = [record for record in records if record["media_items"]]
    of_release = copy.deepcopy(changed) | {"content_hash": "0" * 64, "rules_version": None, "dialects": None}
    gone = copy.deepcopy(joined) | {"interaction_id": call("gone")["interaction_id"], "rules_version": 1}
    kept = [r for r in records if r not in (changed, joined, lost)]
    await store(pool, [*kept, of_release, gone])
    done = verify(database, file, "--complete")
    lines = done.stdout.splitlines()
    assert done.returncode == 1, done.stderr
    assert [line.split()[:2] for line in lines[:-1]] == [
        ["missing", lost["interaction_id"]],
        *sorted(["earlier", one["interaction_id"]] for one in (changed, joined, gone)),
    ]
    assert lines[-1].endswith("3 by earlier rules, which this version has replaced: 1 missing, 0 extra, 0 different")
    await store(pool, [lost])
    done = verify(database, file, "--complete")
    assert done.returncode == 0
    assert done.stdout.endswith("which this version has replaced: the others are equal\n")


@slow
async def test_possibly_open_interactions_are_not_missing_until_declared_complete(
    database: str, pool: asyncpg.Pool, file: Path
) -> None:
    done = verify(database, file)
    assert "may be open still" in done.stdout
    few = len([line for line in done.stdout.splitlines() if line.startswith("missing")])
    everything = verify(database, file, "--complete", "--limit", "10000")
    assert everything.stdout.count("missing    ") == len(folded()) > few


@slow
async def test_verify_counts_only_rows_within_the_times(database: str, pool: asyncpg.Pool, file: Path) -> None:
    await HistoryWriter(pool).write_batch([closed(call("elsewhere", datetime(2025, 1, 1, tzinfo=UTC)))])
    await store(pool, folded())
    assert verify(database, file, "--complete").returncode == 1
    assert verify(database, file, "--complete", "--since", "2026-01-01").returncode == 0
    assert verify(database, file, "--until", "2026-01-01").returncode == 1


@pytest.mark.parametrize("words", [(), ("events.jsonl", "--topics"), ("-", "-"), ("/nowhere",)])
def test_wrong_usage_is_told(words: tuple[str, ...]) -> None:
    done = verify("postgresql://nobody@127.0.0.1:1/none", *words)
    assert done.returncode == 2
    assert done.stderr.startswith("touchpoint: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [(str(EXAMPLE),), ("--topics", "--brokers", "127.0.0.1:1")])
def test_unreachable_database_is_reported(words: tuple[str, ...]) -> None:
    done = verify("postgresql://nobody@127.0.0.1:1/none", *words)
    assert done.returncode == 3
    assert "127.0.0.1:1" in done.stderr


def test_hashes_are_compared_by_id() -> None:
    stored, wanted = {"a": "1", "b": "2", "x": "9"}, {"a": "1", "b": "3", "c": "4", "d": "5"}
    assert compare(stored, wanted) == (["c", "d"], ["x"], ["b"])
    assert compare(stored, wanted, {"b", "c"}) == (["d"], ["x"], ["b"]), "what is stored must be right, open or not"
    assert compare(wanted, dict(wanted)).same


def test_differences_are_named_by_the_id_of_the_thing() -> None:
    one = {"media_items": [{"media_item_id": "c1", "segments": [{"type": "queue"}, {"type": "hold"}]}], "party": 1}
    two = {"media_items": [{"media_item_id": "c0"}, {"media_item_id": "c1", "segments": [{"type": "ivr"}]}], "party": 2}
    assert {path for path, *_ in differences(one, two)} == {
        "media_items[c0]", "media_items[c1].segments[0].type", "media_items[c1].segments[1]"
    }  # fmt: skip

"""A member is added to the record, in a copy of the source as a release does it: what is stored before stays right."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest
from history_records import closed, event
from patience import LIMIT

import touchpoint
from touchpoint.events import Accepted, Decoder
from touchpoint.history.writer import HistoryWriter
from touchpoint.settings import PREFIX, load_settings
from touchpoint.simulate import simulate
from touchpoint.stitching.offline import stitch
from touchpoint.stitching.record import RECORD_VERSION

pytestmark = pytest.mark.slow

Json = dict[str, Any]
SOURCE = Path(touchpoint.__file__).parent
LATER = RECORD_VERSION + 1
EVENTS = list(simulate(3, datetime(2026, 1, 5, 9, tzinfo=UTC), 0.5, 100))
STORED_BEFORE = 30

MEMBER = f"longest_hold_ms: Annotated[Ms | None, since({LATER})] = None"
HOLDS = "(span.end - span.start) // 1000 for span in spans if span.type == 'hold'"
EDITS = [
    ("stitching/record.py", f"\nRECORD_VERSION = {RECORD_VERSION}", f"\nRECORD_VERSION = {LATER}"),
    (
        "stitching/record.py",
        "\n    flags: Sequence[str]",
        f"longest_hold_ms: Annotated[Ms | None, since({LATER})] = None",
    ),
    ("stitching/media/fold.py", "\n        **figures,", f"longest_hold_ms=max(({HOLDS}), default=None),"),
]
"""What a member of a media item takes, but for its migration and the page that docs/reference/make.py writes."""

COMMAND = "from touchpoint.cli import main; main()"
WRITE = """
import asyncio, sys, asyncpg
from touchpoint.history.writer import HistoryWriter
async def write():
    async with asyncpg.create_pool(sys.argv[1], min_size=1) as pool:
        writer = HistoryWriter(pool)
        rejected = await writer.write_batch(sys.stdin.buffer.read().splitlines())
        print(dict(writer.counts), *(one.cause for one in rejected), sep="\\n")
asyncio.run(write())
"""


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source of a release whose media items tell their longest hold."""
    root = tmp_path_factory.mktemp("later")
    shutil.copytree(SOURCE, root / "touchpoint", ignore=shutil.ignore_patterns("__pycache__"))
    for name, line, change in EDITS:
        path = root / "touchpoint" / name
        text = path.read_text()
        assert text.count(f"{line}\n") == 1, (name, line)
        path.write_text(text.replace(line, change if change[0] == "\n" else f"{line}\n{indented(line, change)}"))
    migrations = root / "touchpoint" / "history" / "migrations"
    number = len(list(migrations.glob("*.sql"))) + 1
    (migrations / f"{number:04}_longest_hold.sql").write_text(
        "ALTER TABLE touchpoint.media_item ADD COLUMN longest_hold_ms bigint;\n"
    )
    return root


def indented(line: str, added: str) -> str:
    return " " * (len(line[1:]) - len(line[1:].lstrip())) + added


def run(source: Path, code: str, *words: object, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        input=given, capture_output=True, env=environment | {"PYTHONPATH": str(source)}, check=False, timeout=LIMIT,
    )  # fmt: skip


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("events") / "events.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in EVENTS))
    return path


@pytest.fixture(scope="module")
def before() -> list[Json]:
    """The records as the present release makes them."""
    settings = load_settings({})
    verdicts = [Decoder().decode(json.dumps(each).encode()) for each in EVENTS]
    facts = [verdict.fact for verdict in verdicts if isinstance(verdict, Accepted)]
    return list(stitch(facts, settings.stitching_limits(), settings.party_secret.get_secret_value().encode()))


@pytest.fixture(scope="module")
def after(later: Path, file: Path) -> list[Json]:
    """The records as the later release makes them."""
    done = run(later, COMMAND, "stitch", file)
    assert done.returncode == 0, done.stderr
    return [orjson.loads(line) for line in done.stdout.splitlines()]


def has_hold(record: Json) -> bool:
    return any("longest_hold_ms" in item for item in record["media_items"])


def test_a_member_that_is_not_set_changes_no_hash_and_one_that_is_set_does(
    before: list[Json], after: list[Json]
) -> None:
    assert {record["record_version"] for record in after} == {LATER}
    for old, new in zip(before, after, strict=True):
        assert old["interaction_id"] == new["interaction_id"]
        assert (old["content_hash"] == new["content_hash"]) is not has_hold(new)
    assert 0 < sum(map(has_hold, after)) < len(after)


async def test_rows_stored_before_equal_the_fold_of_the_later_release(
    database: str, pool: asyncpg.Pool, later: Path, file: Path, before: list[Json], after: list[Json]
) -> None:
    """Some as release 0.1.0 wrote them, which named no version; then the same interactions again, as a crash in the
    middle of the upgrade closes them; then, of another content by the same rules, a contradiction.
    """
    unversioned = [{name: value for name, value in r.items() if name != "record_version"} for r in before]
    stored = [*unversioned[: STORED_BEFORE // 2], *before[STORED_BEFORE // 2 : STORED_BEFORE]]
    assert await HistoryWriter(pool).write_batch(list(map(event, stored))) == []
    assert any(map(has_hold, after[:STORED_BEFORE]))

    migrated = run(later, COMMAND, "migrate", "--database", database)
    assert migrated.returncode == 0, migrated.stderr
    again = run(later, WRITE, database, given=b"\n".join(map(event, after)))
    assert again.stdout.splitlines() == [
        f"{{'stored': {len(after) - STORED_BEFORE}, 'repeated': {STORED_BEFORE}, 'rejected': 0}}".encode()
    ], again
    verified = run(later, COMMAND, "verify", "--database", database, file, "--rows", "--complete")
    assert verified.stdout == f"{len(after)} interactions folded, {len(after)} stored: equal\n".encode(), verified

    other = after[0] | {"outcome": "another", "content_hash": "0" * 64}
    [counts, cause] = run(later, WRITE, database, given=event(other)).stdout.decode().splitlines()
    assert "'conflicts': 1" in counts
    assert "is stored already" in cause


async def test_an_older_worker_refuses_the_member_that_it_does_not_know_and_stores_the_other_records(
    pool: asyncpg.Pool, after: list[Json]
) -> None:
    holds = [record for record in after if has_hold(record)]
    others = [record for record in after if not has_hold(record)]
    rejected = await HistoryWriter(pool).write_batch([*map(event, holds), *map(event, others)])
    assert [one.index for one in rejected] == list(range(len(holds)))
    for one in rejected:
        assert "unknown field `longest_hold_ms`" in one.cause
        assert f"record_version is {LATER}, and this worker knows {RECORD_VERSION}: upgrade every worker" in one.cause
    versions = await pool.fetch("SELECT DISTINCT record_version FROM touchpoint.interaction")
    assert [row[0] for row in versions] == [LATER], "all that such a record may have is stored"


async def test_rows_of_a_later_release_are_not_verified_by_an_older_one(
    database: str, pool: asyncpg.Pool, later: Path, file: Path, after: list[Json]
) -> None:
    assert run(later, COMMAND, "migrate", "--database", database).returncode == 0
    run(later, WRITE, database, given=b"\n".join(map(event, after)))
    done = run(SOURCE.parent, COMMAND, "verify", "--database", database, file, "--complete")
    assert done.returncode == 3
    assert f"record version {LATER} is among the stored" in done.stderr.decode()


async def test_a_row_of_release_0_1_0_has_the_hash_that_its_columns_give(
    database: str, pool: asyncpg.Pool, later: Path, before: list[Json]
) -> None:
    """Recomputed from what is stored, by the later release."""
    await HistoryWriter(pool).write_batch([closed(record) for record in before])
    assert run(later, COMMAND, "migrate", "--database", database).returncode == 0
    code = """
import asyncio, sys, asyncpg, msgspec
from touchpoint.stitching.record import InteractionRecord, content_hash
async def check():
    connection = await asyncpg.connect(sys.argv[1])
    rows = await connection.fetch("SELECT record FROM touchpoint.interaction_record")
    records = [msgspec.json.decode(row[0], type=InteractionRecord) for row in rows]
    print(len(records), [r.interaction_id for r in records if content_hash(r) != r.content_hash])
asyncio.run(check())
"""
    done = run(later, code, database)
    assert done.stdout == f"{len(before)} []\n".encode(), done

"""Migrations: once each, several at a time, and never another text under an applied name."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime

import asyncpg
import pytest

from touchpoint.history.migration_runner import MigrationError, make_partitions, migrate, migrations

pytestmark = pytest.mark.slow


async def test_simultaneous_migrations_are_applied_once(empty_database: str) -> None:
    applied = await asyncio.gather(*(migrate(empty_database) for _ in range(4)))
    assert sorted(map(len, applied)) == [0, 0, 0, len(migrations())]
    connection = await asyncpg.connect(empty_database)
    names = [
        row[0] for row in await connection.fetch("SELECT name FROM touchpoint.migration ORDER BY applied_at, name")
    ]
    await connection.close()
    assert names == [migration.name for migration in migrations()]


async def test_a_second_time_changes_nothing(database: str) -> None:
    assert await migrate(database) == []


async def test_migrations_are_numbered_without_a_gap() -> None:
    assert [int(migration.name[:4]) for migration in migrations()] == list(range(1, len(migrations()) + 1))


async def test_a_changed_migration_is_an_error_that_names_it(database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("UPDATE touchpoint.migration SET checksum = 'other' WHERE name LIKE '0002%'")
    await connection.close()
    with pytest.raises(MigrationError, match=r"0002_identity .* never changes"):
        await migrate(database)


async def test_a_newer_schema_is_an_error(database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("INSERT INTO touchpoint.migration (name, checksum) VALUES ('9999_future', 'x')")
    await connection.close()
    with pytest.raises(MigrationError, match=r"9999_future.*newer touchpoint"):
        await migrate(database)


async def test_a_failed_migration_leaves_nothing_behind_and_lets_go_of_the_lock(empty_database: str) -> None:
    connection = await asyncpg.connect(empty_database)
    await connection.execute("CREATE SCHEMA touchpoint; CREATE TABLE touchpoint.segment (in_the_way integer)")
    with pytest.raises(asyncpg.DuplicateTableError):
        await migrate(connection)
    assert await connection.fetchval("SELECT to_regclass('touchpoint.media_item')") is None
    assert await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
    await connection.execute("DROP TABLE touchpoint.segment")
    assert len(await migrate(connection)) == len(migrations())
    await connection.close()


async def test_partitions_are_made_ahead_of_time(database: str) -> None:
    connection = await asyncpg.connect(database)
    now = datetime.now(UTC)
    for months in (0, 11):
        month = date(now.year + (now.month - 1 + months) // 12, (now.month - 1 + months) % 12 + 1, 1)
        name = f"touchpoint.segment_y{month:%Y}m{month:%m}"
        assert await connection.fetchval("SELECT to_regclass($1)::text", name) == name
    assert await make_partitions(connection, months_ahead=12) == 0
    assert await make_partitions(connection, months_ahead=14) == 2
    await connection.close()


@pytest.mark.parametrize("first", ["1969-12-01", "2101-01-01"])
async def test_a_month_out_of_range_is_refused(database: str, first: str) -> None:
    connection = await asyncpg.connect(database)
    with pytest.raises(asyncpg.DatetimeFieldOverflowError, match="1970 to 2100"):
        await connection.execute(f"SELECT touchpoint.ensure_partitions('{first}')")
    await connection.close()


async def test_making_a_month_waits_for_no_reader(database: str) -> None:
    reader, maker = await asyncpg.connect(database), await asyncpg.connect(database)
    async with reader.transaction():
        await reader.fetch("SELECT * FROM touchpoint.segment")
        await maker.execute("SET lock_timeout = '2s'")
        assert await maker.fetchval("SELECT touchpoint.ensure_partitions('1990-01-01', 12)") == 12
    await reader.close()
    await maker.close()

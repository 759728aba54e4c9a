"""Closed rows are read only, whoever asks; each role can do what it is for, and nothing else."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest
from database_roles import acting_as
from history_records import amended, call, closed, seed_case

from touchpoint.history.reader import one_record, party_records
from touchpoint.history.writer import HistoryWriter

pytestmark = pytest.mark.slow
CLOSED = "interaction media_item segment activity interaction_object interaction_resource amendment".split()
VIEWS = (
    "interaction_history media_item_timeline queue_interval agent_interval interaction_record interaction_amendment"
).split()
IDENTITY = ["party", "party_address", "resource"]
CHANGES = {
    "UPDATE": "UPDATE touchpoint.{0} SET interaction_id = gen_random_uuid()",
    "UPDATE of no row": "UPDATE touchpoint.{0} SET interaction_id = interaction_id WHERE false",
    "DELETE": "DELETE FROM touchpoint.{0}",
    "TRUNCATE": "TRUNCATE touchpoint.{0}",
    "TRUNCATE CASCADE": "TRUNCATE touchpoint.{0} RESTART IDENTITY CASCADE",
}


@pytest.fixture
async def stored(pool: asyncpg.Pool) -> asyncpg.Pool:
    """A database with the seed's case, which has a row in every table."""
    record = seed_case()
    assert not await HistoryWriter(pool).write_batch([closed(record, agents={"john": "John"}), amended(record, "e1")])
    return pool


async def allowed(connection: Any, sql: str) -> bool:
    try:
        async with connection.transaction():
            await connection.execute(sql)
    except asyncpg.InsufficientPrivilegeError:
        return False
    return True


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("suffix", ["", "_y2026m01"])
async def test_the_superuser_who_owns_them_cannot_change_closed_rows(
    stored: asyncpg.Pool, change: str, suffix: str
) -> None:
    for table in CLOSED:
        assert await stored.fetchval(f"SELECT count(*) FROM touchpoint.{table}{suffix}") > 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="closed interactions are read only"):
            await stored.execute(CHANGES[change].format(table + suffix))


@pytest.mark.parametrize("change", ["UPDATE", "DELETE", "TRUNCATE"])
async def test_replica_mode_and_merge_are_no_way_around(stored: asyncpg.Pool, change: str) -> None:
    async with stored.acquire() as connection:
        await connection.execute("SET session_replication_role = replica")
        for table in [*CLOSED, *(f"{table}_y2026m01" for table in CLOSED)]:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(CHANGES[change].format(table))
        for action in ("UPDATE SET outcome = 'changed'", "DELETE"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(
                    f"MERGE INTO touchpoint.interaction USING (SELECT 1) AS one ON true WHEN MATCHED THEN {action}"
                )


@pytest.mark.trap(14)
async def test_upsert_is_no_way_around(stored: asyncpg.Pool) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await stored.execute(
            "INSERT INTO touchpoint.interaction SELECT * FROM touchpoint.interaction "
            "ON CONFLICT (interaction_id, ended_at) DO UPDATE SET outcome = 'changed'"
        )


async def test_the_partition_of_a_backfilled_month_is_protected_too(pool: asyncpg.Pool) -> None:
    await pool.execute("SELECT touchpoint.ensure_partitions('1999-03-01')")
    for table in CLOSED:
        for change in ("UPDATE of no row", "DELETE", "TRUNCATE"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="read only"):
                await pool.execute(CHANGES[change].format(f"{table}_y1999m03"))


async def test_a_partition_that_was_made_by_hand_keeps_its_rows(stored: asyncpg.Pool) -> None:
    await stored.execute(
        "CREATE TABLE touchpoint.by_hand PARTITION OF touchpoint.segment"
        " FOR VALUES FROM ('1980-01-01') TO ('1980-02-01');"
        "INSERT INTO touchpoint.by_hand"
        " SELECT (jsonb_populate_record(s, jsonb_build_object('interaction_ended_at', '1980-01-05'))).*"
        " FROM touchpoint.segment AS s LIMIT 1"
    )
    for change in ("UPDATE", "DELETE"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await stored.execute(CHANGES[change].format("by_hand"))


async def test_the_index_of_interactions_is_protected_until_they_expire(stored: asyncpg.Pool) -> None:
    for change in ("UPDATE", "DELETE", "TRUNCATE"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await stored.execute(CHANGES[change].format("interaction_index"))


async def test_the_writer_inserts_and_can_do_no_more(stored: asyncpg.Pool) -> None:
    async with acting_as(stored, "touchpoint_writer") as connection:
        for table in CLOSED:
            assert not await allowed(connection, f"SELECT * FROM touchpoint.{table}")
        for table in [*CLOSED, "interaction_index"]:
            for change in CHANGES.values():
                assert not await allowed(connection, change.format(table))
        for table in [*CLOSED, *(f"{table}_y2026m01" for table in CLOSED)]:
            assert not await allowed(connection, f"DROP TABLE touchpoint.{table}")
        for view in VIEWS:
            assert not await allowed(connection, f"SELECT * FROM touchpoint.{view}")
        assert not await allowed(connection, "SELECT touchpoint.drop_expired('2030-01-01')")
        assert not await allowed(connection, "ALTER TABLE touchpoint.segment DISABLE TRIGGER ALL")
        for table in IDENTITY:
            assert await allowed(connection, f"UPDATE touchpoint.{table} SET tenant = tenant")


async def test_the_writer_role_is_all_that_the_history_writer_needs(database: str) -> None:
    async def become_writer(connection: Any) -> None:
        await connection.execute("SET SESSION AUTHORIZATION touchpoint_writer")

    async with asyncpg.create_pool(database, min_size=1, max_size=1, setup=become_writer) as pool:
        writer = HistoryWriter(pool)
        old = call("old") | {"ended_at": "1987-06-05T00:00:00Z"}
        batch = [closed(seed_case(), agents={"john": "John"}), closed(old), amended(seed_case(), "e1")]
        for _ in range(2):
            assert await writer.write_batch(batch) == []
        assert (writer.counts["stored"], writer.counts["repeated"], writer.counts["amendments"]) == (2, 2, 1)


async def test_the_viewer_reads_the_views_and_no_table(stored: asyncpg.Pool) -> None:
    async with acting_as(stored, "touchpoint_viewer") as connection:
        for view in VIEWS:
            assert await connection.fetch(f"SELECT * FROM touchpoint.{view}"), view
        for table in [*CLOSED, *IDENTITY, "interaction_index", "migration"]:
            assert not await allowed(connection, f"SELECT * FROM touchpoint.{table}")
            assert not await allowed(connection, f"DELETE FROM touchpoint.{table}")
        for call_ in ("ensure_partitions('2020-01-01')", "drop_expired('2030-01-01')"):
            assert not await allowed(connection, f"SELECT touchpoint.{call_}")


async def test_the_viewer_can_read_a_history(stored: asyncpg.Pool) -> None:
    async with acting_as(stored, "touchpoint_viewer") as connection:
        [record] = await party_records(connection, "01632 960960")
        assert await one_record(connection, record["interaction_id"]) == record


async def test_the_administrator_decides_on_retention_and_cannot_change_closed_rows(stored: asyncpg.Pool) -> None:
    async with acting_as(stored, "touchpoint_admin") as connection:
        for table in [*CLOSED, *IDENTITY, *VIEWS]:
            assert await allowed(connection, f"SELECT * FROM touchpoint.{table}")
        for table in CLOSED:
            for change in CHANGES.values():
                assert not await allowed(connection, change.format(table))
        assert await allowed(connection, "SELECT touchpoint.drop_expired('2026-02-01', true)")
    assert await stored.fetchval("SELECT count(*) FROM touchpoint.interaction") == 0

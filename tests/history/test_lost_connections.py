"""A connection that PostgreSQL ends, whatever the writer does with it then: it is tried again, and no failure."""

from __future__ import annotations

import asyncio
import contextlib

import asyncpg
import pytest
from history_records import call, closed
from patience import LIMIT

from touchpoint.history.sink import History
from touchpoint.stages.protocol import Record

pytestmark = pytest.mark.slow
COUNT = 400
END_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
TROUBLE: tuple[type[BaseException], ...] = (OSError, TimeoutError, *History.retriable)


def records() -> list[Record]:
    return [Record("interactions", 0, n, None, closed(call(f"c{n}")), (), 0) for n in range(COUNT)]


@pytest.mark.parametrize("table", ["interaction_index", "interaction", "media_item", "segment"])
async def test_a_connection_that_ends_in_the_middle_of_a_table_is_trouble_that_passes(
    pool: asyncpg.Pool, table: str
) -> None:
    history = History(pool)
    await end_writers_of(pool, table)
    for _ in range(3):
        with pytest.raises(TROUBLE):
            await history.write(records())
    await pool.execute(f"DROP TRIGGER ends ON touchpoint.{table}")
    assert await history.write(records()) == []
    assert await pool.fetchval("SELECT count(*) FROM touchpoint.interaction") == COUNT


async def test_connections_that_end_at_any_instant_are_trouble_that_passes(pool: asyncpg.Pool, database: str) -> None:
    history = History(pool)
    other = await asyncpg.connect(database)
    for wait in range(40):
        writing = asyncio.create_task(history.write(records()))
        await asyncio.sleep(wait * 0.002)
        await other.execute(END_OTHERS)
        with contextlib.suppress(*TROUBLE):
            assert await writing == []
    async with asyncio.timeout(LIMIT):  # a connection that has ended may be told of it a moment later
        stored = False
        while not stored:
            with contextlib.suppress(*TROUBLE):
                assert await history.write(records()) == []
                stored = True
            await asyncio.sleep(0.01)
    assert await pool.fetchval("SELECT count(*) FROM touchpoint.interaction") == COUNT
    await other.close()


async def end_writers_of(pool: asyncpg.Pool, table: str) -> None:
    """Whoever writes a row of the table loses the connection."""
    await pool.execute(f"""
        CREATE FUNCTION touchpoint.ends() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
        CREATE TRIGGER ends BEFORE INSERT ON touchpoint.{table} FOR EACH ROW EXECUTE FUNCTION touchpoint.ends();
    """)

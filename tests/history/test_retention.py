"""Months are made within bounds and dropped singly, once they have ended; no writer waits behind a report."""

from __future__ import annotations

import asyncio
import os
import pty
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

import asyncpg
import pytest
from database_commands import touchpoint
from database_roles import acting_as
from history_records import amended, call, closed
from patience import LIMIT

from touchpoint.history.retention import MonthInUseError, drop_empty_months, drop_months, expired_months
from touchpoint.history.writer import HistoryWriter

pytestmark = pytest.mark.slow


def month_ago(months: int) -> date:
    """The first day of the month so many months before this one."""
    today = datetime.now(UTC).date()
    year, month = divmod(today.year * 12 + today.month - 1 - months, 12)
    return date(year, month + 1, 1)


OLD, OLDER, LATELY, NOW, NEXT = month_ago(13), month_ago(14), month_ago(12), month_ago(0), month_ago(-1)
NEVER = [NOW, NEXT, date(2999, 1, 1)]


async def store(pool: asyncpg.Pool, *months: date) -> None:
    """A call that ended in each month, with an amendment."""
    records = [call(f"c-{month}", datetime(month.year, month.month, 1, 12, tzinfo=UTC)) for month in months]
    batch = [closed(record) for record in records] + [amended(record, "e1") for record in records]
    assert await HistoryWriter(pool).write_batch(batch) == []


async def months_of(pool: asyncpg.Pool, table: str) -> set[date]:
    column = "ended_at" if table in {"interaction", "interaction_index"} else "interaction_ended_at"
    rows = await pool.fetch(f"SELECT DISTINCT date_trunc('month', {column} AT TIME ZONE 'UTC') FROM touchpoint.{table}")
    return {row[0].date() for row in rows}


async def test_a_month_that_was_dropped_is_gone_from_every_table(pool: asyncpg.Pool) -> None:
    await store(pool, OLDER, OLD, LATELY)
    async with pool.acquire() as connection:
        found = await expired_months(connection, LATELY)
        assert [(one.month, one.interactions, one.kept) for one in found if one.interactions] == [
            (OLDER, 1, False),
            (OLD, 1, False),
        ]
        assert all(one.bytes > 0 for one in found)
        assert [month async for month in drop_months(connection, [OLD, OLDER])] == [OLDER, OLD]
    for table in ("interaction", "media_item", "segment", "amendment", "interaction_index"):
        assert await months_of(pool, table) == {LATELY}, table
    await store(pool, OLD)  # a late record makes its month again
    assert OLD in await months_of(pool, "interaction")


async def test_a_month_that_has_not_ended_is_never_dropped(pool: asyncpg.Pool) -> None:
    await store(pool, NOW)
    for month, confirmed in product(NEVER, (False, True, None)):
        with pytest.raises(asyncpg.InvalidParameterValueError, match="not the first day of a month that has ended"):
            await pool.execute("SELECT touchpoint.drop_month($1, $2)", month, confirmed)
        with pytest.raises(asyncpg.InvalidParameterValueError, match="still to come"):
            await pool.execute("SELECT touchpoint.drop_expired($1, $2)", month + timedelta(days=40), confirmed)
    await pool.execute("SELECT touchpoint.drop_expired($1, $2)", datetime.now(UTC).date(), True)
    assert await months_of(pool, "interaction") == {NOW}


async def test_sql_drops_one_of_the_last_twelve_months_only_by_confirmation(pool: asyncpg.Pool) -> None:
    await store(pool, OLD, LATELY)
    for call_ in ("drop_month('{0}')", "drop_expired('{1}')", "drop_month('{0}', NULL)"):
        with pytest.raises(asyncpg.InvalidParameterValueError, match="are kept"):
            await pool.execute(f"SELECT touchpoint.{call_.format(LATELY, month_ago(11))}")
    assert await months_of(pool, "interaction") == {OLD, LATELY}
    dropped = await pool.fetch("SELECT touchpoint.drop_expired($1)", LATELY)
    assert OLD in {row[0] for row in dropped}
    assert await months_of(pool, "interaction_index") == {LATELY}
    await pool.execute("SELECT touchpoint.drop_expired($1, confirmed => true)", month_ago(11))
    assert await months_of(pool, "interaction_index") == set()


async def test_writes_go_on_while_a_dropped_month_waits_for_its_reader(database: str, pool: asyncpg.Pool) -> None:
    await store(pool, OLDER, OLD)
    reader, owner = await asyncpg.connect(database), await asyncpg.connect(database)
    report = reader.transaction()
    await report.start()
    await reader.fetch("SELECT count(*) FROM touchpoint.interaction")
    dropping = asyncio.create_task(collected(drop_months(owner, [OLDER, OLD])))
    await until_waiting(pool)
    for number in range(20):  # each waits for one attempt at most, where it waited for the reader
        assert await HistoryWriter(pool).write_batch([closed(call(f"live-{number}"))]) == []
    assert not dropping.done(), "the reader has not ended"
    await report.rollback()
    assert await dropping == [OLDER, OLD]
    assert await months_of(pool, "interaction") == {date(2026, 1, 1)}
    await reader.close()
    await owner.close()


async def collected(months: Any) -> list[date]:
    return [month async for month in months]


async def until_waiting(pool: asyncpg.Pool) -> None:
    """Wait until somebody waits for a table."""
    async with asyncio.timeout(LIMIT):
        while not await pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_reader_that_does_not_end_is_told_and_a_later_run_goes_on(database: str, pool: asyncpg.Pool) -> None:
    await store(pool, OLDER, OLD)
    reader, owner = await asyncpg.connect(database), await asyncpg.connect(database)
    dropping = drop_months(owner, [OLDER, OLD], patience=0)
    assert await anext(dropping) == OLDER
    async with reader.transaction():
        await reader.fetch("SELECT count(*) FROM touchpoint.segment")
        with pytest.raises(MonthInUseError, match=f"{OLD:%Y-%m} is not dropped"):
            await anext(dropping)
    assert await months_of(pool, "interaction") == {OLD}
    assert await months_of(pool, "interaction_index") == {OLDER, OLD}, "the index is swept at the end"
    assert await collected(drop_months(owner, [OLDER, OLD])) == [OLDER, OLD], "what is gone already is no error"
    assert await months_of(pool, "interaction_index") == set()
    await reader.close()
    await owner.close()


# --- the command


async def test_the_command_shows_what_it_drops_and_asks_for_none_of_what_is_old(
    database: str, pool: asyncpg.Pool
) -> None:
    await store(pool, OLD, LATELY)
    done = touchpoint("partitions", "--ahead", "13", "--drop-before", f"{LATELY}", database=database)
    assert done.returncode == 0, done.stderr
    made, heading, *months, last = done.stdout.splitlines()
    assert made == "months made: 1"
    assert heading.split() == ["month", "to", "drop", "interactions", "size"]
    assert [line.split()[:2] for line in months if line.split()[1] != "0"] == [[f"{OLD:%Y-%m}", "1"]]
    assert last.startswith("months dropped: ")
    assert f"{OLD:%Y-%m}" in last
    assert await months_of(pool, "interaction") == {LATELY}
    again = touchpoint("partitions", "--drop-before", f"{LATELY}", database=database)
    assert (again.returncode, again.stdout) == (0, "months made: 0\nmonths dropped: none\n")


async def test_the_command_refuses_a_day_that_is_still_to_come(database: str, pool: asyncpg.Pool) -> None:
    await store(pool, OLD, NOW)
    for day in ("2999-01-01", f"{datetime.now(UTC).date() + timedelta(days=2)}"):
        done = touchpoint("partitions", "--drop-before", day, "--yes", database=database)
        assert done.returncode == 2
        assert f"months before {day} are not dropped: that day is still to come" in done.stderr
    assert await months_of(pool, "interaction") == {OLD, NOW}


async def test_the_command_drops_one_of_the_last_twelve_months_only_with_yes(database: str, pool: asyncpg.Pool) -> None:
    await store(pool, OLD, LATELY, NOW)
    words = ("partitions", "--drop-before", f"{datetime.now(UTC).date()}")
    done = touchpoint(*words, database=database)
    assert done.returncode == 2, done.stdout
    assert "add --yes" in done.stderr
    assert "one of the last twelve" in done.stdout
    assert await months_of(pool, "interaction") == {OLD, LATELY, NOW}
    done = touchpoint(*words, "--yes", database=database)
    assert done.returncode == 0, done.stderr
    assert await months_of(pool, "interaction") == {NOW}


@pytest.mark.parametrize(("answer", "status", "left"), [("y", 0, {NOW}), ("n", 1, {OLD, LATELY, NOW})])
async def test_a_terminal_is_asked(
    database: str, pool: asyncpg.Pool, answer: str, status: int, left: set[date]
) -> None:
    await store(pool, OLD, LATELY, NOW)
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode() + b"\n")
    done = touchpoint("partitions", "--drop-before", f"{datetime.now(UTC).date()}", database=database, stdin=theirs)
    os.close(ours)
    os.close(theirs)
    assert done.returncode == status, done.stderr
    assert "Drop all of these" in done.stderr
    assert await months_of(pool, "interaction") == left


# --- months ahead

FAR, FARTHER = month_ago(-20), date(2090, 1, 1)


async def all_months(pool: asyncpg.Pool) -> set[date]:
    return {row[0] for row in await pool.fetch("SELECT touchpoint.months()")}


async def test_the_command_drops_empty_months_that_lie_farther_ahead_than_months_are_made(
    database: str, pool: asyncpg.Pool
) -> None:
    """A wrong clock made them, and they counted for the bound of 400 until they had ended."""
    await pool.execute("SELECT touchpoint.ensure_partitions($1)", FAR)
    await store(pool, FARTHER, NOW)
    before = await all_months(pool)
    assert {FAR, FARTHER, NEXT, month_ago(-12)} <= before
    done = touchpoint("partitions", "--drop-empty", database=database)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "months made: 0",
        "2090-01 stays until it has ended: it has 1 interactions",
        f"empty months dropped: {FAR:%Y-%m}",
    ]
    assert await all_months(pool) == before - {FAR}
    again = touchpoint("partitions", "--drop-empty", "--ahead", "11", database=database)
    assert again.stdout.splitlines()[-1] == f"empty months dropped: {month_ago(-12):%Y-%m}"


async def test_a_month_that_is_not_ahead_or_not_empty_is_not_dropped_as_an_empty_one(pool: asyncpg.Pool) -> None:
    await pool.execute("SELECT touchpoint.ensure_partitions($1)", OLD)
    for month in (OLD, NOW, NEXT + timedelta(days=1)):
        with pytest.raises(asyncpg.InvalidParameterValueError, match="not the first day of a month that lies ahead"):
            await pool.execute("SELECT touchpoint.drop_empty_month($1)", month)
    await store(pool, FARTHER)
    with pytest.raises(asyncpg.InvalidParameterValueError, match="it has rows"):
        await pool.execute("SELECT touchpoint.drop_empty_month($1)", FARTHER)
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
        with pytest.raises(asyncpg.ActiveSQLTransactionError):
            await connection.execute("SELECT touchpoint.drop_empty_month($1)", NEXT)
    assert await months_of(pool, "interaction") == {FARTHER}


async def test_a_row_that_comes_while_its_empty_month_waits_to_be_dropped_keeps_it(
    database: str, pool: asyncpg.Pool
) -> None:
    """The month's table of amendments is locked, as by a writer; what is committed meanwhile is seen."""
    await pool.execute("SELECT touchpoint.ensure_partitions($1)", FAR)
    owner = await asyncpg.connect(database)
    async with pool.acquire() as writer:
        writing = writer.transaction()
        await writing.start()
        insert = "INSERT INTO touchpoint.amendment VALUES (gen_random_uuid(), $1, 1, 'late_event', '{}', 'e1')"
        await writer.execute(insert, datetime(FAR.year, FAR.month, 2, tzinfo=UTC))
        dropping = asyncio.create_task(collected(drop_empty_months(owner, [FAR])))
        await until_waiting(pool)
        await writing.commit()
    with pytest.raises(asyncpg.InvalidParameterValueError, match="it has rows"):
        await dropping
    await owner.close()
    assert FAR in await all_months(pool)


async def test_a_writer_that_knows_a_month_which_was_dropped_makes_it_again(pool: asyncpg.Pool) -> None:
    writer, at = HistoryWriter(pool), datetime(FAR.year, FAR.month, 2, tzinfo=UTC)
    await pool.execute("SELECT touchpoint.ensure_partitions($1)", FAR)
    writer._months.add((FAR.year, FAR.month))
    async with pool.acquire() as connection:
        assert await collected(drop_empty_months(connection, [FAR])) == [FAR]
    assert await writer.write_batch([closed(call("c1", at))]) == []
    assert FAR in await months_of(pool, "interaction")


# --- making months


async def test_the_writer_cannot_fill_the_lock_table(pool: asyncpg.Pool) -> None:
    async with acting_as(pool, "touchpoint_writer") as connection:
        for first, months in (("1970-01-01", 1000), ("1970-01-01", 25), ("2000-01-01", 2**31 - 1)):
            with pytest.raises(asyncpg.PostgresError, match="at most 24"):
                async with connection.transaction():
                    await connection.execute(f"SELECT touchpoint.ensure_partitions('{first}', {months})")
        with pytest.raises(asyncpg.ConfigurationLimitExceededError, match="too many locks"):
            async with connection.transaction():
                await connection.execute(
                    "SELECT touchpoint.ensure_partitions(make_date(y, 1, 1), 12) FROM generate_series(1970, 1990) AS y"
                )
        assert await connection.fetchval("SELECT touchpoint.ensure_partitions('1980-01-01', 24)") == 24


async def test_months_for_wrong_times_never_keep_out_the_present(pool: asyncpg.Pool) -> None:
    await pool.execute(
        """DO $$ BEGIN FOR month IN 0..399 LOOP
            EXECUTE format('CREATE TABLE touchpoint.%I PARTITION OF touchpoint.interaction'
                           ' FOR VALUES FROM (%L) TO (%L)',
                           to_char('1970-01-01'::date + make_interval(months => month), '"interaction_y"YYYY"m"MM'),
                           '1970-01-01'::date + make_interval(months => month),
                           '1970-02-01'::date + make_interval(months => month));
        END LOOP; END $$"""
    )
    bad, good = call("bad", datetime(2015, 5, 5, tzinfo=UTC)), call("good", datetime.now(UTC) - timedelta(days=600))
    [rejected] = await HistoryWriter(pool).write_batch([closed(bad), closed(good)])
    assert rejected.index == 0
    assert "the month of 2015-05-01 is not made: the history has 41" in rejected.cause
    assert await pool.fetchval("SELECT count(*) FROM touchpoint.interaction") == 1


async def test_the_log_of_accesses_goes_back_twelve_months(pool: asyncpg.Pool, database: str) -> None:
    entry = """INSERT INTO touchpoint.access (accessed_at, tenant, who, role, by, action, party_keys)
               VALUES (now() - make_interval(months => $1, days => 1), 'default', $2, 'agent', 'page', 'party', '{}')"""
    ages = {"recent": 0, "kept": 11, "old": 12, "older": 30}
    for who, months in ages.items():
        await pool.execute(entry, months, who)

    async def left() -> set[str]:
        return {row[0] for row in await pool.fetch("SELECT who FROM touchpoint.access")}

    await pool.execute("CREATE ROLE timer LOGIN IN ROLE touchpoint_writer")
    done = touchpoint("partitions", database=database.replace("//postgres@", "//timer@"))
    assert (done.returncode, await left()) == (0, set(ages)), "the writer makes months, and removes nothing"
    done = touchpoint("partitions", database=database)
    assert "accesses forgotten: 2, older than 12 months" in done.stdout
    assert await left() == {"recent", "kept"}
    again = touchpoint("partitions", database=database)
    assert "accesses" not in again.stdout
    touchpoint("partitions", "--keep-accesses", "1", database=database)
    assert await left() == {"recent"}
    await pool.execute("DROP OWNED BY timer; DROP ROLE timer")

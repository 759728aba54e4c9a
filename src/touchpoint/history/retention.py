"""Retention drops whole months of the closed record, each in a transaction of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date

import asyncpg
import msgspec

from touchpoint.backoff import backoff
from touchpoint.history.identity import Connection

PATIENCE_SECONDS = 600.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0


class ExpiredMonth(msgspec.Struct, frozen=True):
    """A month that ended by the day asked for."""

    month: date
    interactions: int
    bytes: int  # of all tables of the month, with their indexes
    kept: bool  # dropped only by confirmation: this month or one of the twelve before it


class MonthAhead(msgspec.Struct, frozen=True):
    """A month that lies ahead."""

    month: date
    interactions: int
    is_empty: bool  # no table of the month has a row


class MonthInUseError(Exception):
    """A month could not be dropped because transactions were using its tables all the time."""


async def forget_accesses(connection: Connection, months: int) -> int:
    """Removes accesses older than so many months from the log; how many. None where the role may not: it takes
    touchpoint_admin.
    """
    may = "SELECT has_function_privilege(to_regprocedure('touchpoint.forget_accesses(timestamptz)'), 'EXECUTE')"
    if not await connection.fetchval(may):
        return 0
    before = "SELECT touchpoint.forget_accesses(now() - make_interval(months => $1))"
    removed: int = await connection.fetchval(before, months)
    return removed


async def expired_months(connection: Connection, before: date) -> list[ExpiredMonth]:
    """The months that ended at or before `before`, oldest first; takes the role touchpoint_admin.

    Raises asyncpg.InvalidParameterValueError for a day that is still to come.
    """
    rows = await connection.fetch("SELECT * FROM touchpoint.expired_months($1)", before)
    return [ExpiredMonth(*row) for row in rows]


async def months_ahead(connection: Connection, beyond: date) -> list[MonthAhead]:
    """The months that begin after `beyond` and after today, oldest first; takes the role touchpoint_admin."""
    rows = await connection.fetch("SELECT * FROM touchpoint.months_ahead($1)", beyond)
    return [MonthAhead(*row) for row in rows]


async def drop_empty_months(
    connection: Connection, months: list[date], *, patience: float = PATIENCE_SECONDS
) -> AsyncIterator[date]:
    """Drops each of the months that lie ahead and have no row, oldest first; waits and raises as `drop_months`.

    Raises asyncpg.InvalidParameterValueError for a month that does not lie ahead, or that has a row by now.
    """
    for month in sorted(months):
        await _drop(connection, "SELECT touchpoint.drop_empty_month($1)", month, patience=patience)
        yield month


async def drop_months(
    connection: Connection, months: list[date], *, confirmed: bool = False, patience: float = PATIENCE_SECONDS
) -> AsyncIterator[date]:
    """Drops each of the months, oldest first, and gives it when it is gone; then what the index has of dropped months.

    A month that is being read is tried again, each attempt a second long, for at most `patience` seconds; then raises
    MonthInUseError. Whatever ends it, a later call goes on where it ended. Raises
    asyncpg.InvalidParameterValueError for a month that has not ended, or that is kept and not `confirmed`.
    """
    for month in sorted(months):
        await _drop(connection, "SELECT touchpoint.drop_month($1, $2)", month, confirmed, patience=patience)
        yield month
    await connection.execute("SELECT touchpoint.forget_dropped()")


async def _drop(connection: Connection, statement: str, month: date, *more: bool, patience: float) -> None:
    deadline = asyncio.get_running_loop().time() + patience
    for delay in backoff(_SHORTEST_PAUSE, _LONGEST_PAUSE):
        try:
            await connection.execute(statement, month, *more)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            if asyncio.get_running_loop().time() + delay > deadline:
                raise MonthInUseError(
                    f"the month {month:%Y-%m} is not dropped: for {patience:.0f} s transactions were using its tables"
                    " all the time; pg_stat_activity names them. Run the command again: it goes on with this month"
                ) from None
            await asyncio.sleep(delay)
        else:
            return

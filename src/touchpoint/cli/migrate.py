"""`touchpoint migrate` and `touchpoint partitions`: the schema, and the months of the closed record."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from touchpoint.cli.database import USAGE, DatabaseOption, ask
from touchpoint.cli.errors import CliError

if TYPE_CHECKING:
    from touchpoint.history.identity import Connection
    from touchpoint.history.retention import ExpiredMonth, MonthAhead

Ahead = Annotated[int, typer.Option("--ahead", min=0, max=240, help="Make so many months from now on.")]
Expired = Annotated[
    datetime | None,
    typer.Option("--drop-before", formats=["%Y-%m-%d"], help="Drop each month that ended by this day, for good."),
]
DropEmpty = Annotated[
    bool,
    typer.Option("--drop-empty", help="Drop months beyond --ahead in which nothing is, as a wrong clock makes them."),
]
KeepAccesses = Annotated[
    int, typer.Option("--keep-accesses", min=1, max=240, help="Months that the log of accesses goes back.")
]
Yes = Annotated[
    bool, typer.Option("--yes", help="Drop months of the last twelve too, without being asked. The current one stays.")
]


def migrate(database: DatabaseOption) -> None:
    """Bring the database's schema up to date.

    Connect as who may create schemas and roles. May run on several machines at once: one does the work.
    Exit status: 0; 1 if the database and this version contradict each other; 2 for wrong usage; 3 if the database
    cannot be used.
    """
    from touchpoint.history.migration_runner import MigrationError
    from touchpoint.history.migration_runner import migrate as bring_up_to_date

    try:
        applied = ask(database, bring_up_to_date(database))
    except MigrationError as error:
        raise CliError(str(error)) from None
    for name in applied:
        print(f"applied {name}")
    if not applied:
        print("the schema is up to date")


def partitions(
    database: DatabaseOption,
    ahead: Ahead = 12,
    drop_before: Expired = None,
    drop_empty: DropEmpty = False,
    keep_accesses: KeepAccesses = 12,
    yes: Yes = False,
) -> None:
    """Make the coming months' partitions; drop expired ones where asked to; forget old accesses.

    The worker makes a month that it needs by itself; this is for a timer, and for retention. What is dropped is shown
    first. A month is dropped only when it has ended; one of the last twelve only with --yes, or when a terminal is
    asked and agrees. Each month goes at once or not at all, and nobody waits for it longer than a second: while its
    tables are being read the command tries again, for ten minutes. A run that was ended goes on when it is repeated.
    Of months that lie ahead only empty ones can be dropped. What the log of accesses has of before --keep-accesses
    months ago is removed.

    Exit status: 0; 1 if a month was in use all the time, or the answer was no; 2 for wrong usage, a day that is still
    to come, or a month that needs --yes; 3 if the database cannot be used.
    """
    from touchpoint.history.migration_runner import make_partitions
    from touchpoint.history.retention import drop_months

    print(f"months made: {ask(database, make_partitions(database, months_ahead=ahead))}")
    _forget_accesses(database, keep_accesses)
    if drop_empty:
        _drop_empty(database, ahead)
    if drop_before is None:
        return
    expired = _expired(database, drop_before.date())
    if expired:
        _show(expired)
        _confirm(expired, yes)
    months = [one.month for one in expired]
    dropped = ask(database, _drop(database, lambda connection: drop_months(connection, months, confirmed=True)))
    print(f"months dropped: {_listed(dropped)}")


def _forget_accesses(database: str, months: int) -> None:
    """Says how many are forgotten, if any; who may only make months removes none."""
    from touchpoint.history.retention import forget_accesses
    from touchpoint.history.session import session

    async def question() -> int:
        async with session(database) as connection:
            return await forget_accesses(connection, months)

    if forgotten := ask(database, question()):
        print(f"accesses forgotten: {forgotten:,}, older than {months} months")


def _listed(months: list[date]) -> str:
    return ", ".join(f"{month:%Y-%m}" for month in months) or "none"


def _drop_empty(database: str, ahead: int) -> None:
    """Drops the empty months that lie more than so many ahead, and says which of them are not empty."""
    from touchpoint.history.migration_runner import later
    from touchpoint.history.retention import drop_empty_months, months_ahead
    from touchpoint.history.session import session

    async def question() -> list[MonthAhead]:
        async with session(database) as connection:
            return await months_ahead(connection, later(datetime.now(UTC).date(), ahead))

    beyond = ask(database, question())
    for one in beyond:
        if not one.is_empty:
            print(f"{one.month:%Y-%m} stays until it has ended: it has {one.interactions:,} interactions")
    empty = [one.month for one in beyond if one.is_empty]
    dropped = ask(database, _drop(database, lambda connection: drop_empty_months(connection, empty)))
    print(f"empty months dropped: {_listed(dropped)}")


def _expired(database: str, before: date) -> list[ExpiredMonth]:
    import asyncpg

    from touchpoint.history.retention import expired_months
    from touchpoint.history.session import session

    async def question() -> list[ExpiredMonth]:
        async with session(database) as connection:
            try:
                return await expired_months(connection, before)
            except asyncpg.InvalidParameterValueError as error:
                raise CliError(f"--drop-before: {error}", status=USAGE) from None

    return ask(database, question())


async def _drop(database: str, dropping: Callable[[Connection], AsyncIterator[date]]) -> list[date]:
    """Drops months; says which is gone as soon as it is."""
    import asyncpg

    from touchpoint.history.retention import MonthInUseError
    from touchpoint.history.session import session

    dropped = []
    async with session(database) as connection:
        try:
            async for month in dropping(connection):
                dropped.append(month)
                print(f"dropped {month:%Y-%m}", file=sys.stderr)
        except MonthInUseError as error:
            raise CliError(str(error)) from None
        except asyncpg.InvalidParameterValueError as error:  # a row came into an empty month meanwhile
            raise CliError(str(error.args[0])) from None
    return dropped


def _show(months: list[ExpiredMonth]) -> None:
    """What would be dropped."""
    from rich.table import Table

    from touchpoint.cli.render import console

    grid = Table(box=None, pad_edge=False)
    grid.add_column("month to drop", no_wrap=True)
    for name in ("interactions", "size"):
        grid.add_column(name, justify="right")
    grid.add_column("")
    for one in months:
        needs = "one of the last twelve: --yes" if one.kept else ""
        grid.add_row(f"{one.month:%Y-%m}", f"{one.interactions:,}", f"{one.bytes / 2**20:,.1f} MiB", needs)
    console().print(grid)


def _confirm(months: list[ExpiredMonth], yes: bool) -> None:
    """Asks about months that are kept otherwise. Raises CliError where nobody agrees."""
    kept = [f"{one.month:%Y-%m}" for one in months if one.kept]
    if not kept or yes:
        return
    if not sys.stdin.isatty():
        raise CliError(
            f"nothing was dropped: {kept[0]} to {kept[-1]} are of the last twelve months; add --yes to drop them",
            status=USAGE,
        )
    if not typer.confirm(f"Drop all of these, {kept[0]} to {kept[-1]} of the last twelve months included?", err=True):
        raise CliError("nothing was dropped")

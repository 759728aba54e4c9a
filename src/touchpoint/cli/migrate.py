"""`touchpoint migrate` and `touchpoint partitions`: the schema, and the months of the closed record."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import typer

from touchpoint.cli.database import DatabaseOption, ask
from touchpoint.cli.errors import CliError

Ahead = Annotated[int, typer.Option("--ahead", min=0, max=600, help="Make so many months from now on.")]
Expired = Annotated[
    datetime | None,
    typer.Option("--drop-before", formats=["%Y-%m-%d"], help="Drop each month that ended by this day, for good."),
]


def migrate(database: DatabaseOption) -> None:
    """Bring the database's schema up to date.

    Connect as who may create schemas and roles. May run on several machines at once: one does the work.
    Exit status: 0; 1 if the database and this version contradict each other; 2 for wrong usage; 3 if the database
    cannot be used.
    """
    from touchpoint.history.migrate import MigrationError
    from touchpoint.history.migrate import migrate as bring_up_to_date

    try:
        applied = ask(database, bring_up_to_date(database))
    except MigrationError as error:
        raise CliError(str(error)) from None
    for name in applied:
        print(f"applied {name}")
    if not applied:
        print("the schema is up to date")


def partitions(database: DatabaseOption, ahead: Ahead = 12, drop_before: Expired = None) -> None:
    """Make the coming months' partitions; drop expired ones where asked to.

    The worker makes a month that it needs by itself; this is for a timer, and for retention.
    """
    from touchpoint.history.migrate import drop_expired, make_partitions

    made = ask(database, make_partitions(database, months_ahead=ahead))
    print(f"months made: {made}")
    if drop_before is not None:
        dropped: list[date] = ask(database, drop_expired(database, drop_before.date()))
        print(f"months dropped: {', '.join(f'{month:%Y-%m}' for month in dropped) or 'none'}")

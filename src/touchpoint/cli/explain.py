"""`touchpoint explain`: each segment of an interaction, with the events and the rule that made it."""

from __future__ import annotations

from typing import Annotated

import typer

from touchpoint.cli.database import NOT_FOUND, DatabaseOption, TenantOption, ask
from touchpoint.cli.errors import CliError

Wanted = Annotated[
    str, typer.Argument(metavar="INTERACTION", help="Its id, or that of one of its media items (a call id).")
]


def explain(interaction: Wanted, database: DatabaseOption, tenant: TenantOption = "default") -> None:
    """Show each segment of an interaction with the events and the rules that made it.

    Exit status: 0; 1 if there is no such interaction; 2 for wrong usage; 3 if the database cannot be used.
    """
    from touchpoint.history.reader import one_record

    record = ask(database, one_record(database, interaction, tenant=tenant))
    if record is None:
        raise CliError(f"no closed interaction {interaction!r} in tenant {tenant!r}", status=NOT_FOUND)
    from touchpoint.cli.render import console
    from touchpoint.cli.timeline import render_timeline

    console().print(render_timeline(record))

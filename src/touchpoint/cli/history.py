"""`touchpoint history`: a party's interactions, newest first, as an agent wants to read them."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import orjson
import typer

from touchpoint.cli.database import NOT_FOUND, DatabaseOption, TenantOption, ask
from touchpoint.cli.errors import CliError, configuration


class Format(StrEnum):
    table = "table"
    json = "json"


_DAY = "%Y-%m-%d"
Party = Annotated[
    str, typer.Argument(metavar="PARTY", help="A number, an address (mailto:..., tel:...) or a party id.")
]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="At most so many, the newest.")]
Since = Annotated[
    datetime | None,
    typer.Option(
        "--since", formats=[_DAY, f"{_DAY}T%H:%M:%S", f"{_DAY}T%H:%M:%S%z"], help="Ended then or later (UTC)."
    ),
]
Shape = Annotated[Format, typer.Option("--format", help="table: for people; json: a line for each interaction.")]


def history(
    party: Party,
    database: DatabaseOption,
    tenant: TenantOption = "default",
    limit: Limit = 20,
    since: Since = None,
    format: Shape = Format.table,  # noqa: A002 - the contract's name
) -> None:
    """Show a party's interaction history.

    Exit status: 0; 1 if nothing is known of the party; 2 for wrong usage; 3 if the database cannot be used.

    Examples:

        touchpoint history "01632 960960"

        touchpoint history mailto:mary@example.com --since 2026-01-01 --format json
    """
    from touchpoint.history.reader import party_records

    after = since.replace(tzinfo=UTC) if since is not None and since.tzinfo is None else since
    plan = configuration().number_plan
    records = ask(database, party_records(database, party, tenant=tenant, limit=limit, since=after, plan=plan))
    if not records:
        when = f" since {after:%Y-%m-%d}" if after else ""
        raise CliError(f"no interaction of {party!r} in tenant {tenant!r}{when}", status=NOT_FOUND)
    if format is Format.json:
        sys.stdout.buffer.writelines(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in records)
        return
    from touchpoint.cli.render import console, render_interaction

    out = console()
    for number, record in enumerate(records):
        if number:
            out.print()
        out.print(render_interaction(record))

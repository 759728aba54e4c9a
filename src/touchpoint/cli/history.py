"""`touchpoint history`: interactions of a party, an account or a business object, newest first, as an agent reads."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Annotated, Any

import orjson
import typer

from touchpoint.cli.database import NOT_FOUND, USAGE, DatabaseOption, TenantOption, ask
from touchpoint.cli.errors import CliError, configuration


class Format(StrEnum):
    table = "table"
    json = "json"


_DAY = "%Y-%m-%d"
Party = Annotated[
    str | None, typer.Argument(metavar="PARTY", help="A number, an address (mailto:..., tel:...) or a party id.")
]
Account = Annotated[str | None, typer.Option(metavar="ID", help="Of an account's parties, and what closed under it.")]
Object = Annotated[
    tuple[str, str] | None,
    typer.Option("--object", metavar="TYPE ID", help="About a business object: --object order O-17."),
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
    database: DatabaseOption,
    party: Party = None,
    account: Account = None,
    business_object: Object = None,
    tenant: TenantOption = "default",
    limit: Limit = 20,
    since: Since = None,
    format: Shape = Format.table,  # noqa: A002 - the contract's name
) -> None:
    """Show the interaction history of a party, an account or a business object.

    Exit status: 0; 1 if nothing is known of it; 2 for wrong usage; 3 if the database cannot be used.

    Examples:

        touchpoint history "01632 960960"

        touchpoint history mailto:mary@example.com --since 2026-01-01 --format json

        touchpoint history --account ACME

        touchpoint history --object order O-17
    """
    if sum(one is not None for one in (party, account, business_object)) != 1:
        raise CliError("name one of PARTY, --account ID and --object TYPE ID", status=USAGE)
    after = since.replace(tzinfo=UTC) if since is not None and since.tzinfo is None else since
    whose, read = asked(party, account, business_object)
    records = ask(database, read(database, tenant=tenant, limit=limit, since=after))
    if not records:
        when = f" since {after:%Y-%m-%d}" if after else ""
        raise CliError(f"no interaction of {whose} in tenant {tenant!r}{when}", status=NOT_FOUND)
    if format is Format.json:
        sys.stdout.buffer.writelines(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in records)
        return
    from touchpoint.cli.render import console, render_interaction

    out = console()
    for number, record in enumerate(records):
        if number:
            out.print()
        out.print(render_interaction(record))


def asked(party: str | None, account: str | None, business_object: tuple[str, str] | None) -> tuple[str, partial[Any]]:
    """Whose history is asked for, in words, and what reads it from a database."""
    from touchpoint.history.reader import account_records, object_records, party_records

    if party is not None:
        return repr(party), partial(party_records, party=party, plan=configuration().number_plan)
    if account is not None:
        return f"account {account!r}", partial(account_records, account=account)
    assert business_object is not None
    return f"{business_object[0]} {business_object[1]!r}", partial(object_records, business_object=business_object)

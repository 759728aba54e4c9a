"""`touchpoint web`: the API and the page of the history, its key and its static tokens."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from touchpoint.cli.database import USAGE, DatabaseOption, OptionalDatabase, TenantOption, ask, needed_database
from touchpoint.cli.errors import CliError, configuration, guarded

if TYPE_CHECKING:
    import asyncpg

Result = TypeVar("Result")


class RoleName(StrEnum):
    """The roles, as the command line takes them."""

    reader = "reader"
    agent = "agent"
    supervisor = "supervisor"
    auditor = "auditor"


app = typer.Typer(help="Serve the history to people and applications.")
token = typer.Typer(no_args_is_help=True, help="Static tokens, for installations without an issuer.")
app.add_typer(token, name="token")

Name = Annotated[str, typer.Argument(help="Under which name its accesses are logged.")]
RoleOption = Annotated[RoleName, typer.Option("--role", help="What it may see.")]
Expires = Annotated[
    datetime, typer.Option("--expires", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="When it ends, in UTC.")
]
Queues = Annotated[list[str] | None, typer.Option("--queue", help="Only what waited in this queue; repeatable.")]
Agents = Annotated[list[str] | None, typer.Option("--agent", help="Only what this agent was part of; repeatable.")]


InsecureLocal = Annotated[
    bool, typer.Option("--insecure-local", help="Ask nobody who they are; serves this machine alone. For a demo.")
]


@app.callback(invoke_without_command=True)
def web(context: typer.Context, database: OptionalDatabase = None, insecure_local: InsecureLocal = False) -> None:
    """Serve the history to people and applications: a page, and an API at /api/v1.

    Until SIGTERM. Settings are TOUCHPOINT_WEB__...; it needs a login with the role touchpoint_web, and the key.

    Exit status: 0; 2 for wrong usage or configuration; 3 if the database cannot be used.
    """
    if context.invoked_subcommand is not None:
        return
    guarded(serve_until_terminated)(database=database, insecure_local=insecure_local)


def serve_until_terminated(database: str | None, *, insecure_local: bool) -> None:
    """Raises CliError."""
    settings = configuration()
    database = database or needed_database()
    try:
        from touchpoint.web.serving import UnservableError, serve
    except ImportError as error:
        raise CliError(f"{error.name} is not installed here: pip install 'touchpoint[web]'", status=USAGE) from None

    def ready(address: str) -> None:
        print(f"the history is at {address}", flush=True)
        if insecure_local:
            print("INSECURE: whoever is on this machine reads everything there, without a login", flush=True)

    try:
        ask(database, serve(settings, database, insecure_local=insecure_local, ready=ready))
    except UnservableError as error:
        raise CliError(str(error), status=USAGE) from None


@app.command()
def key(database: DatabaseOption) -> None:
    """Set the key by which the process proves for whom it reads.

    Takes TOUCHPOINT_WEB__KEY, or makes one and prints it; whoever connects needs the role touchpoint_admin. The key
    before it counts no more: give every process the new one.
    """
    given = configuration().web.key
    text = given.get_secret_value() if given is not None else secrets.token_hex(32)
    with_connection(database, lambda c: c.execute("SELECT touchpoint.set_view_key($1)", bytes.fromhex(text)))
    if given is None:
        print(f"TOUCHPOINT_WEB__KEY={text}")
    else:
        print("the database has the key of TOUCHPOINT_WEB__KEY")


@token.command("create")
def create(
    name: Name,
    role: RoleOption,
    expires: Expires,
    database: DatabaseOption,
    tenant: TenantOption = "default",
    queue: Queues = None,
    agent: Agents = None,
) -> None:
    """Make a token and print it. It is stored as a hash: nobody can print it again.

    Whoever connects needs the role touchpoint_admin.
    """
    from touchpoint.web.static_tokens import TokenExistsError, TokenGrant, create_token
    from touchpoint.web.viewer import Role

    end = expires.replace(tzinfo=UTC)
    if not datetime.now(UTC) < end < datetime.now(UTC) + timedelta(days=3660):
        raise CliError("--expires: must be to come, and within ten years", status=USAGE)
    if not name.strip() or len(name) > 200:
        raise CliError("NAME: must have 1 to 200 characters", status=USAGE)
    bound = [tuple(names) if names else None for names in (queue, agent)]
    grant = TokenGrant(name, tenant, Role(role.value), end, *bound)
    try:
        print(with_connection(database, lambda connection: create_token(connection, grant)))
    except TokenExistsError as error:
        raise CliError(str(error)) from None


@token.command("list")
def list_tokens(database: DatabaseOption) -> None:
    """Show every token's name, tenant, role and end."""
    from rich.table import Table

    from touchpoint.cli.render import cell, console
    from touchpoint.web.static_tokens import tokens

    grid = Table(box=None, pad_edge=False)
    for title in ("name", "tenant", "role", "expires", "queues", "agents"):
        grid.add_column(title)
    for row in with_connection(database, tokens):
        bound = (", ".join(names or ()) for names in (row["queues"], row["resources"]))
        grid.add_row(
            cell(row["name"]),
            cell(row["tenant"]),
            row["role"],
            f"{row['expires_at']:%Y-%m-%d %H:%M}",
            *map(cell, bound),
        )
    console().print(grid)


@token.command()
def revoke(name: Name, database: DatabaseOption) -> None:
    """Remove a token: from now on it opens nothing, nor do page logins that were made with it."""
    from touchpoint.web.static_tokens import revoke_token

    if not with_connection(database, lambda connection: revoke_token(connection, name)):
        raise CliError(f"there is no token {name!r}")


def with_connection(database: str, do: Callable[[asyncpg.Connection], Awaitable[Result]]) -> Result:
    from touchpoint.history.session import session

    async def doing() -> Result:
        async with session(database) as connection:
            return await do(connection)

    return ask(database, doing())

"""What the commands that speak to Postgres share: which database, and what to say when it does not answer."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Coroutine, Iterator
from typing import Annotated, Any, TypeVar

import asyncpg
import typer

from touchpoint.cli.errors import CliError, configuration
from touchpoint.history.refusals import refusal
from touchpoint.settings.database_url import EXAMPLE
from touchpoint.settings.database_url import place as place_of

Result = TypeVar("Result")

NOT_FOUND = 1
USAGE = 2
UNREACHABLE = 3


def configured_database() -> str | None:
    """The URL of TOUCHPOINT_DATABASE_URL with its password, from variables and files; None where there is none.

    Raises typer.BadParameter for a configuration that is wrong.
    """
    try:
        url = configuration().database_url
    except CliError as error:
        raise typer.BadParameter(str(error)) from None
    return None if url is None else url.get_secret_value()


def needed_database() -> str:
    """As `configured_database`. Raises typer.BadParameter where there is none."""
    url = configured_database()
    if url is None:
        raise typer.BadParameter("name it with --database or TOUCHPOINT_DATABASE_URL")
    return url


_HELP = "postgresql://user@host/name; unset: that of TOUCHPOINT_DATABASE_URL."
DatabaseOption = Annotated[
    str, typer.Option("--database", metavar="URL", default_factory=needed_database, help=_HELP, show_default=False)
]
OptionalDatabase = Annotated[str | None, typer.Option("--database", metavar="URL", help=_HELP)]
TenantOption = Annotated[str, typer.Option("--tenant", help="Whose customers: tenants never mix.")]


def ask(database: str, question: Coroutine[Any, Any, Result]) -> Result:
    """The answer of what speaks to the database. Raises CliError in plain words, with status 3, where it cannot."""
    try:
        place = place_of(database)
    except ValueError as error:
        question.close()
        raise CliError(f"the database URL: {error}; one looks like {EXAMPLE}", status=USAGE) from None
    with _explained(place):
        return asyncio.run(question)


@contextlib.contextmanager
def _explained(place: str) -> Iterator[None]:
    try:
        yield
    except (asyncpg.InvalidSchemaNameError, asyncpg.UndefinedTableError, asyncpg.UndefinedFunctionError):
        raise CliError(f"{place} has no history of this version: run touchpoint migrate", status=UNREACHABLE) from None
    except asyncpg.InsufficientPrivilegeError as error:
        raise CliError(
            f"{place}: {refusal(error)}; to read takes the role touchpoint_viewer, to migrate the owner of the schema",
            status=UNREACHABLE,
        ) from None
    except TimeoutError:
        raise CliError(f"{place} does not answer: is PostgreSQL running there?", status=UNREACHABLE) from None
    except ssl.SSLCertVerificationError as error:
        raise CliError(
            f"{place}: its certificate is not accepted, {error.verify_message}: sslrootcert in the URL names the"
            " authority, and the URL the server as its certificate does",
            status=UNREACHABLE,
        ) from None
    except (asyncpg.PostgresError, OSError) as error:
        why = refusal(error) if isinstance(error, asyncpg.PostgresError) else error
        raise CliError(f"{place}: {why}; check --database or TOUCHPOINT_DATABASE_URL", status=UNREACHABLE) from None
    except asyncpg.InterfaceError as error:
        raise CliError(f"{place}: {error}; a URL looks like {EXAMPLE}", status=USAGE) from None

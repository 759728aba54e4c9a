"""What must be right of a database before a worker stores anything in it; what is wrong is told with the way out."""

from __future__ import annotations

import ssl

import asyncpg
import msgspec

from touchpoint.history.agreement import OtherSecretError, agree_on_secret
from touchpoint.history.migration_runner import MigrationError, unapplied
from touchpoint.history.queries import query
from touchpoint.history.refusals import refusal

_OLDEST_SERVER = 15
_CLOSED = "interaction media_item segment activity interaction_object interaction_resource amendment".split()
_NEEDED = [
    ("migration", "SELECT"),
    *((table, "INSERT") for table in _CLOSED),
    ("amendment", "SELECT"),
    *((table, verb) for table in ("interaction_index", "erasure") for verb in ("SELECT", "INSERT")),
    *((table, verb) for table in ("party", "party_address") for verb in ("SELECT", "INSERT", "UPDATE", "DELETE")),
    *((table, verb) for table in ("resource", "setting") for verb in ("SELECT", "INSERT", "UPDATE")),
]


class UnusableError(Exception):
    """The database answers, and a worker cannot use it. The message says why, and the way out.

    `configuration`: what is wrong is a setting of the worker, not the database.
    """

    def __init__(self, message: str, *, configuration: bool = False) -> None:
        super().__init__(message)
        self.configuration = configuration


class Wanted(msgspec.Struct, frozen=True):
    """What a worker needs of its database."""

    url: str
    secret: bytes  # the party secret


async def check(wanted: Wanted, seconds: float) -> list[str]:
    """Connects, looks at everything, and leaves the fingerprint of the secret where there is none yet.

    Returns what is unusual and does no harm. Raises UnusableError; OSError, TimeoutError, asyncpg.PostgresError or
    asyncpg.InternalClientError where the database does not answer, or not yet.
    """
    connection = await connected(wanted.url, seconds)
    try:
        await check_server(connection)
        unusual = await check_schema(connection)
        await check_rights(connection)
        await agree_on_secret(connection, wanted.secret)
    except OtherSecretError as error:
        raise UnusableError(str(error), configuration=True) from None
    except asyncpg.InsufficientPrivilegeError as error:
        raise UnusableError(f"{refusal(error)}: grant it the role touchpoint_writer") from None
    finally:
        await connection.close(timeout=seconds)
    return unusual


async def connected(url: str, seconds: float) -> asyncpg.Connection:
    """A connection. Raises UnusableError if the database refuses it, and as `check` where it does not answer."""
    try:
        return await asyncpg.connect(url, timeout=seconds, command_timeout=seconds)
    except Exception as error:  # asyncpg raises of many kinds here; what is no refusal goes on as it came
        found = _refusal(error)
        if found is None:
            raise
        raise found from None


def _refusal(error: Exception) -> UnusableError | None:
    """What an attempt to connect says against us; None if waiting may cure it."""
    match error:
        case asyncpg.InvalidAuthorizationSpecificationError():
            return UnusableError(f"{refusal(error)}: check user and password in TOUCHPOINT_DATABASE_URL")
        case asyncpg.InvalidCatalogNameError():
            return UnusableError(
                f"{refusal(error)}: create it and run touchpoint migrate, or correct TOUCHPOINT_DATABASE_URL"
            )
        case asyncpg.InsufficientPrivilegeError():
            return UnusableError(f"{refusal(error)}: grant the worker's login CONNECT on the database")
        case (
            asyncpg.UndefinedObjectError()
            | asyncpg.InvalidParameterValueError()
            | asyncpg.CantChangeRuntimeParamError()
        ):
            return UnusableError(f"TOUCHPOINT_DATABASE_URL: an option of it: {error.args[0]}", configuration=True)
        case ValueError():  # asyncpg's ClientConfigurationError among them
            return UnusableError(f"TOUCHPOINT_DATABASE_URL: {error}", configuration=True)
        case ssl.SSLCertVerificationError():
            return UnusableError(
                f"its certificate is not accepted, {error.verify_message}: sslrootcert in TOUCHPOINT_DATABASE_URL names"
                " the authority, and the URL the server as its certificate does"
            )
        case ssl.SSLError():
            return UnusableError(f"it does not agree on TLS ({error.reason}): check sslmode in TOUCHPOINT_DATABASE_URL")
        case ConnectionError() if "rejected SSL" in str(error):
            return UnusableError(f"{error}: sslmode in TOUCHPOINT_DATABASE_URL asks for TLS, and it has none")
    return None


async def check_server(connection: asyncpg.Connection) -> None:
    """Its version, its encoding, that it can be written to. Raises UnusableError."""
    version = connection.get_server_version()
    if version.major < _OLDEST_SERVER:
        raise UnusableError(f"it is PostgreSQL {version.major}: {_OLDEST_SERVER} or later is needed")
    [(encoding, standby, read_only)] = await connection.fetch(
        "SELECT current_setting('server_encoding'), pg_is_in_recovery(), current_setting('transaction_read_only')"
    )
    if encoding != "UTF8":
        raise UnusableError(
            f"its encoding is {encoding}, which has not every character: create it with ENCODING 'UTF8'"
        )
    if standby:
        raise UnusableError("it is a standby, which is read only: name the primary in TOUCHPOINT_DATABASE_URL")
    if read_only == "on":
        raise UnusableError(
            "it is read only for this login: look at default_transaction_read_only of the role, the database and the"
            " options in TOUCHPOINT_DATABASE_URL"
        )


async def check_schema(connection: asyncpg.Connection) -> list[str]:
    """Returns what is newer than this version. Raises UnusableError where something is missing."""
    may_use = await connection.fetchval(
        "SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = 'touchpoint'"
    )
    if may_use is None or (may_use and await connection.fetchval("SELECT to_regclass('touchpoint.migration')") is None):
        raise UnusableError("it has no schema touchpoint yet: run touchpoint migrate")
    if not may_use or not await connection.fetchval("SELECT has_table_privilege('touchpoint.migration', 'SELECT')"):
        return []  # the rights are told
    try:
        missing, unknown = await unapplied(connection)
    except MigrationError as error:
        raise UnusableError(str(error)) from None
    if missing:
        names = ", ".join(migration.name for migration in missing)
        raise UnusableError(f"its schema is older than this version needs ({names}): run touchpoint migrate")
    return [f"its schema is newer than this version: it has {', '.join(unknown)}"] if unknown else []


async def check_rights(connection: asyncpg.Connection) -> None:
    """Raises UnusableError where the login has not the rights of a worker."""
    relations, rights = map(list, zip(*_NEEDED, strict=True))
    user = await connection.fetchval("SELECT current_user")
    lacking = [
        f"{right} on {name}"
        for name, right in await connection.fetch(query("missing_rights"), relations, rights)
        if right
    ]
    if not await connection.fetchval(
        "SELECT has_function_privilege('touchpoint.ensure_partitions(date, integer)', 'EXECUTE')"
    ):
        lacking.append("EXECUTE on ensure_partitions")
    if lacking:
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        raise UnusableError(
            f"user {user!r} has not the rights of a worker ({', '.join(lacking[:3])}{more} in schema touchpoint):"
            " grant it the role touchpoint_writer"
        )

"""Schema migrations: numbered SQL files, applied once each, under an advisory lock."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from importlib.resources import files

import asyncpg
import msgspec

from touchpoint.history.record_view import record_view
from touchpoint.history.session import Database, session

_LOCK = 0x746F756368706F69  # "touchpoi": any fixed number that is ours
MONTHS_AT_ONCE = 12  # of each transaction: each month takes some 60 locks until the commit
_BOOTSTRAP = """
CREATE SCHEMA IF NOT EXISTS touchpoint;
CREATE TABLE IF NOT EXISTS touchpoint.migration (
    name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())
"""


class MigrationError(Exception):
    """The database and the migrations of this version contradict each other; the message says how, and the way out."""


class Migration(msgspec.Struct, frozen=True):
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """All migrations of this version, in order."""
    folder = files("touchpoint.history").joinpath("migrations")
    return sorted(
        (
            Migration(f.name.removesuffix(".sql"), f.read_text("utf-8"))
            for f in folder.iterdir()
            if f.name.endswith(".sql")
        ),
        key=lambda migration: migration.name,
    )


async def migrate(database: Database, *, months_ahead: int = 12) -> list[str]:
    """Brings the schema up to date and makes the partitions of last month to `months_ahead` months from now.

    `database`: a DSN, or a connection without a transaction, of a role that may create schemas and roles. Returns the
    names of the migrations applied; several may run at once, one does the work. Raises MigrationError if an applied
    migration differs from that of this version or is not known to it, asyncpg.PostgresError and OSError as they come.
    """
    async with session(database) as connection:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        try:
            await connection.execute(_BOOTSTRAP)
            pending = await _pending(connection)
            for migration in pending:
                await _apply(connection, migration, last=migration is pending[-1])
            await make_partitions(connection, months_ahead=months_ahead)
        finally:
            if not connection.is_closed():
                await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)
    return [migration.name for migration in pending]


async def make_partitions(database: Database, *, months_ahead: int = 12) -> int:
    """Makes the months from last month to `months_ahead` months from now; returns how many were missing."""
    today = datetime.now(UTC).date()
    first = date(today.year - (today.month == 1), (today.month - 2) % 12 + 1, 1)
    made = 0
    async with session(database) as connection:
        for month in range(0, months_ahead + 2, MONTHS_AT_ONCE):
            count = min(MONTHS_AT_ONCE, months_ahead + 2 - month)
            made += await connection.fetchval("SELECT touchpoint.ensure_partitions($1, $2)", later(first, month), count)
    return made


def later(first: date, months: int) -> date:
    """The first day of the month so many months after that of `first`."""
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return date(year, month + 1, 1)


async def unapplied(connection: asyncpg.Connection) -> tuple[list[Migration], list[str]]:
    """The migrations of this version that the database has not, and the names of those it has from a newer one.

    Raises MigrationError if an applied one has another text than ours.
    """
    rows = await connection.fetch("SELECT name, checksum FROM touchpoint.migration")
    applied = {row["name"]: row["checksum"] for row in rows}
    known = migrations()
    for migration in known:
        if applied.get(migration.name, migration.checksum) != migration.checksum:
            raise MigrationError(
                f"migration {migration.name} was applied with another text than this version has "
                f"(checksum {applied[migration.name][:12]}, now {migration.checksum[:12]}): "
                "an applied migration never changes; restore the file and add a new migration"
            )
    unknown = sorted(applied.keys() - {migration.name for migration in known})
    return [migration for migration in known if migration.name not in applied], unknown


async def _pending(connection: asyncpg.Connection) -> list[Migration]:
    pending, unknown = await unapplied(connection)
    if unknown:
        raise MigrationError(
            f"the database has migrations that this version does not know ({', '.join(unknown)}): "
            "it belongs to a newer touchpoint; use that version"
        )
    return pending


async def _apply(connection: asyncpg.Connection, migration: Migration, *, last: bool) -> None:
    """The last one brings the columns of the view, so it makes it, in the same transaction: or neither."""
    async with connection.transaction():
        await connection.execute(migration.sql)
        if last:
            await connection.execute(record_view())
        await connection.execute(
            "INSERT INTO touchpoint.migration (name, checksum) VALUES ($1, $2)", migration.name, migration.checksum
        )

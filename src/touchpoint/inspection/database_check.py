"""What a worker would find of its database, looked at without leaving anything in it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import asyncpg

from touchpoint.history.agreement import OtherSecretError, compare_secret, limits_kept
from touchpoint.history.checks import UnusableError, check_rights, check_schema, check_server, connected
from touchpoint.inspection.finding import CONFIGURATION, UNUSABLE, Finding, failed
from touchpoint.settings import PREFIX, Settings
from touchpoint.settings.database_url import EXAMPLE, place
from touchpoint.telemetry.logs import explained

SECONDS = 10.0
MOST_APART = 5.0  # seconds between two clocks
_UNREACHABLE = (OSError, asyncpg.PostgresError, asyncpg.InternalClientError, asyncpg.InterfaceError)


async def check_database(settings: Settings) -> AsyncIterator[Finding]:
    """In the order in which a worker looks; nothing further where something fails."""
    if settings.database_url is None:
        yield failed("database", CONFIGURATION, f"{PREFIX}DATABASE_URL is not set", f"it looks like {EXAMPLE}")
        return
    url = settings.database_url.get_secret_value()
    step = "database"
    try:
        connection = await connected(url, SECONDS)
    except UnusableError as error:
        yield failed(step, CONFIGURATION if error.configuration else UNUSABLE, f"{place(url)}: {error}")
        return
    except _UNREACHABLE as error:
        way = "is PostgreSQL running there? A worker waits for it, and is not ready meanwhile"
        yield failed(step, UNUSABLE, f"{place(url)} does not answer: {explained(error)}", way)
        return
    try:
        await check_server(connection)
        version = connection.get_server_version()
        yield Finding(step, "ok", f"{place(url)}, PostgreSQL {version.major}.{version.minor}")
        step = "schema"
        newer = await check_schema(connection)
        yield Finding(step, "note" if newer else "ok", "; ".join(newer) or "as this version needs it")
        step = "role"
        await check_rights(connection)
        yield Finding(step, "ok", f"{await connection.fetchval('SELECT current_user')} has the rights of a worker")
        step = "secret in the database"
        kept = await compare_secret(connection, settings.party_secret.get_secret_value().encode())
        yield Finding(step, "ok", "its fingerprint is that of the history" if kept else "none is kept yet")
        yield await _limits(connection, settings)
        yield await _clock(connection)
    except OtherSecretError as error:
        yield failed(step, CONFIGURATION, str(error))
    except UnusableError as error:
        yield failed(step, CONFIGURATION if error.configuration else UNUSABLE, str(error))
    except _UNREACHABLE as error:
        yield failed(step, UNUSABLE, explained(error))
    finally:
        await connection.close(timeout=SECONDS)


async def _limits(connection: asyncpg.Connection, settings: Settings) -> Finding:
    kept, ours = await limits_kept(connection, settings.app_id), settings.shared_by_all_workers()
    if kept is None or kept == ours:
        return Finding("limits", "ok", "no worker has left any" if kept is None else "as at the last start")
    names = [name for name in sorted({*kept, *ours}) if kept.get(name) != ours.get(name)]
    changes = [f"{PREFIX}{name} {kept.get(name, 'unset')} -> {ours.get(name, 'unset')}" for name in names]
    way = "all workers must have the same: restart the others too"
    return Finding("limits", "note", f"others than at the last start: {', '.join(changes)}", way)


async def _clock(connection: asyncpg.Connection) -> Finding:
    began = time.time()
    there = (await connection.fetchval("SELECT clock_timestamp()")).timestamp()
    ended = time.time()
    apart = there - (began + ended) / 2
    if abs(apart) > MOST_APART + (ended - began):
        detail = f"the clock of the database is {abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} ours"
        return Finding("clock", "note", detail, "set both by NTP")
    return Finding("clock", "ok", "that of the database agrees with ours")

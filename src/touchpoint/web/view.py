"""A viewer's transaction in the database: everything that is read, and the log of it, goes through one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Self
from uuid import UUID

import asyncpg
import msgspec
import orjson

from touchpoint.history.identity import Connection
from touchpoint.history.queries import query
from touchpoint.web.viewer import Viewer, prove

CONNECT_SECONDS = 10.0
STATEMENT_SECONDS = 15
EXPORTS = 2
"""At once, on connections of their own: however slowly their clients read, pages and lists have theirs."""
EXPORT_SECONDS = 300  # until its first rows, and for each batch of them
IDLE_SECONDS = 60  # that the client of an export may take for what was sent before its connection is ended
LONGEST_EXPORT_SECONDS = 3600
_SETTINGS = {
    "jit": "off",  # it takes half a minute over the plan of a record, whose running takes milliseconds
    "plan_cache_mode": "force_generic_plan",  # planning a record over all months takes longer than reading it
    "statement_timeout": str(STATEMENT_SECONDS * 1000),
    "application_name": "touchpoint-web",
}

Filter = Mapping[str, Any]
"""What `touchpoint.search_interactions` takes."""


class Place(msgspec.Struct, frozen=True):
    """Where an interaction stands in its month, and in every list: newest end first, then by id."""

    ended_at: datetime
    interaction_id: UUID


class Access(msgspec.Struct, frozen=True):
    """A line of the log: by `api`, `page` or `export`, what was done, to what, and whose history was shown."""

    by: str
    action: str
    target: str | None
    party_keys: Sequence[str]


class View:
    """A transaction in which the viewer's context is proved."""

    def __init__(self, connection: Connection, viewer: Viewer) -> None:
        self._connection, self.viewer = connection, viewer

    async def search(self, wanted: Filter, after: Place | None, at_most: int) -> list[Place]:
        """The places behind `after` of what the filter asks for."""
        behind = (None, None) if after is None else (after.ended_at, after.interaction_id)
        rows = await self._connection.fetch(query("web/search"), orjson.dumps(wanted).decode(), *behind, at_most)
        return [Place(row[1], UUID(bytes=row[0].bytes)) for row in rows]

    async def find(self, wanted: str) -> Place | None:
        """The interaction of this id, or that of a media item of this id."""
        row = await self._connection.fetchrow(query("web/find"), wanted)
        return None if row is None else Place(row[1], UUID(bytes=row[0].bytes))

    async def lines(self, places: Sequence[Place]) -> list[dict[str, Any]]:
        """Interactions as an agent reads them, with the columns of `interaction_history`, in the order of places."""
        return [dict(row) for row in await self._connection.fetch(query("web/lines"), *_columns(places))]

    async def records(self, places: Sequence[Place]) -> list[bytes]:
        """Records as `touchpoint stitch` prints them, each as JSON, in the order of places."""
        return [row[0].encode() for row in await self._connection.fetch(query("web/records"), *_columns(places))]

    async def amendments(self, places: Sequence[Place]) -> list[dict[str, Any]]:
        """What came after the close of each of these interactions."""
        rows = await self._connection.fetch(query("web/amendments"), *_columns(places))
        return [dict(row) | {"payload": orjson.loads(row["payload"])} for row in rows]

    async def parties(self, wanted: Sequence[str], words: str, after: str | None, at_most: int) -> list[dict[str, Any]]:
        """Parties by key, id or address (`wanted`) or by words of their name, each with its latest contact if any."""
        return await self.rows("parties", list(wanted), words, after, at_most)

    async def contacts(self, wanted: Filter, at_most: int) -> list[tuple[datetime, str | None]]:
        """When and in which channel interactions ended, newest first."""
        rows = await self._connection.fetch(query("web/contacts"), orjson.dumps(wanted).decode(), at_most)
        return [(row[0], row[1]) for row in rows]

    async def rows(self, name: str, *arguments: Any) -> list[dict[str, Any]]:
        """The rows of a query by its name."""
        return [dict(row) for row in await self._connection.fetch(query(f"web/{name}"), *arguments)]

    async def batches(self, name: str, argument: str, size: int) -> AsyncIterator[list[asyncpg.Record]]:
        """The rows of a query, `size` at a time, from a cursor of the server's. Raises TimeoutError where it takes
        longer than an export may; the database ends it where nobody asks for the next rows.
        """
        now = asyncio.get_running_loop().time
        end = now() + LONGEST_EXPORT_SECONDS
        await self._connection.execute(
            f"SET LOCAL statement_timeout = '{EXPORT_SECONDS}s';"
            f" SET LOCAL idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'"
        )
        cursor = await self._connection.cursor(query(f"web/{name}"), argument)
        while rows := await cursor.fetch(size):
            if now() > end:
                raise TimeoutError(f"an export ends after {LONGEST_EXPORT_SECONDS} s")
            yield rows

    async def log(self, access: Access) -> None:
        """Say who looked at whose history. It is stored when the transaction commits: send nothing before."""
        keys = sorted(set(access.party_keys))
        await self._connection.execute(query("web/log_access"), access.by, access.action, access.target, keys)


class Views:
    """Connections of the web's login. Each view is a transaction of its own."""

    def __init__(self, pool: asyncpg.Pool, exports: asyncpg.Pool, key: bytes) -> None:
        self._pool, self._exports, self._key = pool, exports, key

    @classmethod
    async def open(cls, url: str, key: bytes, connections: int) -> Self:
        """Raises OSError, TimeoutError or asyncpg.PostgresError where the database does not answer or refuses."""
        pool = await asyncpg.create_pool(
            url, min_size=1, max_size=connections, timeout=CONNECT_SECONDS, server_settings=_SETTINGS
        )
        exports = await asyncpg.create_pool(
            url, min_size=0, max_size=EXPORTS, timeout=CONNECT_SECONDS, server_settings=_SETTINGS
        )
        return cls(pool, exports, key)

    async def close(self) -> None:
        await self._pool.close()
        await self._exports.close()

    @property
    def exporting(self) -> int:
        """How many exports are running."""
        return self._exports.get_size() - self._exports.get_idle_size()

    @asynccontextmanager
    async def begin(self, viewer: Viewer, *, export: bool = False) -> AsyncIterator[View]:
        """Raises asyncpg.InsufficientPrivilegeError if the login has expired, or the key is not the database's.

        `export`: on a connection for exports, which it waits for.
        """
        pool = self._exports if export else self._pool
        async with (
            pool.acquire(timeout=CONNECT_SECONDS if export else None) as connection,
            connection.transaction(isolation="repeatable_read"),
        ):
            claim = prove(viewer, self._key, await connection.fetchval(query("web/challenge")))
            await connection.execute(query("web/begin"), *msgspec.structs.astuple(claim))
            yield View(connection, viewer)

    async def token(self, digest: bytes) -> asyncpg.Record | None:
        """The static token with this SHA-256."""
        return await self._pool.fetchrow(query("web/token"), digest)


def _columns(places: Sequence[Place]) -> tuple[list[UUID], list[datetime]]:
    return [place.interaction_id for place in places], [place.ended_at for place in places]

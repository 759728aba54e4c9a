"""A connection to the history for one command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

CONNECT_SECONDS = 10

Database = str | asyncpg.Connection
"""A DSN, or an open connection."""


@asynccontextmanager
async def session(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """The connection itself, or one of our own to the DSN, closed at the end.

    Ours compiles no queries: PostgreSQL's JIT compiler takes half a minute over `interaction_record`, whose plan has an
    expression for each column of each month, and running it takes a second.
    """
    if not isinstance(database, str):
        yield database
        return
    connection = await asyncpg.connect(database, timeout=CONNECT_SECONDS)
    try:
        await connection.execute("SET jit = off")
        yield connection
    finally:
        await connection.close()

"""Speaking to a database as one of its roles."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg


@asynccontextmanager
async def acting_as(pool: asyncpg.Pool, role: str) -> AsyncIterator[Any]:
    """A connection that has the role's rights and no others."""
    async with pool.acquire() as connection:
        await connection.execute(f"SET SESSION AUTHORIZATION {role}")
        try:
            yield connection
        finally:
            await connection.execute("RESET SESSION AUTHORIZATION")

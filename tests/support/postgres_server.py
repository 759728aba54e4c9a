"""PostgreSQL for tests: one server a session, a fresh migrated database for each test that asks.

A conftest.py takes what it needs: `from postgres_server import database, postgres, pool`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count

import asyncpg
import pytest

from touchpoint.embedded.postgres import EmbeddedPostgres
from touchpoint.history.migration_runner import migrate

_numbers = count(1)


class TestPostgres:
    """A running server and the means to make databases in it."""

    __test__ = False

    def __init__(self, server: EmbeddedPostgres) -> None:
        self.server = server

    def dsn(self, database: str = "postgres") -> str:
        return self.server.dsn(database)

    def create_database(self, template: str = "template0") -> str:
        """A new database; its DSN, as the server's superuser."""
        name = f"test_{next(_numbers)}"
        asyncio.run(self._execute(f"CREATE DATABASE {name} TEMPLATE {template}"))
        return self.dsn(name)

    def drop_database(self, dsn: str) -> None:
        name = dsn.partition("?")[0].rpartition("/")[2]
        asyncio.run(self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))

    async def _execute(self, sql: str) -> None:
        connection = await asyncpg.connect(self.dsn())
        await connection.execute(sql)
        await connection.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[TestPostgres]:
    """A server with a database `migrated` to copy from."""
    with EmbeddedPostgres() as server:
        running = TestPostgres(server)
        asyncio.run(running._execute("CREATE DATABASE migrated"))
        asyncio.run(migrate(server.dsn("migrated")))
        yield running


@pytest.fixture
def empty_database(postgres: TestPostgres) -> Iterator[str]:
    """The DSN of a database with nothing in it."""
    dsn = postgres.create_database()
    yield dsn
    postgres.drop_database(dsn)


@pytest.fixture
def database(postgres: TestPostgres) -> Iterator[str]:
    """The DSN of a fresh, migrated database."""
    dsn = postgres.create_database("migrated")
    yield dsn
    postgres.drop_database(dsn)


@pytest.fixture
async def pool(database: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections to `database` as its superuser."""
    async with asyncpg.create_pool(database, min_size=1, max_size=4) as connections:
        yield connections


@asynccontextmanager
async def outage(postgres: TestPostgres, database: str) -> AsyncIterator[str]:
    """Nobody gets into the database, and whoever is in it is thrown out; its name."""
    name = database.partition("?")[0].rpartition("/")[2]
    connection = await asyncpg.connect(postgres.dsn())
    try:
        await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        yield name
    finally:
        await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await connection.close()

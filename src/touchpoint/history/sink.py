"""The history agent's sink: batches of the `interactions` topic into Postgres."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from touchpoint.history.watch import UNREACHABLE, HistoryWatch
from touchpoint.history.writer import HistoryWriter
from touchpoint.stages.dead_letter_records import dead_letter
from touchpoint.stages.protocol import Forward, Record

CONNECTIONS = 8
STATEMENT_SECONDS = 60.0


class History:
    """A ``Writer`` over a pool; what the database can never take becomes a dead letter."""

    retriable: tuple[type[BaseException], ...] = (
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,  # a connection that ends while asyncpg begins to use it
    )

    def __init__(self, pool: asyncpg.Pool, watch: HistoryWatch | None = None) -> None:
        """`watch`: whom to ask before anything is stored, and to tell how it goes."""
        self._writer = HistoryWriter(pool)
        self._watch = watch

    async def write(self, records: Sequence[Record]) -> Sequence[Forward]:
        if self._watch is None:
            return await self._write(records)
        self._watch.require_usable()
        try:
            forwards = await self._write(records)
        except UNREACHABLE as error:
            self._watch.failed(error)
            raise
        self._watch.wrote()
        return forwards

    async def _write(self, records: Sequence[Record]) -> Sequence[Forward]:
        rejected = await self._writer.write_batch([record.value for record in records])
        return [dead_letter(records[one.index], one.cause, "history") for one in rejected]


def history_pool(url: str) -> asyncpg.Pool:
    """A pool that connects when it is first needed, so that a worker starts while Postgres is down.

    Use it as an asynchronous context manager.
    """
    return asyncpg.create_pool(url, min_size=0, max_size=CONNECTIONS, command_timeout=STATEMENT_SECONDS)

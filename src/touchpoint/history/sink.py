"""The history agent's sink: batches of the `interactions` topic into Postgres."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

import asyncpg

from touchpoint.history.watch import UNREACHABLE, HistoryWatch
from touchpoint.history.writer import HistoryWriter
from touchpoint.stages.dead_letter_records import dead_letter
from touchpoint.stages.protocol import Forward, Record
from touchpoint.stitching.record import InteractionRecord

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
        self._watch = watch
        self._writer = HistoryWriter(pool, self._measure_interactions)

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
        now = time.time()
        for record in records:
            self._watch.metrics.observe("closed_to_stored_seconds", max(0.0, now - record.timestamp / 1000))
        return forwards

    def _measure_interactions(self, stored: Collection[InteractionRecord]) -> None:
        if self._watch is not None:
            now = time.time()
            for interaction in stored:
                self._watch.metrics.observe("event_to_stored_seconds", max(0.0, now - interaction.ended_at.timestamp()))

    async def _write(self, records: Sequence[Record]) -> Sequence[Forward]:
        rejected = await self._writer.write_batch([record.value for record in records])
        return [dead_letter(records[one.index], one.cause, "history") for one in rejected]


def history_pool(url: str) -> asyncpg.Pool:
    """A pool that connects when it is first needed, so that a worker starts while Postgres is down.

    Use it as an asynchronous context manager.
    """
    return asyncpg.create_pool(url, min_size=0, max_size=CONNECTIONS, command_timeout=STATEMENT_SECONDS)

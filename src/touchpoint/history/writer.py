"""The batch writer: the `interactions` topic into Postgres, once, however often it is read (contract.md, 5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from touchpoint.history.identity import (
    Agents,
    Connection,
    Identities,
    erased_parties,
    erasure_key,
    known_erasures,
)
from touchpoint.history.queries import query
from touchpoint.history.records import MalformedError, PartyChange, Stored, decode
from touchpoint.history.refusals import refusal
from touchpoint.history.rows import COLUMNS, table_rows
from touchpoint.stitching.record import (
    FIRST_VERSION,
    AmendmentRecord,
    InteractionAmendment,
    InteractionRecord,
    at_version,
)
from touchpoint.stitching.rules_version import Rules, same_rules

Entry = tuple[int, Stored]
"""A decoded record and its place in the batch."""

_DATA_ERRORS = ("22", "23", "54")  # SQLSTATE classes: data, integrity, a limit that a value exceeds


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that can never be stored: its place in the batch and why."""

    index: int
    cause: str
    conflict: bool = False  # its interaction is stored already, with another content


class HistoryWriter:
    """Stores batches of the `interactions` topic. Two writers may store the same records at the same time."""

    def __init__(self, pool: asyncpg.Pool, on_stored: Callable[[Collection[InteractionRecord]], object] = len) -> None:
        """`pool`: connections of a role that has `touchpoint_writer`. `on_stored`: told after each commit which
        interactions are new.
        """
        self._pool = pool
        self._on_stored = on_stored
        self._months: set[tuple[int, int]] = set()
        self._agents: Agents = {}
        self.counts: Counter[str] = Counter()
        """Totals: stored, repeated, conflicts, amendments, ignored, rejected."""

    async def write_batch(self, values: Sequence[bytes | None]) -> list[Rejected]:
        """Stores CloudEvents (structured JSON) of the `interactions` topic, in one transaction unless one is at fault.

        Returns what can never be stored, by place. Whatever is stored already adds nothing. Raises
        asyncpg.PostgresError, InterfaceError, InternalClientError or OSError where the database is at fault; then
        repeat the batch.
        """
        entries: list[Entry] = []
        rejected: list[Rejected] = []
        for index, value in enumerate(values):
            try:
                stored = None if value is None else decode(value)
            except MalformedError as error:
                rejected.append(Rejected(index, str(error)))
                continue
            if stored is None:
                self.counts["ignored"] += 1
            else:
                entries.append((index, stored))
        rejected += await self._store(entries)
        self.counts["rejected"] += len(rejected)
        return sorted(rejected, key=lambda one: one.index)

    async def _store(self, entries: list[Entry]) -> list[Rejected]:
        """Stores entries together; those that the database refuses are found by halving."""
        if not entries:
            return []
        try:
            return await self._store_together(entries)
        except asyncpg.PostgresError as error:
            if not _is_data_error(error):
                raise
            if len(entries) == 1:
                return [Rejected(entries[0][0], f"the database refuses it: {refusal(error)}")]
        middle = len(entries) // 2
        return await self._store(entries[:middle]) + await self._store(entries[middle:])

    async def _store_together(self, entries: list[Entry]) -> list[Rejected]:
        async with self._pool.acquire() as connection:
            await self._make_months(connection, entries)
            try:
                return await self._transaction(connection, entries)
            except asyncpg.CheckViolationError:  # no partition: a month was dropped since
                self._months.clear()
                await self._make_months(connection, entries)
                return await self._transaction(connection, entries)

    async def _make_months(self, connection: Connection, entries: list[Entry]) -> None:
        ends = (entry.ended_at for _, entry in entries if isinstance(entry, InteractionRecord | InteractionAmendment))
        for month in sorted({_month(end) for end in ends} - self._months):
            await connection.execute("SELECT touchpoint.ensure_partitions($1)", date(*month, 1))
            self._months.add(month)

    async def _transaction(self, connection: Connection, entries: list[Entry]) -> list[Rejected]:
        counts: Counter[str] = Counter()
        # read committed: what a claim had to wait for must be seen afterwards
        async with connection.transaction(isolation="read_committed"):
            new, conflicts = await _claim(connection, entries, counts)
            for table, rows in table_rows(new.values()).items():
                if rows:
                    await connection.copy_records_to_table(
                        table, records=rows, columns=COLUMNS[table], schema_name="touchpoint"
                    )
            counts["amendments"] = await _insert_amendments(connection, entries, new)
            identities = Identities(self._agents, await erased_parties(connection, new.values()))
            done = await known_erasures(connection, (e for _, e in entries if isinstance(e, PartyChange)))
            for index, entry in entries:
                if isinstance(entry, PartyChange) and erasure_key(entry) in done:
                    continue
                if isinstance(entry, PartyChange) or (isinstance(entry, InteractionRecord) and index in new):
                    identities.add(entry)
            await identities.store(connection)
        self.counts += counts
        self._agents |= identities.agents
        self._on_stored(new.values())
        return conflicts


async def _claim(
    connection: Connection, entries: list[Entry], counts: Counter[str]
) -> tuple[dict[int, InteractionRecord], list[Rejected]]:
    """Which interactions are this transaction's to store, by place; and which contradict one that is stored."""
    first: dict[UUID, tuple[int, InteractionRecord]] = {}
    rest: list[tuple[int, InteractionRecord]] = []
    for index, entry in entries:
        if isinstance(entry, InteractionRecord) and first.setdefault(entry.interaction_id, (index, entry))[0] != index:
            rest.append((index, entry))
    if not first:
        return {}, []
    ids = sorted(first, key=lambda one: one.bytes)  # one order for all writers: no deadlock
    claims = [first[one][1] for one in ids]
    columns = [(c.ended_at, c.content_hash, c.record_version, c.rules_version, _joined(c.dialects)) for c in claims]
    claimed = await connection.fetch(query("claim_interactions"), ids, *map(list, zip(*columns, strict=True)))
    mine = {UUID(bytes=row[0].bytes) for row in claimed}
    new = dict(place for one, place in first.items() if one in mine)
    others = rest + [place for one, place in first.items() if one not in mine]
    stored = {one: _content(first[one][1]) for one in mine} | await _stored(connection, others)
    conflicts = [
        Rejected(index, _conflict(entry, stored[entry.interaction_id].hash), conflict=True)
        for index, entry in others
        if _contradicts(entry, stored[entry.interaction_id])
    ]
    counts.update(stored=len(new), repeated=len(others) - len(conflicts), conflicts=len(conflicts))
    return new, conflicts


class _Content(NamedTuple):
    """What an interaction holds, with the version of its record and the rules that made it so."""

    hash: str
    version: int
    rules: Rules


def _content(entry: InteractionRecord) -> _Content:
    version = entry.record_version or FIRST_VERSION
    return _Content(entry.content_hash, version, Rules(entry.rules_version, entry.dialects))


def _contradicts(entry: InteractionRecord, stored: _Content) -> bool:
    """Whether the same rules made two records of an interaction: after an upgrade it may close again by others.

    A record of a later version is compared as the stored one's tells it; of an earlier one it is not known what it
    would be now.
    """
    content = _content(entry)
    if content.version < stored.version or not same_rules(content.rules, stored.rules):
        return False
    return at_version(entry, stored.version).content_hash != stored.hash


def _joined(dialects: Sequence[str] | None) -> str | None:
    return None if dialects is None else " ".join(dialects)


async def _stored(connection: Connection, others: list[tuple[int, InteractionRecord]]) -> dict[UUID, _Content]:
    if not others:
        return {}
    rows = await connection.fetch(query("stored_hashes"), [entry.interaction_id for _, entry in others])
    return {UUID(bytes=row[0].bytes): _Content(row[1], row[2] or FIRST_VERSION, Rules(row[3], row[4])) for row in rows}


def _conflict(entry: InteractionRecord, stored: str) -> str:
    return (
        f"interaction {entry.interaction_id} is stored already with content_hash {stored}; this record has "
        f"{entry.content_hash}. The first one stands: a closed interaction does not change"
    )


async def _insert_amendments(connection: Connection, entries: list[Entry], new: dict[int, InteractionRecord]) -> int:
    rows: list[tuple[UUID, datetime, AmendmentRecord]] = [
        (entry.interaction_id, entry.ended_at, entry) for _, entry in entries if isinstance(entry, InteractionAmendment)
    ]
    for interaction in new.values():
        rows += [(interaction.interaction_id, interaction.ended_at, one) for one in interaction.amendments]
    if not rows:
        return 0
    rows.sort(key=lambda row: (row[0].bytes, row[2].event_id))  # one order for all writers: no deadlock
    columns = [(i, end, a.seq, a.kind, bytes(a.payload).decode(), a.event_id) for i, end, a in rows]
    inserted = await connection.fetch(query("insert_amendments"), *map(list, zip(*columns, strict=True)))
    return len(inserted)


def _month(end: datetime) -> tuple[int, int]:
    utc = end.utctimetuple()
    return utc.tm_year, utc.tm_mon


def _is_data_error(error: asyncpg.PostgresError) -> bool:
    """Whether PostgreSQL refuses a record for its values, by SQLSTATE; else the database or our rights are at fault.

    A partition that is missing has the state of a check that fails, and names no constraint.
    """
    if isinstance(error, asyncpg.CheckViolationError) and error.constraint_name is None:
        return False
    return (error.sqlstate or "").startswith(_DATA_ERRORS)

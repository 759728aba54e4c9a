"""Reading the history: records as `touchpoint stitch` prints them, with `identity` for the names of agents.

A role that has `touchpoint_viewer` is enough where nothing else is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from touchpoint.history.queries import query
from touchpoint.history.session import Database, session
from touchpoint.stitching.record import FIRST_VERSION
from touchpoint.stitching.rules_version import Rules

if TYPE_CHECKING:
    from touchpoint.events import NumberPlan
    from touchpoint.history.identity import Connection


async def party_records(
    database: Database,
    party: str,
    *,
    tenant: str = "default",
    limit: int = 20,
    since: datetime | None = None,
    plan: NumberPlan | None = None,
) -> list[dict[str, Any]]:
    """A party's closed interactions, newest first.

    `party`: an address (`tel:+441632960960`, a bare number of the plan's region, a mail address) or a party id. It is
    found under every spelling that this or an earlier release stores it by.
    `since`: only interactions that ended at that instant or later.
    An identification of its address that came after the close is among the `amendments` of each; where it is stored
    with a later interaction, it has that one's `interaction_id`.
    """
    async with session(database) as connection:
        rows = await connection.fetch(query("party_records"), tenant, _names(party, plan), since, limit)
        return await _amended(connection, [orjson.loads(row[0]) for row in rows])


async def account_records(
    database: Database, account: str, *, tenant: str = "default", limit: int = 20, since: datetime | None = None
) -> list[dict[str, Any]]:
    """An account's closed interactions, newest first: what closed under it, and those of its parties as known now."""
    async with session(database) as connection:
        rows = await connection.fetch(query("account_records"), tenant, account, since, limit)
        return await _amended(connection, [orjson.loads(row[0]) for row in rows])


async def object_records(
    database: Database,
    business_object: tuple[str, str],
    *,
    tenant: str = "default",
    limit: int = 20,
    since: datetime | None = None,
) -> list[dict[str, Any]]:
    """The closed interactions about a business object, which is a type and an id, newest first."""
    async with session(database) as connection:
        rows = await connection.fetch(query("object_records"), tenant, *business_object, since, limit)
        return await _amended(connection, [orjson.loads(row[0]) for row in rows])


async def one_record(database: Database, wanted: str, *, tenant: str = "default") -> dict[str, Any] | None:
    """The interaction of this id, or to which the media item of this id belongs; `amendments` as in `party_records`."""
    async with session(database) as connection:
        rows = await connection.fetch(query("one_record"), tenant, wanted)
        records = await _amended(connection, [orjson.loads(row[0]) for row in rows])
    return next(iter(records), None)


async def _amended(connection: Connection, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records, with the identifications that are stored with later interactions of their addresses."""
    by_id = {record["interaction_id"]: record for record in records}
    for id_, text in await connection.fetch(query("amendments_elsewhere"), list(by_id)):
        by_id[id_]["amendments"].append(orjson.loads(text))
    return records


class StoredHash(NamedTuple):
    """The content hash of a stored interaction, and the version of its record."""

    content_hash: str
    record_version: int


async def content_hashes(
    database: Database, since: datetime | None = None, until: datetime | None = None
) -> dict[str, StoredHash]:
    """The content hash of each stored interaction that started at `since` or later and ended before `until`, by id.

    Takes the role touchpoint_admin.
    """
    async with session(database) as connection:
        rows = await connection.fetch(query("content_hashes"), since, until)
    return {row[0]: StoredHash(row[1], row[2] or FIRST_VERSION) for row in rows}


async def stored_rules(database: Database, ids: Sequence[str]) -> dict[str, Rules]:
    """Which rules made stored interactions, by id. Takes the role touchpoint_admin."""
    async with session(database) as connection:
        return {row[0]: Rules(row[1], row[2]) for row in await connection.fetch(query("stored_rules"), list(ids))}


async def stored_items(database: Database, ids: Sequence[str]) -> set[tuple[str, str]]:
    """Tenant and id of each media item and activity of stored interactions. Takes the role touchpoint_admin."""
    async with session(database) as connection:
        return {(row[0], row[1]) for row in await connection.fetch(query("stored_items"), list(ids))}


async def records(database: Database, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Stored records, put together from their rows, by interaction id."""
    async with session(database) as connection:
        found = [orjson.loads(row[0]) for row in await connection.fetch(query("records"), list(ids))]
    return {record["interaction_id"]: record for record in found}


async def queue_report(
    database: Database, *, tenant: str | None = None, since: datetime | None = None
) -> list[dict[str, Any]]:
    """The rows of `queue_interval` in which something was offered, by tenant, queue and time."""
    async with session(database) as connection:
        return [dict(row) for row in await connection.fetch(query("queue_report"), tenant, since)]


def _names(party: str, plan: NumberPlan | None) -> list[str]:
    """What a person may have meant: the text itself, as a party id, and the addresses that it spells."""
    from touchpoint.events import NumberPlan, spellings  # loads the tables of all the world's numbers

    return list(dict.fromkeys((party, *spellings(party, plan or NumberPlan()))))

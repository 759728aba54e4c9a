"""What a batch says about people: the rows of the identity tables, newest knowledge last, erasures first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from touchpoint.history.queries import query
from touchpoint.history.records import PartyChange
from touchpoint.stitching.record import NO_IDENTITY, IdentityRecord, InteractionRecord, PartyRecord

Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy
_UNDATED = datetime(1970, 1, 1, tzinfo=UTC)


class Named(NamedTuple):
    """Whom an erasure names, by kind: a party id that is spelt as somebody's address is not that address."""

    party_ids: frozenset[str]
    addresses: frozenset[str]
    address_ids: frozenset[UUID]

    @classmethod
    def of(cls, change: PartyChange) -> Named:
        known = change.identity.addresses
        addresses = (change.party.address, *(address for _, address in known))
        return cls(
            frozenset(id_ for id_ in (change.party.id,) if id_),
            frozenset(address for address in addresses if address),
            frozenset(address_id for address_id, _ in known),
        )


Dated = tuple[datetime, str]
"""A name, an account or a party, with the event time from which it is known. The greater one stands."""
Agents = dict[tuple[str, str], Dated]
"""(tenant, resource_id) -> name."""
Forgotten = dict[tuple[str, str], datetime]
"""(tenant, party_key) -> when its erasure was requested."""


class _Known(msgspec.Struct):
    """What a batch says of a party or an address."""

    seen: datetime
    name: Dated | None = None
    owner: Dated | None = None  # a party's account, an address's party

    def add(self, name: str | None, owner: str | None, seen: datetime) -> None:
        self.name, self.owner = _latest(self.name, name, seen), _latest(self.owner, owner, seen)
        self.seen = max(self.seen, seen)

    def columns(self) -> tuple[object, ...]:
        (owner_at, owner), (name_at, name) = self.owner or (None, None), self.name or (None, None)
        return owner, owner_at, name, name_at, self.seen


def _latest(before: Dated | None, value: str | None, seen: datetime) -> Dated | None:
    if not value:
        return before
    return max(before, (seen, value)) if before is not None else (seen, value)


class Identities:
    """Collects the identity of a batch; `store` writes it. An erasure also drops what came before it in the batch.

    The latest in event time stands, in whatever order batches are stored. An interaction that began before its party
    was forgotten brings back nothing but the names of agents.
    """

    def __init__(self, known_agents: Agents, forgotten: Forgotten) -> None:
        """`known_agents`: as stored before; what is no newer is not written again. `forgotten`: as stored before."""
        self._known_agents = known_agents
        self._forgotten = dict(forgotten)
        self._parties: dict[tuple[str, str], _Known] = {}
        self._addresses: dict[UUID, tuple[str, str, _Known]] = {}
        self.agents: Agents = {}
        self._erasures: list[tuple[PartyChange, Named]] = []

    def add(self, source: InteractionRecord | PartyChange) -> None:
        if isinstance(source, InteractionRecord):
            identity = source.identity or NO_IDENTITY
            forgotten = self._forgotten.get((source.tenant, source.party_key))
            if identity.erased or (forgotten is not None and source.started_at <= forgotten):
                self._know_agents(source.tenant, identity, source.ended_at)
                return
            party = PartyRecord(address=source.party.address, id=source.party_id, name=source.party.name)
            self._know(source.tenant, party, source.account_id, identity, source.ended_at)
        elif source.erased:
            self._erase(source)
        else:
            self._know(source.tenant, source.party, source.account_id, source.identity, source.time or _UNDATED)

    def _know(
        self, tenant: str, party: PartyRecord, account: str | None, identity: IdentityRecord, seen: datetime
    ) -> None:
        if party.id is not None:
            self._parties.setdefault((tenant, party.id), _Known(seen)).add(party.name, account, seen)
        for address_id, address in identity.addresses:
            # the name of somebody without an id can only stand with the address
            name = party.name if party.id is None and address == party.address else None
            known = self._addresses.setdefault(address_id, (tenant, address, _Known(seen)))[2]
            known.add(name, party.id, seen)
        self._know_agents(tenant, identity, seen)

    def _know_agents(self, tenant: str, identity: IdentityRecord, seen: datetime) -> None:
        for agent, name in identity.agents:
            key = tenant, agent
            before = self.agents.get(key) or self._known_agents.get(key)
            latest = _latest(before, name, seen)
            if latest is not None and latest != before:
                self.agents[key] = latest

    def _erase(self, change: PartyChange) -> None:
        named = Named.of(change)
        self._erasures.append((change, named))
        if change.erasure is not None and change.time is not None:
            key = change.tenant, change.erasure.party_key
            self._forgotten[key] = max(change.time, self._forgotten.get(key, change.time))
        about = [(id_, row) for id_, row in self._addresses.items() if row[0] == change.tenant]
        asked = {id_ for id_, row in about if id_ in named.address_ids or row[1] in named.addresses}
        gone = named.party_ids | {row[2].owner[1] for id_, row in about if id_ in asked and row[2].owner is not None}
        for party_key in [k for k in self._parties if k[0] == change.tenant and k[1] in gone]:
            del self._parties[party_key]
        for address_id, row in about:
            if address_id in asked or (row[2].owner is not None and row[2].owner[1] in gone):
                del self._addresses[address_id]

    async def store(self, connection: Connection) -> None:
        """Writes everything, in key order, so that two writers cannot lock each other out; erasures first."""
        for change, named in self._erasures:
            await _carry_out(connection, change, named)
        for name, rows in self._statements():
            if rows:
                await connection.execute(query(name), *map(list, zip(*rows, strict=True)))

    def _statements(self) -> Iterator[tuple[str, list[tuple[object, ...]]]]:
        yield "upsert_parties", _sorted((*key, *known.columns()) for key, known in self._parties.items())
        yield (
            "upsert_addresses",
            _sorted(
                (key, tenant, address, *known.columns()) for key, (tenant, address, known) in self._addresses.items()
            ),
        )
        yield "upsert_resources", _sorted((*key, name, seen) for key, (seen, name) in self.agents.items())


def _sorted(rows: Iterable[tuple[object, ...]]) -> list[tuple[object, ...]]:
    return sorted(rows, key=lambda row: (str(row[0]), str(row[1])))


async def known_erasures(connection: Connection, changes: Iterable[PartyChange]) -> set[tuple[str, str, str]]:
    """(tenant, request, party key) of those among the changes that were carried out already: once is enough.

    What became known of the person afterwards was told after the request, and stays.
    """
    asked = sorted({key for key in map(erasure_key, changes) if key is not None})
    if not asked:
        return set()
    rows = await connection.fetch(query("known_erasures"), *map(list, zip(*asked, strict=True)))
    return {(row[0], row[1], row[2]) for row in rows}


async def erased_parties(connection: Connection, interactions: Iterable[InteractionRecord]) -> Forgotten:
    """Which of the interactions' parties were erased on request, and when."""
    asked = sorted({(one.tenant, one.party_key) for one in interactions})
    if not asked:
        return {}
    rows = await connection.fetch(query("erased_parties"), *map(list, zip(*asked, strict=True)))
    return {(row[0], row[1]): row[2] for row in rows}


def erasure_key(change: PartyChange) -> tuple[str, str, str] | None:
    """What an erasure is recorded by; None for one that nobody asked for by an event."""
    if not change.erased or change.erasure is None:
        return None
    return change.tenant, change.erasure.request, change.erasure.party_key


async def _carry_out(connection: Connection, change: PartyChange, named: Named) -> None:
    [(parties, addresses)] = await connection.fetch(
        query("erase_identity"), change.tenant, *(sorted(names) for names in named)
    )
    key = erasure_key(change)
    if key is not None:
        await connection.execute(query("insert_erasure"), *key, change.time, parties, addresses)

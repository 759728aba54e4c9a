"""What a batch says about people: the rows of the identity tables, newest knowledge last, erasures first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from touchpoint.history.queries import query
from touchpoint.history.records import Identity, Interaction, Party, PartyChange

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


class Identities:
    """Collects identity in the order of the batch; `store` writes it. An erasure also drops what came before it."""

    def __init__(self, known_agents: dict[tuple[str, str], str]) -> None:
        """`known_agents`: (tenant, resource_id) -> name, as stored before; those are not written again."""
        self._known_agents = known_agents
        self._parties: dict[tuple[str, str], tuple[str | None, str | None, datetime]] = {}
        self._addresses: dict[UUID, tuple[str, str, str | None, str | None, datetime]] = {}
        self.agents: dict[tuple[str, str], tuple[str, datetime]] = {}
        self._erasures: list[tuple[PartyChange, Named]] = []

    def add(self, source: Interaction | PartyChange) -> None:
        if isinstance(source, Interaction):
            if source.identity.erased:
                self._know_agents(source.tenant, source.identity, source.ended_at)
                return
            party = Party(source.party.address, source.party_id, source.party.name)
            self._know(source.tenant, party, source.account_id, source.identity, source.ended_at)
        elif source.erased:
            self._erase(source)
        else:
            self._know(source.tenant, source.party, source.account_id, source.identity, source.time or _UNDATED)

    def _know(self, tenant: str, party: Party, account: str | None, identity: Identity, seen: datetime) -> None:
        if party.id is not None:
            old = self._parties.get((tenant, party.id), (None, None, seen))
            self._parties[tenant, party.id] = (account or old[0], party.name or old[1], max(seen, old[2]))
        for address_id, address in identity.addresses:
            # the name of somebody without an id can only stand with the address
            name = party.name if party.id is None and address == party.address else None
            before = self._addresses.get(address_id, (tenant, address, None, None, seen))
            self._addresses[address_id] = (
                tenant,
                address,
                party.id or before[2],
                name or before[3],
                max(seen, before[4]),
            )
        self._know_agents(tenant, identity, seen)

    def _know_agents(self, tenant: str, identity: Identity, seen: datetime) -> None:
        for agent, agent_name in identity.agents:
            if agent_name is not None and self._known_agents.get((tenant, agent)) != agent_name:
                self.agents[tenant, agent] = (agent_name, seen)

    def _erase(self, change: PartyChange) -> None:
        named = Named.of(change)
        self._erasures.append((change, named))
        about = [(id_, row) for id_, row in self._addresses.items() if row[0] == change.tenant]
        asked = {id_ for id_, row in about if id_ in named.address_ids or row[1] in named.addresses}
        gone = named.party_ids | {row[2] for id_, row in about if id_ in asked and row[2] is not None}
        for party_key in [k for k in self._parties if k[0] == change.tenant and k[1] in gone]:
            del self._parties[party_key]
        for address_id, row in about:
            if address_id in asked or row[2] in gone:
                del self._addresses[address_id]

    async def store(self, connection: Connection) -> None:
        """Writes everything, in key order, so that two writers cannot lock each other out; erasures first."""
        for change, named in self._erasures:
            await _carry_out(connection, change, named)
        for name, rows in self._statements():
            if rows:
                await connection.execute(query(name), *map(list, zip(*rows, strict=True)))

    def _statements(self) -> Iterator[tuple[str, list[tuple[object, ...]]]]:
        yield "upsert_parties", _sorted((*key, *row) for key, row in self._parties.items())
        yield "upsert_addresses", _sorted((key, *row) for key, row in self._addresses.items())
        yield "upsert_resources", _sorted((*key, *row) for key, row in self.agents.items())


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

"""The party of each thing that is open, as of an instant of the walk (stitching.md, 3, party key)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from touchpoint.stitching.facts import Micros
from touchpoint.stitching.interactions.party_facts import PartyKey
from touchpoint.stitching.ownership.identities import Identity
from touchpoint.stitching.ownership.parents import resolve_by_parent

if TYPE_CHECKING:
    from touchpoint.stitching.interactions.entities import Entity


def party_keys(
    identity: Identity,
    by_name: Mapping[str, Entity],
    closed: Callable[[Entity], PartyKey | None],
    settled: Callable[[Entity], PartyKey | None] = lambda _: None,
) -> Callable[[Entity], PartyKey]:
    """What gives each entity's party: tenant and party id once identified, else the address, else the parent's.

    `closed`: under which key its parent closed, if it did. `settled`: the key of one where that is known already, so
    that a chain of parents is not followed to its end for each thing that is added to it.
    """
    known: dict[Entity, PartyKey | None] = {}

    def own(one: Entity) -> PartyKey | None:
        return _own_key(one, identity) or settled(one)

    def parent(one: Entity) -> Entity | None:
        return by_name.get(one.parent) if one.parent is not None else None

    def alone(one: Entity) -> PartyKey:
        return _since(closed(one), one.started_at, identity) or _alone(one)

    return lambda entity: own(entity) or resolve_by_parent(entity, own, parent, alone, known)


def _alone(entity: Entity) -> PartyKey:
    """The party of what has none: an activity's is marked with a NUL character, so that no media item's id is it.

    State is kept under the id of either, as release 0.1.0 did: two parties of one key of the table are still two.
    """
    value = entity.id if entity.item is not None else f"\0{entity.id}"
    return PartyKey(entity.tenant, "anon", value)


def _own_key(entity: Entity, identity: Identity) -> PartyKey | None:
    who, tenant = entity.claim, entity.tenant
    if who.id:
        return PartyKey(tenant, "id", identity.root(who.id))
    return _since(PartyKey(tenant, "address", who.address), entity.started_at, identity) if who.address else None


def _since(key: PartyKey | None, time: Micros, identity: Identity) -> PartyKey | None:
    """The party that another key stands for at a time."""
    if key is None or key.kind == "anon":
        return key
    party_id = key.value if key.kind == "id" else identity.party_of(key.value, time)
    return key if party_id is None else PartyKey(key.tenant, "id", identity.root(party_id))

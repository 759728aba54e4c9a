"""What the events of one item or activity say of its party."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from touchpoint.stitching.facts import Fact
from touchpoint.stitching.interactions.party_facts import PartyKey
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.media import ordered
from touchpoint.stitching.ownership.identities import new_identifications


class Claim(NamedTuple):
    """What an item's own events say of its party."""

    id: str | None = None
    address: str | None = None
    name: str | None = None


NOBODY = Claim()


def claim(facts: Collection[Fact], limits: Limits) -> Claim:
    """First id, address and name in fact order; the organisation's own addresses are nobody's."""
    carriers = [fact for fact in facts if "party" in fact.data]
    if not carriers:
        return NOBODY
    party_id = address = name = None
    for fact in carriers if len(carriers) == 1 else ordered(carriers):
        party = fact.data["party"]
        party_id = party_id or party.get("id")
        name = name or party.get("name")
        own = party.get("address")
        if address is None and own is not None and own not in limits.own_addresses:
            address = own
    return Claim(party_id, address, name)


def identification(fact: Fact, limits: Limits) -> Fact | None:
    """An event with both id and address identifies that address: the party.identified that it implies.

    Not one that many share, such as a switchboard: who one of them was says nothing of the next.
    """
    party = fact.data.get("party")
    if party is None or fact.kind == "party":
        return None
    party_id, address = party.get("id"), party.get("address")
    if party_id is None or address is None:
        return None
    if address in limits.own_addresses or address in limits.unstitched_addresses:
        return None
    known = {key: value for key, value in party.items() if key != "address"}
    return Fact(fact.time, "party", "identified", fact.source, fact.id, address, fact.tenant, data=known)


def claimed_key(tenant: str, who: Claim) -> PartyKey | None:
    """The party that something's own events claim: an id before an address."""
    if who.id:
        return PartyKey(tenant, "id", who.id)
    return PartyKey(tenant, "address", who.address) if who.address else None


def identifications(facts: Iterable[Fact], limits: Limits) -> list[Fact]:
    """What the events of one thing say of addresses, without repetitions; in whatever order they are."""
    spoken = [identification(fact, limits) for fact in facts if "party" in fact.data]
    return new_identifications([known for known in spoken if known is not None])

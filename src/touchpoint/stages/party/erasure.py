"""The erasure of a person: the history is told, names leave what is open, and what closes later brings none back.

What is stitched does not change: the record of an erased person is that of everybody else, less identity beside it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import msgspec

from touchpoint.events.addresses import spellings
from touchpoint.events.numbers import NumberPlan
from touchpoint.events.outgoing import ErasureRecord, PartyData
from touchpoint.stages.messages import Erasure
from touchpoint.stitching.facts import Fact, Micros
from touchpoint.stitching.interactions.party_facts import PartyFacts, PartyKey
from touchpoint.stitching.interactions.walk import ClosedInteraction
from touchpoint.stitching.ownership.identities import Identity
from touchpoint.stitching.record import IdentityRecord, InteractionRecord, PartyRecord
from touchpoint.stitching.record_builder import address_id, build_identity, party_key


def onward(key: PartyKey, facts: Collection[Fact], time: Micros) -> set[PartyKey]:
    """Under which other keys the same person is known: who an address is at that time, and all addresses of a party."""
    known = Identity(facts)
    found: set[tuple[str, str]] = set()
    if key.kind == "address":
        party = known.party_of(key.value, time)
        found = set() if party is None else {("id", party)}
    elif key.kind == "id":
        root = known.root(key.value)
        found = {("id", root)}
        for fact in facts:
            if fact.verb == "merged" and known.root(fact.data["from"]) == root:
                found.add(("id", fact.data["from"]))
            elif fact.verb == "identified":
                party = known.party_of(fact.subject, time)
                if party is not None and known.root(party) == root:
                    found.add(("address", fact.subject))
    return {PartyKey(key.tenant, *one) for one in found} - {key}


def erased(key: PartyKey, erasure: Erasure, secret: bytes) -> PartyData:
    """The data of `party.erased`: a party by its id, an address by opaque ids alone: its own, and those of what earlier
    releases made of it.
    """
    known_as = dict.fromkeys([key.value, *spellings(key.value, NumberPlan())]) if key.kind == "address" else ()
    return PartyData(
        tenant=key.tenant,
        party=PartyRecord(id=key.value if key.kind == "id" else None),
        identity=IdentityRecord(
            addresses=[(address_id(secret, key.tenant, address), "") for address in known_as], agents=[]
        ),
        erasure=ErasureRecord(erasure.request, party_key(secret, key)),
    )


def without_identity(record: InteractionRecord, closed: ClosedInteraction, secret: bytes) -> InteractionRecord:
    """The record of an interaction that began before its party was erased: agents keep their names."""
    identity = IdentityRecord(addresses=[], agents=build_identity(closed, secret).agents, erased=True)
    return msgspec.structs.replace(record, party=PartyRecord(id=record.party_id), identity=identity)


def without_names(facts: PartyFacts) -> PartyFacts:
    """The facts without the party's names. Addresses and ids stay: by them what is open is stitched."""
    return msgspec.structs.replace(
        facts,
        items={item: list(_nameless(its)) for item, its in facts.items.items()},
        activities={activity: list(_nameless(its)) for activity, its in facts.activities.items()},
        identity=list(_nameless(facts.identity)),
    )


def _nameless(facts: Collection[Fact]) -> Iterator[Fact]:
    for fact in facts:
        data: dict[str, Any] = fact.data
        if fact.kind == "party":
            data = {name: value for name, value in data.items() if name != "name"}
        elif "party" in data:
            data = data | {"party": {name: value for name, value in data["party"].items() if name != "name"}}
        yield fact if data is fact.data else msgspec.structs.replace(fact, data=data)

"""After the close nothing changes: repeats are dropped, news is an amendment, references make children."""

from __future__ import annotations

from collections.abc import Collection
from hashlib import blake2b
from itertools import accumulate
from typing import Any

import msgspec

from touchpoint.stitching.facts import UNREADABLE, Fact, Micros
from touchpoint.stitching.ids import interaction_id
from touchpoint.stitching.interactions.grouping import Component, correlated, referred
from touchpoint.stitching.interactions.names import activity_name, address_name, is_mail, is_shared, item_name
from touchpoint.stitching.interactions.open_state import ACTIVITY, IDENTITY, Placed
from touchpoint.stitching.interactions.party_facts import Closed, fact_digest
from touchpoint.stitching.verbs import Verbs

MOST_AMENDMENTS = 1_000
"""Of one interaction; a producer that repeats itself in new words for ever must not grow our state."""

MOST_NAMES = 1024 * 1024
"""Bytes of the names that are remembered of one closed interaction."""
MOST_DIGESTS = 1024 * 1024
"""Bytes of the digests of its facts: of more, the last."""

SILENT: Verbs = frozenset({"opened", UNREADABLE})
"""What says nothing that an amendment could hold."""

_PERSONAL = frozenset({"address", "name", "dialed"})


class Amendment(msgspec.Struct, frozen=True):
    """A fact that came after the close (contract.md, 5)."""

    interaction_id: str
    tenant: str
    ended_at: Micros
    seq: int
    kind: str  # the event's type
    time: Micros
    payload: dict[str, Any]  # its data without personal data
    event_id: str
    address: str | None = None  # that was identified


def identify(component: Component) -> str:
    """The interaction's id: of its earliest item, else activity."""
    first = component.first
    return interaction_id(first.tenant, first.item is not None, first.id)


def references(component: Component) -> frozenset[str]:
    """All names by which it may know a parent."""
    shared = {name for name in component.names if is_shared(name)}
    return frozenset(component.refs | shared | correlated(component))


def named_items(component: Component) -> frozenset[str]:
    """The names of the media items that it refers to as parent, previous or resumed, whosever they are."""
    return frozenset(name for name in component.refs - component.names if not is_mail(name))


def closed_from(component: Component, identifier: str, instant: Micros) -> Closed:
    """What is remembered of a closed interaction."""
    names = set(referred(component))
    for entity in component.entities:
        if component.key.kind == "address" and entity.claim.address:
            names.add(_address_name(entity.claim.address))
    facts = b"".join(fact_digest(f) for e in component.entities for f in (*e.facts, *e.controls))[-MOST_DIGESTS:]
    ended_at = max(entity.latest for entity in component.entities)
    return Closed(identifier, component.key, instant, ended_at, rememberable(names), facts)


def rememberable(names: Collection[str]) -> tuple[str, ...]:
    """Names that are kept of one closed interaction: of too many, ids of messages go first, the last in order."""
    if sum(map(len, names)) <= MOST_NAMES // 4:  # in UTF-8 a character has up to four bytes
        return tuple(sorted(names))
    by_worth = sorted(names, key=lambda name: (is_mail(name), name))
    sizes = accumulate(len(name.encode()) for name in by_worth)
    return tuple(sorted(name for name, size in zip(by_worth, sizes, strict=True) if size <= MOST_NAMES))


def _address_name(address: str) -> str:
    """A closed interaction remembers an address only as a digest."""
    return address_name(blake2b(address.encode(), digest_size=8).hexdigest())


def is_late(new: Placed, closed: Closed) -> bool:
    """What is closed itself takes nothing more; what only speaks of it is late if it came to pass after the close."""
    if new.kind == ACTIVITY:
        return activity_name(new.home) in closed.names or new.fact.time > closed.instant
    name = item_name(new.home)
    if name == new.home or name in closed.names:
        return True
    # 0.1.0 remembered the id itself, which may be another kind's name: sure is what its interaction's id is made of
    return closed.interaction_id == interaction_id(new.fact.tenant, True, new.home)


def names_of(new: Placed) -> set[str]:
    """The names by which a closed interaction would know what a fact belongs to."""
    if new.kind == IDENTITY:
        return {_address_name(new.fact.subject)} if new.fact.verb == "identified" else set()
    if new.kind == ACTIVITY:
        return {activity_name(new.home), item_name(new.fact.data.get("media_item") or new.fact.subject)} - {""}
    return {item_name(new.home), new.home}


def amendment(fact: Fact, closed: Closed, seq: int) -> Amendment:
    """A fact that is the news number ``seq`` of a closed interaction."""
    return Amendment(
        closed.interaction_id,
        fact.tenant,
        closed.ended_at,
        seq,
        f"{fact.kind}.{fact.verb}",
        fact.time,
        scrub(fact.data),
        fact.id,
        fact.subject if fact.kind == "party" else None,
    )


def scrub(value: Any) -> Any:
    """Data without a person's names, numbers and addresses: those stand in the identity tables alone."""
    if isinstance(value, dict):
        return {key: scrub(inner) for key, inner in value.items() if key not in _PERSONAL}
    return [scrub(inner) for inner in value] if isinstance(value, list) else value

"""The facts of one party, and what closing leaves behind."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from hashlib import blake2b

import msgspec

from touchpoint.stitching.facts import Fact, FactKey, Micros
from touchpoint.stitching.media import precedence


class PartyKey(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Whose something is: `id`, `address`, or `anon` with a media item id (stitching.md, 3)."""

    tenant: str
    kind: str
    value: str


class Closed(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered of a closed interaction: enough to tell a repeat from news and to find a parent."""

    interaction_id: str
    key: PartyKey
    instant: Micros  # when it closed, in event time
    ended_at: Micros
    names: tuple[str, ...]  # ids of its media items, "activity:" ids, "mail:" message ids, "thread:", "corr:"
    facts: bytes  # 8-byte digests of the facts it was folded from, then of its amendments
    amended: int = 0

    def knows(self, fact: Fact) -> bool:
        digest = fact_digest(fact)
        return any(self.facts[i : i + 8] == digest for i in range(0, len(self.facts), 8))


class PartyFacts(msgspec.Struct, array_like=True):
    """All that is open of one party: sets of facts, each deduplicated by (source, id)."""

    items: dict[str, list[Fact]] = {}  # by root media item id: facts of a channel
    controls: dict[str, list[Fact]] = {}  # by media item id: interaction.*
    activities: dict[str, list[Fact]] = {}  # by activity id
    identity: list[Fact] = []  # party.identified, party.merged
    closed: list[Closed] = []
    parents: dict[str, str] = {}  # by `reference`: the interaction of another party's item


class Activity(msgspec.Struct, frozen=True):
    """One business activity, folded: later fields win (stitching.md, 3)."""

    activity_id: str
    media_item: str | None
    action: str | None
    resource_id: str | None
    started_at: Micros
    ended_at: Micros
    complete_at: Micros
    outcome: str | None
    result: str | None
    reason: str | None
    objects: tuple[tuple[str, str, str | None], ...]  # type, id, action
    flags: tuple[str, ...] = ()


def reference(item: str, named: str) -> str:
    """That a media item names another as parent, previous or resumed."""
    return f"{item}\0{named}"


def fact_digest(fact: Fact) -> bytes:
    """Eight bytes that stand for (source, id)."""
    return blake2b(f"{fact.source}\0{fact.id}".encode(), digest_size=8).digest()


def union(known: Iterable[Fact], new: Iterable[Fact]) -> list[Fact]:
    """The set union of facts by (source, id); of two that differ the greater (recordedtime, content) stays."""
    merged: dict[FactKey, Fact] = {(f.source, f.id): f for f in known}
    for fact in new:
        key = (fact.source, fact.id)
        old = merged.get(key)
        if old is None or (old != fact and precedence(fact) > precedence(old)):
            merged[key] = fact
    return list(merged.values())


def merged(known: PartyFacts, new: PartyFacts, gone: Collection[str] = ()) -> PartyFacts:
    """The union of two sets of a party's facts, without the media items that are gone elsewhere and what went along."""
    closed = {each.interaction_id: each for each in sorted((*known.closed, *new.closed), key=lambda c: c.amended)}
    return PartyFacts(
        items=_homes(known.items, new.items, gone),
        controls=_homes(known.controls, new.controls, gone),
        activities=_homes(known.activities, new.activities, {name.removeprefix("activity:") for name in gone}),
        identity=union(known.identity, new.identity) if new.identity else known.identity,
        closed=sorted(closed.values(), key=lambda c: (c.instant, c.interaction_id)),
        parents=known.parents | new.parents,
    )


def _homes(known: dict[str, list[Fact]], new: dict[str, list[Fact]], gone: Collection[str]) -> dict[str, list[Fact]]:
    both = dict(known)
    for home, facts in new.items():
        both[home] = union(both.get(home, ()), facts)
    return {home: facts for home, facts in both.items() if home not in gone}

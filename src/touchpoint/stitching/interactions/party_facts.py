"""The facts of one party, and what closing leaves behind."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from hashlib import blake2b

import msgspec

from touchpoint.stitching.facts import Fact, FactKey, Micros
from touchpoint.stitching.interactions.names import activity_of, item_of
from touchpoint.stitching.media import precedence


class PartyKey(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Whose something is: `id`, `address`, or `anon` with a media item id, or NUL and an activity id (stitching.md)."""

    tenant: str
    kind: str
    value: str


_OTHERS = 100
"""Bytes of what is neither a name nor a digest."""


class Closed(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered of a closed interaction: enough to tell a repeat from news and to find a parent."""

    interaction_id: str
    key: PartyKey
    instant: Micros  # when it closed, in event time
    ended_at: Micros
    names: tuple[str, ...]  # of names.py: media items, activities, mails, threads, correlationids, addresses
    facts: bytes  # 8-byte digests of the facts it was folded from, then of its amendments
    amended: int = 0
    kept_until: Micros = 0  # remembered at least until then: it closed long after its time

    @property
    def weight(self) -> int:
        """Bytes, about: what it costs to remember it."""
        texts = "".join((*self.names, self.key.tenant, self.key.value))
        return _OTHERS + len(self.facts) + len(texts.encode())

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


def merged(known: PartyFacts, *arrivals: tuple[PartyFacts, Collection[str]]) -> PartyFacts:
    """The union of sets of a party's facts, taken one after the other: each with the names of the media items that are
    gone elsewhere by then, and of what went along with them. Each home is merged once, however many arrivals it is in.
    """
    closed = {each.interaction_id: each for each in sorted(_closed(known, arrivals), key=lambda c: c.amended)}
    identity = [fact for new, _ in arrivals for fact in new.identity]
    parents = dict(known.parents)
    for new, _ in arrivals:
        parents.update(new.parents)
    came = [(new, _ids(gone)) for new, gone in arrivals]
    return PartyFacts(
        items=_homes(known.items, [(new.items, items) for new, (items, _) in came]),
        controls=_homes(known.controls, [(new.controls, items) for new, (items, _) in came]),
        activities=_homes(known.activities, [(new.activities, activities) for new, (_, activities) in came]),
        identity=union(known.identity, identity) if identity else known.identity,
        closed=sorted(closed.values(), key=lambda c: (c.instant, c.interaction_id)),
        parents=parents,
    )


def _ids(names: Collection[str]) -> tuple[list[str], list[str]]:
    """(ids of media items, ids of activities) of such names."""
    items = [item for name in names if (item := item_of(name)) is not None]
    return items, [activity for name in names if (activity := activity_of(name)) is not None]


def _closed(known: PartyFacts, arrivals: Iterable[tuple[PartyFacts, Collection[str]]]) -> Iterator[Closed]:
    yield from known.closed
    for new, _ in arrivals:
        yield from new.closed


def _homes(
    known: dict[str, list[Fact]], arrivals: Iterable[tuple[dict[str, list[Fact]], Collection[str]]]
) -> dict[str, list[Fact]]:
    homes = dict(known)
    brought: dict[str, list[Fact]] = {}
    for new, gone in arrivals:
        for home, facts in new.items():
            homes.setdefault(home, [])
            brought.setdefault(home, []).extend(facts)
        for home in gone:
            homes.pop(home, None)
            brought.pop(home, None)
    for home, facts in brought.items():
        homes[home] = union(homes[home], facts)
    return homes

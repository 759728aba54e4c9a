"""Whose something is that has no party of its own: that of what it names as its parent, and so on (stitching.md, 3)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from typing import TypeVar

from touchpoint.stitching.facts import Fact, Micros
from touchpoint.stitching.interactions.party_facts import PartyKey

One = TypeVar("One", bound=Hashable)


def resolve_by_parent(
    start: One,
    own: Callable[[One], PartyKey | None],
    parent: Callable[[One], One | None],
    alone: Callable[[One], PartyKey],
    known: dict[One, PartyKey | None],
) -> PartyKey:
    """The party of the first that has one of its own; without any that of the last, alone.

    Whose parents lead round in a circle is alone. `known` remembers what was found, None for those: a chain is followed
    once, however many are on it.
    """
    path: dict[One, None] = {}
    one, found = start, None
    while one not in known:
        path[one] = None
        found = own(one)
        following = parent(one) if found is None else None
        if following is None:
            found = found or alone(one)
            break
        if following in path:
            break
        one = following
    else:
        found = known[one]
    known.update(dict.fromkeys(path, found))
    return found or alone(start)


def named_items(related: Mapping[str, str]) -> list[str]:
    """The media items that an event refers to: parent, previous, resumes."""
    return [related[kind] for kind in ("parent", "previous", "resumes") if related.get(kind)]


def reference_times(facts: Iterable[Fact]) -> dict[str, Micros]:
    """The media items that an item's events refer to, and when each was first named."""
    named: dict[str, Micros] = {}
    for fact in facts:
        if "related" in fact.data:
            for item in named_items(fact.data["related"]):
                named[item] = min(fact.time, named.get(item, fact.time))
    return named


def parent_of(item: str, facts: Collection[Fact]) -> str | None:
    """The media item that an item without a party takes its party from: the first that its own events refer to."""
    related = [fact for fact in facts if "related" in fact.data and fact.subject == item]
    if not related:  # hot path
        return None
    named = reference_times(related)
    named.pop(item, None)
    return min(named, key=lambda name: (named[name], name), default=None)

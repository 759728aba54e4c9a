"""Interactions as connected components of links between a party's items and activities (stitching.md, 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from touchpoint.stitching.facts import Micros
from touchpoint.stitching.interactions.entities import Entity
from touchpoint.stitching.interactions.names import correlation_name
from touchpoint.stitching.interactions.party_facts import PartyKey
from touchpoint.stitching.limits import Limits


class Component:
    """Entities that belong together, in order; `request` is when its close was asked for."""

    __slots__ = ("_reaches", "correlations", "entities", "key", "names", "refs", "request", "wrapped_up")

    def __init__(self, key: PartyKey) -> None:
        self.key = key
        self.entities: list[Entity] = []
        self.request: Micros | None = None
        self.wrapped_up: Micros | None = None  # the first `wrapped_up`
        self.names: set[str] = set()
        self.refs: set[str] = set()
        self.correlations: set[str] = set()
        self._reaches: dict[frozenset[str], Micros] = {}  # how far in time, by correlationids

    @property
    def first(self) -> Entity:
        """The earliest item, else the earliest activity."""
        return min(self.entities, key=lambda e: (e.item is None, e.order))

    def sealed_at(self, limits: Limits) -> Micros | None:
        """Since when no new media item joins: its close was asked for, or it has as many as it may have."""
        if len(self.entities) < limits.interaction_size:
            return self.request
        full = max(entity.started_at for entity in self.entities)
        return full if self.request is None else min(full, self.request)

    def add(self, entity: Entity) -> None:
        self.entities.append(entity)
        self.names |= entity.names
        self.refs |= entity.refs
        self.correlations |= entity.correlations
        if entity.request is not None:
            self.request = entity.request if self.request is None else min(self.request, entity.request)
        if entity.wrapped_up is not None:
            self.wrapped_up = entity.wrapped_up if self.wrapped_up is None else min(self.wrapped_up, entity.wrapped_up)
        if entity.by_time:
            self._reach(entity.correlations, entity.reach)

    def _reach(self, correlations: frozenset[str], until: Micros) -> None:
        known = self._reaches.get(correlations)
        self._reaches[correlations] = until if known is None else max(known, until)

    def absorb(self, other: Component) -> None:
        for entity in other.entities:
            self.add(entity)

    def links(self, entity: Entity, stitches: bool) -> bool:
        """Whether a later entity belongs here: by correlationid, reference, thread, or time."""
        return (
            not self.correlations.isdisjoint(entity.correlations)
            or not self.names.isdisjoint(entity.refs)
            or not self.refs.isdisjoint(entity.names)
            or not self.names.isdisjoint(entity.names)
            or (stitches and self.is_near(entity))
        )

    def is_near(self, entity: Entity) -> bool:
        """Whether a later entity is linked by time. Items with different correlationids never are."""
        return entity.by_time and any(
            until >= entity.started_at
            and (not correlations or not entity.correlations or not correlations.isdisjoint(entity.correlations))
            for correlations, until in self._reaches.items()
        )


def components(entities: Iterable[Entity], key_of: Callable[[Entity], PartyKey], limits: Limits) -> list[Component]:
    """Group entities, earliest first. After a request no later item joins, and what is full takes nothing more."""
    found: list[Component] = []
    for entity in sorted(entities, key=lambda e: e.order):
        key = key_of(entity)
        joined = [
            c
            for c in found
            if c.key == key
            and len(c.entities) < limits.interaction_size
            and not _asked_to_close(c, entity)
            and c.links(entity, stitches(key, entity, limits))
        ]
        home = joined[0] if joined else Component(key)
        for component in joined[1:]:
            home.absorb(component)
        home.add(entity)
        if not joined or joined != found[-1:]:
            found = [c for c in found if c not in joined]
            found.append(home)
    return found


def _asked_to_close(component: Component, entity: Entity) -> bool:
    """After a request no new item joins; what is done about an item that is there already still belongs to it."""
    late = component.request is not None and component.request < entity.started_at
    return late and (entity.item is not None or component.names.isdisjoint(entity.refs))


def correlated(component: Component) -> frozenset[str]:
    return frozenset(map(correlation_name, component.correlations))


def referred(component: Component) -> frozenset[str]:
    """All names by which another may refer to it."""
    return frozenset(component.names | correlated(component))


def stitches(key: PartyKey, entity: Entity, limits: Limits) -> bool:
    """Withheld numbers, switchboards and shared mailboxes are never linked by time."""
    return key.kind != "anon" and (
        entity.claim.address is None or entity.claim.address not in limits.unstitched_addresses
    )


def deadlines(components: Sequence[Component], limits: Limits) -> list[tuple[Micros, str]]:
    """For each, the instant in event time at which it closes, and why: quiet, requested or limit.

    While another item of the party is open, it may turn out to have overlapped: nothing that began meanwhile
    closes before that is settled.
    """
    if len(components) == 1:
        return [_closing(components[0], 0, limits)]
    return [_closing(c, _held_until(c, components), limits) for c in components]


def _closing(component: Component, held: Micros, limits: Limits) -> tuple[Micros, str]:
    entities = component.entities
    if component.wrapped_up is None:
        complete = max(held, *[entity.complete_at for entity in entities])
    else:
        complete = max(held, *[completes_at(entity, component.wrapped_up, limits) for entity in entities])
    reach = max([entity.reach for entity in entities])
    full = component.sealed_at(limits) if component.request is None else None
    age = min([entity.first_event for entity in entities]) + limits.interaction_age
    return closing_instant(complete, reach, component.request, full, age)


def completes_at(entity: Entity, wrapped_up: Micros | None, limits: Limits) -> Micros:
    """When a thing of an interaction is complete; of one that is wrapped up only what has begun is waited for long."""
    if wrapped_up is None:
        return entity.complete_at
    soon = max(entity.latest, wrapped_up) + limits.wrapped_up_wait
    return max(entity.settled_at, min(entity.complete_at, soon))


def closing_instant(
    complete: Micros, reach: Micros, request: Micros | None, full: Micros | None, age: Micros
) -> tuple[Micros, str]:
    """When and why an interaction closes.

    ``complete``, ``reach``: of all its things; ``request``, ``full``: when it was asked to close, when it had as many
    things as it may have; ``age``: when its age limit is reached.
    """
    if request is not None:
        instant, why = max(request, complete), "requested"
    elif full is not None:
        instant, why = max(full, complete), "limit"
    else:
        instant, why = max(complete, reach), "quiet"
    return (age, "limit") if age < instant else (instant, why)


def _held_until(component: Component, all_components: Sequence[Component]) -> Micros:
    started = max(entity.started_at for entity in component.entities)
    return max(
        (
            entity.complete_at
            for other in all_components
            if other is not component and other.key == component.key and other.key.kind != "anon"
            for entity in other.entities
            if entity.by_time and entity.reach < started < entity.complete_at
        ),
        default=started,
    )

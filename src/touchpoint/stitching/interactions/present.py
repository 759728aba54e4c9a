"""What is open of one party at an instant of the walk: facts taken so far, folded when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from touchpoint.stitching.facts import UNREADABLE, Fact, Micros
from touchpoint.stitching.interactions.entities import Entity, activity_entity, item_entity, party_keys
from touchpoint.stitching.interactions.grouping import Component, components
from touchpoint.stitching.interactions.identity import Identity
from touchpoint.stitching.interactions.model import PartyFacts, PartyKey
from touchpoint.stitching.limits import Limits, Silences

ITEM, CONTROL, ACTIVITY, IDENTITY = "item", "control", "activity", "identity"


class Placed(NamedTuple):
    """A fact with the thing it belongs to: a root media item, an activity, or the party itself."""

    kind: str
    home: str
    fact: Fact


def placed(party: PartyFacts) -> Iterator[Placed]:
    """Every fact of a party, identity first: it holds for what begins at the same instant."""
    for fact in party.identity:
        yield Placed(IDENTITY, "", fact)
    for kind, homes in ((ITEM, party.items), (ACTIVITY, party.activities), (CONTROL, party.controls)):
        for home, facts in homes.items():
            for fact in facts:
                yield Placed(kind, home, fact)


_Snapshot = tuple[
    dict[tuple[str, str], tuple[Fact, ...]], dict[tuple[str, str], Entity], list[Component] | None, Identity | None
]


class Present:
    """The open facts of a party; entities and components are folded once between changes."""

    def __init__(self, limits: Limits, silences: Silences, closed: Callable[[Entity], PartyKey | None]) -> None:
        """``closed``: under which key what an entity names as its parent has closed, if it has."""
        self._limits, self._silences, self._closed = limits, silences, closed
        self._facts: dict[tuple[str, str], tuple[Fact, ...]] = {}
        self._entities: dict[tuple[str, str], Entity] = {}
        self._components: list[Component] | None = None
        self._identity: Identity | None = None

    def take(self, new: list[Placed]) -> None:
        """Add facts."""
        gathered: dict[tuple[str, str], list[Fact]] = {}
        for kind, home, fact in new:
            gathered.setdefault((kind, home), []).append(fact)
        for key, facts in gathered.items():
            kind, home = key
            self._facts[key] = (*self._facts.get(key, ()), *facts)
            self._entities.pop((ITEM if kind == CONTROL else kind, home), None)
            if kind == IDENTITY:
                self._identity = None
        self._components = None

    def snapshot(self) -> _Snapshot:
        """What `restore` takes back to."""
        return dict(self._facts), dict(self._entities), self._components, self._identity

    def restore(self, snapshot: _Snapshot) -> None:
        self._facts, self._entities, self._components, self._identity = snapshot

    @property
    def identity(self) -> Identity:
        if self._identity is None:
            self._identity = Identity(self._facts.get((IDENTITY, ""), ()))
        return self._identity

    def components(self) -> list[Component]:
        """The interactions that are open now."""
        if self._components is None:
            self._components = self._grouped(self.identity)
        return self._components

    def _grouped(self, identity: Identity) -> list[Component]:
        entities = [entity for key in self._facts if (entity := self._entity(key)) is not None]
        by_name = {name: entity for entity in entities if entity.item is not None for name in entity.names}
        return components(entities, party_keys(identity, by_name, self._closed), self._limits)

    def grouped_alike(self, identity: Identity) -> bool:
        """Whether another identity would give the same interactions."""

        def sets(found: list[Component]) -> set[frozenset[int]]:
            return {frozenset(id(entity) for entity in component.entities) for component in found}

        return sets(self.components()) == sets(self._grouped(identity))

    def _entity(self, key: tuple[str, str]) -> Entity | None:
        kind, home = key
        if kind not in (ITEM, ACTIVITY) or not self._is_there(kind, home):
            return None
        found = self._entities.get(key)
        if found is None:
            found = self._entities[key] = self._fold(kind, home)
        return found

    def _is_there(self, kind: str, home: str) -> bool:
        """An item of which only its aliases have spoken, or nothing that could be read, is not there yet."""
        return kind == ACTIVITY or any(
            fact.subject == home and fact.verb != UNREADABLE for fact in self._facts[kind, home]
        )

    def _fold(self, kind: str, home: str) -> Entity:
        facts = self._facts[kind, home]
        if kind == ACTIVITY:
            return activity_entity(home, facts, self._limits)
        controls = self._facts.get((CONTROL, home), ())
        return item_entity(home, facts, controls, self._limits, self._silences)

    def drop(self, component: Component) -> None:
        """Take a closed interaction out."""
        for entity in component.entities:
            homes = [(ACTIVITY, entity.id)] if entity.item is None else [(ITEM, entity.id), (CONTROL, entity.id)]
            for home in homes:
                self._facts.pop(home, None)
                self._entities.pop(home, None)
        self._components = [c for c in self.components() if c is not component]

    def forget_before(self, limit: Micros) -> list[Fact]:
        """Drop and return what waited since before `limit` for a media item that never came."""
        gone: list[Fact] = []
        for kind, home in list(self._facts):
            waits = kind == CONTROL and (ITEM, home) not in self._facts
            waits = waits or (kind == ITEM and not self._is_there(kind, home))
            if waits and max(fact.time for fact in self._facts[kind, home]) < limit:
                gone += [fact for fact in self._facts.pop((kind, home)) if fact.verb != UNREADABLE]
        return gone

    def every(self) -> Iterator[Placed]:
        """All that is here."""
        for (kind, home), facts in self._facts.items():
            for fact in facts:
                yield Placed(kind, home, fact)

"""What is open of a party with much open: whose each thing is and what it is linked to, kept up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from touchpoint.stitching.facts import Fact, Micros
from touchpoint.stitching.interactions.closings import Closing, Closings
from touchpoint.stitching.interactions.entities import Entity
from touchpoint.stitching.interactions.grouping import Component
from touchpoint.stitching.interactions.linked import Linked
from touchpoint.stitching.interactions.linking import Linking
from touchpoint.stitching.interactions.party_facts import PartyKey
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.ownership.identities import Identity
from touchpoint.stitching.ownership.party_keys import party_keys

Home = tuple[str, str]


class Busy:
    """Entities by home, whose they are, and the interactions that they make."""

    def __init__(
        self, entities: Mapping[Home, Entity], identity: Identity, closed: Callable[[Entity], PartyKey | None],
        limits: Limits,
    ) -> None:  # fmt: skip
        """``closed``: under which key what an entity names as its parent has closed, if it has."""
        self._identity, self._closed = identity, closed
        self._linking = Linking(limits)
        self._closings = Closings(self._linking, limits)
        self._entities: dict[Home, Entity] = {}
        self._items: dict[str, Entity] = {}  # by the names that others may refer to them by
        self._by_address: dict[str, dict[Home, None]] = {}  # of those without a party id
        self._followers: dict[Home, None] = {}  # whose party is that of what they name as their parent
        self._parents: dict[str, int] = {}  # how many followers name each
        self._astray = False  # whether followers may follow something else by now
        self.take(entities)

    def __len__(self) -> int:
        return len(self._entities)

    # --- changes ------------------------------------------------------------------------------------------------

    def identify(self, facts: Iterable[Fact]) -> set[Home]:
        """Take what is told of identity; returns those whose party may be another now."""
        concerned: set[Home] = set()
        for fact in facts:
            if fact.verb == "identified" and not self._identity.knows(fact.subject):
                concerned |= self._by_address.get(fact.subject, {}).keys()
            known_as = self._identity.root(fact.data["from"]) if fact.verb == "merged" else ""
            self._identity.add([fact])
            if fact.verb == "merged" and (into := self._identity.root(fact.data["from"])) != known_as:
                self._linking.rename(PartyKey(fact.tenant, "id", known_as), PartyKey(fact.tenant, "id", into))
            self._astray = True
        return concerned

    def take(self, touched: Mapping[Home, Entity], concerned: Iterable[Home] = ()) -> None:
        """Entities that are new or have more facts, and those whose party may be another."""
        before = {home: self._entities.get(home) for home in touched}
        for home, entity in touched.items():
            self._forget(home)
            self._know(home, entity)
        settled = self._linking.key_of if not self._astray else lambda _: None
        key_of = party_keys(self._identity, self._items, self._closed, settled)
        for home, entity in sorted(touched.items(), key=lambda pair: pair[1].order):
            old, key = before[home], key_of(entity)
            names = entity.names
            if old is not None and self._linking.group_of[old.order].key == key:
                self._linking.update(old, entity)
                names -= old.names
            else:
                self._linking.remove([old] if old is not None else ())
                self._linking.insert(entity, key)
            self._astray = self._astray or not self._parents.keys().isdisjoint(names)
        self._move([*concerned, *(self._followers if self._astray else ())])
        self._astray = False

    def _move(self, homes: Iterable[Home]) -> None:
        """To the party that each is of now."""
        key_of = party_keys(self._identity, self._items, self._closed)
        moving: dict[Entity, PartyKey] = {}
        for home in homes:
            entity = self._entities[home]
            key = key_of(entity)
            if self._linking.group_of[entity.order].key != key:
                moving[entity] = key
        self._linking.remove(moving)
        for entity in sorted(moving, key=lambda each: each.order):
            self._linking.insert(entity, moving[entity])

    def _know(self, home: Home, entity: Entity) -> None:
        self._entities[home] = entity
        if entity.item is not None:
            self._items.update(dict.fromkeys(entity.names, entity))
        if entity.claim.id:
            return
        if entity.claim.address:
            self._by_address.setdefault(entity.claim.address, {})[home] = None
        elif entity.parent is not None:
            self._followers[home] = None
            self._parents[entity.parent] = self._parents.get(entity.parent, 0) + 1

    def _forget(self, home: Home) -> None:
        entity = self._entities.pop(home, None)
        if entity is None:
            return
        if entity.item is not None:
            for name in entity.names:
                if self._items.get(name) is entity:
                    del self._items[name]
        if entity.claim.address and not entity.claim.id:
            del self._by_address[entity.claim.address][home]
        if home in self._followers:
            del self._followers[home]
            self._parents[entity.parent or ""] -= 1
            if not self._parents[entity.parent or ""]:
                del self._parents[entity.parent or ""]

    def drop(self, component: Component, homes: Iterable[Home]) -> None:
        """A closed interaction. What followed a thing of it is looked at again with the next fact."""
        self._linking.drop(self._linking.at(component.entities[0]))
        for home in homes:
            entity = self._entities.get(home)
            if entity is not None:
                self._astray = self._astray or not self._parents.keys().isdisjoint(entity.names)
                self._forget(home)

    # --- questions ------------------------------------------------------------------------------------------------

    def next_close(self, before: Micros) -> Closing | None:
        """The first that closes before an instant."""
        return self._closings.next(before)

    def earliest_close(self) -> Micros | None:
        return self._closings.earliest()

    def overfull(self) -> Linked | None:
        """The interaction with the oldest thing of a party that has more open than it may."""
        return self._linking.overfull()

    def holding(self, name: str) -> Component | None:
        """The interaction that has a media item of a name, in outline."""
        entity = self._items.get(name)
        return None if entity is None else self._linking.at(entity).outline()

    def referred(self, by: Component, wanted: Iterable[str], items: Iterable[str]) -> Component | None:
        """Of the interactions that began before another, the one that it refers to; of several, whose latest thing is
        the earliest. ``wanted``: by names of the same party; ``items``: by media items of any.
        """
        found = self._linking.told(by.key, wanted)
        found |= {self._linking.at(self._items[item]) for item in items if item in self._items}
        before = [one for one in found if one.first < by.first.order]
        return min(before, key=lambda one: one.orders[-1]).outline() if before else None

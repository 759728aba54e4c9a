"""What is open of one party at an instant of the walk: facts taken so far, folded when asked.

Of a few things everything is grouped anew after each change, as `grouping.py` defines it. With many open, what is
linked to what is kept up to date (`busy.py`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, NamedTuple

from touchpoint.stitching.facts import UNREADABLE, Fact, Micros
from touchpoint.stitching.interactions.busy import Busy
from touchpoint.stitching.interactions.entities import Entity, activity_entity, item_entity
from touchpoint.stitching.interactions.grouping import Component, components, deadlines, referred
from touchpoint.stitching.interactions.party_facts import PartyFacts, PartyKey
from touchpoint.stitching.limits import Limits, Silences
from touchpoint.stitching.ownership.identities import Identity
from touchpoint.stitching.ownership.party_keys import party_keys

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


time_of = attrgetter("fact.time")
"""The time of a placed fact."""

Dated = tuple[Micros, str, Component]
"""An interaction's closing instant, why it closes, and itself."""


def _first_due(dated: Dated) -> tuple[Micros, Any]:
    return dated[0], dated[-1].first.order


_Snapshot = tuple[
    dict[tuple[str, str], tuple[Fact, ...]], dict[tuple[str, str], Entity], list[Component] | None, int, int
]

MANY = 40
"""Open things that are looked at as a whole with each look; of more it is kept up to date what is linked to what."""


class OpenState:
    """The open facts of a party; entities and components are folded once between changes."""

    def __init__(self, limits: Limits, silences: Silences, closed: Callable[[Entity], PartyKey | None]) -> None:
        """``closed``: under which key what an entity names as its parent has closed, if it has."""
        self._limits, self._silences, self._closed = limits, silences, closed
        self._facts: dict[tuple[str, str], tuple[Fact, ...]] = {}
        self._entities: dict[tuple[str, str], Entity] = {}
        self._components: list[Component] | None = None
        self._dated: list[Dated] | None = None
        self._told: list[Fact] = []  # of identity
        self._busy: Busy | None = None  # while there are many
        self._many = min(MANY, limits.party_open)
        self.identity = Identity()

    def take(self, new: list[Placed]) -> None:
        """Add facts; while many things are open, of one instant."""
        gathered: dict[tuple[str, str], list[Fact]] = {}
        told: list[Fact] = []
        for kind, home, fact in new:
            if kind == IDENTITY:
                told.append(fact)
            else:
                gathered.setdefault((kind, home), []).append(fact)
        self._told += told
        touched: dict[tuple[str, str], None] = {}
        for key, facts in gathered.items():
            self._facts[key] = (*self._facts.get(key, ()), *facts)
            touched[ITEM if key[0] == CONTROL else key[0], key[1]] = None
        for key in touched:
            self._entities.pop(key, None)
        self._components = self._dated = None
        if self._busy is None:
            self.identity.add(told)
        else:
            concerned = self._busy.identify(told)
            entities = {key: entity for key in touched if (entity := self._entity(key)) is not None}
            self._busy.take(entities, concerned)

    def snapshot(self) -> _Snapshot:
        """What `restore` takes back to."""
        return dict(self._facts), dict(self._entities), self._components, len(self._told), self.identity.mark()

    def restore(self, snapshot: _Snapshot) -> None:
        self._facts, self._entities, self._components, told, mark = snapshot
        self._dated = None
        del self._told[told:]
        self.identity.roll_back(mark)

    # --- interactions ---------------------------------------------------------------------------------------------

    def manageable(self, burst: list[Placed], begin: int, end: int) -> int:
        """How much of a burst can be taken at once, less than it was asked for where it brings too many things.

        Where that is not all of its first instant, or much is open already, things are followed one by one from now on.
        """
        if self._busy is not None and len(self._busy) < self._many // 4:
            self._busy = None
        if self._busy is None:
            if len(self._facts) + end - begin <= self._many:  # hot path: each fact brings one thing at most
                return end
            homes = {key for key in self._facts if key[0] != CONTROL}
            things = len(homes)
            for n in range(begin, end):
                homes.add(burst[n][:2])
                if len(homes) > self._many and burst[n].kind not in (CONTROL, IDENTITY):
                    end = bisect_left(burst, burst[n].fact.time, begin, n, key=time_of)
                    break
            if end > begin and things <= self._many:
                return end
            entities = {key: entity for key in self._facts if (entity := self._entity(key)) is not None}
            self._busy = Busy(entities, self.identity, self._closed, self._limits)
        return bisect_right(burst, burst[begin].fact.time, begin, key=time_of)

    def components(self) -> list[Component]:
        """The interactions that are open now, of a few."""
        if self._components is None:
            self._components = self._grouped()
        return self._components

    def _grouped(self) -> list[Component]:
        entities = [entity for key in self._facts if (entity := self._entity(key)) is not None]
        by_name = {name: entity for entity in entities if entity.item is not None for name in entity.names}
        return components(entities, party_keys(self.identity, by_name, self._closed), self._limits)

    def grouped_alike(self, mark: int, told: list[Fact]) -> bool:
        """Whether the interactions were the same without what was told of identity since a mark."""

        def sets(found: list[Component]) -> set[frozenset[int]]:
            return {frozenset(id(entity) for entity in component.entities) for component in found}

        if sum(len(component.entities) for component in self.components()) < 2:  # hot path
            return True
        now = sets(self.components())
        self.identity.roll_back(mark)
        before = sets(self._grouped())
        self.identity.add(told)
        return now == before

    def dated(self) -> list[Dated]:
        """The interactions that are open now, of a few, and when each closes if nothing comes."""
        if self._dated is None:
            open_ = self.components()
            self._dated = [(*at, c) for at, c in zip(deadlines(open_, self._limits), open_, strict=True)]
        return self._dated

    def next_close(self, before: Micros) -> Dated | None:
        """What closes first before an instant; of what closes at once that which began first."""
        if self._busy is not None:
            found = self._busy.next_close(before)
            return None if found is None else (found.instant, found.why, found.one.component())
        due = [each for each in self.dated() if each[0] < before]
        return min(due, key=_first_due) if len(due) > 1 else due[0] if due else None

    def earliest_close(self) -> Micros | None:
        """When the first closes if nothing comes."""
        if self._busy is not None:
            return self._busy.earliest_close()
        return min([instant for instant, *_ in self.dated()], default=None)

    def overfull(self) -> Component | None:
        """The interaction with the oldest thing of a party that has more open than it may."""
        if self._busy is not None:
            found = self._busy.overfull()
            return None if found is None else found.component()
        if len(self._facts) <= self._limits.party_open:  # hot path: each home brings one thing at most
            return None
        open_: dict[PartyKey, list[Component]] = {}
        for component in self.components():
            open_.setdefault(component.key, []).append(component)
        several = (its for its in open_.values() if sum(len(c.entities) for c in its) > self._limits.party_open)
        return min(next(several, ()), key=lambda c: min(e.order for e in c.entities), default=None)

    def holding(self, name: str) -> Component | None:
        """The interaction that has a media item of a name."""
        if self._busy is not None:
            return self._busy.holding(name)
        return next((component for component in self.components() if name in component.names), None)

    def referred(self, by: Component, wanted: frozenset[str], items: frozenset[str]) -> Component | None:
        """The earlier interaction that another refers to: by names of the same party, by media items of any."""
        if self._busy is not None:
            return self._busy.referred(by, wanted, items)
        for other in self.components():
            names = wanted if other.key == by.key else items
            if other.first.order < by.first.order and not names.isdisjoint(referred(other)):
                return other
        return None

    # --- things ---------------------------------------------------------------------------------------------------

    def _entity(self, key: tuple[str, str]) -> Entity | None:
        kind, home = key
        if kind not in (ITEM, ACTIVITY) or key not in self._facts or not self._is_there(kind, home):
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
        gone: list[tuple[str, str]] = []
        for entity in component.entities:
            gone += [(ACTIVITY, entity.id)] if entity.item is None else [(ITEM, entity.id), (CONTROL, entity.id)]
        if self._busy is not None:
            self._busy.drop(component, gone)
            self._components = None
        else:
            self._components = [c for c in self.components() if c is not component]
        self._dated = None
        for home in gone:
            self._facts.pop(home, None)
            self._entities.pop(home, None)

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
        for fact in self._told:
            yield Placed(IDENTITY, "", fact)
        for (kind, home), facts in self._facts.items():
            for fact in facts:
                yield Placed(kind, home, fact)

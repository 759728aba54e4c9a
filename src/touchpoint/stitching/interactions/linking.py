"""What is open of a party that has much open, linked as `grouping` defines it and kept up to date thing by thing.

`grouping.components` looks at all that is open of a party; that is the definition, and quick for a few things. With
thousands of them it cannot be done anew after each event. Here a thing finds what it is linked to by index: by name, by
correlationid, by the end of its reach in time. Where a change cannot be shown to leave all others as they were (a thing
between others of an interaction that was asked to close, or is full), all of the party's are linked anew.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterable, Iterator
from heapq import heappush

from touchpoint.stitching.facts import Micros
from touchpoint.stitching.interactions.entities import Entity
from touchpoint.stitching.interactions.grouping import stitches
from touchpoint.stitching.interactions.linked import (
    NEVER,
    Group,
    Linked,
    Order,
    last_order,
    linked_in_order,
    request_order,
)
from touchpoint.stitching.interactions.names import correlation_of
from touchpoint.stitching.interactions.party_facts import PartyKey
from touchpoint.stitching.limits import Limits


class Linking:
    """The interactions of one party's keys. What changes costs the logarithm of how much is open, as a rule."""

    def __init__(self, limits: Limits) -> None:
        self.groups: dict[PartyKey, Group] = {}
        self.group_of: dict[Order, Group] = {}
        self.changed: dict[Linked, None] = {}
        """Whose close may be at another instant than before; whoever reads it empties it."""
        self.released: list[tuple[Group, Micros]] = []
        """Instants until which one thing less holds others; whoever reads it empties it."""
        self._crowded: dict[PartyKey, None] = {}
        self._limits = limits
        self._size = limits.interaction_size

    def interactions(self) -> list[Linked]:
        """All, in the order of their latest entities, as the definition lists them."""
        return [one for group in self.groups.values() for _, one in group.by_last]

    def overfull(self) -> Linked | None:
        """The interaction with the oldest thing of a party that has more open than it may."""
        while self._crowded:
            group = self.groups.get(next(iter(self._crowded)))
            if group is not None and len(group.of) > self._limits.party_open:
                return group.first()
            del self._crowded[next(iter(self._crowded))]
        return None

    def told(self, key: PartyKey, names: Iterable[str]) -> set[Linked]:
        """The interactions of a party that know one of so many names, those of correlationids among them."""
        found: set[Linked] = set()
        if (group := self.groups.get(key)) is not None:
            for name in names:
                correlation = correlation_of(name)
                for shelf in (group.live, group.sealed):
                    if correlation is None:
                        found.update(shelf.names.get(name, ()))
                    else:
                        found.update(shelf.correlations.get(correlation, ()))
        return found

    def key_of(self, entity: Entity) -> PartyKey | None:
        """Whose an entity is; None: as it is now it is not among them."""
        group = self.group_of.get(entity.order)
        return group.key if group is not None and group.of[entity.order].entities[entity.order] is entity else None

    def at(self, entity: Entity) -> Linked:
        """The interaction that an entity is in."""
        return self.group_of[entity.order].of[entity.order]

    # --- changes ------------------------------------------------------------------------------------------------

    def insert(self, entity: Entity, key: PartyKey) -> None:
        """One more entity of a party key."""
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = Group(key)
        after = [one for one in group.after(entity.order) if self._is_linked(group, one, entity)]
        joined = self._before(group, entity)
        if after and (entity.request is not None or not self._is_plain([*joined, *after], 1)):
            self._anew(group, [entity], ())
        else:
            self._join(group, [*joined, *after], entity)

    def update(self, old: Entity, new: Entity) -> None:
        """An entity of the same key with more facts."""
        group = self.group_of[old.order]
        one = group.of[old.order]
        plainly = self._grows(group, old, new) and self._stays(one, old, new)
        others = self._newly_linked(group, one, old, new) if plainly else []
        if not plainly or (others and not self._is_plain([one, *others], 0)):
            self._anew(group, [new], [old])
            return
        self._unindex(group, old)
        one.replace(old, new)
        group.shelf(one).put(one, new)
        self._index(group, new)
        self._settle(group, one)
        if others:
            self._join(group, [one, *others], None)

    def remove(self, entities: Collection[Entity]) -> None:
        """Entities that are another party's now."""
        leaving: dict[Group, list[Entity]] = {}
        for entity in entities:
            leaving.setdefault(self.group_of[entity.order], []).append(entity)
        for group, its in leaving.items():
            self._anew(group, (), its)

    def drop(self, one: Linked) -> None:
        """A closed interaction: what is left stays as it was linked."""
        group = one.group
        self._forget(group, one)
        for entity in one.entities.values():
            self._unindex(group, entity)
            del group.of[entity.order], self.group_of[entity.order]
        if not group.of:
            del self.groups[group.key]

    def rename(self, key: PartyKey, other: PartyKey) -> None:
        """All that was one party's is another's: what is less goes to the rest. Neither key is that of one item."""
        group, there = self.groups.pop(key, None), self.groups.pop(other, None)
        small, large = sorted((group or Group(key), there or Group(other)), key=lambda each: len(each.of))
        if large.of:
            large.key = other
            self.groups[other] = large
        entities = self._emptied(small)
        for entity in entities:
            self.insert(entity, other)

    def _anew(self, group: Group, added: Iterable[Entity], removed: Iterable[Entity]) -> None:
        """Link all of a group again, in order."""
        gone = {entity.order for entity in removed}
        kept = [entity for entity in self._emptied(group) if entity.order not in gone]
        self.groups.pop(group.key, None)
        for entity in sorted([*kept, *added], key=lambda each: each.order):
            self.insert(entity, group.key)

    def _emptied(self, group: Group) -> list[Entity]:
        """The entities of a group that is given up."""
        for _, one in group.by_last:
            one.alive = False
            self.changed.pop(one, None)
        for order in group.of:
            del self.group_of[order]
        return [group.of[order].entities[order] for order in sorted(group.of)]

    # --- what is linked to what -----------------------------------------------------------------------------------

    def _before(self, group: Group, entity: Entity) -> list[Linked]:
        """The interactions of earlier things that an entity joins, as if nothing later were there."""
        time = entity.by_time and stitches(group.key, entity, self._limits)
        found = group.live.linked(entity.names, entity.refs, entity.correlations)
        if time:
            found.update(group.reaches.near(entity))
        if entity.started_at <= group.latest_request:
            found |= group.sealed.linked(entity.names, entity.refs, entity.correlations)
            if time:
                found.update(self._requested_later(group, entity))
        elif entity.item is None:
            found |= group.sealed.linked((), entity.refs, ())
        before = [one for one in found if one.orders[-1] < entity.order and not self._refuses(one, entity)]
        return sorted(before, key=lambda one: one.number)

    def _requested_later(self, group: Group, entity: Entity) -> Iterator[Linked]:
        """Near in time, and asked to close only after an entity began."""
        for request, _, one in reversed(group.requested):
            if request < entity.started_at:
                return
            if (one.near_plain if entity.correlations else one.near) >= entity.started_at:
                yield one

    def _refuses(self, one: Linked, entity: Entity) -> bool:
        """Whether a later entity cannot join what it is linked to."""
        if len(one.orders) >= self._size:
            return True
        late = one.request is not None and one.request < entity.started_at
        return late and (entity.item is not None or one.names.isdisjoint(entity.refs))

    def _is_linked(self, group: Group, one: Linked, entity: Entity) -> bool:
        """Whether an entity is linked to any of an interaction, some of whose things began after it."""
        for order, each in one.entities.items():
            earlier, later = (each, entity) if order < entity.order else (entity, each)
            if linked_in_order(earlier, later, stitches(group.key, later, self._limits)):
                return True
        return False

    def _newly_linked(self, group: Group, one: Linked, old: Entity, new: Entity) -> list[Linked]:
        """The other interactions that an entity's new facts link it to, less those that surely refuse."""
        told = new.names - old.names, new.refs - old.refs, new.correlations - old.correlations
        found: set[Linked] = set()
        if any(told):
            found = group.live.linked(*told) | group.sealed.linked(*told)
        if new.by_time and new.reach > old.reach:
            found.update(self._within(group, one, new, old.reach))
        found.discard(one)
        return sorted((each for each in found if not self._apart(one, each, new)), key=lambda each: each.number)

    def _within(self, group: Group, one: Linked, new: Entity, reached: Micros) -> Iterator[Linked]:
        """What began after an entity and within its new reach only, and might join it."""
        starts = group.plain_starts if new.correlations else group.starts
        low = bisect_right(starts, max((reached + 1,), new.order))
        high = bisect_left(starts, ((new.reach if one.request is None else min(new.reach, one.request)) + 1,))
        if len(one.orders) >= self._size:
            high = min(high, bisect_left(starts, one.orders[-1]))
        for n in range(low, high):
            yield group.of[starts[n]]

    def _apart(self, one: Linked, other: Linked, entity: Entity) -> bool:
        """Whether an entity of one surely joins nothing of another, though it is linked to something there."""
        if len(one.orders) >= self._size and other.orders[0] > one.orders[-1]:
            return True
        return other.orders[-1] < entity.order and self._refuses(other, entity)

    # --- linking ------------------------------------------------------------------------------------------------

    def _is_plain(self, several: list[Linked], more: int) -> bool:
        """Whether they become one in whatever order they are linked: none is sealed, nor would the whole be."""
        return all(one.request is None for one in several) and sum(len(o.orders) for o in several) + more < self._size

    def _grows(self, group: Group, old: Entity, new: Entity) -> bool:
        """Whether new facts can only have added links."""
        return (
            old.order == new.order
            and old.by_time == new.by_time
            and (not new.by_time or old.reach <= new.reach)
            and old.names <= new.names
            and old.refs <= new.refs
            and old.correlations <= new.correlations
            and (bool(old.correlations) or not new.correlations)
            and stitches(group.key, old, self._limits) == stitches(group.key, new, self._limits)
        )

    def _stays(self, one: Linked, old: Entity, new: Entity) -> bool:
        """Whether an interaction stays the same within: by a new request, by links between those that are in it."""
        if new.request != old.request and (old.request is not None or (new.request or NEVER) < one.started):
            return False
        if one.joined_at is None or new.order > one.joined_at:
            return True
        return one.joined_size < self._size and (one.request is None or one.request >= one.joined_at[0])

    def _join(self, group: Group, several: list[Linked], entity: Entity | None) -> None:
        """Make them one, with an entity that is in none yet."""
        home = max(several, key=lambda one: len(one.orders), default=None)
        if home is None:
            home = Linked(group)
        else:
            del group.by_last[bisect_left(group.by_last, home.orders[-1], key=last_order)]
        before = home.orders[:1]
        for other in several:
            if other is not home:
                self._absorb(group, home, other)
        if entity is not None:
            home.entities[entity.order] = entity
            insort(home.orders, entity.order)
            home.take(entity)
            group.of[entity.order], self.group_of[entity.order] = home, group
            group.shelf(home).put(home, entity)
            self._index(group, entity)
            if len(group.of) > self._limits.party_open:
                self._crowded[group.key] = None
        if len(several) > 1 or (entity is not None and entity.order < home.orders[-1]):
            home.joined_at, home.joined_size = home.orders[-1], len(home.orders)
        insort(group.by_last, (home.orders[-1], home), key=last_order)
        if home.orders[:1] != before:
            heappush(group.oldest, (home.orders[0], home.number, home))
        self._settle(group, home)

    def _absorb(self, group: Group, home: Linked, other: Linked) -> None:
        self._forget(group, other)
        home.orders = sorted(home.orders + other.orders)
        home.entities |= other.entities
        for order, entity in other.entities.items():
            group.of[order] = home
            home.take(entity)
        group.shelf(home).put(home, other)

    def _forget(self, group: Group, one: Linked) -> None:
        """An interaction is no more; its things are still on the indexes of their own."""
        one.alive = False
        group.shelf(one).take_out(one)
        del group.by_last[bisect_left(group.by_last, one.orders[-1], key=last_order)]
        self._unlist(group, one)
        self.changed.pop(one, None)

    def _unlist(self, group: Group, one: Linked) -> None:
        if one.listed is not None:
            del group.requested[bisect_left(group.requested, (one.listed, one.number), key=request_order)]
            one.listed = None

    def _settle(self, group: Group, one: Linked) -> None:
        """Put an interaction that changed where it is looked for."""
        full = len(one.orders) >= self._size
        if not one.sealed and (full or one.request is not None):
            group.live.take_out(one)
            one.sealed = True
            group.sealed.put(one, one)
        if not one.sealed:
            group.reaches.put(one)
        if full or one.listed != one.request:
            self._unlist(group, one)
        if one.request is not None:
            group.latest_request = max(group.latest_request, one.request)
            if not full and one.listed is None:
                one.listed = one.request
                insort(group.requested, (one.request, one.number, one), key=request_order)
        self.changed[one] = None

    def _index(self, group: Group, entity: Entity) -> None:
        """An entity on the indexes of its own."""
        if not entity.by_time or group.key.kind == "anon":
            return
        if stitches(group.key, entity, self._limits):
            insort(group.starts, entity.order)
            if not entity.correlations:
                insort(group.plain_starts, entity.order)
        if entity.reach < entity.complete_at:
            group.holding.add(entity.reach, entity.order, entity.complete_at)

    def _unindex(self, group: Group, entity: Entity) -> None:
        if not entity.by_time or group.key.kind == "anon":
            return
        if stitches(group.key, entity, self._limits):
            del group.starts[bisect_left(group.starts, entity.order)]
            if not entity.correlations:
                del group.plain_starts[bisect_left(group.plain_starts, entity.order)]
        if entity.reach < entity.complete_at:
            group.holding.discard(entity.reach, entity.order, entity.complete_at)
            self.released.append((group, entity.complete_at))

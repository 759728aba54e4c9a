"""An open interaction of a party that has much open, and the indexes by which others find it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from itertools import count

from touchpoint.stitching.facts import Micros
from touchpoint.stitching.interactions.entities import Entity
from touchpoint.stitching.interactions.grouping import Component, closing_instant, completes_at
from touchpoint.stitching.interactions.party_facts import PartyKey
from touchpoint.stitching.interactions.prefix import PrefixMaximum
from touchpoint.stitching.limits import Limits

Order = tuple[Micros, bool, str]
NEVER: Micros = -(2**62)
FOREVER: Micros = 2**62
_numbers = count()


class Linked:
    """Entities that belong together, and what of them decides on further ones and on the close."""

    __slots__ = (
        "alive", "began", "complete", "correlations", "entities", "group", "joined_at", "joined_size", "listed",
        "names", "near", "near_plain", "number", "orders", "reach", "refs", "request", "sealed", "stamp", "wrapped_up",
    )  # fmt: skip

    def __init__(self, group: Group) -> None:
        self.group = group
        self.number = next(_numbers)
        self.entities: dict[Order, Entity] = {}
        self.orders: list[Order] = []
        self.names: set[str] = set()
        self.refs: set[str] = set()
        self.correlations: set[str] = set()
        self.request: Micros | None = None
        self.wrapped_up: Micros | None = None  # the first `wrapped_up`
        self.began = FOREVER  # its first event
        self.complete = self.reach = NEVER
        self.near = self.near_plain = NEVER  # reach of what links by time; of what has no correlationid
        self.joined_at: Order | None = None  # its last entity when it last grew out of several
        self.joined_size = 0  # and how many there were
        self.sealed = False  # asked to close, or full
        self.listed: Micros | None = None  # under which request its group lists it
        self.stamp = 0  # changes whenever its close may be at another instant
        self.alive = True

    @property
    def started(self) -> Micros:
        """When its latest entity began."""
        return self.orders[-1][0]

    @property
    def first(self) -> Order:
        """The order of its earliest item, else of its earliest activity."""
        return next((order for order in self.orders if not order[1]), self.orders[0])

    def take(self, entity: Entity) -> None:
        """What an entity adds to the whole."""
        self.names |= entity.names
        self.refs |= entity.refs
        self.correlations |= entity.correlations
        if entity.request is not None and (self.request is None or entity.request < self.request):
            self.request = entity.request
        if entity.wrapped_up is not None and (self.wrapped_up is None or entity.wrapped_up < self.wrapped_up):
            self.wrapped_up = entity.wrapped_up
        self.began = min(self.began, entity.first_event)
        self.complete = max(self.complete, entity.complete_at)
        self.reach = max(self.reach, entity.reach)
        if entity.by_time:
            self.near = max(self.near, entity.reach)
            if not entity.correlations:
                self.near_plain = max(self.near_plain, entity.reach)

    def replace(self, old: Entity, new: Entity) -> None:
        """The same entity with more facts; it keeps its place."""
        self.entities[new.order] = new
        if new.complete_at < old.complete_at == self.complete or new.reach < old.reach == self.reach:
            self.complete = max(entity.complete_at for entity in self.entities.values())
            self.reach = max(entity.reach for entity in self.entities.values())
        self.take(new)

    def component(self) -> Component:
        """As the definition has it."""
        made = Component(self.group.key)
        for order in self.orders:
            made.add(self.entities[order])
        return made

    def outline(self) -> Component:
        """With its first thing only, which is what identifies it."""
        made = Component(self.group.key)
        made.add(self.entities[self.first])
        return made

    def closing(self, held: Micros, limits: Limits) -> tuple[Micros, str]:
        """When and why it closes, if it is held until an instant."""
        full = self.started if len(self.orders) >= limits.interaction_size else None
        age = self.began + limits.interaction_age
        return closing_instant(max(held, self._completes_at(limits)), self.reach, self.request, full, age)

    def _completes_at(self, limits: Limits) -> Micros:
        if self.wrapped_up is None:
            return self.complete
        return max(completes_at(entity, self.wrapped_up, limits) for entity in self.entities.values())


class Shelf:
    """Interactions by name, reference and correlationid."""

    __slots__ = ("correlations", "names", "refs")

    def __init__(self) -> None:
        self.names: dict[str, set[Linked]] = {}
        self.refs: dict[str, set[Linked]] = {}
        self.correlations: dict[str, set[Linked]] = {}

    def put(self, one: Linked, told: Entity | Linked) -> None:
        """An interaction is known by what it, or a thing of it, names."""
        for index, keys in self._each(told):
            for key in keys:
                index.setdefault(key, set()).add(one)

    def take_out(self, one: Linked) -> None:
        for index, keys in self._each(one):
            for key in keys:
                index[key].discard(one)
                if not index[key]:
                    del index[key]

    def _each(self, told: Entity | Linked) -> Iterator[tuple[dict[str, set[Linked]], Iterable[str]]]:
        return iter(((self.names, told.names), (self.refs, told.refs), (self.correlations, told.correlations)))

    def linked(self, names: Iterable[str], refs: Iterable[str], correlations: Iterable[str]) -> set[Linked]:
        """Those that are linked to something by what it names and is named, whenever it began."""
        found: set[Linked] = set()
        for name in names:
            found.update(self.names.get(name, ()), self.refs.get(name, ()))
        for ref in refs:
            found.update(self.names.get(ref, ()))
        for correlation in correlations:
            found.update(self.correlations.get(correlation, ()))
        return found


class Reaches:
    """Interactions that still take others, by the end of their reach in time."""

    __slots__ = ("_all", "_plain")

    def __init__(self) -> None:
        self._all: list[tuple[Micros, int, Linked]] = []
        self._plain: list[tuple[Micros, int, Linked]] = []  # of their things without correlationid

    def put(self, one: Linked) -> None:
        if one.near > NEVER:
            heappush(self._all, (-one.near, one.number, one))
        if one.near_plain > NEVER:
            heappush(self._plain, (-one.near_plain, one.number, one))

    def near(self, entity: Entity) -> list[Linked]:
        """Those within whose reach an entity began, where one of the two has no correlationid."""
        heap = self._plain if entity.correlations else self._all
        found: dict[Linked, Micros] = {}
        while heap and -heap[0][0] >= entity.started_at:
            reach, _, one = heappop(heap)
            if one.alive and not one.sealed:
                found.setdefault(one, reach)
        for one, reach in found.items():
            heappush(heap, (reach, one.number, one))
        return list(found)


class Group:
    """All that is open under one party key."""

    def __init__(self, key: PartyKey) -> None:
        self.key = key
        self.of: dict[Order, Linked] = {}
        self.live, self.sealed = Shelf(), Shelf()
        self.reaches = Reaches()
        self.by_last: list[tuple[Order, Linked]] = []
        self.requested: list[tuple[Micros, int, Linked]] = []  # not full; by request
        self.latest_request = NEVER
        self.starts: list[Order] = []  # of what may be linked by time to something earlier
        self.plain_starts: list[Order] = []  # of those without correlationid
        self.holding = PrefixMaximum()  # when what may yet turn out to have overlapped is complete, by its reach
        self.held: list[tuple[Micros, int, int, Linked]] = []  # heap by start: they wait until others are complete
        self.oldest: list[tuple[Order, int, Linked]] = []  # heap

    def after(self, order: Order) -> list[Linked]:
        """The interactions that have things which began after an order."""
        return [one for _, one in self.by_last[bisect_right(self.by_last, order, key=last_order) :]]

    def first(self) -> Linked:
        """The interaction with the oldest thing."""
        while not ((oldest := self.oldest[0])[2].alive and oldest[2].orders[0] == oldest[0]):
            heappop(self.oldest)
        return oldest[2]

    def shelf(self, one: Linked) -> Shelf:
        return self.sealed if one.sealed else self.live


def last_order(pair: tuple[Order, Linked]) -> Order:
    return pair[0]


def request_order(entry: tuple[Micros, int, Linked]) -> tuple[Micros, int]:
    return entry[:2]


def linked_in_order(earlier: Entity, later: Entity, by_time: bool) -> bool:
    """Whether two entities belong together; `by_time`: whether the later may be linked by time."""
    return (
        not earlier.correlations.isdisjoint(later.correlations)
        or not earlier.names.isdisjoint(later.refs)
        or not earlier.refs.isdisjoint(later.names)
        or not earlier.names.isdisjoint(later.names)
        or (
            by_time
            and earlier.by_time
            and later.by_time
            and earlier.reach >= later.started_at
            and (not earlier.correlations or not later.correlations)
        )
    )

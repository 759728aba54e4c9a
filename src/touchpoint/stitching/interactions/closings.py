"""Which of the interactions of a party that has much open closes next."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

from touchpoint.stitching.facts import Micros
from touchpoint.stitching.interactions.linked import NEVER, Group, Linked, Order
from touchpoint.stitching.interactions.linking import Linking
from touchpoint.stitching.limits import Limits


class Closing(NamedTuple):
    """An interaction that closes, when, and why."""

    instant: Micros
    first: Order
    why: str
    one: Linked


class Closings:
    """Interactions by the instant of their close. Only what changed is looked at again.

    An interaction closes no sooner than it would alone: by that bound it waits in a heap. Then it may be held by
    others that could turn out to have overlapped: so it waits by its start, since what holds it holds all that began
    later too. What nothing holds any more is ready, by the exact instant.
    """

    def __init__(self, linking: Linking, limits: Limits) -> None:
        self._linking, self._limits = linking, limits
        self._numbers = count(1)
        self._bounds: list[tuple[Micros, int, int, Linked]] = []
        self._ready: list[tuple[Micros, Order, int, Linked]] = []
        self._held: dict[Group, None] = {}  # that have interactions which wait by their start
        self._by_holder: dict[tuple[Group, Micros], list[tuple[int, Linked]]] = {}

    def next(self, before: Micros) -> Closing | None:
        """The first that closes before an instant; of those that close at once that which began first."""
        self._look_again()
        while self._bounds and self._bounds[0][0] < before:
            _, _, stamp, one = heappop(self._bounds)
            if one.alive and one.stamp == stamp:
                self._judge(one, before)
        for group in list(self._held):
            self._release(group, before)
        while self._ready:
            instant, first, stamp, one = self._ready[0]
            if one.alive and one.stamp == stamp:
                now, why = one.closing(self._hold(one), self._limits)
                if now == instant:
                    return Closing(instant, first, why, one) if instant < before else None
                heappop(self._ready)
                self._judge(one, before)
            else:
                heappop(self._ready)
        return None

    def earliest(self) -> Micros | None:
        """When the first closes, if nothing comes."""
        found = self._linking.interactions()
        return min((one.closing(self._hold(one), self._limits)[0] for one in found), default=None)

    def _hold(self, one: Linked) -> Micros:
        """Until when others hold it: what holds it is complete after it began."""
        until = one.group.holding.before(one.started)
        return NEVER if until is None or until <= one.started else until

    def _look_again(self) -> None:
        linking = self._linking
        for one in linking.changed:
            one.stamp = next(self._numbers)
            self._bound(one, one.closing(NEVER, self._limits)[0])
        linking.changed.clear()
        for key in linking.released:
            for stamp, one in self._by_holder.pop(key, ()):
                if one.alive and one.stamp == stamp:
                    self._bound(one, one.closing(NEVER, self._limits)[0])
        linking.released.clear()

    def _bound(self, one: Linked, instant: Micros) -> None:
        heappush(self._bounds, (instant, one.number, one.stamp, one))

    def _release(self, group: Group, before: Micros) -> None:
        """What begins the earliest is released first."""
        while group.held:
            _, _, stamp, one = group.held[0]
            if one.alive and one.stamp == stamp and self._hold(one) >= before:
                return
            heappop(group.held)
            if one.alive and one.stamp == stamp:
                self._judge(one, before)
        self._held.pop(group, None)

    def _judge(self, one: Linked, before: Micros) -> None:
        """Ready, or held."""
        group, held = one.group, self._hold(one)
        instant, _ = one.closing(held, self._limits)
        if instant < before:
            heappush(self._ready, (instant, one.first, one.stamp, one))
            if held > NEVER:
                self._by_holder.setdefault((group, held), []).append((one.stamp, one))
        elif held >= before:
            heappush(group.held, (one.started, one.number, one.stamp, one))
            self._held[group] = None
            self._bound(one, one.began + self._limits.interaction_age)  # not even then does it stay open
        else:
            self._bound(one, one.closing(NEVER, self._limits)[0])

"""What is remembered of a party's closed interactions while time passes for it."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

from touchpoint.stitching.facts import Micros
from touchpoint.stitching.interactions import late
from touchpoint.stitching.interactions.entities import Entity
from touchpoint.stitching.interactions.late import Amendment
from touchpoint.stitching.interactions.model import Closed, PartyKey
from touchpoint.stitching.interactions.present import Placed

MOST_TOMBSTONES = 1_000
"""Of one party; the oldest go first, then by age."""
MOST_WEIGHT = 2 * 1024 * 1024
"""Bytes of one party's tombstones (``Closed.weight``); a number that never rests must not grow its state."""


class Past:
    """The closed interactions of one party, oldest first."""

    def __init__(self, closed: list[Closed], age: Micros) -> None:
        """``age``: for how long one is remembered."""
        self.closed, self._age = closed, age
        self.names = {name for each in closed for name in each.names}

    def add(self, closed: Closed) -> None:
        """One more; the oldest go for it."""
        self.closed = remembered([*self.closed, closed])
        self.names.update(closed.names)

    def receive(self, new: Placed) -> tuple[list[Amendment], bool]:
        """(amendments, whether the fact joins what is open): of a closed interaction it is news, or known."""
        self.closed, amendments, joins = late.receive(new, self.closed, self._age)
        return amendments, joins

    def of(self, item: str, time: Micros) -> Closed | None:
        """The one that has a media item, the latest, if it was remembered at a time."""
        if item not in self.names:
            return None
        oldest = time - self._age
        return next((each for each in reversed(self.closed) if item in each.names and each.instant >= oldest), None)

    def parents_key(self, entity: Entity) -> PartyKey | None:
        """Under which key what an entity names as its parent has closed."""
        closed = None if entity.parent is None else self.of(entity.parent, entity.started_at)
        return None if closed is None else closed.key


def remembered(closed: list[Closed]) -> list[Closed]:
    """Of so many, oldest first, the latest that may be remembered."""
    if len(closed) <= MOST_TOMBSTONES and sum(one.weight for one in closed) <= MOST_WEIGHT:
        return closed
    held = list(accumulate(one.weight for one in reversed(closed)))
    return closed[-max(1, min(MOST_TOMBSTONES, bisect_right(held, MOST_WEIGHT))) :]

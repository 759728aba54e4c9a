"""Which media item an id stands for (stitching.md, 1, alias)."""

from __future__ import annotations

from collections.abc import Callable, Collection

from touchpoint.stitching.facts import UNREADABLE, Fact
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.media import fold

MOST_ALIASES = 8
"""Alias events of one item that are looked at, the first: each may cost a fold of all that the item had before it."""


def alias_of(item: str, facts: Collection[Fact], limits: Limits) -> str | None:
    """What an item is the same thing as, by the last of its alias events that came in time; None: it is none.

    `facts` may be those of other items too.
    """
    told = [f for f in facts if f.verb == "alias" and f.subject == item and f.data["to"] != item]
    if not told:
        return None
    told.sort(key=lambda f: (f.time, f.source, f.id))
    own = [f for f in facts if f.subject == item and f.verb != UNREADABLE]
    for alias in reversed(told[:MOST_ALIASES]):
        if _in_time(alias, own, limits):
            return alias.data["to"]  # type: ignore[no-any-return]
    return None


def _in_time(alias: Fact, own: Collection[Fact], limits: Limits) -> bool:
    """What had been complete by then stays what it was: its interaction may have closed."""
    before = [fact for fact in own if fact.time < alias.time]
    return not before or fold(alias.subject, before, limits).complete_at >= alias.time


class Roots:
    """The ends of chains of aliases. Each item is followed once, however many chains lead through it."""

    def __init__(self, alias: Callable[[str], str | None]) -> None:
        """``alias``: what an item is the same thing as."""
        self._alias = alias
        self._known: dict[str, str] = {}

    def of(self, item: str) -> str:
        """The end of the chain that begins at an item; of a cycle its smallest id."""
        path: dict[str, None] = {}
        one = item
        while one not in self._known:
            path[one] = None
            following = self._alias(one)
            if following is None:
                self._known[one] = one
            elif following in path:
                names = list(path)
                self._known[one] = min(names[names.index(following) :])
            else:
                one = following
        self._known.update(dict.fromkeys(path, self._known[one]))
        return self._known[item]

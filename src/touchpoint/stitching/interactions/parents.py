"""Whose something is that has no party of its own: that of what it names as its parent, and so on (stitching.md, 3)."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

from touchpoint.stitching.interactions.model import PartyKey

One = TypeVar("One", bound=Hashable)


def followed(
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

"""A silent feed is not a silent call: spans in which a source's heartbeat was missing (stitching.md, 4)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable
from itertools import pairwise

from touchpoint.stitching.facts import Micros
from touchpoint.stitching.limits import Limits

Span = tuple[Micros, Micros]
FOREVER: Micros = 2**62


def signs_of_life(heartbeats: Collection[Micros], events: Iterable[Micros], limits: Limits) -> list[Micros]:
    """A source's heartbeats, and those of its events that no heartbeat came shortly before: they end a silence."""
    beats = sorted(set(heartbeats))
    if not beats:
        return []
    signs = set(beats)
    for time in events:
        before = bisect_right(beats, time)
        if before and time - beats[before - 1] > limits.silence:
            signs.add(time)
    return sorted(signs)


def silences(signs: Iterable[Micros], limits: Limits) -> tuple[Span, ...]:
    """From `limits.silence` after a sign to the next.

    A source that is away for longer than any interaction lives is gone, not silent.
    """
    return tuple(
        (sign + limits.silence, following)
        for sign, following in pairwise(signs)
        if limits.silence < following - sign <= limits.interaction_age
    )


def silent_now(signs: list[Micros], horizon: Micros, limits: Limits) -> tuple[Span, ...]:
    """The silence that has not ended at the horizon, if there is one."""
    if not signs or horizon - signs[-1] <= limits.silence or horizon - signs[-1] > limits.interaction_age:
        return ()
    return ((signs[-1] + limits.silence, FOREVER),)


def thinned(signs: list[Micros], before: Micros, limits: Limits) -> list[Micros]:
    """The signs that still tell something: those that border a silence, and those that are not settled yet."""
    inner = list(signs)
    apart = [False, *(b - a > limits.silence for a, b in pairwise(inner)), False]
    last = len(inner) - 1
    return [
        sign
        for n, sign in enumerate(inner)
        if sign >= before - limits.interaction_age and (sign >= before or n == last or apart[n] or apart[n + 1])
    ]

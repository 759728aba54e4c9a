"""What the passing of event time does to a party: the entry for `stitch`, the stages and questions of parents."""

from __future__ import annotations

from collections.abc import Iterable

from touchpoint.stitching.facts import Micros
from touchpoint.stitching.flushes import NO_FLUSHES, Flushes
from touchpoint.stitching.interactions.fast_walk import FastPassage
from touchpoint.stitching.interactions.party_facts import PartyFacts
from touchpoint.stitching.interactions.walk import Advance, Walk
from touchpoint.stitching.limits import Limits, Silences


def advance(
    party: PartyFacts, horizon: Micros, limits: Limits, silences: Silences | None = None, flushes: Flushes = NO_FLUSHES
) -> Advance:
    """Close every interaction of `party` whose closing instant is before `horizon`, or that its sources have flushed.

    All facts with a time before the horizon must be there, and those of a flushed source until that instant. `party`
    itself is not changed.
    """
    return Walk(party, limits, silences or {}, flushes, FastPassage(limits)).run(horizon)


def interactions_at(
    party: PartyFacts,
    asked: Iterable[tuple[str, Micros]],
    limits: Limits,
    silences: Silences | None = None,
    flushes: Flushes = NO_FLUSHES,
) -> dict[tuple[str, Micros], str | None]:
    """By (media item, instant): the interaction that the item was in then; None if nothing was known of it."""
    walk = Walk(party, limits, silences or {}, flushes, FastPassage(limits))
    found: dict[tuple[str, Micros], str | None] = {}
    for item, time in sorted(asked, key=lambda each: each[1]):
        walk.pass_time(time + 1)
        found[item, time] = walk.where(item, time)
    return found

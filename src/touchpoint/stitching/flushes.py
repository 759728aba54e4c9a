"""What sources have declared to be over: `source.flushed` (stitching.md, 4).

A source that has told everything until an instant, as at the end of a backfill, says so in an event. It moves no clock:
what is open of other sources is not concerned. At that instant in event time a media item or activity is complete, as
it would be by its age, if all its events are of sources that have declared so and no later than that; events that
happened after the declaration itself was made come too late. An interaction of such things alone closes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from touchpoint.stitching.facts import Fact, Micros


class Declared(NamedTuple):
    """That everything has been told until an instant, and when that was said."""

    until: Micros
    time: Micros


Flushes = Mapping[tuple[str, str], Sequence[Declared]]
"""By tenant and source: its declarations, in order."""
NO_FLUSHES: Flushes = {}


def is_covered(fact: Fact, flushes: Flushes, at: Micros) -> bool:
    """Whether the source of a fact has declared, for an instant no later than ``at``, that the fact's time is over."""
    declared = flushes.get((fact.tenant, fact.source))
    if declared is None:
        return False
    first = bisect_left(declared, Declared(fact.time, 0))
    return first < len(declared) and declared[first].until <= at


def flush_instants(facts: Iterable[Fact], flushes: Flushes) -> list[Declared]:
    """The instants at which something made of the facts may be complete, in order; of each the last declaration."""
    earliest: dict[tuple[str, str], Micros] = {}
    for fact in facts:
        source = (fact.tenant, fact.source)
        if source in flushes:
            earliest[source] = min(fact.time, earliest.get(source, fact.time))
    found: dict[Micros, Micros] = {}
    for source, first in earliest.items():
        for until, time in flushes[source]:
            if until >= first:
                found[until] = max(time, found.get(until, time))
    return [Declared(*each) for each in sorted(found.items())]

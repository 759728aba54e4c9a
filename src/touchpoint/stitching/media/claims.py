"""Instants that an event tells beside its own time: which of them stitching believes (stitching.md, 4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from touchpoint.stitching.facts import Fact, Micros
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.media.flags import Flag


def is_believed(instant: Micros, earliest: Micros, latest: Micros, limits: Limits) -> bool:
    """Whether an instant told by events between ``earliest`` and ``latest`` counts.

    The contract's clock checks look at an event's `time` alone. So that no other instant keeps an interaction open for
    years, or begins it years ago, it may not be later than the event plus the disorder, nor earlier by more than an
    interaction's age.
    """
    return earliest - limits.interaction_age <= instant <= latest + limits.disorder


def believed(facts: Sequence[Fact], limits: Limits, flags: set[Flag]) -> Sequence[Fact]:
    """The facts without the instants in `reported` that do not count. The same object if all count."""
    if not any("reported" in fact.data and _ignored(fact, limits) for fact in facts):
        return facts
    flags.add(Flag.INSTANT_IGNORED)
    return [_without(fact, _ignored(fact, limits)) if "reported" in fact.data else fact for fact in facts]


def _ignored(fact: Fact, limits: Limits) -> set[str]:
    return {
        name
        for name, value in fact.data["reported"].items()
        if name.endswith("_at") and not is_believed(value, fact.time, fact.time, limits)
    }


def _without(fact: Fact, names: set[str]) -> Fact:
    if not names:
        return fact
    kept = {name: value for name, value in fact.data["reported"].items() if name not in names}
    return msgspec.structs.replace(fact, data=fact.data | {"reported": kept})


def derived_in_time(derived: Iterable[Fact], facts: Sequence[Fact], limits: Limits, flags: set[Flag]) -> list[Fact]:
    """Of events that were read out of others, those whose instants count: a duration may be ten years as well.

    `facts` are in order.
    """
    earliest, latest = facts[0].time, facts[-1].time
    found = list(derived)
    kept = [fact for fact in found if is_believed(fact.time, earliest, latest, limits)]
    if len(kept) < len(found):
        flags.add(Flag.INSTANT_IGNORED)
    return kept

"""What came long after its time, as in a backfill beside a live stream: it waits until its source has told all of it.

Time has passed it already, so without waiting its first event would close it. It takes part in nothing until its source
flushes, or nothing more of it has come for HELD_FOR; then it is stitched as a whole, as if it had been there in time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from touchpoint.stitching.facts import HOUR, Fact, Micros
from touchpoint.stitching.flushes import Flushes, is_covered
from touchpoint.stitching.interactions.names import activity_name, activity_of, item_name, item_of
from touchpoint.stitching.interactions.party_facts import PartyFacts
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.watermarks import HISTORY

HELD_FOR: Micros = 4 * HOUR
"""Event time of the live stream, since the last event of it."""


def is_history(facts: Collection[Fact], watermark: Micros | None) -> bool:
    """Whether all of it came long after time had passed it."""
    return watermark is not None and bool(facts) and max(fact.time for fact in facts) < watermark - HISTORY


def hold(
    held: Mapping[str, Micros], known: PartyFacts, new: PartyFacts, closed: Collection[str], watermark: Micros,
    limits: Limits,
) -> dict[str, Micros]:  # fmt: skip
    """(name -> until when it waits), after facts that came first-hand. Of what is open or closed nothing waits."""
    after = dict(held)
    for item, facts in new.items.items():
        name = item_name(item)
        if is_history(facts, watermark) and name not in closed and (name in held or item not in known.items):
            after[name] = watermark + HELD_FOR
        else:
            after.pop(name, None)
    for activity, facts in new.activities.items():
        name = activity_name(activity)
        if not is_history(facts, watermark) or name in closed or (activity in known.activities and name not in held):
            continue
        about = after.keys() & {item_name(fact.data.get("media_item") or fact.subject) for fact in facts}
        after[name] = watermark + (HELD_FOR if about else limits.activity_gap)
    return after


def hold_moved(
    held: Mapping[str, Micros], known: PartyFacts, moved: Mapping[str, Micros], closed: Collection[str]
) -> dict[str, Micros]:
    """(name -> until when it waits), after things came from another party where they waited.

    Of what is open or closed here nothing waits: the other party may have read again what it had given away, and
    taken it for history (test_backfill: a mail that is read again while its thread is open).
    """
    open_ = {*map(item_name, known.items), *map(activity_name, known.activities)} - held.keys()
    return {**held, **{name: until for name, until in moved.items() if name not in open_ and name not in closed}}


def is_flushed(held: Collection[str], facts: PartyFacts, flushes: Flushes) -> bool:
    """Whether all that waits was declared to be over."""
    if not flushes:
        return False
    latest = max(declared[-1].until for declared in flushes.values())
    return all(is_covered(fact, flushes, latest) for fact in _facts_of(held, facts))


def parted(held: Collection[str], facts: PartyFacts) -> tuple[PartyFacts, PartyFacts]:
    """(what takes part in the passing of time, what waits) of a party's facts."""
    waits, goes = PartyFacts(), PartyFacts(identity=facts.identity, closed=facts.closed, parents=facts.parents)
    for home in ("items", "controls", "activities"):
        name_of = activity_name if home == "activities" else item_name
        for its_id, of_it in getattr(facts, home).items():
            getattr(waits if name_of(its_id) in held else goes, home)[its_id] = of_it
    return goes, waits


def still_held(held: Mapping[str, Micros], facts: PartyFacts) -> dict[str, Micros]:
    """Without things that have left."""
    here = {*map(item_name, facts.items), *map(activity_name, facts.activities)}
    return {name: until for name, until in held.items() if name in here}


def _facts_of(held: Collection[str], facts: PartyFacts) -> Iterator[Fact]:
    for name in held:
        item, activity = item_of(name), activity_of(name)
        if activity is not None:
            yield from facts.activities.get(activity, ())
        if item is not None:
            yield from facts.items.get(item, ())
            yield from facts.controls.get(item, ())


def rejoined(goes: PartyFacts, waits: PartyFacts) -> PartyFacts:
    """What `parted` has parted, after time has passed for the one."""
    for home in ("items", "controls", "activities"):
        getattr(goes, home).update(getattr(waits, home))
    return goes

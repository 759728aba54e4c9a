"""The set of a media item's facts, and its limit (stitching.md, 1)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from touchpoint.stitching.facts import Fact, FactKey, Micros
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.media.order import order_key
from touchpoint.stitching.verbs import CLOSING


def merge_facts(known: dict[FactKey, Fact], new: Iterable[Fact], limits: Limits) -> bool:
    """Adds facts to `known`; True if that changed it. Neither order nor repetition matters.

    Of two facts with one key but different contents the greater (recordedtime, canonical JSON) stays.
    At most `2 * (limits.item_facts + 1)` facts stay: one more of each kind than the fold reads, so that what is left
    still tells that something was lost (`is_truncated`).
    """
    touched: set[FactKey] = set()
    for fact in new:
        key = (fact.source, fact.id)
        old = known.get(key)
        if old is None or (old != fact and precedence(fact) > precedence(old)):
            known[key] = fact
            touched.add(key)
    if not touched or len(known) <= limits.item_facts:
        return bool(touched)
    lost = known.keys() - {(fact.source, fact.id) for fact in _first(known.values(), limits.item_facts + 1)}
    for key in lost:
        del known[key]
    return lost != touched


def is_truncated(facts: Collection[Fact], limits: Limits) -> bool:
    """Whether the item had more facts than it may keep."""
    return len(facts) > limits.item_facts and len(_first(facts, limits.item_facts)) < len(facts)


def within_limit(facts: Collection[Fact], limits: Limits) -> list[Fact]:
    """The facts that count: the first `limits.item_facts` in order, and the first so many that end or wrap up."""
    return _first(facts, limits.item_facts)


def _first(facts: Collection[Fact], count: int) -> list[Fact]:
    inner = sorted(facts, key=order_key)
    closing = [fact for fact in inner[count:] if fact.verb in CLOSING]
    room = count - sum(fact.verb in CLOSING for fact in inner[:count])
    return inner[:count] + closing[: max(room, 0)]


def precedence(fact: Fact) -> tuple[Micros, bytes]:
    """Which of two contradicting facts of one (source, id) wins: the greatest (stitching.md, 1)."""
    recorded = -1 << 62 if fact.recorded is None else fact.recorded
    return (recorded, msgspec.json.encode(fact, order="sorted"))

"""The set of a media item's facts, its limit, and the order in which they are read (stitching.md, 1).

The order is total, whatever the order of arrival.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import msgspec

from touchpoint.stitching.facts import Fact, FactKey, Micros
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.verbs import CLOSING, VERBS, Verbs

RANK: dict[str, int] = {verb: 2 * n for n, verb in enumerate(VERBS)}
_OTHER = RANK["message"] + 1
"""Of a verb that only a later release knows."""

_YIELDS_TO_TRANSFER: Verbs = frozenset({"answered", "queued", "joined"})


def order_key(fact: Fact) -> tuple[Micros, int, str, str]:
    """(time, rank, source, id)."""
    return (fact.time, RANK.get(fact.verb, _OTHER), fact.source, fact.id)


def ordered(facts: Collection[Fact]) -> list[Fact]:
    """By time, rank, source and id; then those of one instant and source by `sequence`, within the places they hold."""
    inner = sorted(facts, key=order_key)
    first, previous = 0, None
    for n, fact in enumerate(inner):
        if fact.time != previous:
            if n - first > 1:
                _by_sequence(inner, first, n)
            first, previous = n, fact.time
    if len(inner) - first > 1:
        _by_sequence(inner, first, len(inner))
    return inner


def _by_sequence(facts: list[Fact], first: int, after: int) -> None:
    if after - first == 2:  # the usual instant that has several
        one, other = facts[first], facts[first + 1]
        both = one.source == other.source and one.sequence is not None and other.sequence is not None
        if both and _sequence(other) < _sequence(one):
            facts[first], facts[first + 1] = other, one
        return
    places: dict[str, list[int]] = {}
    for n in range(first, after):
        if facts[n].sequence is not None:
            places.setdefault(facts[n].source, []).append(n)
    for held in places.values():
        if len(held) > 1:
            inner = sorted((facts[n] for n in held), key=_sequence)
            for n, fact in zip(held, inner, strict=True):
                facts[n] = fact


def _sequence(fact: Fact) -> str:
    return fact.sequence or ""


def arrange(instant: list[Fact], closes: Callable[[Fact], bool]) -> list[Fact]:
    """One instant's facts: among the unsequenced, what closes something that was open before goes before what opens.

    `closes` says of a fact whether it would close something that is open now, before the instant.
    disconnected and ended stay. transferred moves before answered, queued and joined only, never before
    consult_answered.
    """
    places = [n for n, fact in enumerate(instant) if fact.sequence is None]
    if len(places) < 2:
        return instant
    inner = [instant[n] for n in places]
    closing = [closes(fact) for fact in inner]
    ahead = [f for f, closer in zip(inner, closing, strict=True) if closer and f.verb != "transferred"]
    rest = [f for f, closer in zip(inner, closing, strict=True) if not closer or f.verb == "transferred"]
    transfers = [f for f, closer in zip(inner, closing, strict=True) if closer and f.verb == "transferred"]
    for transfer in transfers:
        _move_up(rest, transfer)
    result = list(instant)
    for n, fact in zip(places, ahead + _unpark_last(rest), strict=True):
        result[n] = fact
    return result


def _move_up(facts: list[Fact], transfer: Fact) -> None:
    place = facts.index(transfer)
    consulted = max((n for n in range(place) if facts[n].verb == "consult_answered"), default=-1)
    target = next((n for n in range(consulted + 1, place) if facts[n].verb in _YIELDS_TO_TRANSFER), place)
    facts.insert(target, facts.pop(place))


def _unpark_last(facts: list[Fact]) -> list[Fact]:
    """What is unparked without having been parked before was parked in the same instant."""
    if not any(f.verb == "parked" for f in facts) or not any(f.verb == "unparked" for f in facts):
        return facts
    last = max(n for n, f in enumerate(facts) if f.verb == "parked")
    early = [f for f in facts[:last] if f.verb == "unparked"]
    return [f for f in facts[: last + 1] if f not in early] + early + facts[last + 1 :]


# the set


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

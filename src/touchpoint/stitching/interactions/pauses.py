"""Pauses in which some step of the walk might have found an interaction complete."""

from __future__ import annotations

from collections.abc import Iterator

from touchpoint.stitching.facts import Micros
from touchpoint.stitching.interactions.entities import Entity
from touchpoint.stitching.interactions.grouping import Component, deadlines, stitches
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.ownership.claims import claim
from touchpoint.stitching.verbs import CLOSING, ENDS, Verbs

_MANY_FACTS = 50
_OF_NOBODY: Verbs = frozenset({"offered", "message"})
"""What happens before anybody has an item, and while it is in no queue."""


def shortest_wait(limits: Limits, requested: bool = False) -> Micros:
    """No interaction closes sooner after its last sign of life, unless it was asked to; then it is worth a look."""
    waits = [limits.activity_gap, *[channel.linger for channel in limits.channels.values()]]
    return min(limits.wrapped_up_wait, *waits) if requested else min(waits)


class Pauses:
    """Finds them in what has happened of an interaction so far."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.wait = shortest_wait(limits)
        self._shortest_age = min([channel.age for channel in limits.channels.values()])

    def of(self, component: Component, since: Micros, until: Micros) -> Micros | None:
        """An instant in (``since``, ``until``] before which some of it may have closed alone; None: there is none."""
        whole = self._within(component, since)
        # hot path: alone, or too short for a part of it to close before the rest
        if len(component.entities) < 2 or (
            component.sealed_at(self._limits) is None
            and until - min([e.ended_at for e in component.entities]) <= self.wait
        ):
            return whole
        found = [whole]
        parts = _linked_by_time(component, self._limits)
        for part in parts if len(parts) > 1 else ():
            closes = deadlines([part], self._limits)[0][0]
            found += [self._within(part, since), closes + 1 if since <= closes < until else None]
        return min((instant for instant in found if instant is not None), default=None)

    def _within(self, component: Component, since: Micros) -> Micros | None:
        """The end of the first pause that ends after ``since``.

        What closed in a pause before was decided there. To find it again at each look would make every later fact of
        the interaction a look of its own, and each look folds all of it (hostile_shapes: rings after a pause).
        """
        # of requests only the first can put a close off: those after it tell of no life that a step might have missed
        last = max([f.time for e in component.entities for f in e.facts])
        last = last if component.request is None else max(last, component.request)
        until = min([e.started_at for e in component.entities])
        sealed = component.sealed_at(self._limits)
        # sealed, it closes with its last item, a quiet moment after that one's end at the soonest
        quiet = self.wait if sealed is None else _quiet(component, self._limits)
        spans = sorted([span for e in component.entities for span in _observed(e, self._limits)])
        for start, end in (*spans, (last, last)):
            if start > since and start - until > (self.wait if sealed is None or start <= sealed else quiet):
                return start
            if end > since and end - start >= self._shortest_age:
                return end
            until = max(until, end)
        return None


def _linked_by_time(component: Component, limits: Limits) -> list[Component]:
    """Its parts that are linked by time alone, so as soon as the later of two begins.

    Any other link may be told long after both began, by either or by a third: until then each part was alone. So was a
    thing whose party was not told, or was another, when it began.
    """
    parts: list[Component] = []
    last = Component(component.key)
    for entity in sorted(component.entities, key=lambda e: e.order):
        claims = _claims_from_the_start(entity, limits)
        if not (claims and stitches(component.key, entity, limits) and last.is_near(entity)):
            part = Component(component.key)
            parts.append(part)
            last = part if claims else last
        else:
            part = last
        part.add(entity)
    return parts


def _claims_from_the_start(entity: Entity, limits: Limits) -> bool:
    """Whether its first events tell whose it is, and no later one tells more."""
    whole = entity.claim
    if whole.id is None and whole.address is None:
        return False
    own = entity.facts if entity.item is None else [f for f in entity.facts if f.subject == entity.id]
    first = claim([fact for fact in own if fact.time == entity.first_event], limits)
    return (first.id, first.address) == (whole.id, whole.address)


def _quiet(component: Component, limits: Limits) -> Micros:
    """No item is complete sooner after its end, unless its source reports no wrap-ups."""
    if any(f.dialect for e in component.entities for f in e.facts):
        return 0
    return limits.quiet if component.wrapped_up is None else min(limits.quiet, limits.wrapped_up_wait)


def _unquiet(entity: Entity, limits: Limits) -> Iterator[tuple[Micros, Micros]]:
    """Spans before any word of its end in which it was never quiet for so long that it could have been complete."""
    assert entity.item is not None
    age = limits.channel(entity.item.channel).age
    untouched = True  # nobody had it and it was in no queue: it ends by its age alone (stitching.md 2, Completion)
    begun = until = None
    for fact in sorted(entity.facts, key=lambda each: each.time):
        if fact.verb in CLOSING:
            break
        if begun is None or until is None or fact.time - until > (age if untouched else limits.quiet):
            if begun is not None and until is not None:
                yield begun, until
            begun = fact.time
        untouched = untouched and fact.verb in _OF_NOBODY
        until = fact.time
    if begun is not None and until is not None:
        yield begun, until


def _observed(entity: Entity, limits: Limits) -> Iterator[tuple[Micros, Micros]]:
    """Spans in which it was plainly not over."""
    item = entity.item
    if item is None:
        yield entity.started_at, entity.ended_at
        return
    # a transmitted fax is complete if nothing newer comes, whatever was open of it: its segments prove nothing
    transmitted = limits.channel(item.channel).like == "fax" and any(f.verb == "transmitted" for f in entity.facts)
    if transmitted or len(entity.facts) > _MANY_FACTS:
        yield from _unquiet(entity, limits)
    if len(entity.facts) > _MANY_FACTS:
        yield from _wrapping_up(entity, limits)
    for segment in item.segments if not transmitted else ():
        if segment.provenance == "observed" and segment.type not in ("routing", "wrap_up", "gap"):
            yield segment.started_at, segment.ended_at


def _wrapping_up(entity: Entity, limits: Limits) -> Iterator[tuple[Micros, Micros]]:
    """Of the wrap-ups that began after the end was told: each is waited for, whatever else is told."""
    told = min([fact.time for fact in entity.facts if fact.verb in ENDS], default=None)
    assert entity.item is not None
    if told is None:
        return
    for segment in entity.item.segments:
        if segment.type == "wrap_up" and segment.provenance == "observed" and segment.started_at >= told:
            yield segment.started_at, min(segment.ended_at, segment.started_at + limits.wrapup_at_most)

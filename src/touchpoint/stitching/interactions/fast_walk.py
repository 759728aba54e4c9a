"""The walk of `walk.py`, many instants at a time: the same result, without a fold of all that is open at each instant.

A party's facts before the horizon fall into *sessions*: within one there is no pause in which anything could close.
Most parties have a session or two and nothing closed before, so that one look at a whole session gives what the steps
would. Where it might not, the facts are taken as far as the first instant at which a step might differ, and the rest
again.

Three things that steps see and one look does not, each found before it is too late (`_divergence`):

- something closes within the session: its later facts would be amendments, and its names parents;
- an interaction was complete in a pause of its own, while another went on: the next item begins another interaction;
- an address is identified or parties are merged in the middle: what began before may belong to another party.

That the result is that of the definition, instant by instant, is held by tests/stitching/test_fast_walk.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from touchpoint.stitching.facts import LATEST, Micros
from touchpoint.stitching.interactions import after_close
from touchpoint.stitching.interactions.open_state import IDENTITY, Placed
from touchpoint.stitching.interactions.pauses import Pauses
from touchpoint.stitching.interactions.walk import Walk
from touchpoint.stitching.limits import Limits

BULK_SIZE = 100
"""Facts that are taken together at first."""


class FastPassage:
    """Takes facts into a walk, as `instant_by_instant` does."""

    def __init__(self, limits: Limits) -> None:
        self._pauses = Pauses(limits)

    def __call__(self, walk: Walk, facts: list[Placed]) -> None:
        for session in self._sessions(facts):
            self._take(walk, session)

    def _sessions(self, facts: list[Placed]) -> Iterator[list[Placed]]:
        """Facts cut at every pause that is long enough for a close.

        Without the cut a party that calls for a year would be folded as a whole only to find that its first call had
        closed in between (test_cost_of_shapes.py).
        """
        session: list[Placed] = []
        last = LATEST
        for new in facts:
            time = new.fact.time
            if time - last > self._pauses.wait:
                yield session
                session = []
            session.append(new)
            last = time
        if session:
            yield session

    def _take(self, walk: Walk, session: list[Placed]) -> None:
        """Take facts whole if that is the same as in steps; if not, what is before the divergence, then the rest."""
        begin, size = 0, BULK_SIZE
        while begin < len(session):
            first = session[begin].fact.time
            walk.close_before(first)
            # never part of an instant: what begins together is linked together, whatever the order of its facts
            end = _whole_instant(session, min(begin + size, len(session)))
            # with much open each look at everything costs what is open, so things are then followed one by one, an
            # instant at a time (busy.py; test_busy_parties.py holds it against the definition)
            end = walk.open.manageable(session, begin, end)
            bulk = session[begin:end]
            last = bulk[-1].fact.time
            if first == last:
                walk.take_instant(bulk)
            elif (divergence := self._try_bulk(walk, bulk)) is not None:
                # at least the first instant is taken, so that there always is progress
                later = max(divergence, first + 1)
                following = next((new.fact.time for new in bulk if new.fact.time >= later), last)
                size = next(n for n, new in enumerate(bulk) if new.fact.time >= following)
                continue
            # twice as far as the last look held: else each of many divergences would be found by a look at all that
            # follows, which is quadratic (test_cost.py: a party that asks to close after each call)
            begin, size = end, 2 * len(bulk)

    def _try_bulk(self, walk: Walk, bulk: list[Placed]) -> Micros | None:
        """Take facts together. If a step through them might differ, take nothing and say from which instant on."""
        # a fact of something closed is an amendment, and its number depends on the order of instants
        for new in bulk if walk.remembered else ():
            if walk.remembered.knows_any(after_close.names_of(new)):
                return new.fact.time
        before, mark = walk.open.snapshot(), walk.open.identity.mark()
        walk.open.take(bulk)
        divergence = self._divergence(walk, bulk, mark)
        if divergence is not None:
            walk.open.restore(before)
        return divergence

    def _divergence(self, walk: Walk, bulk: list[Placed], mark: int) -> Micros | None:
        """The first instant at which a step through what was taken might have closed or grouped anything otherwise."""
        start, closes = bulk[0].fact.time, walk.open.earliest_close()
        if closes is not None and closes < bulk[-1].fact.time:
            return closes + 1
        # with all its facts an item may be complete later than with the first of them: a step in between would have
        # closed it, so a pause in what was observed of it is where to look again
        last = bulk[-1].fact.time
        found = [self._pauses.of(component, start, last) for component in walk.open.components()]
        if pauses := [pause for pause in found if pause is not None]:
            return min(pauses)
        if walk.open.identity.mark() == mark:
            return None
        # whom an address stands for counts from when it was told on; only where that changes groups is it a divergence
        told = [new.fact for new in bulk if new.kind == IDENTITY]
        later = next((fact.time for fact in told if fact.time > start), None)
        return later if later is not None and not walk.open.grouped_alike(mark, told) else None


def _whole_instant(session: list[Placed], end: int) -> int:
    """The end, moved to where the facts of its instant end."""
    while 0 < end < len(session) and session[end].fact.time == session[end - 1].fact.time:
        end += 1
    return end

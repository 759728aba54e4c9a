"""Let event time pass for one party: what closes, what came too late, what stays open (stitching.md, 3).

THE DEFINITION is `instant_by_instant`: facts in the order of event time, and before each instant whatever closes before
it is closed. `fast_walk.py` takes many instants at once where that gives the same.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator
from itertools import groupby

import msgspec

from touchpoint.stitching.facts import DAY, LATEST, Fact, Micros
from touchpoint.stitching.flushes import Declared, Flushes, flush_instants, is_covered
from touchpoint.stitching.interactions import after_close
from touchpoint.stitching.interactions.after_close import Amendment
from touchpoint.stitching.interactions.closed_interactions import ClosedInteractions
from touchpoint.stitching.interactions.entities import Entity
from touchpoint.stitching.interactions.grouping import Component
from touchpoint.stitching.interactions.names import item_name, item_of
from touchpoint.stitching.interactions.open_state import (
    ACTIVITY,
    CONTROL,
    IDENTITY,
    ITEM,
    Dated,
    OpenState,
    Placed,
    placed,
    time_of,
)
from touchpoint.stitching.interactions.party_facts import Closed, PartyFacts, PartyKey, reference
from touchpoint.stitching.interactions.pauses import shortest_wait
from touchpoint.stitching.limits import Limits, Silences
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.rules_version import dialects_used

REMEMBERED: Micros = DAY
"""For so long what closed is remembered in any case, however old it was then: its events may come twice."""
_HOMES = {ITEM: "items", CONTROL: "controls", ACTIVITY: "activities"}


class ClosedInteraction(msgspec.Struct, frozen=True):
    """An interaction at its closing instant, with all that its record needs."""

    interaction_id: str
    key: PartyKey
    entities: tuple[Entity, ...]  # in order
    closed_by: str
    instant: Micros
    parent: str | None
    account: str | None
    name: str | None
    dialects: tuple[str, ...]  # that made its events, with their versions
    flags: tuple[str, ...] = ()


class Advance(msgspec.Struct, frozen=True):
    """What the passing of time did."""

    closed: list[ClosedInteraction]
    amendments: list[Amendment]
    unplaced: list[Fact]  # they spoke of a media item that never came
    rest: PartyFacts
    due: Micros | None  # when to look again if nothing comes; None: nothing is open


Passage = Callable[["Walk", list[Placed]], None]
"""Takes facts, in order of time, into a walk, and closes what closes before each of them."""


def instant_by_instant(walk: Walk, facts: list[Placed]) -> None:
    """The definition of what the passing of time does."""
    for time, instant in groupby(facts, key=time_of):
        walk.close_before(time)
        walk.take_instant(list(instant))


class Walk:
    """One party, from its first fact to a horizon. `open`: what is open now; `remembered`: what closed."""

    def __init__(
        self, party: PartyFacts, limits: Limits, silences: Silences, flushes: Flushes, passage: Passage
    ) -> None:
        self.party, self.limits, self.passage = party, limits, passage
        self.remembered = ClosedInteractions(party.closed, limits.interaction_age)
        self.open = OpenState(limits, silences, self.remembered.parents_key)
        self.closed: list[ClosedInteraction] = []
        self.amendments: list[Amendment] = []
        self.upcoming = sorted(placed(party), key=time_of)
        self.flushes = flushes
        self.flushed = flush_instants((new.fact for new in self.upcoming), flushes) if flushes else []
        self.beyond: Micros | None = None  # past the horizon: only what was flushed until then closes

    def run(self, horizon: Micros) -> Advance:
        """The whole way to a horizon."""
        self.pass_time(horizon)
        self._flush_beyond()
        return self._result(horizon)

    def pass_time(self, horizon: Micros) -> None:
        """To a horizon, with a stop at each instant for which a source has declared that it has told everything."""
        while self.flushed and self.flushed[0].until < horizon:
            declared = self.flushed.pop(0)
            self._pass(declared.until + 1)
            self._close_flushed(declared)
        self._pass(horizon)

    def _pass(self, horizon: Micros) -> None:
        passed = bisect_left(self.upcoming, horizon, key=time_of)
        now, self.upcoming = self.upcoming[:passed], self.upcoming[passed:]
        self.passage(self, now)
        self.close_before(horizon)

    def where(self, item: str, time: Micros) -> str | None:
        """The interaction in which a media item is now, or was when it closed."""
        name = item_name(item)
        closed = self.remembered.of(name, time)
        if closed is not None:
            return closed.interaction_id
        component = self.open.holding(name)
        return None if component is None else after_close.identify(component)

    def take_instant(self, facts: list[Placed]) -> None:
        """Facts of one instant; what is of something closed goes there as an amendment."""
        self.open.take([new for new in sorted(facts, key=_in_order) if self._joins(new)])
        self._close_overfull(facts[0].fact.time)

    def _joins(self, new: Placed) -> bool:
        amendments, joins = self.remembered.receive(new)
        self.amendments += amendments
        return joins

    # --- closing --------------------------------------------------------------------------------------------------

    def close_before(self, time: Micros) -> None:
        """Close whatever closes before an instant, in the order of the closing instants."""
        while (due := self._next_close(time)) is not None:
            instant, why, component = due
            self._close(component, instant, why)

    def _next_close(self, time: Micros) -> Dated | None:
        if self.beyond is not None:
            return self._next_flushed(time, self.beyond)
        return self.open.next_close(time)

    def _close_overfull(self, now: Micros) -> None:
        """What is the oldest goes where a party has more open than it may."""
        while (component := self.open.overfull()) is not None:
            self._close(component, now, "limit", (Flag.PARTY_LIMIT,))

    def _close(self, component: Component, instant: Micros, why: str, flags: tuple[str, ...] = ()) -> None:
        key = component.key
        known = self.open.identity.latest(key.value) if key.kind == "id" else None
        entities = tuple(sorted(component.entities, key=lambda e: (e.item is None, e.order)))
        identifier = after_close.identify(component)
        parent = self._parent(component, identifier, instant)
        account, name = (known.account, known.name) if known else (None, None)
        used = dialects_used({f.dialect for e in entities for f in e.facts}, self.limits.capabilities)
        self.closed.append(
            ClosedInteraction(identifier, key, entities, why, instant, parent, account, name, used, flags)
        )
        self.open.drop(component)
        self.remembered.add(after_close.closed_from(component, identifier, instant))

    def _parent(self, component: Component, own: str, instant: Micros) -> str | None:
        """The interaction that it refers to but could not join: closed, asked to close, or another party's."""
        wanted, items = after_close.references(component), after_close.named_items(component)
        for closed in self.remembered.latest(wanted, instant - self.limits.interaction_age):
            if self._same_party(closed.key, component.key) or not items.isdisjoint(closed.names):
                return closed.interaction_id
        other = self.open.referred(component, wanted, items) if wanted else None
        if other is not None:
            return after_close.identify(other)
        if not self.party.parents:
            return None
        foreign = ((each.id, item_of(ref)) for each in component.entities for ref in each.refs - component.names)
        named = sorted(reference(item, ref) for item, ref in foreign if ref is not None)
        return next((p for n in named if (p := self.party.parents.get(n)) is not None and p != own), None)

    def _same_party(self, then: PartyKey, now: PartyKey) -> bool:
        """Whether what closed under one key is the party of another: identified or merged since."""
        if then == now or now.kind != "id" or then.kind == "anon":
            return then == now
        identity = self.open.identity
        party = then.value if then.kind == "id" else identity.party_of(then.value, LATEST)
        return party is not None and identity.root(party) == now.value

    # --- what sources have declared to be over ----------------------------------------------------------------------

    def _flush_beyond(self) -> None:
        """What was flushed until an instant past the horizon. Others' facts until then may still be to come, so nothing
        else closes; and where such facts are there, everything waits for the horizon. Of several instants the last
        counts for which there are none: a party's facts may be of sources that declared different instants.
        """
        known = [number for number, declared in enumerate(self.flushed) if self._is_all_flushed(declared.until)]
        for declared in self.flushed[: known[-1] + 1] if known else []:
            self.beyond = self.flushed[known[-1]].until
            self._pass(declared.until + 1)
            self._close_flushed(declared)

    def _is_all_flushed(self, at: Micros) -> bool:
        """Whether every fact up to an instant is of a source that has declared to be over, by then."""
        passed = self.upcoming[: bisect_left(self.upcoming, at + 1, key=time_of)]
        return all(is_covered(new.fact, self.flushes, at) for new in passed if new.kind != IDENTITY)

    def _close_flushed(self, declared: Declared) -> None:
        """What was complete at the instant, and of which nothing more had happened when that was said."""
        at, said = declared
        later = self.upcoming[: bisect_left(self.upcoming, said + 1, key=time_of)]
        going_on = {(ACTIVITY if new.kind == ACTIVITY else ITEM, new.home) for new in later if new.kind != IDENTITY}
        while (due := self._next_flushed(LATEST, at, going_on)) is not None:
            _, why, component = due
            self._close(component, at, why)

    def _next_flushed(self, time: Micros, at: Micros, going_on: Collection[tuple[str, str]] = ()) -> Dated | None:
        """The next that closes before a time, among those that were flushed until an instant."""
        due = self.open.next_close(time)
        if due is None or self._is_flushed(due[-1], at, going_on):
            return due
        dated = (each for each in self.open.dated() if each[0] < time)
        flushed = (each for each in dated if self._is_flushed(each[-1], at, going_on))
        return min(flushed, key=lambda each: (each[0], each[2].first.order), default=None)

    def _is_flushed(self, component: Component, at: Micros, going_on: Collection[tuple[str, str]] = ()) -> bool:
        return all(
            (ACTIVITY if e.item is None else ITEM, e.id) not in going_on
            and all(is_covered(f, self.flushes, at) for f in (*e.facts, *e.controls))
            for e in component.entities
        )

    # --- the result -------------------------------------------------------------------------------------------------

    def _result(self, horizon: Micros) -> Advance:
        oldest = horizon - self.limits.interaction_age
        unplaced = self.open.forget_before(oldest)
        earliest = self.open.earliest_close()
        due = [] if earliest is None else [earliest]
        rest = PartyFacts(closed=list(self._still_remembered(oldest, horizon)))
        rest.parents = self.party.parents if due or self.upcoming else {}
        for kind, home, fact in (*self.open.every(), *self.upcoming):
            if kind == IDENTITY:  # with nothing open too: the next item may say no more than whose it is
                rest.identity.append(fact)
            else:
                getattr(rest, _HOMES[kind]).setdefault(home, []).append(fact)
        if self.upcoming:
            due.append(self.upcoming[0].fact.time + shortest_wait(self.limits, requested=bool(rest.controls)))
        return Advance(self.closed, self.amendments, unplaced, rest, min(due, default=None))

    def _still_remembered(self, oldest: Micros, horizon: Micros) -> Iterator[Closed]:
        """What closed less than an age ago; and for a while what closed just now, of a backfill that is older."""
        now = {closed.interaction_id for closed in self.closed}
        for each in self.remembered.closed:
            if each.instant >= oldest or each.kept_until >= horizon:
                yield each
            elif each.interaction_id in now:
                yield msgspec.structs.replace(each, kept_until=horizon + REMEMBERED)


def _in_order(new: Placed) -> tuple[bool, str, str]:
    """Of one instant: identity first, then by source and id, as amendments are numbered."""
    return (new.kind != IDENTITY, new.fact.source, new.fact.id)

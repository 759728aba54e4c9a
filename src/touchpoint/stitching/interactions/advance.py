"""Let event time pass for one party: what closes, what came too late, what stays open (stitching.md, 3).

The walk is the definition: facts in event time, and before each instant whatever closes before it is closed.
Most parties have nothing that could tell the walk from one look at the whole, and for them one look is taken.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator

import msgspec

from touchpoint.stitching.facts import DAY, Fact, Micros
from touchpoint.stitching.flushes import NO_FLUSHES, Declared, Flushes, flush_instants, is_covered
from touchpoint.stitching.interactions import late
from touchpoint.stitching.interactions.entities import Entity
from touchpoint.stitching.interactions.grouping import Component
from touchpoint.stitching.interactions.late import Amendment
from touchpoint.stitching.interactions.model import Closed, PartyFacts, PartyKey, reference
from touchpoint.stitching.interactions.names import item_name, item_of
from touchpoint.stitching.interactions.past import Past
from touchpoint.stitching.interactions.pauses import Pauses, shortest_wait
from touchpoint.stitching.interactions.present import (
    ACTIVITY,
    CONTROL,
    IDENTITY,
    ITEM,
    Dated,
    Placed,
    Present,
    placed,
    time_of,
)
from touchpoint.stitching.limits import Limits, Silences
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.rules_version import dialects_used

END_OF_TIME: Micros = 2**62
REMEMBERED: Micros = DAY
"""For so long what closed is remembered in any case, however old it was then: its events may come twice."""
ONE_LOOK = 100
"""Facts that are looked at together at first."""


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
    orphans: list[Fact]  # they spoke of a media item that never came
    rest: PartyFacts
    due: Micros | None  # when to look again if nothing comes; None: nothing is open


def advance(
    party: PartyFacts, horizon: Micros, limits: Limits, silences: Silences | None = None, flushes: Flushes = NO_FLUSHES
) -> Advance:
    """Close every interaction of `party` whose closing instant is before `horizon`, or that its sources have flushed.

    All facts with a time before the horizon must be there, and those of a flushed source until that instant. `party`
    itself is not changed.
    """
    return _Walk(party, horizon, limits, silences or {}, flushes).run()


def located(party: PartyFacts, item: str, time: Micros, limits: Limits, silences: Silences | None = None) -> str | None:
    """The interaction that a media item of `party` was in at an instant; None if nothing was known of it then."""
    return located_each(party, [(item, time)], limits, silences)[item, time]


def located_each(
    party: PartyFacts,
    asked: Iterable[tuple[str, Micros]],
    limits: Limits,
    silences: Silences | None = None,
    flushes: Flushes = NO_FLUSHES,
) -> dict[tuple[str, Micros], str | None]:
    """As `located`, of many items and instants in one walk."""
    walk = _Walk(party, 0, limits, silences or {}, flushes)
    found: dict[tuple[str, Micros], str | None] = {}
    for item, time in sorted(asked, key=lambda each: each[1]):
        walk.to(time + 1)
        found[item, time] = walk.where(item, time)
    return found


class _Walk:
    def __init__(
        self, party: PartyFacts, horizon: Micros, limits: Limits, silences: Silences, flushes: Flushes
    ) -> None:
        self.party, self.horizon, self.limits = party, horizon, limits
        self.past = Past(party.closed, limits.interaction_age)
        self.present = Present(limits, silences, self.past.parents_key)
        self.closed: list[ClosedInteraction] = []
        self.amendments: list[Amendment] = []
        self.ahead = sorted(placed(party), key=time_of)
        self.flushes = flushes
        self.flushed = flush_instants((new.fact for new in self.ahead), flushes) if flushes else []
        self.pauses = Pauses(limits)
        self.beyond: Micros | None = None  # past the horizon: only what was flushed until then closes

    def run(self) -> Advance:
        """The whole way."""
        horizon = self.horizon
        self.to(horizon)
        self._flush_beyond()
        self.horizon = horizon
        return self._result()

    def to(self, horizon: Micros) -> None:
        """To the horizon, with a stop at each instant for which a source has declared that it has told everything."""
        while self.flushed and self.flushed[0].until < horizon:
            declared = self.flushed.pop(0)
            self._walk(declared.until + 1)
            self._close_flushed(declared)
        self._walk(horizon)

    def _flush_beyond(self) -> None:
        """What was flushed until an instant past the horizon. Others' facts until then may still be to come, so nothing
        else closes; and where such facts are there, everything waits for the horizon. Of several instants the last
        counts for which there are none: a party's facts may be of sources that declared different instants.
        """
        known = [number for number, declared in enumerate(self.flushed) if self._is_all_flushed(declared.until)]
        for declared in self.flushed[: known[-1] + 1] if known else []:
            self.beyond = self.flushed[known[-1]].until
            self._walk(declared.until + 1)
            self._close_flushed(declared)

    def _is_all_flushed(self, at: Micros) -> bool:
        """Whether every fact up to an instant is of a source that has declared to be over, by then."""
        passed = self.ahead[: bisect_left(self.ahead, at + 1, key=time_of)]
        return all(is_covered(new.fact, self.flushes, at) for new in passed if new.kind != IDENTITY)

    def _close_flushed(self, declared: Declared) -> None:
        """What was complete at the instant, and of which nothing more had happened when that was said."""
        at, said = declared
        later = self.ahead[: bisect_left(self.ahead, said + 1, key=time_of)]
        going_on = {(ACTIVITY if new.kind == ACTIVITY else ITEM, new.home) for new in later if new.kind != IDENTITY}
        while (due := self._next_flushed(END_OF_TIME, at, going_on)) is not None:
            _, why, component = due
            self._close(component, at, why)

    def _next_flushed(self, time: Micros, at: Micros, going_on: Collection[tuple[str, str]] = ()) -> Dated | None:
        """The next that closes before a time, among those that were flushed until an instant."""
        due = self.present.next_close(time)
        if due is None or self._is_flushed(due[-1], at, going_on):
            return due
        dated = (each for each in self.present.dated() if each[0] < time)
        flushed = (each for each in dated if self._is_flushed(each[-1], at, going_on))
        return min(flushed, key=lambda each: (each[0], each[2].first.order), default=None)

    def _is_flushed(self, component: Component, at: Micros, going_on: Collection[tuple[str, str]] = ()) -> bool:
        return all(
            (ACTIVITY if e.item is None else ITEM, e.id) not in going_on
            and all(is_covered(f, self.flushes, at) for f in (*e.facts, *e.controls))
            for e in component.entities
        )

    def _walk(self, horizon: Micros) -> None:
        """Burst by burst: within one there is no pause in which anything could close."""
        self.horizon = horizon
        for burst in self._bursts():
            self._pass(burst)
        self._close_before(horizon)

    def where(self, item: str, time: Micros) -> str | None:
        """The interaction in which a media item is now, or was when it closed."""
        name = item_name(item)
        closed = self.past.of(name, time)
        if closed is not None:
            return closed.interaction_id
        component = self.present.holding(name)
        return None if component is None else late.identify(component)

    def _pass(self, burst: list[Placed]) -> None:
        """Take facts whole if that is the same as in steps; if not, what is before the seam and what is after it.

        Looks ahead only twice as far as the last look held, so that many seams do not make each look a long one.
        """
        begin, ahead = 0, ONE_LOOK
        while begin < len(burst):
            first = burst[begin].fact.time
            self._close_before(first)
            end = self.present.manageable(burst, begin, _whole_instant(burst, min(begin + ahead, len(burst))))
            part = burst[begin:end]
            last = part[-1].fact.time
            if first == last:
                self.present.take([new for new in sorted(part, key=_in_order) if self._receive(new)])
                self._close_beyond(first)
            elif (seam := self._at_a_glance(part)) is not None:
                following = next((new.fact.time for new in part if new.fact.time >= max(seam, first + 1)), last)
                ahead = next(n for n, new in enumerate(part) if new.fact.time >= following)
                continue
            begin, ahead = end, 2 * len(part)

    def _bursts(self) -> Iterator[list[Placed]]:
        """Facts before the horizon in order of time, cut at every pause that is long enough for a close."""
        burst: list[Placed] = []
        passed = bisect_left(self.ahead, self.horizon, key=time_of)
        now, self.ahead = self.ahead[:passed], self.ahead[passed:]
        last = END_OF_TIME
        for new in now:
            time = new.fact.time
            if time - last > self.pauses.wait:
                yield burst
                burst = []
            burst.append(new)
            last = time
        if burst:
            yield burst

    def _at_a_glance(self, burst: list[Placed]) -> Micros | None:
        """Take a burst whole. If a step through it might have closed or grouped anything otherwise, where that was."""
        for new in burst if self.past else ():
            if self.past.knows_any(late.names_of(new)):
                return new.fact.time
        before, mark = self.present.snapshot(), self.present.identity.mark()
        self.present.take(burst)
        seam = self._seam(burst, mark)
        if seam is not None:
            self.present.restore(before)
        return seam

    def _seam(self, burst: list[Placed], mark: int) -> Micros | None:
        start, closes = burst[0].fact.time, self.present.earliest_close()
        if closes is not None and closes < burst[-1].fact.time:
            return closes + 1
        found = self.present.components()
        pauses = [pause for component in found if (pause := self.pauses.of(component, start)) is not None]
        if pauses:
            return min(pauses)
        if self.present.identity.mark() == mark:
            return None
        told = [n.fact for n in burst if n.kind == IDENTITY]
        later = next((fact.time for fact in told if fact.time > start), None)
        return later if later is not None and not self.present.grouped_alike(mark, told) else None

    def _receive(self, new: Placed) -> bool:
        amendments, joins = self.past.receive(new)
        self.amendments += amendments
        return joins

    def _close_before(self, time: Micros) -> None:
        while (due := self._next_close(time)) is not None:
            instant, why, component = due
            self._close(component, instant, why)

    def _next_close(self, time: Micros) -> Dated | None:
        if self.beyond is not None:
            return self._next_flushed(time, self.beyond)
        return self.present.next_close(time)

    def _close_beyond(self, now: Micros) -> None:
        """What is the oldest goes where a party has more open than it may."""
        while (component := self.present.overfull()) is not None:
            self._close(component, now, "limit", (Flag.PARTY_LIMIT,))

    def _close(self, component: Component, instant: Micros, why: str, flags: tuple[str, ...] = ()) -> None:
        key = component.key
        known = self.present.identity.latest(key.value) if key.kind == "id" else None
        entities = tuple(sorted(component.entities, key=lambda e: (e.item is None, e.order)))
        identifier = late.identify(component)
        parent = self._parent(component, identifier, instant)
        account, name = (known.account, known.name) if known else (None, None)
        used = dialects_used({f.dialect for e in entities for f in e.facts}, self.limits.capabilities)
        self.closed.append(
            ClosedInteraction(identifier, key, entities, why, instant, parent, account, name, used, flags)
        )
        self.present.drop(component)
        self.past.add(late.tombstone(component, identifier, instant))

    def _parent(self, component: Component, own: str, instant: Micros) -> str | None:
        """The interaction that it refers to but could not join: closed, asked to close, or another party's."""
        wanted, items = late.references(component), late.named_items(component)
        for closed in self.past.latest(wanted, instant - self.limits.interaction_age):
            if self._same_party(closed.key, component.key) or not items.isdisjoint(closed.names):
                return closed.interaction_id
        other = self.present.referred(component, wanted, items) if wanted else None
        if other is not None:
            return late.identify(other)
        if not self.party.parents:
            return None
        foreign = ((each.id, item_of(ref)) for each in component.entities for ref in each.refs - component.names)
        named = sorted(reference(item, ref) for item, ref in foreign if ref is not None)
        return next((p for n in named if (p := self.party.parents.get(n)) is not None and p != own), None)

    def _same_party(self, then: PartyKey, now: PartyKey) -> bool:
        """Whether what closed under one key is the party of another: identified or merged since."""
        if then == now or now.kind != "id" or then.kind == "anon":
            return then == now
        identity = self.present.identity
        party = then.value if then.kind == "id" else identity.party_of(then.value, END_OF_TIME)
        return party is not None and identity.root(party) == now.value

    def _result(self) -> Advance:
        oldest = self.horizon - self.limits.interaction_age
        orphans = self.present.forget_before(oldest)
        earliest = self.present.earliest_close()
        due = [] if earliest is None else [earliest]
        rest = PartyFacts(closed=list(self._remembered(oldest)))
        rest.parents = self.party.parents if due or self.ahead else {}
        for kind, home, fact in (*self.present.every(), *self.ahead):
            if kind == IDENTITY:  # with nothing open too: the next item may say no more than whose it is
                rest.identity.append(fact)
            else:
                getattr(rest, _HOMES[kind]).setdefault(home, []).append(fact)
        if self.ahead:
            due.append(self.ahead[0].fact.time + shortest_wait(self.limits, requested=bool(rest.controls)))
        return Advance(self.closed, self.amendments, orphans, rest, min(due, default=None))

    def _remembered(self, oldest: Micros) -> Iterator[Closed]:
        """What closed less than an age ago; and for a while what closed just now, of a backfill that is older."""
        now = {closed.interaction_id for closed in self.closed}
        for each in self.past.closed:
            if each.instant >= oldest or each.kept_until >= self.horizon:
                yield each
            elif each.interaction_id in now:
                yield msgspec.structs.replace(each, kept_until=self.horizon + REMEMBERED)


_HOMES = {ITEM: "items", CONTROL: "controls", ACTIVITY: "activities"}


def _whole_instant(burst: list[Placed], end: int) -> int:
    """The end, moved to where the facts of its instant end."""
    while 0 < end < len(burst) and burst[end].fact.time == burst[end - 1].fact.time:
        end += 1
    return end


def _in_order(new: Placed) -> tuple[bool, str, str]:
    """Of one instant: identity first, then by source and id, as amendments are numbered."""
    return (new.kind != IDENTITY, new.fact.source, new.fact.id)

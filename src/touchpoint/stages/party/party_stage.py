"""The party agent's stage: facts of parties in, closed interactions out (docs/architecture.md)."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence

import msgspec

from touchpoint.stages.backfill import hold, hold_moved, is_flushed, is_history, parted, rejoined, still_held
from touchpoint.stages.dead_letter_records import dead_letter
from touchpoint.stages.due_times import POSTPONED, Timers, due_of, unstamped
from touchpoint.stages.media.media_clock import OURS
from touchpoint.stages.messages import MOST_HOPS, Addresses, Flush, PartyMessage, WatermarkUpdate, incredible, read
from touchpoint.stages.party.closed_memory import CLOSED, ClosedMemory, not_forgotten
from touchpoint.stages.party.erasure import onward, without_names
from touchpoint.stages.party.interaction_events import erased_event, outcome_events
from touchpoint.stages.party.parent_lookup import ASKS, ParentLookup
from touchpoint.stages.party.party_clock import HOPS, PartyClock
from touchpoint.stages.party.rerouting import Rerouting
from touchpoint.stages.protocol import MOST_STATE, Assignment, Forward, Record, Report
from touchpoint.stitching.facts import LATEST, Fact, Micros
from touchpoint.stitching.flushes import Flushes
from touchpoint.stitching.interactions.advance import advance
from touchpoint.stitching.interactions.entities import WRAPPED_UP
from touchpoint.stitching.interactions.names import item_name
from touchpoint.stitching.interactions.party_facts import PartyFacts, PartyKey, merged
from touchpoint.stitching.interactions.pauses import shortest_wait
from touchpoint.stitching.interactions.walk import Advance
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.ownership.identities import new_identifications
from touchpoint.stitching.watermarks import UNKNOWN

FEW = 4
"""So many open things of a party are looked at when the last of them may be over, more as soon as the first may."""
MOST_TOLD = 200
"""Changes of identity that are kept of a key, the latest: a number that is everybody's must not grow its state."""
MOST_PARENTS = 1_000
"""Answers about other parties' media items that are kept of a key, the latest."""
MOST_REQUESTS = 100
"""Requests to erase that are remembered of a key, the latest. One that comes again later is told again: the history has
it already."""
MOST_DUE = 500
"""Parties looked at in one call: a long queue of them must not keep the others of the process waiting."""
MOST_AT_ONCE = 256 * 1024
"""Bytes of their state, but for the last of them."""
MOST_PASSED = 1_000
"""Facts of a party that one look takes beyond those that the look before had taken: the rest is for the next call."""
MOST_READ = 1024 * 1024
"""Bytes of state that one call reads for the records it is given, unless one key has more."""
_FULL = (
    f"its party has {MOST_STATE >> 20} MiB open, and takes no more until that closes; is its address a switchboard? "
    "Then name it in TOUCHPOINT_UNSTITCHED_ADDRESSES"
)


class PartyState(msgspec.Struct, array_like=True):
    """What is open of one party, and where its things went that turned out to be another's."""

    key: PartyKey
    facts: PartyFacts
    rerouting: Rerouting
    erased: Micros | None = None  # what began by then closes without identity
    requests: list[str] = []  # to erase, that the history was told of
    held: dict[str, Micros] = {}  # things of a backfill, and until when they wait (backfill.py)
    passed: Micros = 0  # of one that had too much for one look: the instant up to which time has passed for it


_HOPS = {"media": 1, "party": HOPS}
_decode = msgspec.msgpack.Decoder(PartyState).decode
_encode = msgspec.msgpack.Encoder().encode


class PartyStage:
    """One partition of the party agent."""

    def __init__(self, assignment: Assignment, limits: Limits, secret: bytes) -> None:
        state, partitions = assignment.state, assignment.partitions
        self._state, self._limits, self._secret, self._partitions = state, limits, secret, partitions
        self._report = Report()
        self._clock = PartyClock(assignment, limits)
        self._timers = Timers(state, lambda key: not key.startswith((OURS, ASKS, CLOSED)))
        self._closed_memory = ClosedMemory(state, limits, self._report)
        self._addresses = Addresses(secret, partitions)
        self._parent_lookup = ParentLookup(state, self._addresses, limits, self._report)
        self._wait = shortest_wait(limits)
        self._to_flush: tuple[list[Flush], deque[bytes]] | None = None
        self._cut: set[bytes] = set()  # parties of which this call left something for the next

    def parts(self, records: Sequence[Record]) -> Iterator[Sequence[Record]]:
        """Parts that each concern little state; what several records of one key concern is read once."""
        begin, held, keys = 0, 0, set[bytes]()
        for n, record in enumerate(records):
            if record.key is not None and record.key not in keys:
                keys.add(record.key)
                size = len(self._state.get(record.key, b""))
                held += size
                if held > MOST_READ and n > begin:
                    yield records[begin:n]
                    begin, held, keys = n, size, {record.key}
        yield records[begin:] if begin else records

    def apply(self, records: Sequence[Record], now: Micros) -> list[Forward]:
        """Take touches; send on what is another party's; close what the watermark has passed."""
        out: list[Forward] = []
        arrived: dict[bytes, list[tuple[Record, PartyMessage]]] = {}
        for rec in records:
            try:
                message = read(rec)
            except msgspec.DecodeError as error:
                out.append(dead_letter(rec, f"not a touch of this version: {error}"))
                continue
            if isinstance(message, WatermarkUpdate):
                if (why := incredible(message, self._partitions, _HOPS)) is None:
                    self._clock.receive(message, rec)
                else:
                    out.append(dead_letter(rec, f"not what a worker tells of its progress: {why}"))
            elif isinstance(message, PartyMessage):
                arrived.setdefault(rec.key or self._addresses.key(message.key), []).append((rec, message))
        oldest = (self._clock.watermark or 0) - self._limits.interaction_age
        for key, came in arrived.items():
            if touches := self._admitted(key, came, out):
                again = oldest if self._clock.was_read(came[0][0]) else UNKNOWN
                self._take(key, touches, again, out)
        self._clock.mark_read(records, now)
        self._pass_time(out)
        self._clock.save()
        return out

    def tick(self, now: Micros, caught_up: Collection[str]) -> list[Forward]:  # noqa: ARG002 - the inputs' clocks tell
        """Time passes; how far it has come is told now that all that came before is durable."""
        told = self._clock.broadcast(now)
        if told:
            self._clock.save()
        out: list[Forward] = []
        self._pass_time(out)
        return told + out

    def report(self) -> Report:
        """Of closings that failed, verdict `postponed`."""
        return self._report.take(self._clock.watermark)

    # --- touches in -----------------------------------------------------------------------------------------

    def _admitted(self, key: bytes, came: list[tuple[Record, PartyMessage]], out: list[Forward]) -> list[PartyMessage]:
        """All of it, or what brings no facts if so much is open that no more can be kept."""
        weight = len(self._state.get(key, b"")) + sum(len(rec.value or b"") for rec, _ in came)
        if weight <= MOST_STATE:
            return [touch for _, touch in came]
        nothing = PartyFacts()
        self._report.full["party"] += 1
        out += [dead_letter(rec, _FULL, "too_large") for rec, touch in came if touch.facts != nothing]
        return [touch for _, touch in came if touch.facts == nothing]

    def _take(self, key: bytes, touches: list[PartyMessage], oldest: Micros, out: list[Forward]) -> None:
        raw = self._state.get(key)
        state = _decode(unstamped(raw)) if raw is not None else PartyState(touches[0].key, PartyFacts(), Rerouting())
        moved = state.rerouting.moved
        self._hold(key, state, touches)
        arrivals = [(not_forgotten(each.facts, oldest, state.facts, moved), each.gone) for each in touches]
        facts = merged(state.facts, *arrivals)
        self._shed(facts, touches)
        leaving = self._split(key, state, facts, touches)
        self._report.full["party"] += state.rerouting.shed()
        asked = {ask for away in leaving for ask in away.asks}
        self._parent_lookup.take(key, [ask for each in touches for ask in each.asks if ask not in asked])
        for away in leaving:
            away.held.update(still_held(state.held, away.facts))
            away.asks.extend(self._parent_lookup.leave(key, away.facts.items))
        out += [self._addresses.touch(away) for away in leaving]
        self._erase(state, touches, out)
        state.held = still_held(state.held, state.facts)
        going = parted(state.held, state.facts)[0] if state.held else state.facts
        look = self._first_look(going, self._closed_memory.has(key))
        if state.held:
            look = min(LATEST if look is None else look, max(state.held.values()))
        busy = len(state.facts.items) + len(state.facts.activities) > FEW
        if raw is not None and busy and look is not None:  # who is never quiet must not put off what is over
            look = min(look, due_of(raw))
        self._put(key, state, look)

    def _shed(self, facts: PartyFacts, touches: list[PartyMessage]) -> None:
        """Keep the latest of what has no end of its own: changes of identity, answers about other parties' items."""
        if any(each.facts.identity for each in touches):
            told = new_identifications(facts.identity)
            facts.identity = told[-MOST_TOLD:]
            self._report.full["party"] += len(told) > MOST_TOLD
        if len(facts.parents) > MOST_PARENTS:
            facts.parents = dict(list(facts.parents.items())[-MOST_PARENTS:])
            self._report.full["party"] += 1

    def _hold(self, key: bytes, state: PartyState, touches: list[PartyMessage]) -> None:
        """Note what came first-hand long after its time."""
        watermark = self._clock.watermark
        if watermark is None:
            return
        for each in touches:
            new = each.facts
            of_things = (*new.items.values(), *new.activities.values())
            late = each.held or (not each.hop and any(is_history(its, watermark) for its in of_things))
            if not late:
                if state.held and not each.hop:
                    came = set(map(item_name, new.items))
                    state.held = {name: until for name, until in state.held.items() if name not in came}
                continue
            closed = {name for one in self._closed_memory.of(key) for name in one.names}
            if each.hop:
                state.held = hold_moved(state.held, state.facts, each.held, closed)
            else:
                state.held = hold(state.held, state.facts, new, closed, watermark, self._limits)

    def _split(
        self, key: bytes, state: PartyState, facts: PartyFacts, touches: list[PartyMessage]
    ) -> list[PartyMessage]:
        """What leaves for another party. What is remembered of closed ones is read only where it may matter."""
        known, rerouting = state.facts.identity, state.rerouting
        news = facts.identity != known or any(each.facts.closed or each.gone for each in touches)
        news = news or any(party != state.key for each in touches for party in each.rekey.values())
        if news or rerouting.moved or rerouting.into or (facts.identity and state.key.kind == "address"):
            brought, facts.closed = facts.closed, self._closed_memory.of(key)
            if brought:
                facts.closed = merged(facts, (PartyFacts(closed=brought), ())).closed
            state.facts, leaving = rerouting.split(state.key, facts, touches, known, self._limits)
            self._closed_memory.keep(key, state.facts.closed)
            state.facts.closed = []
        else:
            state.facts, leaving = rerouting.split(state.key, facts, touches, known, self._limits)
        return leaving

    def _erase(self, state: PartyState, touches: list[PartyMessage], out: list[Forward]) -> None:
        """Forget names, tell the history, pass it on to where else the person is known; each request once."""
        for each in touches:
            for erasure in each.erasures:
                repeated = erasure.request in state.requests
                if repeated and state.erased is not None and erasure.time <= state.erased:
                    continue
                if not repeated:  # whatever its time: another clock may have been ahead of this one
                    state.requests = [*state.requests, erasure.request][-MOST_REQUESTS:]
                state.erased = max(erasure.time, state.erased or erasure.time)
                out.append(erased_event(state.key, erasure, self._secret))
                known_as = onward(state.key, state.facts.identity, erasure.time) if each.hop < MOST_HOPS else ()
                for other in sorted(known_as):
                    touch = PartyMessage(other, each.hop + 1, PartyFacts(), erasures=[erasure])
                    out.append(self._addresses.touch(touch))
                state.facts = without_names(state.facts)

    def _first_look(self, facts: PartyFacts, has_closed: bool) -> Micros | None:
        """When an interaction may have closed. To look late changes nothing; to look early costs a fold."""
        limits = self._limits
        looks = [max(f.time for f in its) + limits.channel(its[0].kind).linger for its in facts.items.values()]
        looks += [max(f.time for f in its) + limits.activity_gap for its in facts.activities.values()]
        if facts.controls:  # it may have been asked to close
            looks = [max(f.time for f in its) + _wait_after(its, limits) for its in facts.controls.values()]
        if facts.identity and has_closed:
            looks += [max(fact.time for fact in facts.identity) + self._wait]
        return max(looks, default=None)

    def _put(self, key: bytes, state: PartyState, due: Micros | None) -> None:
        if due is None:  # nothing is open; still known are ways, and that what began before an erasure has no name
            until = [state.rerouting.due(self._limits), self._erased_until(state)]
            due = max((time for time in until if time is not None), default=None)
        if due is None and not state.facts.identity:
            self._state.pop(key, None)
            return
        self._timers.put(key, due, _encode(state))

    def _erased_until(self, state: PartyState) -> Micros | None:
        """What began before it has closed by then."""
        return None if state.erased is None else state.erased + self._limits.interaction_age

    # --- closed interactions out ------------------------------------------------------------------------------

    def _pass_time(self, out: list[Forward]) -> None:
        settled = self._clock.settled
        if settled is not None:
            silences, flushes = self._clock.silences(settled), self._clock.flushes()
            self._parent_lookup.answer(settled, self._facts, silences, flushes, out)
        self._carry_out(out)
        watermark = self._clock.watermark
        if watermark is not None:
            self._close_due(watermark, out)
            self._closed_memory.expire(watermark, MOST_DUE)

    def _carry_out(self, out: list[Forward]) -> None:
        """Look at every party after sources have declared what is over, at so many in one call."""
        now = self._clock.to_carry_out()
        if not now:
            return
        if self._to_flush is None or self._to_flush[0] != now:
            ours = (OURS, ASKS, CLOSED)
            self._to_flush = now, deque(key for key in self._state if not key.startswith(ours))
        keys, sources = self._to_flush[1], self._clock.flushes()
        for _ in range(min(MOST_DUE, len(keys))):
            key = keys.popleft()
            raw = self._state.get(key)
            if raw is not None and _speaks(_decode(unstamped(raw)).facts, sources):
                self._tried(key, self._clock.watermark or 0, out)
        if not keys:
            self._clock.carried_out(now)
            self._to_flush = None

    def _facts(self, key: bytes) -> PartyFacts:
        raw = self._state.get(key)
        facts = PartyFacts() if raw is None else _decode(unstamped(raw)).facts
        facts.closed = self._closed_memory.of(key)
        return facts

    def _close_due(self, watermark: Micros, out: list[Forward]) -> None:
        failed = [
            error
            for key in self._timers.pop_due(watermark, MOST_DUE, MOST_AT_ONCE)
            if (error := self._tried(key, watermark, out)) is not None
        ]
        for key in self._cut:  # behind all that is due by now, so that other parties go on meanwhile
            self._timers.postpone(key, watermark - 1)
            self._timers.again(key)
        self._cut.clear()
        if failed:
            self._report.failures.append((f"{len(failed)} parties failed and are tried again later", failed[0]))

    def _tried(self, key: bytes, watermark: Micros, out: list[Forward]) -> Exception | None:
        told: list[Forward] = []
        try:
            self._close(key, watermark, told)
        except Exception as error:  # noqa: BLE001 - one party must not keep the others from closing
            self._report.verdicts["postponed"] += 1
            self._timers.postpone(key, watermark + POSTPONED)
            return error
        out += told
        return None

    def _close(self, key: bytes, watermark: Micros, out: list[Forward]) -> None:
        """What closes of a party; its state changes only if all of that could be told."""
        raw = self._state[key]
        state = _decode(unstamped(raw))
        state.rerouting.forget(watermark, self._limits)
        look: Micros | None = None
        if state.facts.items or state.facts.controls or state.facts.activities or state.facts.identity:
            flushes = self._clock.flushes()
            if state.held and self._is_released(state, watermark, flushes):
                state.held = {}
            going, waits = parted(state.held, state.facts) if state.held else (state.facts, PartyFacts())
            going.closed = self._closed_memory.of(key)
            known = len(going.closed)
            horizon = watermark if flushes or state.held else _horizon(going, state.passed, watermark)
            step = advance(going, horizon, self._limits, self._clock.silences(watermark), flushes)
            if horizon < watermark or state.passed:
                state.passed = horizon
            out += outcome_events(step, state.key, state.erased, self._secret)
            self._closed_memory.keep(key, step.rest.closed)
            self._report.full["closed"] += len(step.rest.closed) < known + len(step.closed)
            state.facts = rejoined(step.rest, waits)
            state.facts.closed = []
            look = self._next_look(step, watermark)
            if horizon < watermark:
                self._cut.add(key)
                look = due_of(raw)
            if state.held:
                look = min(LATEST if look is None else look, max(state.held.values()))
        if look is None and (until := self._erased_until(state)) is not None and until < watermark:
            state.erased, state.requests = None, []
        self._put(key, state, look)

    def _is_released(self, state: PartyState, watermark: Micros, flushes: Flushes) -> bool:
        """What waits is stitched together, so that what belongs together meets."""
        return max(state.held.values()) < watermark or is_flushed(state.held, state.facts, flushes)

    def _next_look(self, step: Advance, watermark: Micros) -> Micros | None:
        if step.due is not None and self._clock.someone_is_silent(watermark):
            return min(step.due, watermark + self._limits.silence)
        return step.due


def _horizon(facts: PartyFacts, passed: Micros, watermark: Micros) -> Micros:
    """The instant before which time passes in one look; what follows is decided by what is kept, as after any look."""
    homes = (*facts.items.values(), *facts.controls.values(), *facts.activities.values(), facts.identity)
    if sum(map(len, homes)) <= MOST_PASSED:
        return watermark
    times = sorted(fact.time for its in homes for fact in its if passed <= fact.time < watermark)
    return watermark if len(times) <= MOST_PASSED else times[MOST_PASSED - 1] + 1


def _wait_after(controls: Collection[Fact], limits: Limits) -> Micros:
    """How long after a request its interaction usually closes."""
    wrapped_up = any(control.verb == WRAPPED_UP for control in controls)
    return limits.wrapped_up_wait if wrapped_up else limits.wrapup_begins_within


def _speaks(facts: PartyFacts, flushes: Flushes) -> bool:
    """Whether anything open is of a source that has declared something to be over."""
    homes = (*facts.items.values(), *facts.activities.values())
    return any((fact.tenant, fact.source) in flushes for its in homes for fact in its)

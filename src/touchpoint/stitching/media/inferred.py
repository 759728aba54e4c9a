"""Events that nobody sent but that other events tell of (stitching.md 2): answers, wrap-up starts, whole summaries.

They carry `provenance` in their data, and the id of the event that they were read out of.

Known claims of a summary (row 23): `ended_at`; `queued_at` and `dequeued_at`; `answered_at`, `connected_ms` or
`talk_ms` and `hold_ms`; `transferred_at`; `acw_started_at`, `acw_ended_at` or `acw_ms`. `by` says who disconnected.
Hold totals are read in reported.py. An item may have several summaries, one for each part (Amazon Connect writes a
contact record for each contact of a chain): each tells of its own queue and its own agent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from touchpoint.stitching.facts import Fact, Micros, agent_of
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.media.fact_set import ordered
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.media.reported import derived_in_time
from touchpoint.stitching.media.timeline import SAME_MOMENT
from touchpoint.stitching.verbs import AFTERWARDS, CONNECTS, ENDS, RELEASES, STARTS, WRAPUPS, Verb, Verbs

_PARTS: Verbs = RELEASES | {"wrapup_started"}
_ENDS_PART: Verbs = RELEASES | {"wrapup_started", "sent", "draft_discarded"}
"""After these the agent's part in the item is over."""
_AGGREGATE = "aggregate"


def derive(fact: Fact, verb: Verb, time: Micros, provenance: str, **data: Any) -> Fact:
    """An event that was read out of `fact`."""
    data = {name: value for name, value in data.items() if value is not None}
    return msgspec.structs.replace(fact, verb=verb, time=time, sequence=None, data={**data, "provenance": provenance})


def start_of(facts: list[Fact]) -> Micros:
    """When the item starts: at its first event, or before it if that one is not a start and the source says when."""
    first = facts[0]
    if first.verb in STARTS:
        return first.time
    claims = (fact.data["reported"] for fact in facts if "reported" in fact.data)
    return min(
        next((reported["started_at"] for reported in claims if "started_at" in reported), first.time), first.time
    )


def complete(facts: list[Fact], limits: Limits, flags: set[Flag]) -> list[Fact]:
    """The ordered facts with those that are missing, ordered again."""
    verbs = {fact.verb for fact in facts}
    missing: list[Fact] = []
    if any("reported" in fact.data for fact in facts):
        missing += _answers(facts)
        if missing:
            flags.add(Flag.MISSING_ANSWER)
        if "summary" in verbs:
            missing += list(stand_ins(facts, missing, flags))
    if "wrapup_ended" in verbs:
        missing += _wrapup_starts(facts, flags)
    if not missing:
        return facts
    return ordered(facts + derived_in_time(missing, facts, limits, flags))


def _answers(facts: list[Fact]) -> Iterator[Fact]:
    """`released` or `transferred` by an agent who never answered, with how long they were connected."""
    start = start_of(facts)
    here: set[str] = set()
    parted: dict[str, Micros] = {}
    for fact in facts:
        agent = agent_of(fact)
        if agent is not None and fact.verb in CONNECTS:
            here.add(agent)
        if fact.verb == "transferred":
            to = fact.data.get("to", {}).get("resource")
            if to is not None and fact.data.get("kind") == "attended":
                here.add(to["id"])
        if agent is None or fact.verb not in _PARTS:
            continue
        connected = fact.data.get("reported", {}).get("connected_ms")
        if agent not in here and connected is not None and fact.verb in ("released", "transferred"):
            at = fact.time - connected * 1000
            if fact is not facts[0] or start < fact.time:
                at = max(at, start)
            if at >= parted.get(agent, at):  # else a second report of a connection that is known
                yield derive(fact, "answered", at, "derived", resource=fact.data["resource"])
        here.discard(agent)
        parted[agent] = fact.time


def _wrapup_starts(facts: list[Fact], flags: set[Flag]) -> Iterator[Fact]:
    """`wrapup_ended` with a duration and no start: never before what was observed of the agent's connection ended."""
    start = start_of(facts)
    open_: set[str] = set()
    here: set[str] = set()
    parted: dict[str, Micros] = {}
    for fact in facts:
        if fact.verb in ENDS:
            parted |= dict.fromkeys(here, fact.time)
            here.clear()
        agent = agent_of(fact)
        if agent is None:
            continue
        if fact.verb == "wrapup_started":
            open_.add(agent)
        elif fact.verb in CONNECTS:
            open_.discard(agent)
            here.add(agent)
        elif fact.verb in _PARTS:
            here.discard(agent)
            parted[agent] = fact.time
        elif fact.verb == "wrapup_ended":
            if agent not in open_ and "duration_ms" in fact.data:
                claimed = fact.time - fact.data["duration_ms"] * 1000
                at = max(claimed, start, min(parted.get(agent, start), fact.time))
                if at - max(claimed, start) > SAME_MOMENT:
                    flags.add(Flag.REPORTED_MISMATCH)
                yield derive(fact, "wrapup_started", at, "derived", resource=fact.data["resource"])
            open_.discard(agent)


# what a summary tells of


class _Seen:
    """What the item's facts, and the summaries read so far, tell of."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self.verbs: set[str] = set()
        self.by_agent: dict[str, set[str]] = {}
        self.connected: dict[str, Micros] = {}  # since when, by agent
        self.connections: list[tuple[str, Micros]] = []  # agent and time
        self.queued: list[tuple[str, Micros]] = []  # source and time
        self.transfers: list[Micros] = []
        self.releases: list[tuple[Micros, dict[str, Any]]] = []  # time and resource
        self.last: Micros | None = None  # event that is neither a summary nor of a wrap-up
        self.ended: Micros | None = None
        for fact in facts:
            self.add(fact)

    def add(self, fact: Fact) -> None:
        self.verbs.add(fact.verb)
        agent = agent_of(fact)
        if agent is not None:
            self.by_agent.setdefault(agent, set()).add(fact.verb)
            if fact.verb in CONNECTS:
                self.connections.append((agent, fact.time))
                self.connected[agent] = min(fact.time, self.connected.get(agent, fact.time))
        if fact.verb == "queued":
            self.queued.append((fact.source, fact.time))
        elif fact.verb == "transferred":
            self.transfers.append(fact.time)
        elif fact.verb == "released" and agent is not None:
            self.releases.append((fact.time, fact.data["resource"]))
        if fact.verb in ENDS and (self.ended is None or fact.time < self.ended):
            self.ended = fact.time
        if fact.verb not in AFTERWARDS and (self.last is None or fact.time > self.last):
            self.last = fact.time

    def released_after(self, agent: str, at: Micros) -> Micros:
        """When the agent's connection of that instant ended; the instant itself if there is none."""
        came = max((time for who, time in self.connections if who == agent and time <= at), default=None)
        gone = sorted(time for time, who in self.releases if who["id"] == agent)
        if came is None or any(came <= time <= at for time in gone):
            return at
        return next((time for time in gone if time > at), at)


def stand_ins(facts: list[Fact], derived: list[Fact], flags: set[Flag]) -> Iterator[Fact]:
    """The events that summaries tell of and that are not among the facts. Of several summaries the last says most."""
    seen = _Seen([*facts, *derived])
    for summary in reversed(facts):
        if summary.verb == "summary":
            found = list(_of_one(summary, seen, flags))
            for fact in found:
                seen.add(fact)
            yield from found
    for summary in facts:
        if summary.verb == "summary":
            yield from _transfer(summary, seen)


def _of_one(summary: Fact, seen: _Seen, flags: set[Flag]) -> Iterator[Fact]:
    claims: dict[str, Any] = summary.data.get("reported", {})
    ended = seen.ended
    if ended is None and "ended_at" in claims:
        ended = claims["ended_at"]
        if seen.last is None or seen.last <= ended:
            by, reason = summary.data.get("by"), summary.data.get("reason")
            yield derive(summary, "ended" if by is None else "disconnected", ended, _AGGREGATE, reason=reason, by=by)
    yield from _queue(summary, claims, seen, flags)
    agent = agent_of(summary)
    if agent is None:
        return
    own = seen.by_agent[agent]
    if own.isdisjoint(CONNECTS):
        yield from _connection(summary, claims, ended)
    elif ended is None and own.isdisjoint(_ENDS_PART):
        yield from _release(summary, claims, seen.connected[agent])
    if own.isdisjoint(WRAPUPS):
        yield from _wrapup(summary, claims, ended, seen, flags)


def _queue(summary: Fact, claims: dict[str, Any], seen: _Seen, flags: set[Flag]) -> Iterator[Fact]:
    if "queued_at" not in claims or _was_seen_queued(summary, claims["queued_at"], seen):
        return
    queue = summary.data.get("queue")
    yield derive(summary, "queued", claims["queued_at"], _AGGREGATE, queue=queue)
    if "dequeued_at" in claims:
        left = _not_before(claims["queued_at"], claims["dequeued_at"], flags)
        reason = _left_because(summary, claims, left)
        yield derive(summary, "dequeued", left, _AGGREGATE, queue=queue, reason=reason)


def _was_seen_queued(summary: Fact, at: Micros, seen: _Seen) -> bool:
    """Whether this queue was observed: about then by the clock of the same source, at any time by another's."""
    return any(source != summary.source or abs(time - at) <= SAME_MOMENT for source, time in seen.queued)


def _left_because(summary: Fact, claims: dict[str, Any], left: Micros) -> str | None:
    """Why the customer left the queue: an agent answered, or they hung up at that moment."""
    if "resource" in summary.data:
        return "answered"
    gone = summary.data.get("by") == "customer" and "ended_at" in claims and claims["ended_at"] - left <= SAME_MOMENT
    return "abandoned" if gone else None


def _transfer(summary: Fact, seen: _Seen) -> Iterator[Fact]:
    """The transfer that began this part: when the agent who started it let go of the customer, if that is known."""
    at = summary.data.get("reported", {}).get("transferred_at")
    if at is None or any(abs(time - at) <= SAME_MOMENT for time in seen.transfers):
        return
    told = summary.data["reported"]
    # nobody answered this part where the customer gave up in its queue: the agent lets go before that
    until = told.get("answered_at", told.get("dequeued_at", told.get("ended_at", at)))
    over, resource = min((each for each in seen.releases if at <= each[0] <= until), default=(at, None), key=_time)
    seen.transfers.append(at)
    yield derive(summary, "transferred", over, _AGGREGATE, resource=resource, kind="blind")


def _time(release: tuple[Micros, dict[str, Any]]) -> Micros:
    return release[0]


def _connection(summary: Fact, claims: dict[str, Any], ended: Micros | None) -> Iterator[Fact]:
    length = _connected_ms(claims)
    answered = claims.get("answered_at")
    if answered is None and length is not None and ended is not None:
        answered = ended - length * 1000
    if answered is None:
        return
    resource = summary.data["resource"]
    yield derive(summary, "answered", answered, _AGGREGATE, resource=resource)
    if length is not None and (ended is None or answered + length * 1000 < ended):
        yield derive(summary, "released", answered + length * 1000, _AGGREGATE, resource=resource)


def _release(summary: Fact, claims: dict[str, Any], since: Micros) -> Iterator[Fact]:
    length = _connected_ms(claims)
    if length is not None:
        yield derive(summary, "released", since + length * 1000, _AGGREGATE, resource=summary.data["resource"])


def _connected_ms(claims: dict[str, Any]) -> int | None:
    if "connected_ms" in claims:
        return int(claims["connected_ms"])
    return int(claims["talk_ms"]) + int(claims.get("hold_ms", 0)) if "talk_ms" in claims else None


def _wrapup(
    summary: Fact, claims: dict[str, Any], ended: Micros | None, seen: _Seen, flags: set[Flag]
) -> Iterator[Fact]:
    """After-contact work, as long as the record says: it cuts nothing of what was observed of the connection."""
    claimed, over = claims.get("acw_started_at", ended), claims.get("acw_ended_at")
    if claimed is not None and over is None and "acw_ms" in claims:
        over = claimed + claims["acw_ms"] * 1000
    if claimed is None or over is None:
        return
    resource = summary.data["resource"]
    began = seen.released_after(resource["id"], claimed)
    yield derive(summary, "wrapup_started", began, _AGGREGATE, resource=resource)
    ends = _not_before(claimed, over, flags) + began - claimed
    yield derive(summary, "wrapup_ended", ends, _AGGREGATE, resource=resource)


def _not_before(start: Micros, end: Micros, flags: set[Flag]) -> Micros:
    """A negative span is 0."""
    if end < start:
        flags.add(Flag.CLOCK_SKEW)
    return max(start, end)

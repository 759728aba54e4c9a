"""What must have happened, read out of later events (stitching.md 2): answers, wrap-up starts, whole summaries.

Derived facts carry `provenance` in their data and the id of the event they were read out of.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from touchpoint.stitching.facts import Fact, Micros
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.media.order import ordered

STARTS = frozenset({"offered", "dialing", "connected", "sent", "draft_started", "transmission_started"})
_PARTS = frozenset({"released", "transferred", "left", "parked", "wrapup_started"})
_CONNECTS = frozenset({"answered", "joined", "connected", "draft_started"})
_ENDS = frozenset({"ended", "disconnected"})


def start_of(facts: list[Fact]) -> Micros:
    """When the item starts: at its first event, or before it if that one is not a start and the source says when."""
    first = facts[0]
    if first.verb in STARTS:
        return first.time
    claims = (fact.data["reported"] for fact in facts if "reported" in fact.data)
    return min(next((told["started_at"] for told in claims if "started_at" in told), first.time), first.time)


def complete(facts: list[Fact], flags: set[Flag]) -> list[Fact]:
    """The ordered facts with those that are missing, ordered again."""
    verbs = {fact.verb for fact in facts}
    missing: list[Fact] = []
    if any("reported" in fact.data for fact in facts):
        missing += _answers(facts)
        if missing:
            flags.add(Flag.MISSING_ANSWER)
        if "summary" in verbs:
            missing += [found for fact in facts if fact.verb == "summary" for found in _stand_ins(fact, facts, missing)]
    if "wrapup_ended" in verbs:
        missing += _wrapup_starts(facts)
    return ordered(facts + missing) if missing else facts


def _derive(fact: Fact, verb: str, time: Micros, provenance: str, **data: Any) -> Fact:
    data = {name: value for name, value in data.items() if value is not None}
    return msgspec.structs.replace(fact, verb=verb, time=time, sequence=None, data={**data, "provenance": provenance})


def agent_of(fact: Fact) -> str | None:
    resource = fact.data.get("resource")
    return None if resource is None else resource["id"]


def _answers(facts: list[Fact]) -> Iterator[Fact]:
    """`released` or `transferred` by an agent who never answered, with how long they were connected."""
    start = start_of(facts)
    here: set[str] = set()
    parted: dict[str, Micros] = {}
    for fact in facts:
        agent = agent_of(fact)
        if agent is not None and fact.verb in _CONNECTS:
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
                yield _derive(fact, "answered", at, "derived", resource=fact.data["resource"])
        here.discard(agent)
        parted[agent] = fact.time


def _wrapup_starts(facts: list[Fact]) -> Iterator[Fact]:
    """`wrapup_ended` with a duration and no start."""
    start = start_of(facts)
    open_: set[str] = set()
    for fact in facts:
        agent = agent_of(fact)
        if agent is None:
            continue
        if fact.verb == "wrapup_started":
            open_.add(agent)
        elif fact.verb in _CONNECTS:
            open_.discard(agent)
        elif fact.verb == "wrapup_ended":
            if agent not in open_ and "duration_ms" in fact.data:
                at = max(fact.time - fact.data["duration_ms"] * 1000, start)
                yield _derive(fact, "wrapup_started", at, "derived", resource=fact.data["resource"])
            open_.discard(agent)


def _stand_ins(summary: Fact, facts: list[Fact], known: list[Fact]) -> Iterator[Fact]:
    """The events that a summary tells of and that nobody observed."""
    told = summary.data.get("reported", {})
    verbs = {fact.verb for fact in facts}
    resource = summary.data.get("resource")
    ended = next((f.time for f in facts if f.verb in _ENDS), None)
    if ended is None and "ended_at" in told:
        ended = told["ended_at"]
        if all(f.time <= ended for f in facts if f.verb != "summary" and not f.verb.startswith("wrapup")):
            yield _derive(summary, "ended", ended, "aggregate", reason=summary.data.get("reason"))
    if "queued_at" in told and "queued" not in verbs:
        queue = summary.data.get("queue")
        yield _derive(summary, "queued", told["queued_at"], "aggregate", queue=queue)
        if "dequeued_at" in told:
            reason = None if resource is None else "answered"
            yield _derive(summary, "dequeued", told["dequeued_at"], "aggregate", queue=queue, reason=reason)
    if resource is None:
        return
    own = [f for f in (*facts, *known) if agent_of(f) == resource["id"]]
    if not any(f.verb in _CONNECTS for f in own):
        yield from _connection(summary, told, ended)
    if not any(f.verb.startswith("wrapup") for f in own):
        yield from _wrapup(summary, told, ended)


def _connection(summary: Fact, told: dict[str, Any], ended: Micros | None) -> Iterator[Fact]:
    length = _connected_ms(told)
    answered = told.get("answered_at")
    if answered is None and length is not None and ended is not None:
        answered = ended - length * 1000
    if answered is None:
        return
    resource = summary.data["resource"]
    yield _derive(summary, "answered", answered, "aggregate", resource=resource)
    if length is not None and (ended is None or answered + length * 1000 < ended):
        yield _derive(summary, "released", answered + length * 1000, "aggregate", resource=resource)


def _connected_ms(told: dict[str, Any]) -> int | None:
    if "connected_ms" in told:
        return int(told["connected_ms"])
    return int(told["talk_ms"]) + int(told.get("hold_ms", 0)) if "talk_ms" in told else None


def _wrapup(summary: Fact, told: dict[str, Any], ended: Micros | None) -> Iterator[Fact]:
    began, over = told.get("acw_started_at", ended), told.get("acw_ended_at")
    if began is not None and over is None and "acw_ms" in told:
        over = began + told["acw_ms"] * 1000
    if began is None or over is None:
        return
    resource = summary.data["resource"]
    yield _derive(summary, "wrapup_started", began, "aggregate", resource=resource)
    yield _derive(summary, "wrapup_ended", max(began, over), "aggregate", resource=resource)

"""What must have happened, read out of later events (stitching.md 2): answers, wrap-up starts, whole summaries.

What a summary tells of is in `summaries.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from touchpoint.stitching.facts import Fact, Micros
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.media.claims import derived_in_time
from touchpoint.stitching.media.derived import agent_of, derive
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.media.order import ordered
from touchpoint.stitching.media.summaries import stand_ins
from touchpoint.stitching.media.timeline import SAME_MOMENT
from touchpoint.stitching.verbs import CONNECTS, ENDS, RELEASES, STARTS, Verbs

_PARTS: Verbs = RELEASES | {"wrapup_started"}


def start_of(facts: list[Fact]) -> Micros:
    """When the item starts: at its first event, or before it if that one is not a start and the source says when."""
    first = facts[0]
    if first.verb in STARTS:
        return first.time
    claims = (fact.data["reported"] for fact in facts if "reported" in fact.data)
    return min(next((told["started_at"] for told in claims if "started_at" in told), first.time), first.time)


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

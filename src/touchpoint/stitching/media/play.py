"""Reads an item's facts, instant by instant, through the rule table."""

from __future__ import annotations

from touchpoint.stitching.facts import Fact
from touchpoint.stitching.media.consults import alias_answered
from touchpoint.stitching.media.derived import agent_of
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.media.handlers import repeats_transfer
from touchpoint.stitching.media.order import arrange
from touchpoint.stitching.media.rules import CONSULT_ANSWERED, apply_rule, closes_what_is_open, would_open
from touchpoint.stitching.media.timeline import Timeline
from touchpoint.stitching.verbs import AFTERWARDS, Verbs

_OPENS_ALONE: Verbs = frozenset({"offered", "dialing", "connected", "transmission_started"})
_AFTER_TRANSFER_OUT: Verbs = AFTERWARDS | {"ended"}


def play(timeline: Timeline, item_id: str, facts: list[Fact]) -> None:
    """Applies ordered facts to an empty timeline."""
    _know_beforehand(timeline, facts)
    n, count = _first(timeline, item_id, facts), len(facts)
    # silence tells something only of a source that tells messages: most vendors' feeds never do
    idles = timeline.profile == "chat" and any(fact.verb == "message" for fact in facts)
    while n < count:
        time = facts[n].time
        after = n + 1
        while after < count and facts[after].time == time:
            after += 1
        if idles and n:
            timeline.await_customer(facts[n - 1], time)
        if after - n == 1 or time == facts[0].time:  # nothing was open before the first instant
            for fact in facts[n:after]:
                _step(timeline, item_id, fact)
        else:
            for fact in arrange(facts[n:after], lambda fact: closes_what_is_open(timeline, fact)):
                _step(timeline, item_id, fact)
        n = after


def _know_beforehand(timeline: Timeline, facts: list[Fact]) -> None:
    """Who is no agent, and when there are transfers: a release may come before the transfer that it repeats."""
    for fact in facts:
        resource = fact.data.get("resource")
        if resource is not None and resource.get("kind", "agent") != "agent":
            timeline.bots.add(resource["id"])
        if fact.verb == "transferred":
            timeline.transfer_times.setdefault(agent_of(fact), []).append(fact.time)
            other = fact.data.get("to", {}).get("resource")
            if other is not None and other.get("kind", "agent") != "agent":
                timeline.bots.add(other["id"])


def _first(timeline: Timeline, item_id: str, facts: list[Fact]) -> int:
    """Opens a derived routing if the first event opens neither customer track nor agent; how many it has read."""
    first = facts[0]
    if first.verb in _OPENS_ALONE:
        return 0
    routing = timeline.customer = timeline.add("routing", first, None)
    routing.start, routing.provenance = timeline.start, "derived"
    _step(timeline, item_id, first)
    if timeline.connected or timeline.customer not in (routing, None):
        timeline.segments.remove(routing)
    return 1


def _step(timeline: Timeline, item_id: str, fact: Fact) -> None:
    if timeline.end is not None and fact.verb not in AFTERWARDS:
        if would_open(timeline, fact):
            timeline.flags.add(Flag.AFTER_END)
        return
    if timeline.transferred_out_at is not None and not _says_nothing_new(timeline, fact):
        timeline.transferred_out_at = None
    of_alias = fact.subject != item_id and fact.verb == "answered"
    if not of_alias or not alias_answered(timeline, fact, CONSULT_ANSWERED):
        apply_rule(timeline, fact)


def _says_nothing_new(timeline: Timeline, fact: Fact) -> bool:
    """After a transfer to an outside address: the end, and what the agent does afterwards."""
    return fact.verb in _AFTER_TRANSFER_OUT or (fact.verb == "released" and repeats_transfer(timeline, fact))

"""Reads an item's facts, instant by instant, through the rule table."""

from __future__ import annotations

from touchpoint.stitching.facts import Fact
from touchpoint.stitching.media.agents import beside_transfer
from touchpoint.stitching.media.consults import answered_elsewhere
from touchpoint.stitching.media.derived import agent_of
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.media.order import arrange
from touchpoint.stitching.media.rules import ANSWERED, CONSULT_ANSWERED, row_of
from touchpoint.stitching.media.state import closes_what_is_open, would_open
from touchpoint.stitching.media.timeline import Timeline
from touchpoint.stitching.verbs import AFTERWARDS, Verbs

_OPENS_ALONE: Verbs = frozenset({"offered", "dialing", "connected", "transmission_started"})
_STAYS_OUTSIDE: Verbs = AFTERWARDS | {"ended"}


def play(line: Timeline, item_id: str, facts: list[Fact]) -> None:
    """Applies ordered facts to an empty timeline."""
    _know_beforehand(line, facts)
    n, count = _first(line, item_id, facts), len(facts)
    # silence tells something only of a source that tells messages: most vendors' feeds never do
    idles = line.like == "chat" and any(fact.verb == "message" for fact in facts)
    while n < count:
        time = facts[n].time
        after = n + 1
        while after < count and facts[after].time == time:
            after += 1
        if idles and n:
            line.go_idle(facts[n - 1], time)
        if after - n == 1 or time == facts[0].time:  # nothing was open before the first instant
            for fact in facts[n:after]:
                _step(line, item_id, fact)
        else:
            for fact in arrange(facts[n:after], lambda fact: closes_what_is_open(line, fact)):
                _step(line, item_id, fact)
        n = after


def _know_beforehand(line: Timeline, facts: list[Fact]) -> None:
    """Who is no agent, and when there are transfers: a release may come before the transfer that it repeats."""
    for fact in facts:
        resource = fact.data.get("resource")
        if resource is not None and resource.get("kind", "agent") != "agent":
            line.bots.add(resource["id"])
        if fact.verb == "transferred":
            line.transfers.setdefault(agent_of(fact), []).append(fact.time)
            other = fact.data.get("to", {}).get("resource")
            if other is not None and other.get("kind", "agent") != "agent":
                line.bots.add(other["id"])


def _first(line: Timeline, item_id: str, facts: list[Fact]) -> int:
    """Opens a derived routing if the first event opens neither customer track nor agent; how many it has read."""
    first = facts[0]
    if first.verb in _OPENS_ALONE:
        return 0
    routing = line.customer = line.add("routing", first, None)
    routing.start, routing.provenance = line.start, "derived"
    _step(line, item_id, first)
    if line.connected or line.customer not in (routing, None):
        line.spans.remove(routing)
    return 1


def _step(line: Timeline, item_id: str, fact: Fact) -> None:
    if line.end is not None and fact.verb not in AFTERWARDS:
        if would_open(line, fact):
            line.flags.add(Flag.AFTER_END)
        return
    if line.outside is not None and not _says_nothing_new(line, fact):
        line.outside = None
    if fact.subject != item_id and fact.verb == "answered":
        answered_elsewhere(line, fact, CONSULT_ANSWERED, ANSWERED)
        return
    row = row_of(line, fact)
    if row is not None:
        row.apply(line, fact, row)


def _says_nothing_new(line: Timeline, fact: Fact) -> bool:
    """After a transfer to an outside address: the end, and what the agent does afterwards."""
    return fact.verb in _STAYS_OUTSIDE or (fact.verb == "released" and beside_transfer(line, fact))

"""Handlers of rows that data cannot say: agents who join and leave, wrap-ups, drafts, messages, who gave up."""

from __future__ import annotations

from touchpoint.stitching.facts import Fact
from touchpoint.stitching.media.ending import decide
from touchpoint.stitching.media.execution import (
    close_of_agent,
    connect,
    end_item,
    open_on_customer_track,
    open_within,
)
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.media.row import RuleRow
from touchpoint.stitching.media.timeline import SAME_MOMENT, Timeline

# conditions


def is_agent(_timeline: Timeline, fact: Fact) -> bool:
    """The event's resource is an agent, not a bot."""
    resource = fact.data.get("resource")
    return resource is not None and resource.get("kind", "agent") == "agent"


def is_agent_or_supervisor(_timeline: Timeline, fact: Fact) -> bool:
    """By the role; without one an agent."""
    return "resource" in fact.data and fact.data.get("role") not in ("customer", "external")


def listens(timeline: Timeline, fact: Fact) -> bool:
    """Monitors or coaches."""
    return fact.data.get("mode") in ("monitor", "coach") and is_agent_or_supervisor(timeline, fact)


def is_customer(_timeline: Timeline, fact: Fact) -> bool:
    """By the role."""
    return fact.data.get("role") == "customer"


def by_customer(timeline: Timeline, fact: Fact) -> bool:
    """Without `by`: the customer, if no agent is connected."""
    by = fact.data.get("by")
    return by == "customer" or (by is None and not timeline.human_segments())


def is_reply(_timeline: Timeline, fact: Fact) -> bool:
    """Also where no kind is given."""
    return bool(fact.data.get("kind", "reply") == "reply")


def is_new(_timeline: Timeline, fact: Fact) -> bool:
    """A mail that answers none."""
    return fact.data.get("kind") == "new"


def is_forward(_timeline: Timeline, fact: Fact) -> bool:
    """The customer is not answered by it."""
    return fact.data.get("kind") == "forward"


def inform(_timeline: Timeline, _fact: Fact, _row: RuleRow) -> None:
    """Opens and closes nothing at its own time; what it tells was read before, and is compared at the end."""


# the end


def customer_disconnected(timeline: Timeline, fact: Fact, row: RuleRow) -> None:
    """What was open just before says whether and where the customer gave up."""
    timeline.abandoned = decide(timeline, fact.time)
    end_item(timeline, fact, row)


# agents


def joined(timeline: Timeline, fact: Fact, row: RuleRow) -> None:
    """Connects an agent beside the others: a conference. One who is connected already was asked by a consult."""
    agent = fact.data["resource"]["id"]
    if agent in timeline.connected:
        timeline.close_consults(agent, fact, row.number, row.end_reason("consult", fact), asked=True)
        close_of_agent(timeline, agent, fact, row, ("alerting",))
    else:
        connect(timeline, agent, fact, row)
    timeline.mark_conference()


def left(timeline: Timeline, fact: Fact, row: RuleRow) -> None:
    """Closes all of an agent but wrap_up."""
    agent = timeline.agent(fact)
    if agent is None or fact.data.get("role") == "external":
        return
    close_of_agent(timeline, agent, fact, row, ("alerting", "monitor"))
    _leave(timeline, agent, fact, row)


def released(timeline: Timeline, fact: Fact, row: RuleRow) -> None:
    """As `left`; of an agent who has the customer the alerting goes on."""
    if timeline.transfer_times and repeats_transfer(timeline, fact):
        return
    agent = timeline.agent(fact)
    if agent is None:
        return
    if agent not in timeline.connected and agent not in timeline.awaiting:
        close_of_agent(timeline, agent, fact, row, ("alerting", "monitor"))
    _leave(timeline, agent, fact, row)


def repeats_transfer(timeline: Timeline, fact: Fact) -> bool:
    """Whether a release only repeats a transfer by the same agent: 2 s either side of it."""
    resource = fact.data.get("resource")
    agent = None if resource is None else resource["id"]
    times = timeline.transfer_times
    near = (time for by in times if agent is None or by in (agent, None) for time in times[by])
    return any(abs(fact.time - time) <= SAME_MOMENT for time in near)


def _leave(timeline: Timeline, agent: str, fact: Fact, row: RuleRow) -> None:
    """An agent's consults and connection end; routing opens if no agent remains."""
    if timeline.consults:
        timeline.close_consults(agent, fact, row.number, row.end_reason("consult", fact), asked=True)
    if timeline.release_agent(agent, fact, row.number, row.end_reason("with_agent", fact)) and not timeline.connected:
        timeline.open_routing(fact, row.number)


def parked(timeline: Timeline, fact: Fact, row: RuleRow) -> None:
    """By the event's agent; if it names none, whoever is connected leaves."""
    agent = timeline.agent(fact)
    for each in list(timeline.connected) if agent is None else [agent]:
        timeline.release_agent(each, fact, row.number, row.end_reason("with_agent", fact))
    open_on_customer_track(timeline, fact, row)


def wrapup_started(timeline: Timeline, fact: Fact, row: RuleRow) -> None:
    """As `released`, then the wrap-up. Without resource: of the only agent there has ever been."""
    only = next(iter(timeline.ever_connected)) if len(timeline.ever_connected) == 1 else None
    agent = timeline.agent(fact) or only
    if agent is None:
        return
    if timeline.end is not None and fact.time > timeline.end + timeline.wrapup_window:
        timeline.flags.add(Flag.AFTER_END)
        return
    close_of_agent(timeline, agent, fact, row, ("monitor",))
    _leave(timeline, agent, fact, row)
    if agent not in timeline.wrapups:
        segment = timeline.wrapups[agent] = timeline.add("wrap_up", fact, row.number, agent)
        if "duration_ms" in fact.data:
            segment.stated_end = fact.time + fact.data["duration_ms"] * 1000


# mails and chats


def draft_started(timeline: Timeline, fact: Fact, row: RuleRow) -> None:
    """Who begins to write has the item."""
    agent = timeline.agent(fact)
    if agent is None:
        return
    if agent not in timeline.connected:
        connect(timeline, agent, fact, row)
        timeline.draft_opened.add(agent)
    open_within(timeline, fact, row, "drafting", timeline.connected[agent])


def draft_discarded(timeline: Timeline, fact: Fact, row: RuleRow) -> None:
    """Who has the item only by a draft that is thrown away has it no longer."""
    agent = timeline.agent(fact)
    drafting = timeline.by_agent["drafting"].pop(agent or "", None)
    if agent is None or drafting is None:
        return
    timeline.close(drafting, fact.time, row.end_reason("drafting", fact), fact, row.number)
    if agent in timeline.draft_opened:
        timeline.release_agent(agent, fact, row.number, row.end_reason("with_agent of the draft", fact))


def message(timeline: Timeline, fact: Fact, row: RuleRow) -> None:
    """Ends the waiting for the customer: whoever had the chat has it again."""
    timeline.customer_wrote_last = is_customer(timeline, fact)
    if not timeline.is_open("awaiting_customer"):
        return
    had = dict(timeline.awaiting)
    timeline.close_customer(fact, row.number, row.end_reason("awaiting_customer", fact))
    for agent, conference in had.items():
        segment = connect(timeline, agent, fact, row)
        if segment is not None:
            segment.conference = conference

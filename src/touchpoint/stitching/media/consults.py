"""Handlers of the rows that speak of two agents: consults and transfers, 10-14."""

from __future__ import annotations

from typing import Any

from touchpoint.stitching.facts import Fact
from touchpoint.stitching.media.execution import close_of_agent, connect, open_on_customer_track, open_within
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.media.row import RuleRow
from touchpoint.stitching.media.timeline import OpenSegment, Timeline

NOWHERE: dict[str, Any] = {}


def other_agent(fact: Fact) -> str | None:
    """The agent whom a consult or a transfer goes to."""
    resource = fact.data.get("to", NOWHERE).get("resource")
    return None if resource is None else resource["id"]


def consult_started(timeline: Timeline, fact: Fact, row: RuleRow) -> None:
    agent = timeline.agent(fact)
    span = timeline.connected.get(agent or "")
    if span is None:
        timeline.flags.add(Flag.ILLEGAL_ORDER)
        return
    partner = other_agent(fact)
    if any(c.parent is span and c.partner == partner for c in timeline.consults):
        return
    if span.track not in timeline.holds and not timeline.limits.capability(fact.dialect).hold:
        open_within(timeline, fact, row, "hold", span)
        timeline.holds[span.track].provenance = "inferred"
    consult = timeline.add("consult", fact, row.number, agent, span)
    consult.partner = partner
    timeline.consults.append(consult)


def consult_answered(timeline: Timeline, fact: Fact, row: RuleRow) -> None:
    asking = timeline.agent(fact)
    own = [c for c in timeline.consults if c.parent is not None and c.track == asking]
    asked = other_agent(fact) or (own[0].partner if len(own) == 1 else None)
    if asked is not None:
        answer_consult(timeline, asked, asking, fact, row)


def answer_consult(timeline: Timeline, asked: str, asking: str | None, fact: Fact, row: RuleRow) -> None:
    """Opens the consult of the agent who was asked; one asked by way of a queue is known only now."""
    close_of_agent(timeline, asked, fact, row, ("alerting",))
    if any(c.parent is None and c.track == asked for c in timeline.consults):
        return
    consult = timeline.add("consult", fact, row.number, asked)
    consult.partner = asking
    timeline.consults.append(consult)
    if not any(c.parent is not None and c.partner == asked for c in timeline.consults):
        for own in timeline.consults:
            if own.parent is not None and own.partner is None and own.track == asking:
                own.partner = asked


def consult_with(timeline: Timeline, asked: str) -> OpenSegment | None:
    """The open consult in which that agent is asked, or one that waits for whoever answers."""
    own = [c for c in timeline.consults if c.parent is not None]
    return next((c for c in own if c.partner == asked), next((c for c in own if c.partner is None), None))


def alias_answered(timeline: Timeline, fact: Fact, as_consult: RuleRow) -> bool:
    """`answered` of an aliased item is the answer to a consult; False: to a transfer, which was made before."""
    agent = fact.data.get("resource", NOWHERE).get("id")
    if agent is None or agent in timeline.connected:
        return True
    consult = consult_with(timeline, agent)
    if consult is None and agent in timeline.transferred_to:
        return False
    only = next(iter(timeline.connected)) if len(timeline.connected) == 1 else None
    asking = only if consult is None else consult.track
    answer_consult(timeline, agent, asking, fact, as_consult)
    return True


def consult_ended(timeline: Timeline, fact: Fact, row: RuleRow) -> None:
    agent = timeline.agent(fact)
    if agent is not None:
        timeline.close_consults(agent, fact, row.number, row.end_reason("consult", fact), partner=other_agent(fact))


# transfers


def to_an_agent_who_answered(timeline: Timeline, fact: Fact) -> bool:
    """Attended: the other agent has answered the consult, or is connected already."""
    agent = other_agent(fact)
    if agent is None:
        return False
    if agent in timeline.connected:
        return fact.data.get("kind") == "attended"
    consulted = timeline.answered_consults.get(agent)
    return any(c.parent is None and c.track == agent for c in timeline.consults) or (
        consulted is not None and consulted[0] == fact.time
    )


def attended_to_queue(_timeline: Timeline, fact: Fact) -> bool:
    to = fact.data.get("to", NOWHERE)
    return fact.data.get("kind") == "attended" and "queue" in to and "resource" not in to


def transferred_blind(timeline: Timeline, fact: Fact, row: RuleRow) -> None:
    agent = _hand_over(timeline, fact, row)
    target = _open_target(timeline, fact)
    if target is not None:
        target.transferred_from = agent
        return
    timeline.open_routing(fact, row.number)
    to = fact.data.get("to", NOWHERE)
    if "address" in to and "resource" not in to and "queue" not in to:
        if not timeline.connected:
            timeline.transferred_out_at = fact.time
    else:
        timeline.transfer_source = agent


def transferred_to_agent(timeline: Timeline, fact: Fact, row: RuleRow) -> None:
    agent = _hand_over(timeline, fact, row)
    other = other_agent(fact)
    assert other is not None  # the row's condition
    connect(timeline, other, fact, row)
    timeline.connected[other].transferred_from = agent


def transferred_to_queue(timeline: Timeline, fact: Fact, row: RuleRow) -> None:
    timeline.transfer_source = _hand_over(timeline, fact, row)
    open_on_customer_track(timeline, fact, row, fact.data["to"]["queue"])
    target = _open_target(timeline, fact)
    if target is not None:
        target.transferred_from, timeline.transfer_source = timeline.transfer_source or target.transferred_from, None


def _hand_over(timeline: Timeline, fact: Fact, row: RuleRow) -> str | None:
    """Takes the item from the agent who transfers it; one who never answered leaves the queue at the transfer."""
    agent = timeline.agent(fact)
    other = other_agent(fact)
    timeline.transferred = True
    if other is not None:
        timeline.transferred_to.add(other)
    if agent is not None and timeline.release_agent(agent, fact, row.number, row.end_reason("with_agent", fact)):
        return agent
    if agent is None or (agent not in timeline.ever_connected and agent not in timeline.bots):
        timeline.flags.add(Flag.MISSING_ANSWER)
        if timeline.is_open("queue") and _open_target(timeline, fact) is None:
            timeline.close_customer(fact, row.number, row.end_reason("unanswered queue", fact))
    return agent


def _open_target(timeline: Timeline, fact: Fact) -> OpenSegment | None:
    """What the transfer goes to, if it is open already."""
    agent = other_agent(fact)
    if agent is not None:
        return timeline.connected.get(agent)
    to = fact.data.get("to", NOWHERE)
    if not timeline.is_open("queue") or "address" in to:
        return None
    return timeline.customer if to.get("queue", timeline.customer.queue) == timeline.customer.queue else None  # type: ignore[union-attr]

"""Handlers of the rows that speak of two agents: consults and transfers, 10-14."""

from __future__ import annotations

from typing import Any

from touchpoint.stitching.facts import Fact
from touchpoint.stitching.media.customer import enqueue
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.media.row import Row
from touchpoint.stitching.media.span import Span
from touchpoint.stitching.media.timeline import Timeline

NOWHERE: dict[str, Any] = {}


def other_agent(fact: Fact) -> str | None:
    """The agent whom a consult or a transfer goes to."""
    resource = fact.data.get("to", NOWHERE).get("resource")
    return None if resource is None else resource["id"]


def consult_started(line: Timeline, fact: Fact, row: Row) -> None:
    agent = line.agent(fact)
    span = line.connected.get(agent or "")
    if span is None:
        line.flags.add(Flag.ILLEGAL_ORDER)
        return
    partner = other_agent(fact)
    if any(c.parent is span and c.partner == partner for c in line.consults):
        return
    if span.hold is None and not line.limits.capability(fact.dialect).hold:
        span.hold = line.add("hold", fact, row.number, agent, span)
        span.hold.provenance = "inferred"
        span.had_hold = True
    consult = line.add("consult", fact, row.number, agent, span)
    consult.partner = partner
    line.consults.append(consult)


def consult_answered(line: Timeline, fact: Fact, row: Row) -> None:
    asking = line.agent(fact)
    own = [c for c in line.consults if c.parent is not None and c.track == asking]
    asked = other_agent(fact) or (own[0].partner if len(own) == 1 else None)
    if asked is not None:
        answer_consult(line, asked, asking, fact, row)


def answer_consult(line: Timeline, asked: str, asking: str | None, fact: Fact, row: Row) -> None:
    """Opens the consult of the agent who was asked; one asked by way of a queue is known only now."""
    span = line.alerting.pop(asked, None)
    if span is not None:
        line.close(span, fact.time, row.why("alerting", fact), fact, row.number)
    if any(c.parent is None and c.track == asked for c in line.consults):
        return
    consult = line.add("consult", fact, row.number, asked)
    consult.partner = asking
    line.consults.append(consult)
    if not any(c.parent is not None and c.partner == asked for c in line.consults):
        for own in line.consults:
            if own.parent is not None and own.partner is None and own.track == asking:
                own.partner = asked


def consult_with(line: Timeline, asked: str) -> Span | None:
    """The open consult in which that agent is asked, or one that waits for whoever answers."""
    own = [c for c in line.consults if c.parent is not None]
    return next((c for c in own if c.partner == asked), next((c for c in own if c.partner is None), None))


def answered_elsewhere(line: Timeline, fact: Fact, as_consult: Row, as_answer: Row) -> None:
    """`answered` of an aliased item: the answer to a consult, or to a transfer if the call was transferred before."""
    agent = fact.data.get("resource", NOWHERE).get("id")
    if agent is None or agent in line.connected:
        return
    if line.end is not None or (agent in line.transferred_to and consult_with(line, agent) is None):
        as_answer.apply(line, fact, as_answer)
        return
    consult = consult_with(line, agent)
    asking = consult.track if consult is not None else next(iter(line.connected)) if len(line.connected) == 1 else None
    answer_consult(line, agent, asking, fact, as_consult)


def consult_ended(line: Timeline, fact: Fact, row: Row) -> None:
    agent = line.agent(fact)
    if agent is not None:
        line.close_consults(agent, fact, row.number, row.why("consult", fact), with_=other_agent(fact))


# transfers


def to_an_agent_who_answered(line: Timeline, fact: Fact) -> bool:
    """Attended: the other agent has answered the consult, or is connected already."""
    agent = other_agent(fact)
    if agent is None:
        return False
    if agent in line.connected:
        return fact.data.get("kind") == "attended"
    consulted = line.consulted.get(agent)
    return any(c.parent is None and c.track == agent for c in line.consults) or (
        consulted is not None and consulted[0] == fact.time
    )


def attended_to_queue(_line: Timeline, fact: Fact) -> bool:
    to = fact.data.get("to", NOWHERE)
    return fact.data.get("kind") == "attended" and "queue" in to and "resource" not in to


def transferred_blind(line: Timeline, fact: Fact, row: Row) -> None:
    agent = _hand_over(line, fact, row)
    target = _open_target(line, fact)
    if target is not None:
        target.transferred_from = agent
        return
    line.open_routing(fact, row.number)
    to = fact.data.get("to", NOWHERE)
    if "address" in to and "resource" not in to and "queue" not in to:
        if not line.connected:
            line.outside = fact.time
    else:
        line.pending = agent


def transferred_to_agent(line: Timeline, fact: Fact, row: Row) -> None:
    agent = _hand_over(line, fact, row)
    other = other_agent(fact)
    assert other is not None  # the row's condition
    line.connect(other, fact, row)
    line.connected[other].transferred_from = agent


def transferred_to_queue(line: Timeline, fact: Fact, row: Row) -> None:
    line.pending = _hand_over(line, fact, row)
    enqueue(line, fact.data["to"]["queue"], fact, row)
    target = _open_target(line, fact)
    if target is not None:
        target.transferred_from, line.pending = line.pending or target.transferred_from, None


def _hand_over(line: Timeline, fact: Fact, row: Row) -> str | None:
    """Takes the item from the agent who transfers it; one who never answered leaves the queue at the transfer."""
    agent = line.agent(fact)
    other = other_agent(fact)
    line.transferred = True
    if other is not None:
        line.transferred_to.add(other)
    if agent is not None and line.part(agent, fact, row):
        return agent
    if agent is None or (agent not in line.seen and agent not in line.bots):
        line.flags.add(Flag.MISSING_ANSWER)
        if line.is_open("queue") and _open_target(line, fact) is None:
            line.close_customer(fact, row.number, row.why("unanswered queue", fact))
    return agent


def _open_target(line: Timeline, fact: Fact) -> Span | None:
    """What the transfer goes to, if it is open already."""
    agent = other_agent(fact)
    if agent is not None:
        return line.connected.get(agent)
    to = fact.data.get("to", NOWHERE)
    if not line.is_open("queue") or "address" in to:
        return None
    return line.customer if to.get("queue", line.customer.queue) == line.customer.queue else None  # type: ignore[union-attr]

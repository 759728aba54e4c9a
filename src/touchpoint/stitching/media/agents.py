"""Handlers of the rows that speak of one agent's part: 6-9, 15, 16, 18, 21, 22, 26, 27."""

from __future__ import annotations

from touchpoint.stitching.facts import Fact
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.media.row import Row
from touchpoint.stitching.media.timeline import NEAR, Timeline


def alerting(line: Timeline, fact: Fact, row: Row) -> None:
    resource = fact.data.get("resource")
    if resource is not None and resource["id"] not in line.alerting:
        line.alerting[resource["id"]] = line.add("alerting", fact, row.number, resource["id"])


def alert_ended(line: Timeline, fact: Fact, row: Row) -> None:
    resource = fact.data.get("resource")
    span = None if resource is None else line.alerting.pop(resource["id"], None)
    if span is not None:
        line.close(span, fact.time, row.why("alerting", fact), fact, row.number)
        if span.reason in ("canceled", "rescinded"):
            line.alert_canceled = fact.time


def answered(line: Timeline, fact: Fact, row: Row) -> None:
    resource = fact.data.get("resource")
    if resource is None:
        line.flags.add(Flag.ILLEGAL_ORDER)
        return
    agent = resource["id"]
    if agent in line.connected:
        return
    if line.alerting:
        for other in [a for a in line.alerting if a != agent]:
            unanswered = line.alerting.pop(other)
            line.close(unanswered, fact.time, row.why("other alerting", fact), fact, row.number)
    beside = bool(line.connected)
    span = line.connect(agent, fact, row)
    if beside and span is not None:
        line.doubled.append(span)


def held(line: Timeline, fact: Fact, row: Row) -> None:
    agent = line.agent(fact)
    span = line.connected.get(agent or "")
    if span is None:
        line.flags.add(Flag.ILLEGAL_ORDER)
    elif span.hold is None:
        span.hold = line.add("hold", fact, row.number, agent, span)
        span.had_hold = True


def retrieved(line: Timeline, fact: Fact, row: Row) -> None:
    span = line.connected.get(line.agent(fact) or "")
    if span is None or span.hold is None:
        line.flags.add(Flag.UNPAIRED_HOLD)
        return
    line.close(span.hold, fact.time, row.why("hold", fact), fact, row.number)
    span.hold = None


def is_agent_or_supervisor(_line: Timeline, fact: Fact) -> bool:
    return "resource" in fact.data and fact.data.get("role") not in ("customer", "external")


def listens(line: Timeline, fact: Fact) -> bool:
    return fact.data.get("mode") in ("monitor", "coach") and is_agent_or_supervisor(line, fact)


def joined(line: Timeline, fact: Fact, row: Row) -> None:
    agent = fact.data["resource"]["id"]
    reason = row.why("consult", fact)
    if agent in line.connected:
        line.close_consults(agent, fact, row.number, reason, asked=True)
        span = line.alerting.pop(agent, None)
        if span is not None:
            line.close(span, fact.time, row.why("alerting", fact), fact, row.number)
    else:
        line.connect(agent, fact, row)
    line.confer()


def joined_to_listen(line: Timeline, fact: Fact, row: Row) -> None:
    agent = fact.data["resource"]["id"]
    if agent in line.connected or agent in line.monitors:
        return
    wrapup = line.wrapups.pop(agent, None)
    if wrapup is not None:
        line.close(wrapup, fact.time, row.why("wrap_up", fact), fact, row.number)
    line.monitors[agent] = line.add("monitor", fact, row.number, agent)


def nothing(line: Timeline, fact: Fact, row: Row) -> None:
    """Says something, but opens and closes nothing."""


def left(line: Timeline, fact: Fact, row: Row) -> None:
    agent = line.agent(fact)
    if agent is None or fact.data.get("role") == "external":
        return
    for open_ in (line.alerting, line.monitors):
        span = open_.pop(agent, None)
        if span is not None:
            line.close(span, fact.time, row.why(span.type, fact), fact, row.number)
    _leave(line, agent, fact, row)


def released(line: Timeline, fact: Fact, row: Row) -> None:
    if line.transfers and beside_transfer(line, fact):
        return
    agent = line.agent(fact)
    if agent is None:
        return
    if agent not in line.connected and agent not in line.away:
        for open_ in (line.alerting, line.monitors):
            span = open_.pop(agent, None)
            if span is not None:
                line.close(span, fact.time, row.why(span.type, fact), fact, row.number)
    _leave(line, agent, fact, row)


def beside_transfer(line: Timeline, fact: Fact) -> bool:
    """Whether a release only repeats a transfer by the same agent: 2 s either side of it."""
    resource = fact.data.get("resource")
    agent = None if resource is None else resource["id"]
    times = line.transfers
    near = (t for a in times if agent is None or a in (agent, None) for t in times[a])
    return any(abs(fact.time - t) <= NEAR for t in near)


def _leave(line: Timeline, agent: str, fact: Fact, row: Row) -> None:
    if line.consults:
        line.close_consults(agent, fact, row.number, row.why("consult", fact), asked=True)
    if line.part(agent, fact, row) and not line.connected:
        line.open_routing(fact, row.number)


def wrapup_started(line: Timeline, fact: Fact, row: Row) -> None:
    agent = line.agent(fact) or (next(iter(line.seen)) if len(line.seen) == 1 else None)
    if agent is None:
        return
    if line.end is not None and fact.time > line.end + line.wrapup_window:
        line.flags.add(Flag.AFTER_END)
        return
    monitor = line.monitors.pop(agent, None)
    if monitor is not None:
        line.close(monitor, fact.time, row.why("monitor", fact), fact, row.number)
    _leave(line, agent, fact, row)
    if agent not in line.wrapups:
        span = line.wrapups[agent] = line.add("wrap_up", fact, row.number, agent)
        if "duration_ms" in fact.data:
            span.stated_end = fact.time + fact.data["duration_ms"] * 1000


def wrapup_ended(line: Timeline, fact: Fact, row: Row) -> None:
    resource = fact.data.get("resource")
    agent = resource["id"] if resource is not None else next(iter(line.wrapups), "") if len(line.wrapups) == 1 else ""
    span = line.wrapups.pop(agent, None)
    if span is not None:
        line.close(span, fact.time, row.why("wrap_up", fact), fact, row.number)


def draft_started(line: Timeline, fact: Fact, row: Row) -> None:
    agent = line.agent(fact)
    if agent is None:
        return
    if agent not in line.connected:
        line.connect(agent, fact, row)
        line.draft_opened.add(agent)
    span = line.connected[agent]
    if span.drafting is None:
        span.drafting = line.add("drafting", fact, row.number, agent, span)


def draft_discarded(line: Timeline, fact: Fact, row: Row) -> None:
    agent = line.agent(fact)
    if agent is not None and _end_draft(line, agent, fact, row) and agent in line.draft_opened:
        line.part(agent, fact, row)


def _end_draft(line: Timeline, agent: str, fact: Fact, row: Row) -> bool:
    span = line.connected.get(agent)
    if span is None or span.drafting is None:
        return False
    line.close(span.drafting, fact.time, row.why("drafting", fact), fact, row.number)
    span.drafting = None
    return True


def is_reply(_line: Timeline, fact: Fact) -> bool:
    return bool(fact.data.get("kind", "reply") == "reply")


def is_new(_line: Timeline, fact: Fact) -> bool:
    return fact.data.get("kind") == "new"


def sent(line: Timeline, fact: Fact, row: Row) -> None:
    agent = line.agent(fact)
    if agent is not None:
        _end_draft(line, agent, fact, row)
        line.part(agent, fact, row)


def is_forward(_line: Timeline, fact: Fact) -> bool:
    return fact.data.get("kind") == "forward"


def forwarded(line: Timeline, fact: Fact, row: Row) -> None:
    agent = line.agent(fact)
    if agent is not None:
        _end_draft(line, agent, fact, row)


def message(line: Timeline, fact: Fact, row: Row) -> None:
    line.customer_wrote_last = fact.data.get("role") == "customer"
    if line.is_open("awaiting_customer"):
        had = dict(line.away)
        line.close_open("awaiting_customer", fact, row)
        for agent, conference in had.items():
            span = line.connect(agent, fact, row)
            if span is not None:
                span.conference = conference

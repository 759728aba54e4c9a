"""Questions to the state of a timeline: would this event close something that is open, would it open something?"""

from __future__ import annotations

from collections.abc import Callable

from touchpoint.stitching.facts import Fact
from touchpoint.stitching.media.agents import is_agent_or_supervisor
from touchpoint.stitching.media.segment_types import SegmentType
from touchpoint.stitching.media.timeline import Timeline
from touchpoint.stitching.verbs import FactVerb, Verbs

Question = Callable[[Timeline, Fact], bool]


def _customer(type_: SegmentType) -> Question:
    return lambda line, _fact: line.is_open(type_)


def _queue(line: Timeline, fact: Fact) -> bool:
    return line.is_open("queue") and fact.data.get("queue") in (None, line.customer.queue)  # type: ignore[union-attr]


def _alerting(line: Timeline, fact: Fact) -> bool:
    return "resource" in fact.data and fact.data["resource"]["id"] in line.alerting


def _hold(line: Timeline, fact: Fact) -> bool:
    span = line.connected.get(line.agent(fact) or "")
    return span is not None and span.hold is not None


def _draft(line: Timeline, fact: Fact) -> bool:
    span = line.connected.get(line.agent(fact) or "")
    return span is not None and span.drafting is not None


def _connected(line: Timeline, fact: Fact) -> bool:
    agent = line.agent(fact)
    return agent in line.connected or agent in line.away


def _consult(line: Timeline, fact: Fact) -> bool:
    agent = line.agent(fact)
    return any(agent in (consult.track, consult.partner) for consult in line.consults)


def _present(line: Timeline, fact: Fact) -> bool:
    agent = line.agent(fact)
    return _connected(line, fact) or agent in line.alerting or agent in line.monitors or _consult(line, fact)


def _reply(line: Timeline, fact: Fact) -> bool:
    return _connected(line, fact) and fact.data.get("kind") != "auto_reply"


def _wrapup(line: Timeline, fact: Fact) -> bool:
    return "resource" in fact.data and fact.data["resource"]["id"] in line.wrapups


_CLOSES: dict[FactVerb, Question] = {
    "failed": _customer("dialing"),
    "ivr_exited": _customer("ivr"),
    "alert_ended": _alerting,
    "dequeued": _queue,
    "voicemail_ended": _customer("voicemail"),
    "unparked": _customer("parked"),
    "retrieved": _hold,
    "transmission_failed": _customer("transmission"),
    "transmitted": _customer("transmission"),
    "draft_discarded": _draft,
    "sent": _reply,
    "consult_ended": _consult,
    "transferred": _connected,
    "left": _present,
    "released": _present,
    "wrapup_ended": _wrapup,
}

_OPENS: Verbs = frozenset(
    {"dialing", "connected", "ivr_entered", "queued", "alerting", "voicemail_started", "answered", "parked",
     "transmission_started", "draft_started", "consult_answered"}
)  # fmt: skip


def closes_what_is_open(line: Timeline, fact: Fact) -> bool:
    """Whether an event closes something that is open now."""
    question = _CLOSES.get(fact.verb)
    return question is not None and question(line, fact)


def would_open(line: Timeline, fact: Fact) -> bool:
    """Whether an event that came after the item's end would have opened a segment."""
    return fact.verb in _OPENS or (fact.verb == "joined" and is_agent_or_supervisor(line, fact))

"""Genesys Cloud: detail events of the notification service, also by EventBridge, and conversation details.

Both name a thing alike - conversation, session, event, instant - so the events of a period are the same from either.
The mapping: docs/capture/genesys-cloud.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from touchpoint.dialects.dialect import Dialect, Event, Feed, Unknown, agent, event, micros
from touchpoint.dialects.reading import json_records
from touchpoint.stitching.facts import Micros
from touchpoint.stitching.limits import Capabilities

Json = dict[str, Any]

_CHANNELS = {"voice": "call", "callback": "call", "email": "email", "chat": "chat", "message": "chat"}
_SIDE = frozenset({"cobrowse", "screenshare", "video"})
"""Media beside a conversation's own: known, and nothing of its history."""

_SELF_SERVICE = ("inbound", "outbound", "secure", "voice")
"""Flows in which the customer serves themselves; in-queue flows are not: they must not end a queue."""

_topic = re.compile(r"v2\.detail\.events\.conversation\.[^.]+\.(.+)")
_letters = re.compile(r"[^a-z]")

_BY = {"client": "customer", "endpoint": "customer", "peer": "agent", "transportfailure": "network", "error": "network"}
_TRANSFERS = {
    "transfer": "blind",
    "forwardtransfer": "blind",
    "consulttransfer": "attended",
    "conferencetransfer": "attended",
    "consult": "attended",
    "conference": "attended",
    "forward": "blind",
}
_ALERTS = {
    "client": "rejected",
    "endpoint": "rejected",
    "peer": "canceled",
    "error": "failed",
    "transportfailure": "failed",
}
_QUEUES = {
    "transfer": "answered",
    "peer": "abandoned",
    "endpoint": "abandoned",
    "client": "abandoned",
    "timeout": "timeout",
}
_LISTENS = {"monitoring": "monitor", "coaching": "coach", "barging": "barge"}


def rules(record: Json, feed: Feed) -> list[Event] | Unknown:  # noqa: ARG001 - nothing need be known beside the record
    if "conversations" in record or "participants" in record:
        return [each for one in record.get("conversations") or [record] for each in _details(one)]
    told = record.get("detail") or record
    topic, body = str(told.get("topicName", "")), told.get("eventBody") or {}
    if topic == "channel.metadata":  # the heartbeat of the web socket
        return []
    named = _topic.fullmatch(topic)
    rule = _RULES.get(named[1]) if named is not None else None
    if rule is None:
        return Unknown(
            f"topic {_topic_of_all(topic)!r} is not known", "conversation" in topic or "conversationId" in body
        )
    if rule is _nothing or _letters.sub("", str(body.get("mediaType", "")).lower()) in _SIDE:
        return []
    channel = _channel(body)
    if channel is None:
        return Unknown(f"media type {str(body.get('mediaType'))[:40]!r} is not known")
    assert named is not None
    said = _Said(channel, body["conversationId"], body, named[1])
    rule(said)
    return said.events


def _topic_of_all(topic: str) -> str:
    """The topic without its conversation, so that causes can be counted."""
    return re.sub(r"[0-9a-f-]{36}", "{id}", topic)[:80]


def _channel(told: Json) -> str | None:
    return _CHANNELS.get(str(told.get("mediaType") or "voice").lower())


def _plain(text: Any) -> str:
    return _letters.sub("", str(text or "").lower())


class _Said:
    """The events of one session: of a notification, or of a session in the details, whose `body` is put together."""

    def __init__(self, channel: str, conversation: str, body: Json, name: str = "") -> None:
        self.channel, self.conversation, self.body, self.name = channel, conversation, body, name
        self.time: Micros = int(body["eventTime"]) * 1_000 if name else 0  # a session of the details has many
        self.agent = agent(body.get("userId"))
        self.queue = body.get("queueId")
        self.end = _plain(body.get("disconnectType"))
        self.events: list[Event] = []

    def say(self, verb: str, time: Micros | None = None, of: str = "", **data: Any) -> None:
        """`of`: the notification that tells it, where a session of the details does."""
        at = self.time if time is None else time
        id_ = f"{self.conversation}/{self.body.get('sessionId') or '-'}/{of or self.name}/{verb}/{at // 1_000}"
        self.events.append(event(f"{self.channel}.{verb}", at, self.conversation, id_, data))

    def span(self, name: str) -> Micros:
        return int(self.body.get(name) or 0) * 1_000


def _contact(body: Json) -> Json:
    """Direction, party and dialed. The customer is who is called from (inbound) or to (outbound)."""
    outbound = _plain(body.get("direction")) == "outbound"
    from_, to = body.get("ani") or body.get("addressFrom"), body.get("dnis") or body.get("addressTo")
    party = {"address": to if outbound else from_, "id": body.get("externalContactId")}
    direction = "outbound" if outbound else "inbound"
    return {"direction": direction, "party": party, "dialed": None if outbound else to}


def _customer_start(said: _Said) -> None:
    said.say("offered", **_contact(said.body))


def _customer_end(said: _Said) -> None:
    said.say("disconnected", by=_BY.get(said.end, "system"), reason=said.end)


def _in_self_service(body: Json) -> bool:
    kind = _plain(body.get("flowType"))
    return not kind or kind.startswith(_SELF_SERVICE)


def _flow_start(said: _Said) -> None:
    if _in_self_service(said.body):
        said.say("ivr_entered", flow=said.body.get("flowName") or said.body.get("flowId"))


def _flow_end(said: _Said) -> None:
    if _in_self_service(said.body):
        said.say("ivr_exited", flow=said.body.get("flowName") or said.body.get("flowId"), reason=said.end)


def _acd_start(said: _Said) -> None:
    said.say("queued", queue=said.queue)


def _acd_end(said: _Said) -> None:
    said.say("dequeued", queue=said.queue, reason=_QUEUES.get(said.end))


def _user_start(said: _Said) -> None:
    if said.agent is None:
        raise KeyError("userId")
    verb = "dialing" if _plain(said.body.get("direction")) == "outbound" else "alerting"
    said.say(verb, resource=said.agent, queue=said.queue)


def _user_end(said: _Said) -> None:
    """Comes for a mere reject too: only who interacted was connected. Hold is a total."""
    interacting, held = said.span("interactingDurationMs"), said.span("heldDurationMs")
    if said.agent is None:
        raise KeyError("userId")
    if not interacting:
        said.say("alert_ended", resource=said.agent, reason=_ALERTS.get(said.end, "no_answer"))
        return
    said.say("answered", said.time - interacting - held, resource=said.agent, queue=said.queue)
    _part(said, said.time, (interacting + held) // 1_000, held // 1_000)


def _part(said: _Said, at: Micros, connected: int, held: int) -> None:
    kind = _TRANSFERS.get(said.end)
    reported = {"connected_ms": connected, "hold_ms": held}
    if kind is None:
        said.say("released", at, of="user.end", resource=said.agent, reason=said.end, reported=reported)
    else:
        said.say("transferred", at, of="user.end", resource=said.agent, kind=kind, reported=reported)


def _acw(said: _Said) -> None:
    length = said.body.get("wrapupDurationMs")
    outcome = said.body.get("wrapupCode")
    if length is not None:
        said.say("wrapup_started", said.time - int(length) * 1_000, resource=said.agent)
    said.say("wrapup_ended", resource=said.agent, duration_ms=length, outcome=outcome)


def _wrapup(said: _Said) -> None:
    said.say("wrapup_ended", resource=said.agent, outcome=said.body.get("wrapupCode"))


def _outbound_init(said: _Said) -> None:
    campaign = said.body.get("campaignId") or said.body.get("outboundCampaignId")
    contact = _contact(said.body | {"direction": "outbound"})
    said.say("dialing", direction="outbound", party=contact["party"], campaign=campaign)


def _voicemail_start(said: _Said) -> None:
    said.say("voicemail_started")


def _voicemail_end(said: _Said) -> None:
    said.say("voicemail_ended")


def _nothing(_said: _Said) -> None:
    """Known, and nothing of the media item's history."""


_RULES: dict[str, Callable[[_Said], None]] = {
    "customer.start": _customer_start,
    "customer.end": _customer_end,
    "flow.start": _flow_start,
    "flow.end": _flow_end,
    "acd.start": _acd_start,
    "acd.end": _acd_end,
    "user.start": _user_start,
    "user.end": _user_end,
    "acw": _acw,
    "wrapup": _wrapup,
    "outbound.init": _outbound_init,
    "voicemail.start": _voicemail_start,
    "voicemail.end": _voicemail_end,
    "contact": _nothing,
    "attributes": _nothing,
    "flow.outcome": _nothing,
}


def _details(conversation: Json) -> Iterator[Event]:
    """One conversation of the analytics query: segment by segment."""
    sessions = [
        _Session(conversation, participant, session)
        for participant in conversation["participants"]
        for session in participant.get("sessions") or []
        if _channel(session) is not None and session.get("segments")
    ]
    customers = [each for each in sessions if each.purpose in ("customer", "external")]
    if customers:
        first = min(customers, key=lambda each: each.start)
        yield from _customer(first, [each for each in customers if each.participant == first.participant])
    talks = [each.start for session in sessions for each in session.talk]
    for session in sessions:
        yield from _BY_PURPOSE.get(session.purpose, _none)(session, talks)


class _Segment:
    def __init__(self, told: Json) -> None:
        self.kind = _plain(told.get("segmentType"))
        self.start = micros(told["segmentStart"])
        self.end = micros(told["segmentEnd"]) if told.get("segmentEnd") else None
        self.told = told


class _Session:
    """A session of the details, with its segments in order."""

    def __init__(self, conversation: Json, participant: Json, session: Json) -> None:
        self.purpose = _plain(participant.get("purpose"))
        self.participant = participant.get("participantId")
        self.segments = sorted(map(_Segment, session["segments"]), key=lambda each: each.start)
        self.start = self.segments[0].start
        ends = [each.end for each in self.segments]
        # ends with its last segment, unless one is still open; wrap-up is after it
        self.end = None if None in ends else max(e for e in ends if e is not None)
        self.talk = [each for each in self.segments if each.kind in ("interact", "hold")] if self.is_user else []
        told = self.segments[-1].told
        final = next((s.told["disconnectType"] for s in reversed(self.segments) if s.told.get("disconnectType")), None)
        queue = next((s.told["queueId"] for s in self.segments if s.told.get("queueId")), told.get("queueId"))
        body = {**session, **(session.get("flow") or {}), "userId": participant.get("userId"), "queueId": queue}
        body |= {"disconnectType": final, "externalContactId": participant.get("externalContactId")}
        self.said = _Said(_channel(session) or "call", conversation["conversationId"], body)
        self.campaign = session.get("outboundCampaignId")

    @property
    def is_user(self) -> bool:
        return self.purpose in ("agent", "user")


def _customer(first: _Session, sessions: list[_Session]) -> Iterator[Event]:
    contact = _contact(first.said.body)
    first.said.say("offered", first.start, of="customer.start", campaign=first.campaign, **contact)
    yield from first.said.events
    ends = [each.end for each in sessions]
    if None not in ends:
        last = max(sessions, key=lambda each: each.end or 0).said
        last.events = []
        last.say(
            "disconnected",
            max(e for e in ends if e is not None),
            "customer.end",
            by=_BY.get(last.end, "system"),
            reason=last.end,
        )
        yield from last.events


def _spanning(opens: str, closes: str, of: str) -> Callable[[_Session, list[Micros]], list[Event]]:
    def tell(session: _Session, _talks: list[Micros]) -> list[Event]:
        said, flow = session.said, session.said.body.get("flowName") or session.said.body.get("flowId")
        if of == "flow" and not _in_self_service(said.body):
            return []
        said.say(opens, session.start, of=f"{of}.start", flow=flow)
        if session.end is not None:
            said.say(closes, session.end, of=f"{of}.end", flow=flow, reason=said.end if of == "flow" else None)
        return said.events

    return tell


def _acd(session: _Session, talks: list[Micros]) -> list[Event]:
    said = session.said
    said.say("queued", session.start, of="acd.start", queue=said.queue)
    if session.end is not None:
        answered = any(abs(talk - session.end) <= 2_000_000 for talk in talks)
        reason = "answered" if answered else "transferred" if said.end == "transfer" else _QUEUES.get(said.end)
        said.say("dequeued", session.end, of="acd.end", queue=said.queue, reason=reason)
    return said.events


def _user(session: _Session, _talks: list[Micros]) -> list[Event]:
    said, who = session.said, session.said.agent
    for segment in session.segments:
        if segment.kind in ("alert", "dialing"):
            verb = "alerting" if segment.kind == "alert" else "dialing"
            said.say(verb, segment.start, of="user.start", resource=who, queue=said.queue)
            if segment.kind == "alert" and not session.talk and segment.end is not None:
                said.say(
                    "alert_ended", segment.end, of="user.end", resource=who, reason=_ALERTS.get(said.end, "no_answer")
                )
        elif segment.kind == "hold":
            said.say("held", segment.start, of="hold", resource=who)
            if segment.end is not None:
                said.say("retrieved", segment.end, of="hold", resource=who)
        elif segment.kind == "wrapup":
            said.say("wrapup_started", segment.start, of="acw", resource=who)
            if segment.end is not None:
                length, code = (segment.end - segment.start) // 1_000, segment.told.get("wrapUpCode")
                said.say("wrapup_ended", segment.end, of="acw", resource=who, duration_ms=length, outcome=code)
        elif segment.kind in _LISTENS:
            said.say("joined", segment.start, of="listen", resource=who, role="supervisor", mode=_LISTENS[segment.kind])
            if segment.end is not None:
                said.say("left", segment.end, of="listen", resource=who, role="supervisor")
    _talked(session)
    return said.events


def _talked(session: _Session) -> None:
    if not session.talk:
        return
    said = session.said
    said.say("answered", session.talk[0].start, of="user.end", resource=said.agent, queue=said.queue)
    ends = [each.end for each in session.talk if each.end is not None]
    if len(ends) == len(session.talk):
        held = sum(end - each.start for each, end in zip(session.talk, ends, strict=True) if each.kind == "hold")
        _part(said, max(ends), (max(ends) - session.talk[0].start) // 1_000, held // 1_000)


def _none(_session: _Session, _talks: list[Micros]) -> list[Event]:
    return []


_BY_PURPOSE: dict[str, Callable[[_Session, list[Micros]], list[Event]]] = {
    "ivr": _spanning("ivr_entered", "ivr_exited", "flow"),
    "voicemail": _spanning("voicemail_started", "voicemail_ended", "voicemail"),
    "acd": _acd,
    "agent": _user,
    "user": _user,
}

DIALECT = Dialect(
    name="genesys-cloud",
    capabilities=Capabilities(transfer=False, ordered=False, resolution=1_000),
    read=json_records,
    rules=rules,
)

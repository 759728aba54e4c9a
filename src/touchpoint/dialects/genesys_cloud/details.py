"""Conversation details of the analytics API, segment by segment: the replayable twin of the notifications."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from touchpoint.dialects.dialect import Event, micros
from touchpoint.dialects.genesys_cloud.conversation_session import (
    ALERTS,
    BY,
    QUEUES,
    Json,
    Said,
    channel_of,
    contact,
    in_self_service,
    plain,
)
from touchpoint.stitching.facts import SECOND, Micros

_LISTENS = {"monitoring": "monitor", "coaching": "coach", "barging": "barge"}
_NEAR: Micros = 2 * SECOND


class _Segment:
    def __init__(self, told: Json) -> None:
        self.kind = plain(told.get("segmentType"))
        self.start = micros(told["segmentStart"])
        self.end = micros(told["segmentEnd"]) if told.get("segmentEnd") else None
        self.told = told


class _Session:
    """A session of the details, with its segments in order."""

    def __init__(self, conversation: Json, participant: Json, session: Json) -> None:
        self.purpose = plain(participant["purpose"])
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
        body["originatingDirection"] = conversation.get("originatingDirection")
        self.said = Said(channel_of(session) or "call", conversation["conversationId"], body)
        self.is_callback = plain(session.get("mediaType")) == "callback"
        self.dials = plain(session.get("direction")) == "outbound"

    @property
    def is_user(self) -> bool:
        return self.purpose in ("agent", "user")

    @property
    def talk_ends(self) -> list[Micros]:
        return [each.end for each in self.talk if each.end is not None]

    @property
    def is_talking(self) -> bool:
        return len(self.talk_ends) < len(self.talk)


def conversation_events(conversation: Json) -> Iterator[Event]:
    """The events of one conversation of the analytics query."""
    sessions = [
        _Session(conversation, participant, session)
        for participant in conversation["participants"]
        for session in participant.get("sessions") or []
        if channel_of(session) is not None and session.get("segments")
    ]
    customers = [each for each in sessions if each.purpose in ("customer", "external")]
    caller = None if customers else _caller(sessions)
    if customers:
        first = min(customers, key=lambda each: each.start)
        yield from _customer(first, [each for each in customers if each.participant == first.participant])
    elif caller is not None:
        yield from _internal(caller)
    for session in sessions:
        if session is not caller:
            yield from _BY_PURPOSE.get(session.purpose, _none)(session, sessions)
    yield from _talks([each for each in sessions if each.talk and each is not caller])


def _caller(sessions: list[_Session]) -> _Session | None:
    """The user who called a queue of their own organisation: dialed before any flow or queue began."""
    served = [each.start for each in sessions if each.purpose in ("ivr", "acd")]
    callers = (each for each in sessions if each.purpose == "user" and each.dials)
    return next((each for each in callers if served and each.start <= min(served)), None)


def _internal(caller: _Session) -> Iterator[Event]:
    said = caller.said
    said.say("offered", caller.start, of="customer.start", direction="internal")
    if caller.end is not None:
        said.say("disconnected", caller.end, of="customer.end", by=BY.get(said.end, "system"), reason=said.end)
    yield from said.events


def _customer(first: _Session, sessions: list[_Session]) -> Iterator[Event]:
    """The item has the direction of the first contact, and the address of the first session that has one."""
    told = contact(first.said.body)
    others = (contact(each.said.body)["party"]["address"] for each in sorted(sessions, key=lambda each: each.start))
    told["party"]["address"] = told["party"]["address"] or next((each for each in others if each), None)
    first.said.say("offered", first.start, of="customer.start", **told)
    yield from first.said.events
    ends = [each.end for each in sessions]
    if None not in ends:
        last = max(sessions, key=lambda each: each.end or 0).said
        last.events = []
        last.say(
            "disconnected",
            max(e for e in ends if e is not None),
            "customer.end",
            by=BY.get(last.end, "system"),
            reason=last.end,
        )
        yield from last.events


def _spanning(opens: str, closes: str, of: str) -> Callable[[_Session, list[_Session]], list[Event]]:
    def tell(session: _Session, _sessions: list[_Session]) -> list[Event]:
        said, flow = session.said, session.said.body.get("flowName") or session.said.body.get("flowId")
        if of == "flow" and not in_self_service(said.body):
            return []
        said.say(opens, session.start, of=f"{of}.start", flow=flow)
        if session.end is not None:
            said.say(closes, session.end, of=f"{of}.end", flow=flow, reason=said.end if of == "flow" else None)
        return said.events

    return tell


def _acd(session: _Session, sessions: list[_Session]) -> list[Event]:
    said = session.said
    said.say("queued", session.start, of="acd.start", queue=said.queue)
    if session.end is not None:
        said.say("dequeued", session.end, of="acd.end", queue=said.queue, reason=_left(session, session.end, sessions))
    return said.events


def _left(session: _Session, end: Micros, sessions: list[_Session]) -> str | None:
    """Why the queue was left: for a callback, to an agent who was connected then, or as the disconnect type has it."""
    asked = (each.start for each in sessions if each.is_callback and each.purpose in ("acd", "customer", "external"))
    if not session.is_callback and any(session.start < at <= end + _NEAR for at in asked):
        return "callback"
    if any(abs(each.start - end) <= _NEAR for other in sessions for each in other.talk):
        return "answered"
    return "transferred" if session.said.end == "transfer" else QUEUES.get(session.said.end)


def _calls_back(session: _Session, at: Micros, sessions: list[_Session]) -> bool:
    """Whether the agent has another session of the conversation then: the callback of which this is the call."""
    user = session.said.body.get("userId")
    others = (each for each in sessions if each is not session and each.said.body.get("userId") == user)
    return any(each.start <= at and (each.end is None or at < each.end) for each in others)


def _user(session: _Session, sessions: list[_Session]) -> list[Event]:
    said, who = session.said, session.said.agent
    for segment in session.segments:
        if segment.kind == "dialing" and _calls_back(session, segment.start, sessions):
            continue
        if segment.kind in ("alert", "dialing"):
            verb = "alerting" if segment.kind == "alert" else "dialing"
            said.say(verb, segment.start, of="user.start", resource=who, queue=said.queue)
            if segment.kind == "alert" and not session.talk and segment.end is not None:
                said.say(
                    "alert_ended", segment.end, of="user.end", resource=who, reason=ALERTS.get(said.end, "no_answer")
                )
        elif segment.kind == "hold":
            said.say("held", segment.start, of="hold", resource=who)
            if segment.end is not None:
                said.say("retrieved", segment.end, of="hold", resource=who)
        elif segment.kind == "wrapup":
            _wrapup(session, segment)
        elif segment.kind in _LISTENS:
            said.say("joined", segment.start, of="listen", resource=who, role="supervisor", mode=_LISTENS[segment.kind])
            if segment.end is not None:
                said.say("left", segment.end, of="listen", resource=who, role="supervisor")
    return said.events


def _wrapup(session: _Session, segment: _Segment) -> None:
    """Genesys may begin it some milliseconds before the talk ends: it begins there, as long as Genesys says."""
    said, begin = session.said, max([segment.start, *session.talk_ends])
    length = None if segment.end is None else segment.end - segment.start
    stated = None if length is None else length // 1_000
    said.say("wrapup_started", begin, of="acw", resource=said.agent, duration_ms=stated)
    if length is not None:
        code = segment.told.get("wrapUpCode")
        said.say("wrapup_ended", begin + length, of="acw", resource=said.agent, duration_ms=stated, outcome=code)


def _talks(sessions: list[_Session]) -> Iterator[Event]:
    """Answer and release of each agent: of sessions that overlap - a callback and its call - the first and the last."""
    by_agent: dict[str | None, list[_Session]] = {}
    for session in sessions:
        by_agent.setdefault(session.said.body.get("userId"), []).append(session)
    for own in by_agent.values():
        own.sort(key=lambda each: each.talk[0].start)
        together: list[_Session] = []
        for session in own:
            if together and not any(
                each.is_talking or max(each.talk_ends) >= session.talk[0].start for each in together
            ):
                yield from _talked(together)
                together = []
            together.append(session)
        yield from _talked(together)


def _talked(sessions: list[_Session]) -> list[Event]:
    first, began = sessions[0].said, sessions[0].talk[0].start
    first.events = []
    first.say("answered", began, of="user.end", resource=first.agent, queue=first.queue)
    if any(session.is_talking for session in sessions):
        return first.events
    last = max(sessions, key=lambda each: max(each.talk_ends))
    segments = [each for session in sessions for each in session.talk]
    held = sum(each.end - each.start for each in segments if each.kind == "hold" and each.end is not None)
    if last.said is not first:
        last.said.events = []
    last.said.part(max(last.talk_ends), (max(last.talk_ends) - began) // 1_000, held // 1_000)
    return first.events if last.said is first else [*first.events, *last.said.events]


def _none(_session: _Session, _sessions: list[_Session]) -> list[Event]:
    return []


_BY_PURPOSE: dict[str, Callable[[_Session, list[_Session]], list[Event]]] = {
    "ivr": _spanning("ivr_entered", "ivr_exited", "flow"),
    "voicemail": _spanning("voicemail_started", "voicemail_ended", "voicemail"),
    "acd": _acd,
    "agent": _user,
    "user": _user,
}

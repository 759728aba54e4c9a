"""Detail events as they happen: `v2.detail.events.conversation.{id}.*`.

A conversation has several sessions of one side at a time where a callback is under way: the customer's voice session
ends when they hang up, their callback session when they were called back; an agent who calls back has both, too. What
is open of each conversation is remembered, so that the end of a session is not told as the end of the whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from touchpoint.dialects.dialect import Event, Feed, Unknown
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
from touchpoint.dialects.memory import Memory

_SIDE = frozenset({"cobrowse", "screenshare", "video"})
"""Media beside a conversation's own: known, and nothing of its history."""

_topic = re.compile(r"v2\.detail\.events\.conversation\.[^.]+\.(.+)")


def notification_events(record: Json, feed: Feed) -> list[Event] | Unknown:
    """The events of one notification, whether or not EventBridge wraps it."""
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
    if rule is _nothing or plain(body.get("mediaType")) in _SIDE:
        return []
    channel = channel_of(body)
    if channel is None:
        return Unknown(f"media type {str(body.get('mediaType'))[:40]!r} is not known")
    assert named is not None
    said = Said(channel, body["conversationId"], body, named[1])
    rule(said, _Conversation(said.conversation, feed.memory))
    return said.events


def _topic_of_all(topic: str) -> str:
    """The topic without its conversation, so that causes can be counted."""
    return re.sub(r"[0-9a-f-]{36}", "{id}", topic)[:80]


class _Conversation:
    """What is remembered of a conversation: which sessions are open, and whose."""

    def __init__(self, name: str, memory: Memory) -> None:
        self._name, self._memory = name, memory
        self._held: dict[str, Any] = dict(memory.get(("conversation", name)) or {})

    def _keep(self, **changes: Any) -> None:
        self._held |= changes
        self._memory.put(("conversation", self._name), dict(self._held))

    def opens(self, side: str, session: str) -> None:
        """A session of a side (`customer`, `callback`, or an agent) begins; events come in any order."""
        if session not in self._sessions("over"):
            self._keep(**{side: self._sessions(side) | {session}})

    def closes(self, side: str, session: str) -> bool:
        """A session ends; whether others of the side are open still."""
        self._keep(**{side: self._sessions(side) - {session}, "over": self._sessions("over") | {session}})
        return bool(self._sessions(side))

    def has(self, side: str) -> bool:
        return bool(self._sessions(side))

    def _sessions(self, side: str) -> frozenset[str]:
        found: frozenset[str] = self._held.get(side) or frozenset()
        return found

    def note(self, name: str, value: Any) -> None:
        self._keep(**{name: value})

    def noted(self, name: str) -> Any:
        return self._held.get(name)


def _is_callback(said: Said) -> bool:
    return plain(said.body.get("mediaType")) == "callback"


def _customer_start(said: Said, known: _Conversation) -> None:
    known.opens("customer", said.session)
    known.note("has_customer", True)
    if _is_callback(said):
        known.note("called_back", True)
    said.say("offered", **contact(said.body))


def _customer_end(said: Said, known: _Conversation) -> None:
    """The end of the whole, unless the customer has another session or waits to be called back."""
    others = known.closes("customer", said.session)
    if not others and not known.has("callback"):
        said.say("disconnected", by=BY.get(said.end, "system"), reason=said.end)


def _flow_start(said: Said, known: _Conversation) -> None:
    if in_self_service(said.body):
        _find_caller(known)
        said.say("ivr_entered", flow=said.body.get("flowName") or said.body.get("flowId"))


def _flow_end(said: Said, _known: _Conversation) -> None:
    if in_self_service(said.body):
        said.say("ivr_exited", flow=said.body.get("flowName") or said.body.get("flowId"), reason=said.end)


def _acd_start(said: Said, known: _Conversation) -> None:
    _find_caller(known)
    if _is_callback(said):
        known.opens("callback", said.session)
        known.note("called_back", True)
    said.say("queued", queue=said.queue)


def _acd_end(said: Said, known: _Conversation) -> None:
    known.closes("callback", said.session)
    reason = QUEUES.get(said.end)
    if known.noted("called_back") and not _is_callback(said) and said.end == "transfer":
        reason = "callback"
    said.say("dequeued", queue=said.queue, reason=reason)


def _find_caller(known: _Conversation) -> None:
    """A user who dialed before any queue or flow, in a conversation without a customer, is the caller, no agent."""
    dialed = known.noted("dialed")
    if dialed is not None and not known.noted("has_customer") and known.noted("caller") is None:
        known.note("caller", dialed)


def _user_start(said: Said, known: _Conversation) -> None:
    if said.agent is None:
        raise KeyError("userId")
    side = f"user {said.agent['id']}"
    calls_back = known.has(side)
    known.opens(side, said.session)
    outbound = plain(said.body.get("direction")) == "outbound"
    if outbound and known.noted("dialed") is None:
        known.note("dialed", said.session)
    if not (outbound and calls_back):
        said.say("dialing" if outbound else "alerting", resource=said.agent, queue=said.queue)


def _user_end(said: Said, known: _Conversation) -> None:
    """Comes for a mere reject too: only who interacted was connected. Hold is a total.

    Of an agent's sessions that overlap - a callback and the call that it makes - the last one ends their part.
    """
    interacting, held = said.span("interactingDurationMs"), said.span("heldDurationMs")
    if said.agent is None:
        raise KeyError("userId")
    side = f"user {said.agent['id']}"
    others = known.closes(side, said.session)
    if known.noted("caller") == said.session:
        said.say("disconnected", by="customer", reason=said.end, direction="internal")
        return
    if interacting:
        said.say("answered", said.time - interacting - held, resource=said.agent, queue=said.queue)
        if others:
            known.note(f"left {side}", True)
        else:
            said.part(said.time, (interacting + held) // 1_000, held // 1_000)
    elif known.noted(f"left {side}") and not others:
        said.say("released", resource=said.agent, reason=said.end)
    else:
        said.say("alert_ended", resource=said.agent, reason=ALERTS.get(said.end, "no_answer"))


def _acw(said: Said, _known: _Conversation) -> None:
    if said.agent is None:
        raise KeyError("userId")
    length = said.body.get("wrapupDurationMs")
    outcome = said.body.get("wrapupCode")
    if length is not None:
        said.say("wrapup_started", said.time - int(length) * 1_000, resource=said.agent, duration_ms=length)
    said.say("wrapup_ended", resource=said.agent, duration_ms=length, outcome=outcome)


def _wrapup(said: Said, _known: _Conversation) -> None:
    said.say("wrapup_ended", resource=said.agent, outcome=said.body.get("wrapupCode"))


def _outbound_init(said: Said, _known: _Conversation) -> None:
    told = contact(said.body | {"direction": "outbound"})
    said.say("dialing", direction="outbound", party=told["party"], campaign=told["campaign"])


def _voicemail_start(said: Said, _known: _Conversation) -> None:
    said.say("voicemail_started")


def _voicemail_end(said: Said, _known: _Conversation) -> None:
    said.say("voicemail_ended")


def _nothing(_said: Said, _known: _Conversation) -> None:
    """Known, and nothing of the media item's history."""


_RULES: dict[str, Callable[[Said, _Conversation], None]] = {
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

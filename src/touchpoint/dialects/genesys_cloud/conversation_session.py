"""A session of a conversation, and the canonical events that notifications and details make of it alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from touchpoint.dialects.dialect import Event, agent, event
from touchpoint.stitching.facts import Micros

Json = dict[str, Any]

_CHANNELS = {"voice": "call", "callback": "call", "email": "email", "chat": "chat", "message": "chat"}

_SELF_SERVICE = ("inbound", "outbound", "secure", "voice")
"""Flows in which the customer serves themselves; in-queue flows are not: they must not end a queue."""

BY: Mapping[str, str] = {
    "client": "customer", "endpoint": "customer", "peer": "agent", "transportfailure": "network", "error": "network",
}  # fmt: skip
ALERTS: Mapping[str, str] = {
    "client": "rejected", "endpoint": "rejected", "peer": "canceled", "error": "failed", "transportfailure": "failed",
}  # fmt: skip
QUEUES: Mapping[str, str] = {
    "transfer": "answered", "peer": "abandoned", "endpoint": "abandoned", "client": "abandoned", "timeout": "timeout",
}  # fmt: skip
_TRANSFERS: Mapping[str, str] = {
    "transfer": "blind",
    "forwardtransfer": "blind",
    "consulttransfer": "attended",
    "conferencetransfer": "attended",
    "consult": "attended",
    "conference": "attended",
    "forward": "blind",
}

_letters = re.compile(r"[^a-z]")


def plain(text: Any) -> str:
    """A word of Genesys' own in lower case and letters only: the feeds spell it in different ways."""
    return _letters.sub("", str(text or "").lower())


def channel_of(session: Json) -> str | None:
    """The channel of a session's media type; None where it is not one of the contract."""
    return _CHANNELS.get(str(session.get("mediaType") or "voice").lower())


def contact(body: Json) -> Json:
    """Direction, party and dialed of a customer's session.

    The customer is who is called from (inbound) or to (outbound, which every call of a campaign is), or whose number
    a callback names. The direction is that of the conversation where it is told.
    """
    campaign = body.get("outboundCampaignId") or body.get("campaignId")
    own = plain(body.get("direction")) or ("outbound" if campaign else "inbound")
    outbound = own == "outbound"
    from_, to = body.get("ani") or body.get("addressFrom"), body.get("dnis") or body.get("addressTo")
    numbers = body.get("callbackNumbers")
    named = numbers[0] if isinstance(numbers, list) and numbers else None
    direction = plain(body.get("originatingDirection")) or ("outbound" if campaign else own)
    return {
        "direction": "outbound" if direction == "outbound" else "inbound",
        "party": {"address": (to if outbound else from_) or named, "id": body.get("externalContactId")},
        "dialed": None if outbound else to,
        "campaign": campaign,
    }


def in_self_service(body: Json) -> bool:
    """Whether a flow is one in which the customer serves themselves."""
    kind = plain(body.get("flowType"))
    return not kind or kind.startswith(_SELF_SERVICE)


class Said:
    """The events of one session: of a notification, or of a session in the details, whose `body` is put together."""

    def __init__(self, channel: str, conversation: str, body: Json, name: str = "") -> None:
        self.channel, self.conversation, self.body, self.name = channel, conversation, body, name
        self.time: Micros = int(body["eventTime"]) * 1_000 if name else 0  # a session of the details has many
        self.agent = agent(body.get("userId"))
        self.queue = body.get("queueId")
        self.end = plain(body.get("disconnectType"))
        self.session = str(body.get("sessionId") or "-")
        self.events: list[Event] = []

    def say(self, verb: str, time: Micros | None = None, of: str = "", **data: Any) -> None:
        """`of`: the notification that tells it, where a session of the details does."""
        at = self.time if time is None else time
        id_ = f"{self.conversation}/{self.session}/{of or self.name}/{verb}/{at // 1_000}"
        self.events.append(event(f"{self.channel}.{verb}", at, self.conversation, id_, data))

    def part(self, at: Micros, connected: int, held: int) -> None:
        """The agent leaves, after so many milliseconds of which so many were held."""
        kind = _TRANSFERS.get(self.end)
        reported = {"connected_ms": connected, "hold_ms": held}
        if kind is None:
            self.say("released", at, of="user.end", resource=self.agent, reason=self.end, reported=reported)
        else:
            self.say("transferred", at, of="user.end", resource=self.agent, kind=kind, reported=reported)

    def span(self, name: str) -> Micros:
        return int(self.body.get(name) or 0) * 1_000

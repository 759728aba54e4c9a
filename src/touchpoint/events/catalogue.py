"""Every event type of the contract, as a table, and the pydantic model that each of them has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Literal, NamedTuple, cast

from pydantic import create_model

from touchpoint.events import data as d
from touchpoint.events.fields import Data, Id, Instant, Name, Shape, Text
from touchpoint.stitching.verbs import Verb

CHANNELS = ("call", "email", "fax", "chat")
"""The channels that are always there. A further one (sms, video, ...) is configuration and knows every verb."""


class Rule(NamedTuple):
    """One row of the contract's table."""

    on: str  # "all", or the built-in channels that know the verb
    data: type[Data]
    meaning: str


VERBS: Mapping[Verb, Rule] = {
    "offered": Rule("all", d.Offered, "it reached us, or we started it"),
    "ivr_entered": Rule("call chat", d.SelfService, "self service begins: IVR or bot"),
    "ivr_exited": Rule("call chat", d.SelfService, "self service ends"),
    "queued": Rule("all", d.Queued, "joined a queue"),
    "dequeued": Rule("all", d.Dequeued, "left the queue"),
    "alerting": Rule("all", d.ToAgent, "offered to one agent (rings)"),
    "alert_ended": Rule("all", d.AlertEnded, "that offer ended unanswered"),
    "answered": Rule("all", d.ToAgent, "agent connected (call), assigned or fetched (email, fax), accepted (chat)"),
    "held": Rule("call chat", Data, "the agent put the customer on hold"),
    "retrieved": Rule("call chat", Data, "the agent came back"),
    "consult_started": Rule("call", d.Consult, "the agent asks another while the customer waits"),
    "consult_answered": Rule("call", d.Consult, "the other answered"),
    "consult_ended": Rule("call", d.Consult, "the consult is over"),
    "transferred": Rule("all", d.Transferred, "handed on, blind or attended"),
    "joined": Rule("call chat", d.Conference, "somebody joined"),
    "left": Rule("call chat", d.Conference, "somebody left"),
    "parked": Rule("call", Data, "parked for anyone to pick up"),
    "unparked": Rule("call", Data, "picked up again"),
    "dialing": Rule("call fax", d.Dialing, "an outbound attempt begins"),
    "connected": Rule("call fax", d.Dialing, "the outbound attempt was answered"),
    "failed": Rule("call fax", d.Dialing, "the outbound attempt failed"),
    "voicemail_started": Rule("call", Data, "the caller speaks to voicemail"),
    "voicemail_ended": Rule("call", Data, "the voicemail is recorded"),
    "draft_started": Rule("email fax", d.Draft, "an agent begins to write"),
    "draft_discarded": Rule("email fax", d.Draft, "the draft was thrown away"),
    "sent": Rule("email fax", d.Draft, "a reply, a forward, an automatic reply or a new one went out"),
    "transmission_started": Rule("fax", d.Transmission, "a transmission begins"),
    "page": Rule("fax", d.Transmission, "one more page is through"),
    "transmitted": Rule("fax", d.Transmission, "all pages are through"),
    "transmission_failed": Rule("fax", d.Transmission, "the transmission broke off"),
    "message": Rule("chat", d.Message, "a chat message; no text is ever carried"),
    "released": Rule("all", Data, "one agent is done with it; others or the customer may remain"),
    "disconnected": Rule("all", d.Disconnected, "the line is gone, and who hung up"),
    "ended": Rule("all", Data, "the media item is over"),
    "wrapup_started": Rule("all", d.WrapUp, "after-contact work begins"),
    "wrapup_ended": Rule("all", d.WrapUp, "after-contact work is done"),
    "alias": Rule("all", d.Alias, "this media item id is the same thing as `to`"),
    "summary": Rule(
        "all", d.Summary, "after-the-fact record: fills what is missing, overwrites nothing that was observed"
    ),
}


class OtherRule(NamedTuple):
    """One event type that is not of a channel."""

    subject: bool  # whether it must have one
    data: type[Data]
    meaning: str


OTHERS: Mapping[str, OtherRule] = {
    "activity.recorded": OtherRule(False, d.Activity, "a business activity, told afterwards"),
    "activity.started": OtherRule(False, d.Activity, "a business activity begins"),
    "activity.ended": OtherRule(False, d.ActivityEnded, "it ends"),
    "interaction.opened": OtherRule(True, Data, "marks the start of the interaction of the subject, a media item"),
    "interaction.wrapped_up": OtherRule(True, d.WrappedUp, "the interaction's outcome; it may close"),
    "interaction.close_requested": OtherRule(True, Data, "the interaction may close"),
    "party.identified": OtherRule(True, d.Identified, "the subject, an address, belongs to party `id`"),
    "party.merged": OtherRule(True, d.Merged, "party `from` is the same as `into`"),
    "party.erasure_requested": OtherRule(True, d.ErasureRequested, "forget the person behind the subject, an address"),
    "source.heartbeat": OtherRule(False, Data, "the source is alive and has reached `time`"),
    "source.flushed": OtherRule(
        False, d.Flushed, "the source has told everything until `until`: what is open of it alone may close"
    ),
}

_channel_name = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_reserved = {name.partition(".")[0] for name in OTHERS}


class Event(Shape):
    """The envelope: CloudEvents 1.0 with the extension attributes of contract.md 2."""

    specversion: Literal["1.0"]
    id: Id
    source: Id
    type: str
    time: Instant
    subject: Name | None = None
    sequence: Name | None = None
    recordedtime: Instant | None = None
    correlationid: Name | None = None
    tenant: Name | None = None
    dataschema: Text | None = None
    datacontenttype: Text | None = None
    dialect: Name | None = None
    data: Any = None


def check_channels(channels: Iterable[str]) -> tuple[str, ...]:
    """The built-in channels and the given ones. Raises ValueError for a name that cannot be a channel's."""
    names = tuple(dict.fromkeys((*CHANNELS, *channels)))
    for name in names:
        if not _channel_name.fullmatch(name):
            raise ValueError(f"channel {name!r}: use lower-case letters, digits, - and _, beginning with a letter")
        if name in _reserved:
            raise ValueError(f"channel {name!r}: the name is taken by the events {name}.*; choose another")
    return names


def knows(channel: str, verb: Verb) -> bool:
    """Whether the verb is one of the channel's. Configured channels know every verb."""
    rule = VERBS[verb]
    return rule.on == "all" or channel not in CHANNELS or channel in rule.on.split()


def event_types(channels: Iterable[str] = CHANNELS) -> tuple[str, ...]:
    """All types that an installation with these channels accepts, in the order of the contract's table."""
    of_channels = (f"{c}.{v}" for c in check_channels(channels) for v in VERBS if knows(c, v))
    return (*of_channels, *OTHERS)


@cache
def event_model(name: str) -> type[Event]:
    """The model of one event type, such as `call.answered`. Raises KeyError for a verb the contract does not have."""
    if name in OTHERS:
        subject, data, meaning = OTHERS[name]
    else:
        subject, (_, data, meaning) = True, VERBS[cast("Verb", name.partition(".")[2])]
    needed = any(field.is_required() for field in data.model_fields.values())
    fields: dict[str, Any] = {
        "type": (Literal[name], ...),
        "data": (data, ...) if needed else (data | None, None),
    }
    if subject:
        fields["subject"] = (Id, ...)
    # the class is named as the type, so that JSON Schema speaks of `call.answered`
    return cast("type[Event]", create_model(name, __base__=Event, __doc__=meaning, **fields))

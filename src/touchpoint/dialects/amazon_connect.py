"""Amazon Connect: contact events (EventBridge) and contact records (CTR, Kinesis), told apart by their form.

Names of fields are read without regard to case, as the two feeds and their documentation spell them differently.
The mapping: docs/capture/amazon-connect.md.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import orjson

from touchpoint.dialects.dialect import Dialect, Event, Feed, IdsChanged, Unknown, agent, event, instant, micros
from touchpoint.dialects.forms import ANYTHING, TEXT, TIME, WHOLE, Fields, Form
from touchpoint.dialects.reading import json_records
from touchpoint.stitching.facts import Micros
from touchpoint.stitching.limits import Capabilities

Json = dict[str, Any]

_CHANNELS = {"voice": "call", "chat": "chat", "email": "email"}
_BY_US = frozenset({"OUTBOUND", "EXTERNAL_OUTBOUND"})
_OUTBOUND = _BY_US | {"CALLBACK", "AGENT_REPLY"}
_DIALED = frozenset({"OUTBOUND", "CALLBACK"})
"""The agent is connected first, and the customer when they answer: ConnectedToSystemTimestamp (AWS, contact events)."""
_MOVES = frozenset({"TRANSFER", "QUEUE_TRANSFER"})
_LEFT = frozenset({"AGENT_DISCONNECT", "THIRD_PARTY_DISCONNECT"})
_IN_FLOW = frozenset({"INBOUND", "API", "WEBRTC_API"})
_BY = {"CUSTOMER_DISCONNECT": "customer", "AGENT_DISCONNECT": "agent"}
_NOTHING = frozenset("CONTACT_DATA_UPDATED AMD_DISABLED COMPLETED PAUSED RESUMED WEBRTC_API".split())
_RECORD = "awscontacttracerecordformatversion"
_ENDPOINT = Fields({"address": TEXT})
_CONTACT: dict[str, Form] = {
    "agentinfo": Fields({"agentarn": TEXT, "connectedtoagenttimestamp": TIME}),
    "queueinfo": Fields({"queuearn": TEXT, "enqueuetimestamp": TIME}),
    "agent": Fields(
        dict.fromkeys("arn username".split(), TEXT)
        | dict.fromkeys("agentinteractionduration customerholdduration aftercontactworkduration".split(), WHOLE)
        | dict.fromkeys(
            "connectedtoagenttimestamp aftercontactworkstarttimestamp aftercontactworkendtimestamp".split(), TIME
        )
    ),
    "queue": Fields({"arn": TEXT, "enqueuetimestamp": TIME, "dequeuetimestamp": TIME}),
    "customerendpoint": _ENDPOINT,
    "systemendpoint": _ENDPOINT,
    "campaign": Fields({"campaignid": TEXT}),
    **dict.fromkeys(
        """
        contactid initialcontactid previouscontactid relatedcontactid nextcontactid initiationmethod eventtype channel
        instancearn disconnectreason
        """.split(),
        TEXT,
    ),
    **dict.fromkeys(
        "initiationtimestamp connectedtosystemtimestamp disconnecttimestamp lastupdatetimestamp".split(), TIME
    ),
}
_RECORDS = Fields(_CONTACT | {"detail": Fields(_CONTACT), "detail-type": TEXT, "time": TIME, _RECORD: ANYTHING})
"""Names are in lower case, as the feeds and their documentation spell them differently."""


def rules(record: Json, feed: Feed) -> list[Event] | Unknown:
    told = _RECORDS.record(record)
    if "detail" not in told and "detail-type" in told:
        raise KeyError("detail")
    if "detail" not in told:
        return (
            _summary(_Contact(told, feed, ""))
            if _RECORD in told
            else Unknown("neither contact event nor contact record")
        )
    if told.get("detail-type", "Amazon Connect Contact Event") != "Amazon Connect Contact Event":
        return Unknown(f"event {str(told.get('detail-type'))[:60]!r} is not of contacts", dead_letter=False)
    contact = _Contact(told["detail"], feed, told.get("time", ""))
    if contact.is_apart or contact.name in _NOTHING:
        return []
    rule = _RULES.get(contact.name)
    if not contact.name:
        raise KeyError("detail.eventType")
    if rule is None:
        return Unknown(f"event type {contact.name[:40]!r} is not known")
    if contact.channel is None:
        return Unknown(f"channel {str(contact.told.get('channel'))[:40]!r} is not known")
    rule(contact)
    return contact.events


class _Contact:
    """One contact as a record tells of it, and the events of that."""

    def __init__(self, told: Json, feed: Feed, time: str) -> None:
        self.told, self.memory, self.sent = told, feed.memory, time
        self.id = str(told["contactid"])
        self.previous = told.get("previouscontactid")
        self.method = str(told.get("initiationmethod", "")).upper()
        self.root = self._root()
        self.name = str(told.get("eventtype", "")).upper()
        self.channel = _CHANNELS.get(str(told.get("channel", "")).lower())
        who = told.get("agentinfo") or told.get("agent") or {}
        self.agent = agent(_last(who.get("agentarn") or who.get("arn")), who.get("username"))
        waited = told.get("queueinfo") or told.get("queue") or {}
        self.queue = _last(waited.get("queuearn") or waited.get("arn"))
        self.who, self.waited = who, waited
        self.is_dialed = self.method in _DIALED and self.channel == "call"
        self.events: list[Event] = []

    def _root(self) -> str:
        """The first contact of the chain. A callback begins a chain of its own, whatever its initialContactId says."""
        root = str(self.told.get("initialcontactid") or self.id)
        if self.method == "CALLBACK":
            root = self.id
        elif self.previous:
            root = self.memory.get(("root", str(self.previous)), root)
        if root != str(self.told.get("initialcontactid") or self.id):
            self.memory.put(("root", self.id), root)
        return root

    @property
    def called_back(self) -> str | None:
        """The item whose caller asked for this callback."""
        first = self.told.get("initialcontactid") or self.previous
        return str(first) if self.method == "CALLBACK" and first and first != self.id else None

    @property
    def is_apart(self) -> bool:
        """A child that begins when the customer's contact ends (a survey), and a task: no part of the talk."""
        return self.method == "DISCONNECT" or str(self.told.get("channel", "")).upper() == "TASK"

    @property
    def direction(self) -> str:
        return "outbound" if self.method in _OUTBOUND else "inbound"

    def at(self, told: Json, name: str) -> Micros:
        """A time of the contact, to the millisecond; that of the envelope, whole seconds, where it is absent."""
        return micros(str(told.get(name) or self.sent))

    def say(self, verb: str, at: Micros, *, subject: str | None = None, id_: str | None = None, **data: Any) -> None:
        """Ids are of the contact and its event, not of the envelope: a second delivery is the same event."""
        id_ = id_ or f"{self.id}/{self.name or 'CTR'}/{verb}/{at // 1_000}"
        source = self.told.get("instancearn")
        self.events.append(event(f"{self.channel}.{verb}", at, subject or self.root, id_, data, source=source))

    def contact(self) -> Json:
        party = {"address": (self.told.get("customerendpoint") or {}).get("address")}
        dialed = (self.told.get("systemendpoint") or {}).get("address") if self.direction == "inbound" else None
        campaign = (self.told.get("campaign") or {}).get("campaignid")
        previous = self.called_back or (None if self.previous else self.told.get("relatedcontactid"))
        return {
            "direction": self.direction, "party": party, "dialed": dialed, "campaign": campaign,
            "related": {"previous": previous},
        }  # fmt: skip


def _last(arn: Any) -> str | None:
    """The id at the end of an ARN."""
    return str(arn).rpartition("/")[2] if arn else None


def _initiated(contact: _Contact) -> None:
    at = contact.at(contact.told, "initiationtimestamp")
    if contact.method == "AGENT_REPLY":
        contact.say("draft_started", at, subject=_answered_mail(contact), resource=contact.agent, kind="reply")
    elif contact.method in _MOVES and contact.previous:
        contact.memory.put(("moved", contact.previous), True)
        if contact.method == "TRANSFER":
            contact.say("transferred", at, kind="blind", to={"queue": contact.queue})
    elif contact.method == "CALLBACK":
        contact.say("offered", at, **contact.contact())
        _leave_for_callback(contact, at)
    elif not contact.previous and contact.method != "MONITOR":
        contact.say("offered", at, **contact.contact())


def _leave_for_callback(contact: _Contact, at: Micros) -> None:
    """The caller no longer waits: they are called back (Connect, metric definitions: not counted as abandoned)."""
    if contact.called_back is not None:
        contact.say("dequeued", at, subject=contact.called_back, reason="callback")


def _answered_mail(contact: _Contact) -> str:
    return str(contact.told.get("relatedcontactid") or contact.root)


def _in_system(contact: _Contact) -> None:
    at = contact.at(contact.told, "connectedtosystemtimestamp")
    if contact.is_dialed:
        contact.memory.put(("in system", contact.id), at)
        if contact.method == "OUTBOUND" and _dialing(contact) is None:
            contact.say("connected", at)
        _customer_answered(contact)
    elif contact.method in _BY_US and contact.channel == "call":
        contact.say("connected", at)
    elif contact.method in _IN_FLOW and contact.channel in ("call", "chat"):
        contact.say("ivr_entered", at)


def _queued(contact: _Contact) -> None:
    contact.say("queued", contact.at(contact.waited, "enqueuetimestamp"), queue=contact.queue)


def _with_agent(contact: _Contact) -> None:
    at = contact.at(contact.who, "connectedtoagenttimestamp")
    if contact.agent is None:
        raise KeyError("agentInfo.agentArn")
    if contact.method == "MONITOR":
        contact.say("joined", at, resource=contact.agent, role="supervisor", mode="monitor")
    elif contact.is_dialed and at < _in_system_at(contact, at + 1):
        contact.say("dialing", at, resource=contact.agent)
        contact.memory.put(("dialing", contact.id), (contact.agent, at))
        _customer_answered(contact)
    elif contact.method != "AGENT_REPLY":
        contact.say("answered", at, resource=contact.agent, queue=contact.queue)


def _dialing(contact: _Contact) -> tuple[Json, Micros] | None:
    """The agent who dials, and since when."""
    found: tuple[Json, Micros] | None = contact.memory.get(("dialing", contact.id))
    since = contact.who.get("connectedtoagenttimestamp")
    if found is None and contact.is_dialed and contact.agent is not None and since:
        found = contact.agent, micros(str(since))
    return found


def _in_system_at(contact: _Contact, default: Micros | None = None) -> Any:
    """When the customer whom we called answered; the default where nothing says so yet."""
    told = contact.told.get("connectedtosystemtimestamp")
    return micros(str(told)) if told else contact.memory.get(("in system", contact.id), default)


def _customer_answered(contact: _Contact) -> None:
    """Both sides are known, by whichever event: the agent is with the customer from their answer on."""
    dialing, at = _dialing(contact), _in_system_at(contact)
    if dialing is not None and at is not None and dialing[1] < at:
        id_ = f"{contact.id}/CONNECTED_TO_AGENT/connected/{at // 1_000}"
        contact.say("connected", at, id_=id_, resource=dialing[0])


def _disconnected(contact: _Contact) -> None:
    at, reason = contact.at(contact.told, "disconnecttimestamp"), str(contact.told.get("disconnectreason") or "OTHER")
    if contact.method == "MONITOR":
        contact.say("left", at, resource=contact.agent, role="supervisor")
        return
    if contact.method == "AGENT_REPLY":
        contact.say("sent", at, subject=_answered_mail(contact), resource=contact.agent, kind="reply")
        return
    if contact.channel == "email" and contact.method in _BY_US:
        contact.say("sent", at, resource=contact.agent, kind="new")
        return
    if contact.is_dialed and _in_system_at(contact) is None:
        _not_reached(contact, at, reason)
        return
    _customer_answered(contact)
    if contact.agent is not None:
        contact.say("released", at, resource=contact.agent, reason=reason)
    if not _goes_on(contact, reason):
        contact.say("disconnected", at, by=_who(reason), reason=reason)


def _not_reached(contact: _Contact, at: Micros, reason: str) -> None:
    """The customer whom we called has not answered: whoever ends the attempt, it is the end of the call."""
    if reason not in _BY:
        contact.say("failed", at, reason=reason)
    contact.say("disconnected", at, by=_who(reason), reason=reason)


def _goes_on(contact: _Contact, reason: str) -> bool:
    """Whether the customer may still be there: an agent or a third party left, or the contact continues as another."""
    if reason == "CUSTOMER_DISCONNECT":
        return False
    if reason in _LEFT:  # who dialed and gave up before an answer ends the call
        return contact.agent is not None or bool(contact.previous) or contact.method not in _BY_US
    return bool(contact.told.get("nextcontactid") or contact.memory.get(("moved", contact.id), False))


def _who(reason: str) -> str:
    return "network" if reason.startswith("TELECOM") else _BY.get(reason, "system")


def _summary(contact: _Contact) -> list[Event] | Unknown:
    if contact.is_apart or contact.method in ("MONITOR", "AGENT_REPLY"):
        return []
    if contact.channel is None:
        return Unknown(f"channel {str(contact.told.get('channel'))[:40]!r} is not known")
    told = contact.told
    reason = told.get("disconnectreason")
    data = {
        "resource": contact.agent, "queue": contact.queue, "reason": reason, "reported": _reported(contact),
        "by": _who(str(reason)) if reason and not told.get("nextcontactid") else None, **contact.contact(),
    }  # fmt: skip
    if contact.method in _MOVES:
        del data["direction"]  # it is that of the first contact
    # named by what it says: a record that is sent again with nothing new for us is the same event
    digest = sha256(orjson.dumps(data, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
    contact.say("summary", micros(str(told["lastupdatetimestamp"])), id_=f"{contact.id}/CTR/summary/{digest}", **data)
    if contact.method == "CALLBACK" and told.get("initiationtimestamp"):
        _leave_for_callback(contact, micros(str(told["initiationtimestamp"])))
    return contact.events


def _reported(contact: _Contact) -> Json:
    told, who = contact.told, contact.who
    began, ended = _stamp(told.get("initiationtimestamp")), _stamp(told.get("disconnecttimestamp"))
    answered, dialed_for = _stamp(who.get("connectedtoagenttimestamp")), 0
    if contact.is_dialed and answered:  # the agent is there first, and interacts also "if the customer is not present"
        since, at = micros(answered), _in_system_at(contact)
        dialed_for = 0 if at is None else max(at - since, 0) // 1_000
        answered = None if at is None else instant(max(at, since))
    was_there = answered is not None or not contact.is_dialed
    talk = _ms(who.get("agentinteractionduration")) if was_there else None
    return {
        "started_at": began if not contact.previous or contact.method == "CALLBACK" else None,
        "transferred_at": began if contact.method == "TRANSFER" and contact.previous else None,
        "ended_at": ended if not told.get("nextcontactid") or _asked_for_callback(contact) else None,
        "queued_at": _stamp(contact.waited.get("enqueuetimestamp")),
        "dequeued_at": _stamp(contact.waited.get("dequeuetimestamp")),
        "answered_at": answered,
        "talk_ms": None if talk is None else max(talk - dialed_for, 0),
        "hold_ms": _ms(who.get("customerholdduration")) if was_there else None,
        "acw_started_at": _stamp(who.get("aftercontactworkstarttimestamp")),
        "acw_ended_at": _stamp(who.get("aftercontactworkendtimestamp")),
        "acw_ms": _ms(who.get("aftercontactworkduration")),
    }


def _asked_for_callback(contact: _Contact) -> bool:
    """The customer hung up although another contact follows: it is a callback, which is an item of its own."""
    return contact.told.get("disconnectreason") == "CUSTOMER_DISCONNECT"


def _stamp(text: Any) -> str | None:
    return instant(micros(str(text))) if text else None


def _ms(length: Any) -> int | None:
    return None if length is None else int(length) * 1_000


_RULES: dict[str, Callable[[_Contact], None]] = {
    "INITIATED": _initiated,
    "CONNECTED_TO_SYSTEM": _in_system,
    "QUEUED": _queued,
    "CONNECTED_TO_AGENT": _with_agent,
    "DISCONNECTED": _disconnected,
}

DIALECT = Dialect(
    name="amazon-connect",
    capabilities=Capabilities(ring=False, messages=False, ordered=False, resolution=1_000),
    read=json_records,
    rules=rules,
    reads="contact events of EventBridge (with `detail`), or contact records (with AWSContactTraceRecordFormatVersion)",
    rules_version=2,  # 1: release 0.1.0
    ids_changed=(IdsChanged(2, "0.2.0", "2026-12-01T00:00:00Z", "contact records and calls that we dialed"),),
)

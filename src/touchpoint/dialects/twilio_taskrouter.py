"""Twilio TaskRouter: Event Streams (CloudEvents), event callbacks (webhooks) and the Events resource (the REST API).

All carry the event's own Sid and the same fields, spelled `task_sid`, `TaskSid` or `taskSid`.
Remembered: the last task of each conversation. The mapping: docs/capture/twilio-taskrouter.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl

from touchpoint.dialects.dialect import MAX_ID, Dialect, Event, Feed, Unknown, agent, event, micros
from touchpoint.dialects.forms import TEXT, TIME, WHOLE, YES, AsJson, Fields, Form
from touchpoint.dialects.memory import Memory
from touchpoint.dialects.reading import json_records, utf8
from touchpoint.events.addresses import WITHHELD
from touchpoint.events.numbers import SPELLED
from touchpoint.stitching.facts import SECOND, Micros
from touchpoint.stitching.limits import Capabilities

Json = dict[str, Any]

_CHANNELS = {"voice": "call", "callback": "call", "email": "email", "fax": "fax"} | dict.fromkeys(
    ("chat", "sms", "web", "messaging", "whatsapp", "facebook", "messenger"), "chat"
)
_ALERTS = {
    "reservation.rejected": "rejected",
    "reservation.timeout": "no_answer",
    "reservation.canceled": "canceled",
    "reservation.rescinded": "rescinded",
    "reservation.failed": "failed",
}
_ATTRIBUTES = Fields(
    dict.fromkeys(
        """
        from to caller called customerAddress outbound_to direction call_sid channelType customerName name
        flexInteractionSid conversationSid
        """.split(),
        TEXT,
    )
    | {"conversations": Fields({"conversation_id": TEXT, "outcome": TEXT, "abandoned": YES})}
)
"""What an application says of a task."""
_EVENT: dict[str, Form] = {
    "timestampms": WHOLE,
    "timestamp": TIME,
    "taskdatecreated": TIME,
    "taskattributes": AsJson(_ATTRIBUTES),
    **dict.fromkeys(
        """
        tasksid sid accountsid workspacesid workersid workername taskqueuename taskqueuesid previoustaskqueuename
        previoustaskqueuesid taskchanneluniquename eventtype transfermode transferto transferinitiatingworkersid
        taskcanceledreason taskcompletedreason transferfailedreason reason
        """.split(),
        TEXT,
    ),
}
_PAYLOAD = AsJson(Fields(_EVENT))
_RECORD = Fields(
    _EVENT
    | {"eventdata": _PAYLOAD, "eventdate": TIME, "eventdatems": WHOLE}
    | {"specversion": TEXT, "type": TEXT, "data": Fields({"payload": _PAYLOAD})}
)
_NO_NUMBER = WITHHELD | SPELLED
"""What Twilio gives for a caller without a number: a word, or that word dialed on a keypad."""

_OF_NO_TASK = ("worker.", "activity.", "workspace.", "workflow.", "task-queue.created", "task-queue.deleted")
_SAYS_NOTHING = frozenset({"task.updated", "task-queue.expired", "task.transfer-attempt-failed"})


def read(stream: Iterable[bytes]) -> Iterator[Any]:
    """JSON, pages of the Events resource, or the bodies of webhooks as they are posted, one a line."""
    lines = utf8(stream)
    first = next((line for line in lines if line.strip()), b"")
    again = (line for part in ([first], lines) for line in part)
    if first.lstrip()[:1] in (b"{", b"[", b""):
        for record in json_records(again):
            page = record.get("events") if isinstance(record, dict) else None
            yield from page if isinstance(page, list) else [record]
        return
    for line in again:
        fields = dict(parse_qsl(line.decode("utf-8", "replace").strip()))
        if fields:
            yield fields
        elif line.strip():
            yield Unknown("neither JSON nor the body of a webhook")


def rules(record: Json, feed: Feed) -> list[Event] | Unknown:
    record = _RECORD.record(record)
    fields = _fields(record)
    name = (record.get("type", "") if "data" in record else "") or fields.get("eventtype", "")
    name = name.removeprefix("com.twilio.taskrouter.")
    if name.startswith(_OF_NO_TASK) or name in _SAYS_NOTHING:
        return []
    rule = _RULES.get(name)
    if not name and "tasksid" in fields:
        raise KeyError("EventType")
    if rule is None:
        return Unknown(f"event {name[:60]!r} is not known", "tasksid" in fields)
    said = _Said(name, fields, feed.memory)
    if said.channel is None:
        return Unknown(f"task channel {str(fields.get('taskchanneluniquename'))[:40]!r} is not known")
    rule(said)
    return said.events


def _fields(record: Json) -> Json:
    """The fields of the event whatever carries it, by their names in lower case without underscores; none is empty."""
    if "payload" in record.get("data", ()):  # a CloudEvent
        payload: Json = record["data"]["payload"]
        return _filled(payload)
    fields = _filled(record)
    if "eventdata" in fields:  # the Events resource has what happened in an object of its own
        fields = _filled(fields["eventdata"]) | fields
        for theirs, ours in (("eventdatems", "timestampms"), ("eventdate", "timestamp")):
            if theirs in fields:
                fields[ours] = fields[theirs]
    return fields


def _filled(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if value != ""} if "" in fields.values() else fields


class _Said:
    """The events of one record."""

    def __init__(self, name: str, fields: Json, memory: Memory) -> None:
        self.name, self.fields, self.memory = name, fields, memory
        self.task, self.sid = _needed(fields, "TaskSid"), _needed(fields, "Sid")
        self.time = _time(fields)
        self.attributes: Json = fields.get("taskattributes", {})
        self.channel = _channel(fields, self.attributes)
        self.worker = agent(fields.get("workersid"), fields.get("workername"))
        self.queue = fields.get("taskqueuename") or fields.get("taskqueuesid")
        self.source = f"/twilio/{_needed(fields, 'AccountSid')}/{fields.get('workspacesid', '-')}"
        self.events: list[Event] = []

    def say(self, verb: str, time: Micros | None = None, **data: Any) -> None:
        at = self.time if time is None else time
        id_ = f"{self.sid}/{verb}"
        made = event(f"{self.channel}.{verb}", at, self.task, id_, data, source=self.source)
        self.events.append(made | {"correlationid": self.conversation})

    @property
    def told_of_conversation(self) -> Json:
        """What the application says in `conversations`, the attributes that Flex Insights reads."""
        found: Json = self.attributes.get("conversations", {})
        return found

    @property
    def conversation(self) -> str:
        """Tasks of one conversation name it alike; without a name the task is a conversation of its own."""
        told = self.attributes
        named = self.told_of_conversation.get("conversation_id")
        found = named or told.get("flexInteractionSid") or told.get("conversationSid") or self.task
        return str(found)[:MAX_ID]

    @property
    def warm(self) -> bool:
        return self.channel == "call" and str(self.fields.get("transfermode", "")).upper() == "WARM"


def _time(fields: Json) -> Micros:
    """Milliseconds where they are given; `timestamp` is ISO 8601 in Event Streams, whole seconds in a webhook."""
    if "timestampms" in fields:
        return int(fields["timestampms"]) * 1_000
    return micros(_needed(fields, "Timestamp"))


def _needed(fields: Json, name: str) -> str:
    if name.lower() not in fields:
        raise KeyError(name)
    return str(fields[name.lower()])


def _channel(fields: Json, attributes: Json) -> str | None:
    named = str(fields.get("taskchanneluniquename", "default")).lower()
    if named == "default":  # whatever has no channel of its own: the attributes tell
        named = "voice" if "call_sid" in attributes else str(attributes.get("channelType", "")).lower()
    return _CHANNELS.get(named)


def _created(said: _Said) -> None:
    """A task's creation may be told after it entered its queue; its own date, in the same second, is before."""
    told, outbound = said.attributes, said.attributes.get("direction") == "outbound"
    ours, theirs = told.get("to") or told.get("called"), _customer(told)
    if outbound:
        ours, theirs = None, told.get("outbound_to") or ours
    began = micros(said.fields["taskdatecreated"]) if "taskdatecreated" in said.fields else said.time
    at = began if 0 <= said.time - began < 2 * SECOND else said.time
    party = {"address": theirs, "name": told.get("customerName") or told.get("name")}
    named = said.told_of_conversation.get("conversation_id")
    previous = named if str(named).startswith("WT") and named != said.task else _task_before(said)
    said.say(
        "offered", at, direction="outbound" if outbound else "inbound", party=party, dialed=ours,
        related={"previous": previous},
    )  # fmt: skip


def _task_before(said: _Said) -> str | None:
    """The task before this one of a conversation, which need not have an address."""
    key = ("conversation", said.conversation)
    before: str | None = said.memory.get(key)
    if said.task not in (said.conversation, before):
        said.memory.put(key, said.task)
        return before
    return None


def _customer(told: Json) -> Any:
    """The first address that the attributes give and that is one: a withheld number hides no other."""
    given = (told.get(name) for name in ("from", "caller", "customerAddress"))
    return next((each for each in given if each and str(each).lower() not in _NO_NUMBER), None)


def _entered(said: _Said) -> None:
    said.say("queued", queue=said.queue)


def _moved(said: _Said) -> None:
    left = said.fields.get("previoustaskqueuename") or said.fields.get("previoustaskqueuesid")
    said.say("dequeued", queue=left, reason="overflow")


def _timed_out(said: _Said) -> None:
    said.say("dequeued", queue=said.queue, reason="timeout")


def _reserved(said: _Said) -> None:
    said.say("alerting", resource=_worker(said), queue=said.queue)


def _accepted(said: _Said) -> None:
    asker = said.fields.get("transferinitiatingworkersid")
    if said.warm and asker and asker != said.fields.get("workersid"):
        said.say("consult_answered", resource=agent(asker), to={"resource": _worker(said)})
    else:
        said.say("answered", resource=_worker(said), queue=said.queue)


def _refused(said: _Said) -> None:
    said.say("alert_ended", resource=_worker(said), reason=_ALERTS[said.name])


def _wrapping(said: _Said) -> None:
    said.say("released", resource=_worker(said))
    said.say("wrapup_started", resource=_worker(said))


def _wrapped(said: _Said) -> None:
    said.say("wrapup_ended", resource=_worker(said), outcome=said.told_of_conversation.get("outcome"))


def _worker(said: _Said) -> Json:
    if said.worker is None:
        raise KeyError("WorkerSid")
    return said.worker


def _task_wrapup(said: _Said) -> None:
    said.say("disconnected", reason=said.fields.get("reason"))


def _canceled(said: _Said) -> None:
    """Twilio cancels a task with `hangup` when the caller hangs up; any other reason is the application's own.

    `conversations.abandoned` overrides it, as in Flex Insights: whoever chose a callback or voicemail is `Follow-Up`.
    """
    reason = str(said.fields.get("taskcanceledreason") or said.fields.get("reason") or "")
    given_up = str(said.told_of_conversation.get("abandoned") or "").lower()
    customer = given_up == "yes" if given_up else reason.lower() in ("", "hangup")
    if "callback" in reason.lower().replace(" ", "").replace("-", ""):
        said.say("dequeued", reason="callback")
    said.say("disconnected", by="customer" if customer else "system", reason=reason)


def _ended(said: _Said) -> None:
    said.say("ended", reason=said.fields.get("taskcompletedreason") or said.name)


def _asked(said: _Said) -> None:
    if said.warm:
        said.say("consult_started", resource=_initiator(said), to=_target(said))


def _transferred(said: _Said) -> None:
    kind = "attended" if said.warm else "blind"
    said.say("transferred", resource=_initiator(said), kind=kind, to=_target(said))


def _not_transferred(said: _Said) -> None:
    if said.warm:
        said.say(
            "consult_ended", resource=_initiator(said), to=_target(said), reason=said.fields.get("transferfailedreason")
        )


def _initiator(said: _Said) -> Json | None:
    return agent(said.fields.get("transferinitiatingworkersid")) or said.worker


def _target(said: _Said) -> Json:
    to = str(said.fields.get("transferto", ""))
    return {"resource": agent(to)} if to.startswith("WK") else {"queue": said.queue if to.startswith("WQ") else None}


_RULES: dict[str, Callable[[_Said], None]] = {
    "task.created": _created,
    "task-queue.entered": _entered,
    "task-queue.moved": _moved,
    "task-queue.timeout": _timed_out,
    "reservation.created": _reserved,
    "reservation.accepted": _accepted,
    **dict.fromkeys(_ALERTS, _refused),
    "reservation.wrapup": _wrapping,
    "reservation.completed": _wrapped,
    "task.wrapup": _task_wrapup,
    "task.canceled": _canceled,
    "task.completed": _ended,
    "task.deleted": _ended,
    "task.system-deleted": _ended,
    "task.transfer-initiated": _asked,
    "task.transfer-completed": _transferred,
    "task.transfer-failed": _not_transferred,
    "task.transfer-canceled": _not_transferred,
}

DIALECT = Dialect(
    name="twilio-taskrouter",
    capabilities=Capabilities(hold=False, messages=False, ordered=False, replayable=False, resolution=1_000),
    read=read,
    rules=rules,
    reads="Event Streams, bodies of event callbacks, one a line, or records and pages of the Events resource",
    rules_version=2,  # 1: release 0.1.0
)

"""Asterisk's manager interface, packets as on the wire or JSON objects of them.

Remembered: the channels of a call that are still up, whose channel is whose, a queue that was left without a reason.
The mapping: docs/capture/asterisk-ami.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from touchpoint.dialects.dialect import Dialect, Event, Feed, Unknown, agent, event, seconds
from touchpoint.dialects.reading import as_named, packets_or_json
from touchpoint.stitching.facts import Micros
from touchpoint.stitching.limits import Capabilities

_DIALED = {"BUSY": "busy", "CONGESTION": "busy", "CANCEL": "canceled", "CHANUNAVAIL": "failed", "NOANSWER": "no_answer"}
_LEFT = {
    "TIMEOUT": "timeout",
    "LEAVEEMPTY": "empty",
    "LEAVEUNAVAIL": "empty",
    "CONTINUE": "key",
    "WITHDRAW": "withdrawn",
}
_OWN_WORDS = frozenset({"ivr_entered", "ivr_exited", "voicemail_started", "voicemail_ended"})


_NAMES = {
    name.lower(): name
    for name in """
    Event Timestamp SystemName Linkedid Uniqueid DestLinkedid DestUniqueid Channel DestChannel MemberName
    Interface Queue CallerIDNum CallerIDName DestCallerIDNum Exten Cause-txt Variable Value DialStatus
    DialString TalkTime HoldTime Reason Result TransfereeLinkedid TransfereeUniqueid TransfereeChannel
    TransfererLinkedid TransfererUniqueid TransfererChannel Extension DestType OrigTransfererLinkedid
    OrigTransfererUniqueid OrigTransfererChannel SecondTransfererLinkedid SecondTransfererUniqueid
    SecondTransfererChannel TransferTargetLinkedid TransferTargetUniqueid TransferTargetChannel UserEvent Verb
    Flow RemoteStationID PagesTransferred BridgeUniqueid Context ConnectedLineNum
    """.split()
}
"""As Asterisk spells them; clients hand them on in lower case (PAMI, asterisk-java)."""


def read(stream: Iterable[bytes]) -> Iterator[Any]:
    """The events; the greeting, and answers to actions, are none."""
    for record in packets_or_json(stream):
        if isinstance(record, Unknown):
            yield record
            continue
        packet = record if "Event" in record else as_named(record, _NAMES)
        if "Event" in packet:
            yield packet


def rules(record: dict[str, Any], feed: Feed) -> list[Event] | Unknown:
    rule = _RULES.get(record["Event"])
    if rule is None:  # the interface carries much that is no part of a call's history
        return []
    if not record.get("Timestamp"):
        return Unknown("no Timestamp: set timestampevents = yes in manager.conf")
    said = _Said(record, feed)
    rule(said)
    return said.events


class _Said:
    """The events of one packet, in the stream's order."""

    def __init__(self, packet: dict[str, Any], feed: Feed) -> None:
        self.packet, self.memory = packet, feed.memory
        self.time: Micros = seconds(packet["Timestamp"])
        # AgentComplete of a caller who has hung up already tells of the agent's channel only
        self.root = str(packet.get("Linkedid") or packet.get("Uniqueid") or packet.get("DestLinkedid") or "")
        self.leg = str(packet.get("Uniqueid") or "")
        self.agent = agent(packet.get("MemberName") or packet.get("Interface"))
        self.queue = packet.get("Queue")
        self.source = feed.source or (f"/asterisk/{packet['SystemName']}" if "SystemName" in packet else None)
        text = "\n".join(f"{name}:{packet[name]}" for name in sorted(packet))
        self.id = f"{packet['Event']}/{packet['Timestamp']}/{hashlib.sha256(text.encode()).hexdigest()[:24]}"
        last, place = feed.memory.get("place", (0, 0))
        self.place = place + 1 if last == self.time else 0
        feed.memory.put("place", (self.time, self.place))
        self.events: list[Event] = []

    def say(self, verb: str, time: Micros | None = None, *, item: str | None = None, **data: Any) -> None:
        type_ = verb if "." in verb else f"call.{verb}"
        sequence = f"{self.time:017d}.{self.place:05d}.{len(self.events)}"
        at, id_ = self.time if time is None else time, f"{self.id}/{verb}"
        self.events.append(event(type_, at, item or self.root, id_, data, source=self.source, sequence=sequence))

    def text(self, name: str) -> str | None:
        """A header's value; None for what Asterisk shows as unknown."""
        value = str(self.packet.get(name) or "")
        return value if value not in ("", "<unknown>", "s") else None

    def ms(self, name: str) -> int | None:
        """Elapsed seconds - the documentation says epoch, the code sends elapsed - as milliseconds."""
        text = str(self.packet.get(name, ""))
        return int(text) * 1_000 if text.isdigit() else None

    def whose(self, prefix: str = "") -> dict[str, Any] | None:
        """The agent of a channel: as called by a queue, else by the name of its interface."""
        known = self.memory.get(("leg", self.packet.get(f"{prefix}Uniqueid")))
        interface = str(self.packet.get(f"{prefix}Channel") or "").rpartition("-")[0]
        return known or agent(self.memory.get(("member", interface)) or interface)

    def caller(self) -> dict[str, Any]:
        return {"address": self.text("CallerIDNum"), "name": self.text("CallerIDName")}


def _channel(said: _Said) -> None:
    up = said.memory.get(("up", said.root), frozenset())
    said.memory.put(("up", said.root), up | {said.leg})
    said.memory.put(("call", said.leg), said.root)
    if said.leg == said.root:
        said.say("offered", party=said.caller(), dialed=said.text("Exten"))


def _hangup(said: _Said) -> None:
    """The call is over with the last channel that began in it."""
    call = said.memory.pop(("call", said.leg)) or said.root
    said.memory.pop(("leg", said.leg))
    up = said.memory.get(("up", call))
    left = (up or frozenset()) - {said.leg}
    if said.leg == call:
        _flush(said, call, None)
    if left:
        said.memory.put(("up", call), left)
        return
    said.memory.pop(("up", call))
    if up is not None or said.leg == call:
        said.say("ended", item=call, reason=said.text("Cause-txt"))


def _joined_queue(said: _Said) -> None:
    _flush(said, said.root, None)
    said.say("queued", direction="inbound", queue=said.queue, party=said.caller())


def _left_queue(said: _Said) -> None:
    """Without a reason: what comes next tells, an agent's answer, QUEUESTATUS, another queue or the hangup."""
    said.memory.put(("left", said.root), (said.time, said.queue))


def _flush(said: _Said, call: str, reason: str | None) -> None:
    left = said.memory.pop(("left", call))
    if left is not None:
        said.say("dequeued", left[0], item=call, queue=left[1], reason=reason)


def _variable(said: _Said) -> None:
    if said.packet.get("Variable") == "QUEUESTATUS":
        _flush(said, said.root, _LEFT.get(str(said.packet.get("Value"))))


def _abandoned(said: _Said) -> None:
    said.say("disconnected", by="customer")


def _member(said: _Said) -> dict[str, Any]:
    if said.agent is None:
        raise KeyError("MemberName")
    said.memory.put(("member", said.packet.get("Interface")), said.agent["id"])
    if said.packet.get("DestUniqueid"):
        said.memory.put(("leg", said.packet["DestUniqueid"]), said.agent)
    return said.agent


def _called(said: _Said) -> None:
    said.say("alerting", resource=_member(said), queue=said.queue)


def _not_answered(said: _Said) -> None:
    said.say("alert_ended", resource=_member(said), reason="no_answer")


def _dial_ended(said: _Said) -> None:
    """Only of members that a queue called: other dialing has no alerting."""
    who = said.memory.get(("leg", said.packet.get("DestUniqueid")))
    reason = _DIALED.get(str(said.packet.get("DialStatus")))
    if who is not None and reason is not None:
        said.say("alert_ended", item=said.packet.get("DestLinkedid"), resource=who, reason=reason)


def _connected(said: _Said) -> None:
    said.memory.pop(("left", said.root))
    said.say("answered", resource=_member(said), queue=said.queue)


def _completed(said: _Said) -> None:
    reason, reported = said.packet.get("Reason"), {"connected_ms": said.ms("TalkTime")}
    if reason == "caller":
        said.say("disconnected", by="customer")
    said.say("released", resource=_member(said), reason=reason, reported=reported)
    if reason == "agent":
        said.say("disconnected", by="agent")


def _held(said: _Said) -> None:
    if said.leg != said.root:  # the caller's own phone may hold too; the agent did not
        said.say("held", resource=said.memory.get(("leg", said.leg)))


def _retrieved(said: _Said) -> None:
    if said.leg != said.root:
        said.say("retrieved", resource=said.memory.get(("leg", said.leg)))


def _blind(said: _Said) -> None:
    if said.packet.get("Result") != "Success":
        return
    call = said.packet.get("TransfereeLinkedid") or said.packet["TransfererLinkedid"]
    to = {"address": said.text("Extension")}
    said.say("transferred", item=str(call), resource=said.whose("Transferer"), kind="blind", to=to)


def _attended(said: _Said) -> None:
    """Two calls become one: that of the customer; the other's Linkedid is an alias of it from then on."""
    packet, kind = said.packet, said.packet.get("DestType")
    if packet.get("Result") != "Success" or kind == "Fail":
        return
    first, second = packet["OrigTransfererLinkedid"], packet["SecondTransfererLinkedid"]
    call = str(packet.get("TransfereeLinkedid") or first)
    other = second if call == first else first
    by = said.whose("OrigTransferer" if call == first else "SecondTransferer")
    to = {"resource": said.whose("TransferTarget")} if packet.get("TransferTargetChannel") else None
    if other != call:
        said.say("alias", item=str(other), to=call)
    if kind == "Threeway":
        if to is not None:
            said.say("joined", item=call, resource=to["resource"], role="agent")
        return
    if to is not None:
        said.say("consult_answered", item=call, resource=by, to=to)
    said.say("transferred", item=call, resource=by, kind="attended", to=to, ext={"dest_type": kind})


def _conference(said: _Said) -> None:
    who = said.memory.get(("leg", said.leg)) or agent(said.memory.get(("member", _interface(said))))
    if who is not None and said.leg != said.root:
        verb = "joined" if said.packet["Event"] == "ConfbridgeJoin" else "left"
        said.say(verb, resource=who, role="agent")


def _interface(said: _Said) -> str:
    return str(said.packet.get("Channel") or "").rpartition("-")[0]


def _own(said: _Said) -> None:
    """`UserEvent(Touchpoint,Verb: ivr_entered,Flow: main)` in the dialplan: what no event of Asterisk's tells."""
    verb = str(said.packet.get("Verb"))
    if said.packet.get("UserEvent") == "Touchpoint":
        if verb not in _OWN_WORDS:
            raise ValueError("Verb")
        said.say(verb, flow=said.packet.get("Flow"))


def _fax(said: _Said) -> None:
    """A fax is an item of its own, beside the call that carried it."""
    item, sending = f"{said.root}/fax", said.packet["Event"] == "SendFAX"
    number = said.text("RemoteStationID") or said.text("Exten" if sending else "CallerIDNum")
    pages = str(said.packet.get("PagesTransferred", ""))
    party = {"address": f"fax:{number}" if number else None}
    direction, related = "outbound" if sending else "inbound", {"parent": said.root}
    count = int(pages) if pages.isdigit() else None
    said.say("fax.offered", item=item, direction=direction, party=party, related=related)
    said.say("fax.transmitted", item=item, pages=count)


_RULES: dict[str, Callable[[_Said], None]] = {
    "Newchannel": _channel,
    "Hangup": _hangup,
    "QueueCallerJoin": _joined_queue,
    "QueueCallerLeave": _left_queue,
    "VarSet": _variable,
    "QueueCallerAbandon": _abandoned,
    "AgentCalled": _called,
    "AgentRingNoAnswer": _not_answered,
    "DialEnd": _dial_ended,
    "AgentConnect": _connected,
    "AgentComplete": _completed,
    "Hold": _held,
    "Unhold": _retrieved,
    "BlindTransfer": _blind,
    "AttendedTransfer": _attended,
    "ConfbridgeJoin": _conference,
    "ConfbridgeLeave": _conference,
    "UserEvent": _own,
    "ReceiveFAX": _fax,
    "SendFAX": _fax,
}

DIALECT = Dialect(
    name="asterisk-ami",
    capabilities=Capabilities(wrapup=False, replayable=False),
    read=read,
    rules=rules,
    reads="packets of `Name: value` lines as on the wire, or JSON objects of them, each with an Event",
)

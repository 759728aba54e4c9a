"""Asterisk's manager interface, packets as on the wire or JSON objects of them.

Remembered: the channels of a call that are still up, whose channel is whose and of which call, a queue that was left
without a reason, an agent's end of which the next packet tells whether it was the call's.
The mapping: docs/capture/asterisk-ami.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from touchpoint.dialects.ami_dialing import add_channel, begin_dial, end_dial, note_hangup_request
from touchpoint.dialects.ami_packet import FORMS, AmiPacket
from touchpoint.dialects.ami_parking import PARKING
from touchpoint.dialects.channels import Channel
from touchpoint.dialects.dialect import Dialect, Event, Feed, IdsChanged, Unknown, agent, whole_number
from touchpoint.dialects.lines import interface_of
from touchpoint.dialects.reading import named, packets_or_json
from touchpoint.stitching.facts import SECOND, Micros
from touchpoint.stitching.limits import Capabilities

_LEFT = {
    "TIMEOUT": "timeout",
    "LEAVEEMPTY": "empty",
    "LEAVEUNAVAIL": "empty",
    "CONTINUE": "key",
    "WITHDRAW": "withdrawn",
}
_BETWEEN = frozenset({"BridgeLeave", "Unhold", "VarSet", "AgentComplete", "DialEnd"})
"""What may come between an agent's end and the hangup of the caller."""
_AT_ONCE: Micros = 2 * SECOND
_OWN_WORDS = frozenset({"ivr_entered", "ivr_exited", "voicemail_started", "voicemail_ended"})


def read(stream: Iterable[bytes]) -> Iterator[Any]:
    """The events; the greeting, and answers to actions, are none."""
    yield from named(packets_or_json(stream), "Event", answers=("Response", "Ping", "Output"))


def rules(record: dict[str, Any], feed: Feed) -> list[Event] | Unknown:
    name = record.get("Event")
    if isinstance(name, str) and name not in _RULES:  # the interface carries much that is no part of a call's history
        return []
    packet = FORMS.record(record)
    rule = _RULES.get(packet["Event"])
    if rule is None:
        return []
    if not packet.get("Timestamp"):
        return Unknown("no Timestamp: set timestampevents = yes in manager.conf")
    said = AmiPacket(packet, feed)
    if packet["Event"] not in _BETWEEN:
        _flush_completed(said)
    rule(said)
    return said.events


def _channel(said: AmiPacket) -> None:
    up = said.memory.get(("up", said.root), frozenset())
    said.memory.put(("up", said.root), up | {said.leg})
    said.memory.put(("call", said.leg), said.root)
    interface, number = interface_of(said.packet.get("Channel")), said.text("CallerIDNum")
    first = Channel(said.leg, said.root, interface, number, said.time, said.text("Exten"))
    if said.leg != said.root:
        add_channel(said, first)
        return
    dialed = said.text("Exten")
    if not said.channels.begins_with_agent(first):
        said.say("offered", party=said.caller(), dialed=dialed, direction="inbound")
        said.memory.put(("caller", said.root), interface)
        return
    said.memory.put(("dials", said.root), said.named(interface))
    outside = said.channels.is_outside(dialed)
    direction = None if dialed is None else "outbound" if outside else "internal"
    said.say("offered", direction=direction, party={"address": dialed if outside else None})


def _entered(said: AmiPacket) -> None:
    """An agent who returns to the bridge has not left; whom no queue connected is connected by it."""
    said.memory.pop(("away", said.leg))
    who = said.memory.get(("dials", said.root))
    if said.memory.get(("customer", said.leg)) is not None and who is not None:
        if said.memory.get(("customer", said.leg)) == "connected":  # in another bridge now: transferred, or parked
            return
        said.memory.put(("customer", said.leg), "connected")
        said.say("connected", resource=who)
    elif said.memory.pop(("direct", said.leg)) is not None:
        said.memory.pop(("gave up", said.root))
        said.memory.put(("connected", said.leg), True)
        said.say("answered", resource=said.whose())


def _exited(said: AmiPacket) -> None:
    """Whether the agent is gone - another agent, a queue or the hangup follows - or consults, the next packets tell."""
    if said.memory.get(("leg", said.leg)) is not None:
        away = said.memory.get(("away from", said.root), frozenset())
        said.memory.put(("away from", said.root), away | {said.leg})
        said.memory.put(("away", said.leg), said.time)


def _release_away(said: AmiPacket) -> None:
    """The caller goes on to another queue: agents who left the bridge before are done with them."""
    for leg in sorted(said.memory.pop(("away from", said.root)) or ()):
        at, held = said.memory.pop(("away", leg)), said.memory.pop(("leg", leg))
        if at is not None and held is not None:
            said.memory.put(("gone", leg), True)
            said.say("released", at, resource=held[0])


def _hangup(said: AmiPacket) -> None:
    """The call is over with the last channel that began in it."""
    call = said.memory.pop(("call", said.leg)) or said.root
    held = said.memory.pop(("leg", said.leg))
    if held is not None and said.memory.pop(("connected", said.leg)) is not None:
        said.say("released", said.memory.pop(("away", said.leg)), item=held[1], resource=held[0])
    up = said.memory.get(("up", call))
    customer = said.memory.pop(("customer", said.leg))
    if customer == "connected" and up is not None and call in up:
        said.say("disconnected", item=call, by="customer")  # the agent's own phone is up still
    elif customer is not None and customer != "connected":
        said.say("failed", item=call)
    if held is not None and said.memory.pop(("direct", said.leg)) is not None:
        gave_up = said.memory.get(("gave up", call)) is not None
        said.say("alert_ended", item=call, resource=held[0], reason="canceled" if gave_up else None)
    if said.leg == call and said.memory.pop(("gave up", call)) is not None:
        said.say("disconnected", item=call, by="customer")
    left = (up or frozenset()) - {said.leg}
    if said.leg == call:
        _flush(said, call, None)
    if left:
        said.memory.put(("up", call), left)
        return
    said.memory.pop(("up", call))
    if up is not None or said.leg == call:
        said.say("ended", item=call, reason=said.text("Cause-txt"))


def _joined_queue(said: AmiPacket) -> None:
    _flush(said, said.root, None)
    _release_away(said)
    said.memory.put(("waits", said.root), True)
    if said.memory.get(("dials", said.root)) is not None:  # an agent calls a queue: nobody's contact
        doubts = said.channels.doubts_of_caller(interface_of(said.packet.get("Channel")), said.text("CallerIDNum"))
        said.say("queued", direction="internal", queue=said.queue, doubts=doubts)
    else:
        said.say("queued", direction="inbound", queue=said.queue, party=said.caller())


def _left_queue(said: AmiPacket) -> None:
    """Without a reason: what comes next tells, an agent's answer, QUEUESTATUS, another queue or the hangup."""
    said.memory.pop(("waits", said.root))
    said.memory.put(("left", said.root), (said.time, said.queue))


def _flush(said: AmiPacket, call: str, reason: str | None) -> None:
    left = said.memory.pop(("left", call))
    if left is not None:
        said.say("dequeued", left[0], item=call, queue=left[1], reason=reason)


def _variable(said: AmiPacket) -> None:
    if said.packet.get("Variable") == "QUEUESTATUS":
        _flush(said, said.root, _LEFT.get(str(said.packet.get("Value"))))


def _abandoned(said: AmiPacket) -> None:
    said.say("disconnected", by="customer")


def _member(said: AmiPacket) -> dict[str, Any]:
    if said.agent is None:
        raise KeyError("MemberName")
    said.memory.put(("member", said.packet.get("Interface")), said.agent["id"])
    if said.packet.get("DestUniqueid"):
        said.memory.put(("leg", said.packet["DestUniqueid"]), (said.agent, said.root))
    return said.agent


def _called(said: AmiPacket) -> None:
    said.say("alerting", resource=_member(said), queue=said.queue)


def _not_answered(said: AmiPacket) -> None:
    said.say("alert_ended", resource=_member(said), reason="no_answer")


def _connected(said: AmiPacket) -> None:
    said.memory.pop(("left", said.root))
    said.say("answered", resource=_member(said), queue=said.queue)


def _completed(said: AmiPacket) -> None:
    """The agent's part is over. Whether the call is, too, the next packet tells: a hangup, or where it goes."""
    leg = said.packet.get("DestUniqueid")
    if said.memory.pop(("gone", leg)) is not None:  # the caller went on to another agent before
        return
    who, reported = _member(said), {"connected_ms": said.ms("TalkTime")}
    reason = said.packet.get("Reason")
    if said.memory.get(("up", said.root)) is not None and said.root in said.memory.get(("up", said.root), ()):
        said.memory.put(("completed", said.root), (said.time, who, reason, reported))
        return
    _say_completed(said, said.time, who, reason, reported, is_over=True)


def _say_completed(said: AmiPacket, at: Micros, who: Any, reason: Any, reported: Any, *, is_over: bool) -> None:
    if reason == "caller" and is_over:
        said.say("disconnected", at, by="customer")
    said.say("released", at, resource=who, reason=reason, reported=reported)
    if reason == "agent" and is_over:
        said.say("disconnected", at, by="agent")


def _flush_completed(said: AmiPacket) -> None:
    completed = said.memory.pop(("completed", said.root))
    if completed is not None:
        hangs_up = said.packet["Event"] == "Hangup" and said.leg == said.root
        _say_completed(said, *completed, is_over=hangs_up and said.time - completed[0] <= _AT_ONCE)


def _held(said: AmiPacket) -> None:
    if said.leg != said.root or said.memory.get(("dials", said.root)):  # the caller's own phone may hold too
        said.say("held", resource=_holder(said))


def _retrieved(said: AmiPacket) -> None:
    if said.leg != said.root or said.memory.get(("dials", said.root)):
        said.say("retrieved", resource=_holder(said))


def _holder(said: AmiPacket) -> dict[str, Any] | None:
    held = said.memory.get(("leg", said.leg))
    who: dict[str, Any] | None = held[0] if held is not None else said.memory.get(("dials", said.root))
    return who


def _blind(said: AmiPacket) -> None:
    if said.packet.get("Result") != "Success":
        return
    call = said.packet.get("TransfereeLinkedid") or said.packet["TransfererLinkedid"]
    to = {"address": said.text("Extension")}
    said.say("transferred", item=str(call), resource=said.whose("Transferer"), kind="blind", to=to)


def _attended(said: AmiPacket) -> None:
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


def _picked_up(said: AmiPacket) -> None:
    """A phone takes a call that rings elsewhere: its own call is that one, and its agent has answered."""
    packet = said.packet
    call, own = packet.get("TargetLinkedid"), packet.get("Linkedid")
    if not call or not own or call == own:
        return
    who = said.whose()
    said.say("alias", item=str(own), to=str(call))
    if who is not None:
        said.connect(said.leg, who, str(call))


def _conference(said: AmiPacket) -> None:
    held = said.memory.get(("leg", said.leg))
    who = held[0] if held is not None else agent(said.memory.get(("member", _interface(said))))
    if who is not None and said.leg != said.root:
        verb = "joined" if said.packet["Event"] == "ConfbridgeJoin" else "left"
        said.say(verb, resource=who, role="agent")


def _interface(said: AmiPacket) -> str:
    return str(said.packet.get("Channel") or "").rpartition("-")[0]


def _own(said: AmiPacket) -> None:
    """`UserEvent(Touchpoint,Verb: ivr_entered,Flow: main)` in the dialplan: what no event of Asterisk's tells."""
    verb = str(said.packet.get("Verb"))
    if said.packet.get("UserEvent") == "Touchpoint":
        if verb not in _OWN_WORDS:
            raise ValueError("Verb")
        said.say(verb, flow=said.packet.get("Flow"))


def _fax(said: AmiPacket) -> None:
    """A fax is an item of its own, beside the call that carried it."""
    item, sending = f"{said.root}/fax", said.packet["Event"] == "SendFAX"
    number = said.text("RemoteStationID") or said.text("Exten" if sending else "CallerIDNum")
    party = {"address": f"fax:{number}" if number else None}
    direction, related = "outbound" if sending else "inbound", {"parent": said.root}
    said.say("fax.offered", item=item, direction=direction, party=party, related=related)
    said.say("fax.transmitted", item=item, pages=whole_number(said.packet.get("PagesTransferred")))


_RULES: dict[str, Callable[[AmiPacket], None]] = {
    "Newchannel": _channel,
    "Hangup": _hangup,
    "HangupRequest": note_hangup_request,
    "QueueCallerJoin": _joined_queue,
    "QueueCallerLeave": _left_queue,
    "VarSet": _variable,
    "QueueCallerAbandon": _abandoned,
    "AgentCalled": _called,
    "AgentRingNoAnswer": _not_answered,
    "DialBegin": begin_dial,
    "DialEnd": end_dial,
    "BridgeEnter": _entered,
    "BridgeLeave": _exited,
    "Pickup": _picked_up,
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
    **PARKING,
}

DIALECT = Dialect(
    name="asterisk-ami",
    capabilities=Capabilities(wrapup=False, messages=False, replayable=False),
    read=read,
    rules=rules,
    reads="packets of `Name: value` lines as on the wire, or JSON objects of them, each with an Event",
    rules_version=2,  # 1: release 0.1.0
    ids_changed=(IdsChanged(2, "0.2.0", "2026-12-01T00:00:00Z", "ends of calls with an agent"),),
)

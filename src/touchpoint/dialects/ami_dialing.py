"""Calls that no queue handed out, in the manager interface's packets: who is rung or dialed, and how that ended."""

from __future__ import annotations

from typing import Any

from touchpoint.dialects.ami_packet import AmiPacket
from touchpoint.dialects.channels import Call, Channel
from touchpoint.dialects.lines import interface_of

_DIALED = {"BUSY": "busy", "CONGESTION": "busy", "CANCEL": "canceled", "CHANUNAVAIL": "failed", "NOANSWER": "no_answer"}


def add_channel(said: AmiPacket, leg: Channel) -> None:
    """The customer's channel of a call that an agent dialed."""
    if leg.interface is None or said.memory.get(("dials", said.root)) is None:
        return
    call = Call(said.root, ours=True)
    if not said.channels.is_agent(leg, call):
        said.memory.put(("customer", said.leg), said.root)
        said.say("dialing", direction="outbound", **said.channels.customer(leg.number))


def begin_dial(said: AmiPacket) -> None:
    """A customer who is put through outside of a queue: whom a queue calls, AgentCalled tells.

    Of a call that an agent dialed it names the customer, whose channel may begin without a number.
    """
    packet, interface = said.packet, interface_of(said.packet.get("DestChannel"))
    if said.memory.get(("customer", packet.get("DestUniqueid"))) is not None:
        told = said.channels.customer(said.text("DestCallerIDNum"), _in_dial_string(packet))
        if not told["doubts"]:
            said.say("offered", direction="outbound", **told)
        return
    if interface is None or said.memory.get(("waits", said.root)) is not None:
        return
    caller, handed_on = said.memory.get(("caller", said.root)), False
    if said.memory.get(("customer", said.leg)) is not None:  # the customer whom an agent called is put through
        caller, handed_on = interface_of(packet.get("Channel")), True
    if caller is None or caller == interface or not packet.get("DestUniqueid"):
        return
    leg = Channel(str(packet["DestUniqueid"]), said.root, interface, said.text("DestCallerIDNum"), said.time)
    outside = frozenset({interface} if said.channels.is_outside(_in_dial_string(packet)) else ())
    call = Call(said.root, ours=handed_on, interface=None if handed_on else caller, outside=outside)
    if said.channels.is_agent(leg, call):
        who = said.named(interface)
        said.memory.put(("leg", leg.name), (who, said.root))
        said.memory.put(("direct", leg.name), True)
        said.say("alerting", resource=who)


def _in_dial_string(packet: dict[str, Any]) -> str:
    """`01632960703` of `01632960703@trunk` and of `trunk/01632960703`."""
    return str(packet.get("DialString") or "").partition("@")[0].rpartition("/")[2].removeprefix("sip:")


def end_dial(said: AmiPacket) -> None:
    """Of members that a queue called, of phones that were rung, and of the customer of a call that an agent dialed."""
    leg, reason = said.packet.get("DestUniqueid"), _DIALED.get(str(said.packet.get("DialStatus")))
    if reason is None:
        return
    if said.memory.get(("customer", leg)) not in (None, "connected"):
        said.memory.pop(("customer", leg))
        said.say("failed", reason=reason)
        return
    held = said.memory.get(("leg", leg))
    if held is not None:
        said.say("alert_ended", item=held[1], resource=held[0], reason=reason)
        if said.memory.pop(("direct", leg)) is not None and reason == "canceled":
            said.memory.put(("gave up", said.root), True)  # unless another phone answers, which cancels the rest


def note_hangup_request(said: AmiPacket) -> None:
    """The other side of the caller's own channel hung up."""
    if said.leg == said.root and said.memory.get(("caller", said.root)) is not None:
        said.memory.put(("gave up", said.root), True)

"""Parking (res_parking) in the manager interface's packets: a call that waits for any agent to retrieve it.

The packets name the parked channel by `Parkee...`, who takes it by `Retriever...`, and no Linkedid of their own
(docs.asterisk.org, AMI Events: ParkedCall and its like). Before Asterisk 12 they have `Uniqueid` and `From`.
"""

from __future__ import annotations

from collections.abc import Callable

from touchpoint.dialects.ami_packet import AmiPacket


def parked(said: AmiPacket) -> None:
    """Whoever was connected is so no longer, as the channel is moved out of their bridge."""
    if "ActionID" not in said.packet:  # an answer to the action ParkedCalls, of what was parked long before
        said.say("parked")


def timed_out(said: AmiPacket) -> None:
    """The call goes back to who parked it, whose phone DialBegin names."""
    said.say("unparked", reason="timeout")


def given_up(said: AmiPacket) -> None:
    """The caller hung up while parked."""
    said.say("disconnected", by="customer")


def retrieved(said: AmiPacket) -> None:
    """An agent takes the call: their own call, by which they dialed the parking space, is that one."""
    own, leg = said.packet.get("RetrieverLinkedid"), said.packet.get("RetrieverUniqueid")
    said.say("unparked")
    who = said.whose("Retriever")
    if who is None or not leg:
        return
    if own and own != said.root:
        said.say("alias", item=str(own), to=said.root)
    said.connect(str(leg), who)


PARKING: dict[str, Callable[[AmiPacket], None]] = {
    "ParkedCall": parked,
    "UnParkedCall": retrieved,
    "ParkedCallTimeOut": timed_out,
    "ParkedCallGiveUp": given_up,
}

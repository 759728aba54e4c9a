"""One packet of the manager interface: whose it is, and the events made of it (docs/capture/asterisk-ami.md)."""

from __future__ import annotations

import hashlib
from typing import Any

from touchpoint.dialects.channels import Channels
from touchpoint.dialects.dialect import Event, Feed, agent, event, seconds, whole_number
from touchpoint.dialects.feed_time import ItemTime
from touchpoint.dialects.forms import STAMP, TEXT, Fields
from touchpoint.dialects.lines import interface_of
from touchpoint.stitching.facts import Micros

FORMS = Fields(
    {"Timestamp": STAMP}
    | dict.fromkeys(
        """
        Event SystemName Linkedid Uniqueid DestLinkedid DestUniqueid Channel DestChannel MemberName
        Interface Queue CallerIDNum CallerIDName DestCallerIDNum Exten Cause-txt Variable Value DialStatus
        DialString TalkTime HoldTime Reason Result TransfereeLinkedid TransfereeUniqueid TransfereeChannel
        TransfererLinkedid TransfererUniqueid TransfererChannel Extension DestType OrigTransfererLinkedid
        OrigTransfererUniqueid OrigTransfererChannel SecondTransfererLinkedid SecondTransfererUniqueid
        SecondTransfererChannel TransferTargetLinkedid TransferTargetUniqueid TransferTargetChannel UserEvent Verb
        Flow RemoteStationID PagesTransferred BridgeUniqueid Context ConnectedLineNum TargetLinkedid TargetUniqueid
        ActionID ParkeeLinkedid ParkeeUniqueid RetrieverLinkedid RetrieverUniqueid RetrieverChannel
        """.split(),
        TEXT,
    )
)
"""As Asterisk spells them; clients hand them on in lower case (PAMI, asterisk-java)."""


_OF_A_CHANNEL = frozenset({"Newchannel", "Hangup", "HangupRequest", "BridgeEnter", "BridgeLeave", "Hold", "Unhold"})


class AmiPacket:
    """The events of one packet, in the stream's order."""

    def __init__(self, packet: dict[str, Any], feed: Feed) -> None:
        self.packet, self.memory = packet, feed.memory
        self.channels = Channels(feed)
        self.leg = str(packet.get("Uniqueid") or packet.get("ParkeeUniqueid") or "")
        # AgentComplete of a caller who has hung up already tells of the agent's channel only; a leg is of the call that
        # connected it, whatever it calls itself: agents who logged in by AgentLogin have a call of their own
        of_leg = feed.memory.get(("leg", self.leg or packet.get("DestUniqueid")))
        called = of_leg[1] if of_leg is not None else None
        told = packet.get("Linkedid") or packet.get("ParkeeLinkedid") or self.leg or packet.get("DestLinkedid")
        self.root = str(called or told or "")
        if not self.root:
            raise KeyError("Linkedid")
        if not self.leg and packet["Event"] in _OF_A_CHANNEL:
            raise KeyError("Uniqueid")
        self.at = ItemTime(self.root, seconds(packet["Timestamp"]), feed, 1, begins=packet["Event"] == "Newchannel")
        self.time: Micros = self.at.time
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
        made = event(type_, at, item or self.root, id_, data, source=self.source, sequence=sequence)
        self.events.append(self.at.mark(made) if time is None else made)

    def text(self, name: str) -> str | None:
        """A header's value; None for what Asterisk shows as unknown."""
        value = str(self.packet.get(name) or "")
        return value if value not in ("", "<unknown>", "s") else None

    def ms(self, name: str) -> int | None:
        """Elapsed seconds - the documentation says epoch, the code sends elapsed - as milliseconds."""
        told = whole_number(self.packet.get(name))
        return None if told is None else told * 1_000

    def whose(self, prefix: str = "") -> dict[str, Any] | None:
        """The agent of a channel: as called by a queue, else by the name of its interface."""
        held = self.memory.get(("leg", self.packet.get(f"{prefix}Uniqueid")))
        return held[0] if held is not None else self.named(interface_of(self.packet.get(f"{prefix}Channel")))

    def connect(self, leg: str, who: dict[str, Any], item: str | None = None) -> None:
        """An agent has taken the call by a channel that no queue called."""
        self.memory.put(("leg", leg), (who, item or self.root))
        self.memory.put(("connected", leg), True)
        self.say("answered", item=item, resource=who)

    def named(self, interface: str | None) -> dict[str, Any] | None:
        """The agent of an interface: the member's name where a queue has told it."""
        return agent(self.memory.get(("member", interface)) or interface)

    def caller(self) -> dict[str, Any]:
        return {"address": self.text("CallerIDNum"), "name": self.text("CallerIDName")}

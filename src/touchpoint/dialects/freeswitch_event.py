"""One event of FreeSWITCH's event socket: whose it is, and the events made of it (docs/capture/freeswitch.md)."""

from __future__ import annotations

from typing import Any

from touchpoint.dialects.channels import Channels
from touchpoint.dialects.dialect import Event, Feed, agent, event, whole_number
from touchpoint.dialects.feed_time import ItemTime
from touchpoint.dialects.forms import TEXT, WHOLE, Fields
from touchpoint.stitching.facts import Micros

Headers = dict[str, Any]

FORMS = Fields(
    {"Event-Sequence": WHOLE, "Event-Date-Timestamp": WHOLE}
    | dict.fromkeys(
        """
        Event-Name Event-Subclass Core-UUID FreeSWITCH-Hostname Unique-ID
        Channel-Call-UUID Other-Leg-Unique-ID Bridge-A-Unique-ID Bridge-B-Unique-ID Call-Direction Caller-Direction
        Presence-Call-Direction
        Caller-Caller-ID-Number Caller-Caller-ID-Name Caller-Callee-ID-Number Caller-Destination-Number
        Caller-Channel-Name Caller-Channel-Created-Time Caller-Channel-Answered-Time Caller-Channel-Hangup-Time
        Channel-Name Hangup-Cause CC-Action CC-Queue CC-Agent CC-Agent-UUID CC-Agent-Bridged CC-Agent-Answered-Time
        CC-Agent-Type CC-Bridge-Terminated-Time CC-Hangup-Cause CC-Cause CC-Cancel-Reason CC-Member-UUID
        CC-Member-Session-UUID CC-Member-CID-Number CC-Member-CID-Name Action Bridge-To-UUID
        Fax-Document-Transferred-Pages
        Fax-Document-Total-Pages Fax-Success Fax-Result-Text Other-Leg-Destination-Number Other-Leg-Callee-ID-Number
        variable_cc_member_session_uuid variable_sip_hangup_disposition
        """.split(),
        TEXT,
    )
)
"""As FreeSWITCH spells them; some clients hand them on in lower case."""


class SocketEvent:
    """The events of one record, in its own order: Event-Sequence, then place in the record."""

    def __init__(self, headers: Headers, feed: Feed) -> None:
        self.headers, self.memory = headers, feed.memory
        self.number = int(headers["Event-Sequence"])
        self.leg = headers.get("Unique-ID", "")
        member = headers.get("CC-Member-Session-UUID") or headers.get("variable_cc_member_session_uuid")
        self.of_agent = feed.memory.get(("leg", self.leg))  # and of which call
        called = self.of_agent[1] if self.of_agent is not None else None
        self.root = member or called or headers.get("Channel-Call-UUID") or self.leg
        if not self.root or (not self.leg and headers["Event-Name"] != "CUSTOM"):
            raise KeyError("Unique-ID")
        self.at = ItemTime(self.root, int(headers["Event-Date-Timestamp"]), feed, 1, begins=False)
        self.time: Micros = self.at.time
        self.channels = Channels(feed)
        self.agent = agent(headers.get("CC-Agent"))
        self.queue = headers.get("CC-Queue")
        self.source = feed.source or f"/freeswitch/{headers['FreeSWITCH-Hostname']}"
        self.events: list[Event] = []

    def say(self, verb: str, time: Micros | None = None, *, item: str | None = None, **data: Any) -> None:
        type_ = verb if "." in verb else f"call.{verb}"
        id_ = f"{self.headers['Core-UUID']}/{self.number}/{type_.partition('.')[2]}"
        sequence = f"{self.number:019d}.{len(self.events)}"
        at = self.time if time is None else time
        made = event(type_, at, item or self.root, id_, data, source=self.source, sequence=sequence)
        self.events.append(self.at.mark(made) if time is None else made)

    def count(self, name: str) -> int | None:
        """Also a time in microseconds."""
        return whole_number(self.headers.get(name), digits=18)

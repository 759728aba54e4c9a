"""FreeSWITCH: the event socket's channel events, mod_callcenter and spandsp. The mapping: docs/capture/freeswitch.md.

Remembered: an agent who is about to be bridged, the session of a queue's member, the agent of a leg.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import unquote

from touchpoint.dialects.dialect import Dialect, Event, Feed, Unknown, agent, event
from touchpoint.dialects.reading import as_named, packets_or_json
from touchpoint.stitching.facts import Micros
from touchpoint.stitching.limits import Capabilities

Headers = dict[str, str]

_FAILED = {
    "USER_BUSY": "busy",
    "NORMAL_CIRCUIT_CONGESTION": "busy",
    "CALL_REJECTED": "rejected",
    "ORIGINATOR_CANCEL": "canceled",
    "LOSE_RACE": "canceled",
    "USER_NOT_REGISTERED": "failed",
}
_LEFT = {
    "NONE": "abandoned",
    "TIMEOUT": "timeout",
    "NO_AGENT_TIMEOUT": "empty",
    "BREAK_OUT": "withdrawn",
    "EXIT_WITH_KEY": "key",
}
_NAMES = {
    name.lower(): name
    for name in """
    Event-Name Event-Subclass Event-Date-Timestamp Event-Sequence Core-UUID FreeSWITCH-Hostname Unique-ID
    Channel-Call-UUID Other-Leg-Unique-ID Bridge-A-Unique-ID Bridge-B-Unique-ID Call-Direction Presence-Call-Direction
    Caller-Direction Caller-Caller-ID-Number Caller-Caller-ID-Name Caller-Callee-ID-Number Caller-Destination-Number
    Caller-Channel-Name Caller-Channel-Created-Time Caller-Channel-Answered-Time Caller-Channel-Hangup-Time Channel-Name
    Hangup-Cause CC-Action CC-Queue CC-Agent CC-Agent-UUID CC-Agent-Bridged CC-Agent-Answered-Time CC-Agent-Type
    CC-Bridge-Terminated-Time CC-Hangup-Cause CC-Cause CC-Cancel-Reason CC-Member-UUID CC-Member-Session-UUID
    CC-Member-CID-Number CC-Member-CID-Name Fax-Document-Transferred-Pages Fax-Document-Total-Pages Fax-Success
    Fax-Result-Text
    """.split()
}
"""As FreeSWITCH spells them; some clients hand them on in lower case."""

_OF_AGENTS = frozenset({"members-count", "agent-status-change", "agent-state-change", "agent-contact-change"})


def read(stream: Iterable[bytes]) -> Iterator[Any]:
    """Events as `event plain` frames them (values percent-encoded), or as `event json` does."""
    for record in packets_or_json(stream, unquote):
        if isinstance(record, Unknown):
            yield record
            continue
        event = record if "Event-Name" in record else as_named(record, _NAMES)
        if "Event-Name" in event:
            yield event
        # else: the frame around an event, or the answer to a command


def rules(record: Headers, feed: Feed) -> list[Event] | Unknown:
    name, told = record["Event-Name"], None
    if name == "CUSTOM" and record.get("Event-Subclass") == "callcenter::info":
        action = record.get("CC-Action", "")
        told = _ACTIONS.get(action)
        if action in _OF_AGENTS:
            return []
        if told is None:
            return Unknown(f"CC-Action {action[:40]!r} is not known", "CC-Member-Session-UUID" in record)
    else:
        told = _EVENTS.get(record.get("Event-Subclass", name))
    if told is None:  # an event socket carries much that is not asked of it
        return []
    said = _Said(record, feed)
    told(said)
    return said.events


class _Said:
    """The events of one record, in its own order: Event-Sequence, then place in the record."""

    def __init__(self, headers: Headers, feed: Feed) -> None:
        self.headers, self.memory = headers, feed.memory
        self.time: Micros = int(headers["Event-Date-Timestamp"])
        self.number = int(headers["Event-Sequence"])
        self.leg = headers.get("Unique-ID", "")
        member = headers.get("CC-Member-Session-UUID") or headers.get("variable_cc_member_session_uuid")
        self.root = member or headers.get("Channel-Call-UUID") or self.leg
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
        self.events.append(made)

    def count(self, name: str) -> int | None:
        text = self.headers.get(name, "")
        return int(text) if text.isdigit() else None


def _created(said: _Said) -> None:
    if said.leg != said.root:  # an agent's leg
        return
    outbound = said.headers.get("Call-Direction") == "outbound"
    caller, callee = said.headers.get("Caller-Caller-ID-Number"), said.headers.get("Caller-Destination-Number")
    party = {
        "address": callee if outbound else caller,
        "name": None if outbound else said.headers.get("Caller-Caller-ID-Name"),
    }
    said.say(
        "offered", direction="outbound" if outbound else "inbound", party=party, dialed=None if outbound else callee
    )


def _queued(said: _Said) -> None:
    member = ("member", said.headers.get("CC-Member-UUID"))
    earlier = said.memory.get(member)
    said.memory.put(member, said.root)
    resumes = earlier if said.headers["CC-Action"] == "member-queue-resume" and earlier != said.root else None
    party = {"address": said.headers.get("CC-Member-CID-Number"), "name": said.headers.get("CC-Member-CID-Name")}
    said.say("queued", queue=said.queue, party=party, related={"resumes": resumes})


def _left(said: _Said) -> None:
    """`Terminated` comes when the call ends, long after an agent answered: it does not end the queue."""
    if said.headers.get("CC-Cause") == "Cancel":
        said.say("dequeued", queue=said.queue, reason=_LEFT.get(said.headers.get("CC-Cancel-Reason", "NONE")))


def _offering(said: _Said) -> None:
    said.say("alerting", resource=_known(said), queue=said.queue)


def _known(said: _Said) -> dict[str, Any]:
    if said.agent is None:
        raise KeyError("CC-Agent")
    return said.agent


def _bridging(said: _Said) -> None:
    """Sent before the bridge: the agent has answered once CHANNEL_BRIDGE says so."""
    said.memory.put(("bridging", said.root), (_known(said), said.queue, said.time))
    if "CC-Agent-UUID" in said.headers:
        said.memory.put(("leg", said.headers["CC-Agent-UUID"]), _known(said))


def _bridged(said: _Said) -> None:
    names = ("Unique-ID", "Other-Leg-Unique-ID", "Bridge-A-Unique-ID", "Bridge-B-Unique-ID", "Channel-Call-UUID")
    for leg in dict.fromkeys(said.headers[name] for name in names if name in said.headers):
        pending = said.memory.pop(("bridging", leg))
        if pending is not None:
            said.root = leg
            said.say("answered", resource=pending[0], queue=pending[1])


def _failed(said: _Said) -> None:
    cause = said.headers.get("CC-Hangup-Cause", "")
    said.say("alert_ended", resource=_known(said), reason=_FAILED.get(cause, "no_answer"))


def _parted(said: _Said) -> None:
    pending = said.memory.pop(("bridging", said.root))
    if said.headers.get("CC-Agent-Bridged") == "false":
        said.say("alert_ended", resource=_known(said), reason="bridge_failed")
        return
    if pending is not None:  # no CHANNEL_BRIDGE was captured
        said.say("answered", pending[2], resource=pending[0], queue=pending[1])
    answered, ended = said.count("CC-Agent-Answered-Time"), said.count("CC-Bridge-Terminated-Time")
    length = max(ended - answered, 0) * 1_000 if answered and ended else None
    said.say("released", resource=_known(said), reported={"connected_ms": length})


def _held(said: _Said) -> None:
    if said.leg != said.root:  # the caller's own phone may hold too; the agent did not
        said.say("held", resource=said.memory.get(("leg", said.leg)))


def _retrieved(said: _Said) -> None:
    if said.leg != said.root:
        said.say("retrieved", resource=said.memory.get(("leg", said.leg)))


def _hung_up(said: _Said) -> None:
    if said.leg != said.root:
        said.memory.pop(("leg", said.leg))
        return
    cause = said.headers.get("Hangup-Cause")
    if said.headers.get("variable_sip_hangup_disposition", "").startswith("recv_"):
        said.say("disconnected", by="customer", reason=cause)
    said.say("ended", reason=cause)


def _fax(said: _Said) -> None:
    """A fax is an item of its own, beside the call that carried it."""
    item, sending = f"{said.leg}/fax", said.headers["Event-Subclass"].endswith("txfaxresult")
    number = said.headers.get("Caller-Destination-Number" if sending else "Caller-Caller-ID-Number")
    party = {"address": f"fax:{number}" if number else None}
    pages = {
        "pages": said.count("Fax-Document-Transferred-Pages"),
        "total_pages": said.count("Fax-Document-Total-Pages"),
    }
    began, answered = said.count("Caller-Channel-Created-Time"), said.count("Caller-Channel-Answered-Time")
    direction = "outbound" if sending else "inbound"
    said.say("fax.offered", began, item=item, direction=direction, party=party, related={"parent": said.root})
    if answered:
        said.say("fax.transmission_started", answered, item=item)
    done = "fax.transmitted" if said.headers.get("Fax-Success") == "1" else "fax.transmission_failed"
    said.say(done, item=item, reason=said.headers.get("Fax-Result-Text"), **pages)
    said.say("fax.ended", item=item)


_ACTIONS: dict[str, Callable[[_Said], None]] = {
    "member-queue-start": _queued,
    "member-queue-resume": _queued,
    "member-queue-end": _left,
    "agent-offering": _offering,
    "bridge-agent-start": _bridging,
    "bridge-agent-fail": _failed,
    "bridge-agent-end": _parted,
}
_EVENTS: dict[str, Callable[[_Said], None]] = {
    "CHANNEL_CREATE": _created,
    "CHANNEL_BRIDGE": _bridged,
    "CHANNEL_HOLD": _held,
    "CHANNEL_UNHOLD": _retrieved,
    "CHANNEL_HANGUP_COMPLETE": _hung_up,
    "spandsp::rxfaxresult": _fax,
    "spandsp::txfaxresult": _fax,
}

DIALECT = Dialect(
    name="freeswitch",
    capabilities=Capabilities(wrapup=False, transfer=False, replayable=False),
    read=read,
    rules=rules,
    reads="events as `event plain` or `event json` gives them, each with an Event-Name",
)

"""FreeSWITCH: the event socket's channel events, mod_callcenter and spandsp. The mapping: docs/capture/freeswitch.md.

Remembered: an agent who is about to be bridged, the session of a queue's member, whose a leg is and of which call, a
queue that was left for a reason that the next event tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import unquote

from touchpoint.dialects.dialect import Dialect, Event, Feed, Unknown, agent, instant
from touchpoint.dialects.freeswitch_event import FORMS, SocketEvent
from touchpoint.dialects.lines import number_of
from touchpoint.dialects.reading import named, packets_or_json
from touchpoint.stitching.facts import SECOND, Micros
from touchpoint.stitching.limits import Capabilities

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
_OF_AGENTS = frozenset({"members-count", "agent-status-change", "agent-state-change", "agent-contact-change"})


def read(stream: Iterable[bytes]) -> Iterator[Any]:
    """Events as `event plain` frames them (values percent-encoded), or as `event json` does."""
    yield from named(packets_or_json(stream, unquote), "Event-Name", answers=("Content-Type", "Reply-Text"))


def rules(record: dict[str, Any], feed: Feed) -> list[Event] | Unknown:
    record = FORMS.record(record)
    name, told = record["Event-Name"], None
    if name == "CUSTOM" and record.get("Event-Subclass") == "callcenter::info":
        action = record.get("CC-Action", "")
        told = _ACTIONS.get(action)
        if action in _OF_AGENTS:
            return []
        if told is None:
            return Unknown(f"CC-Action {action[:40]!r} is not known", "CC-Member-Session-UUID" in record)
    else:
        if name == "CUSTOM" and "CC-Action" in record and "Event-Subclass" not in record:
            raise KeyError("Event-Subclass")
        told = _EVENTS.get(record.get("Event-Subclass", name))
    if told is None:  # an event socket carries much that is not asked of it
        return []
    said = SocketEvent(record, feed)
    if record.get("CC-Action") != "member-queue-end":
        _flush(said)
    told(said)
    return said.events


_LONGEST_MS = 366 * 86_400_000
_AT_ONCE: Micros = SECOND
"""mod_callcenter tells of a caller who hung up in the queue milliseconds before their channel's hangup."""


def _side(said: SocketEvent) -> dict[str, Any] | None:
    """What a first channel's own headers say of its call: direction and party; None for an agent's phone by itself.

    `Call-Direction` is the leg's: `inbound` is also an agent's phone that dials, `outbound` also the leg to an agent.
    A phone of ours is known by configuration, or calls with an extension as its number.
    """
    headers = said.headers
    caller, callee = headers.get("Caller-Caller-ID-Number"), headers.get("Caller-Destination-Number")
    outside = said.channels.is_outside(callee)
    if headers.get("Call-Direction") == "outbound":
        return {"direction": "outbound", "party": {"address": callee}} if outside else None
    interface = headers.get("Caller-Channel-Name") or headers.get("Channel-Name")
    ours = said.channels.is_phone(interface, caller)
    if ours:
        return {"direction": "outbound", "party": {"address": callee}} if outside else None
    party = {"address": caller, "name": headers.get("Caller-Caller-ID-Name")}
    return {"direction": "inbound", "party": party, "dialed": callee}


def _created(said: SocketEvent) -> None:
    headers = said.headers
    callee = headers.get("Caller-Destination-Number")
    said.memory.put(("dialed", said.leg), callee)
    _ring(said, callee)
    if said.leg != said.root:  # an agent's leg
        return
    told = _side(said)
    if told is None:  # an agent's phone: an item only if it calls somebody itself
        number = headers.get("Caller-Caller-ID-Number")
        said.memory.put(
            ("phone", said.leg), callee if headers.get("Call-Direction") == "outbound" else number or callee
        )
        return
    if headers.get("Call-Direction") != "outbound" and told["direction"] == "outbound":
        said.memory.put(("dials", said.leg), headers.get("Caller-Caller-ID-Number"))
    said.say("offered", **told)


def _ring(said: SocketEvent, callee: str | None) -> None:
    """A phone that a customer is put through to, outside of a queue: of queues mod_callcenter tells.

    Of a call that an agent dialed, the customer.
    """
    call = said.root if said.leg != said.root else said.headers.get("Other-Leg-Unique-ID")
    who, memory = agent(callee), said.memory
    known = memory.get(("dialed", call)) is not None and memory.get(("queued", call)) is None
    if not known or who is None or said.headers.get("Call-Direction") != "outbound":
        return
    outside = said.channels.is_outside(callee)
    if memory.get(("dials", call)) and outside:
        memory.put(("rings", said.leg), (None, call))
        said.say("dialing", item=call)
    if memory.get(("dials", call)) or memory.get(("phone", call)) or outside:
        return
    memory.put(("rings", said.leg), (who, call))
    said.say("alerting", item=call, resource=who)


def _queued(said: SocketEvent) -> None:
    member = ("member", said.headers.get("CC-Member-UUID"))
    earlier = said.memory.get(member)
    said.memory.put(member, said.root)
    resumes = earlier if said.headers["CC-Action"] == "member-queue-resume" and earlier != said.root else None
    caller = said.headers.get("CC-Member-CID-Number")
    told: dict[str, Any] = {"party": {"address": caller, "name": said.headers.get("CC-Member-CID-Name")}}
    if said.memory.get(("agent", caller)) is not None:  # an agent who asks in another queue is no customer
        told = {"direction": "internal", "doubts": said.channels.doubts_of_caller(None, caller)}
    said.memory.put(("queued", said.root), True)
    said.say("queued", queue=said.queue, related={"resumes": resumes}, **told)


def _left(said: SocketEvent) -> None:
    """`Terminated` comes when the call ends, long after an agent answered: it does not end the queue.

    `BREAK_OUT` is what NONE becomes where no agent was found, so a caller's hangup is one as well: what comes next
    tells it from a transfer (mod_callcenter.c).
    """
    reason = said.headers.get("CC-Cancel-Reason", "NONE")
    if said.headers.get("CC-Cause") != "Cancel":
        return
    if reason == "BREAK_OUT":
        said.memory.put(("left", said.root), (said.time, said.queue))
    else:
        said.say("dequeued", queue=said.queue, reason=_LEFT.get(reason))


def _flush(said: SocketEvent) -> None:
    """The queue or the parking lot that was left, unless the caller hangs up at once: then they gave up in it."""
    left, exited = said.memory.pop(("left", said.root)), said.memory.pop(("exited", said.root))
    hangs_up = said.headers["Event-Name"] == "CHANNEL_HANGUP_COMPLETE" and said.leg == said.root and _by_caller(said)
    if left is not None and not (hangs_up and said.time - left[0] <= _AT_ONCE):
        said.say("dequeued", left[0], queue=left[1], reason="withdrawn")
    if exited is not None and not (hangs_up and said.time - exited <= _AT_ONCE):
        said.say("unparked", exited)


def _parking(said: SocketEvent) -> None:
    """mod_valet_parking tells of the parked channel: `hold`, `bridge` to who retrieves it, `exit` in any case."""
    action = said.headers.get("Action")
    if action == "hold":
        said.memory.pop(("answered", said.root))
        said.say("parked")
    elif action == "exit":
        said.memory.put(("exited", said.root), said.time)
    elif action == "bridge":
        said.say("unparked")
        leg = said.headers.get("Bridge-To-UUID")
        who = agent(said.memory.pop(("phone", leg)))
        if who is not None:  # by the phone that dialed the parking space, whose channel is no call of its own
            said.memory.put(("bridging", said.root), (who, None, said.time))
            said.memory.put(("leg", leg), (who, said.root))
            said.memory.put(("answered", said.root), who["id"])


def _by_caller(said: SocketEvent) -> bool:
    return str(said.headers.get("variable_sip_hangup_disposition")).startswith("recv_")


def _offering(said: SocketEvent) -> None:
    said.say("alerting", resource=_known(said), queue=said.queue)


def _known(said: SocketEvent) -> dict[str, Any]:
    if said.agent is None:
        raise KeyError("CC-Agent")
    said.memory.put(("agent", number_of(said.agent["id"])), True)
    return said.agent


def _bridging(said: SocketEvent) -> None:
    """Sent before the bridge: the agent has answered once CHANNEL_BRIDGE says so."""
    said.memory.put(("bridging", said.root), (_known(said), said.queue, said.time))
    if "CC-Agent-UUID" in said.headers:
        said.memory.put(("leg", said.headers["CC-Agent-UUID"]), (_known(said), said.root))


def _bridged(said: SocketEvent) -> None:
    names = ("Unique-ID", "Other-Leg-Unique-ID", "Bridge-A-Unique-ID", "Bridge-B-Unique-ID", "Channel-Call-UUID")
    legs = list(dict.fromkeys(said.headers[name] for name in names if name in said.headers))
    for leg in legs:
        pending = said.memory.pop(("bridging", leg))
        if pending is not None:
            said.root = leg
            said.say("answered", resource=pending[0], queue=pending[1])
            _note_legs(said, legs, leg, pending[0])
            return
    if said.leg == said.root:
        _bridged_outside(said, legs)


def _note_legs(said: SocketEvent, legs: list[str], root: str, who: dict[str, Any]) -> None:
    """Whatever a leg calls itself, it is of the call that it is bridged to."""
    for leg in legs:
        if leg != root and not said.memory.get(("queued", leg)):
            said.memory.put(("leg", leg), (who, root))


def _bridged_outside(said: SocketEvent, legs: list[str]) -> None:
    """A bridge that mod_callcenter did not make: an agent's own call is connected, a customer's is answered."""
    phone = said.memory.pop(("phone", said.leg))
    if phone is not None:
        called = (said.memory.get(("dialed", leg)) for leg in legs if leg != said.leg)
        outside = next((each for each in called if said.channels.is_outside(each)), None)
        if outside is None:  # an agent's phone that calls another of ours
            said.say("offered", direction="internal")
        else:  # a click to call: the switch called the agent's phone first
            said.memory.put(("dials", said.leg), phone)
            said.say("offered", direction="outbound", party={"address": outside})
    dials = said.memory.get(("dials", said.leg))
    if dials is not None:
        for leg in legs:
            said.memory.pop(("rings", leg))
        said.say("connected", resource=agent(dials))
        return
    others = [leg for leg in legs if leg != said.leg and said.memory.get(("leg", leg)) is None]
    if not others or said.memory.get(("answered", said.root)) is not None:
        return
    who = agent(_bridged_to(said, others[-1]))
    said.memory.pop(("rings", others[-1]))
    if who is not None:
        said.say("answered", resource=who)
        said.memory.put(("answered", said.root), who["id"])
        _note_legs(said, others, said.root, who)


def _bridged_to(said: SocketEvent, leg: str) -> str | None:
    """The name of a phone: what was dialed to reach it, else what the bridge calls it."""
    headers, dialed = said.headers, said.memory.get(("dialed", leg))
    named = (
        dialed, headers.get("Other-Leg-Destination-Number"), headers.get("Other-Leg-Callee-ID-Number"),
        headers.get("Caller-Callee-ID-Number"), headers.get("Caller-Destination-Number"),
    )  # fmt: skip
    found = next((each for each in named if each), None)
    return None if found is not None and said.channels.is_outside(found) and found == dialed else found or leg


def _failed(said: SocketEvent) -> None:
    cause = said.headers.get("CC-Hangup-Cause", "")
    said.say("alert_ended", resource=_known(said), reason=_FAILED.get(cause, "no_answer"))


def _parted(said: SocketEvent) -> None:
    pending = said.memory.pop(("bridging", said.root))
    if said.headers.get("CC-Agent-Bridged") == "false":
        said.say("alert_ended", resource=_known(said), reason="bridge_failed")
        return
    if pending is not None:  # no CHANNEL_BRIDGE was captured
        said.say("answered", pending[2], resource=pending[0], queue=pending[1])
    answered, ended = said.count("CC-Agent-Answered-Time"), said.count("CC-Bridge-Terminated-Time")
    length = max(ended - answered, 0) * 1_000 if answered and ended else None
    if length is not None and length > _LONGEST_MS:  # one of the two is no time
        length = None
    said.say("released", resource=_known(said), reported={"connected_ms": length})


def _held(said: SocketEvent) -> None:
    if said.leg != said.root or said.memory.get(("dials", said.leg)):  # the caller's own phone may hold too
        said.say("held", resource=said.of_agent[0] if said.of_agent is not None else None)


def _retrieved(said: SocketEvent) -> None:
    if said.leg != said.root or said.memory.get(("dials", said.leg)):
        said.say("retrieved", resource=said.of_agent[0] if said.of_agent is not None else None)


def _hung_up(said: SocketEvent) -> None:
    """The end of the caller's channel is the end; its own stamps tell when it began and ended."""
    rings = said.memory.pop(("rings", said.leg))
    if rings is not None:
        reason = _FAILED.get(said.headers.get("Hangup-Cause", ""), "no_answer")
        said.say("failed" if rings[0] is None else "alert_ended", item=rings[1], resource=rings[0], reason=reason)
    if said.leg != said.root:
        held = said.memory.pop(("leg", said.leg))
        if held is not None and said.memory.get(("answered", said.root)) == held[0]["id"]:
            said.say("released", resource=held[0])
        return
    known = said.memory.pop(("dialed", said.leg)) is not None
    if said.memory.pop(("phone", said.leg)) is not None:
        return  # an agent's phone that called nobody: a login, or the leg that a queue called
    told = {} if known else _side(said)
    if told is None:
        return
    cause, over = said.headers.get("Hangup-Cause"), said.count("Caller-Channel-Hangup-Time") or None
    if over is not None and abs(over - said.time) > _AT_ONCE:
        over = None
    began = said.count("Caller-Channel-Created-Time")
    reported = {"started_at": instant(began)} if began and not known else None
    if _by_caller(said) and said.memory.get(("dials", said.leg)) is None:
        said.say("disconnected", over, by="customer", reason=cause)
    said.say("ended", over, reason=cause, reported=reported, **told)


def _fax(said: SocketEvent) -> None:
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


_ACTIONS: dict[str, Callable[[SocketEvent], None]] = {
    "member-queue-start": _queued,
    "member-queue-resume": _queued,
    "member-queue-end": _left,
    "agent-offering": _offering,
    "bridge-agent-start": _bridging,
    "bridge-agent-fail": _failed,
    "bridge-agent-end": _parted,
}
_EVENTS: dict[str, Callable[[SocketEvent], None]] = {
    "CHANNEL_CREATE": _created,
    "CHANNEL_BRIDGE": _bridged,
    "CHANNEL_HOLD": _held,
    "CHANNEL_UNHOLD": _retrieved,
    "CHANNEL_HANGUP_COMPLETE": _hung_up,
    "valet_parking::info": _parking,
    "spandsp::rxfaxresult": _fax,
    "spandsp::txfaxresult": _fax,
}

DIALECT = Dialect(
    name="freeswitch",
    capabilities=Capabilities(wrapup=False, transfer=False, messages=False, replayable=False),
    read=read,
    rules=rules,
    reads="events as `event plain` or `event json` gives them, each with an Event-Name",
    rules_version=2,  # 1: release 0.1.0
)

"""Asterisk's channel event log (12 and later): CSV with a header row, or JSON lines of the same columns.

Remembered: of each channel whose call it is in, when it began, entered and left a bridge and hung up; of each call
whether its first channel is a customer's or an agent's. What a channel's rows tell is said as soon as the side of the
call is known, so rows of different channels may come in any order. The mapping: docs/capture/asterisk-cel.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

from touchpoint.dialects.cel_row import FORMS, CelRow, ring_ended, tell
from touchpoint.dialects.channels import Call, Channel
from touchpoint.dialects.dialect import Dialect, Event, Feed, IdsChanged, Unknown, agent, whole_number
from touchpoint.dialects.lines import interface_of
from touchpoint.dialects.reading import json_records, table_rows, utf8
from touchpoint.stitching.facts import Micros
from touchpoint.stitching.limits import Capabilities

_SELF_SERVICE = frozenset({"background", "read", "waitexten", "speechbackground"})
_NEEDED = ("eventtype", "eventtime", "uniqueid", "linkedid")
_TYPES = dict(
    enumerate(
        """
        CHAN_START CHAN_END HANGUP ANSWER APP_START APP_END PARK_START PARK_END USER_DEFINED BRIDGE_ENTER BRIDGE_EXIT
        BLINDTRANSFER ATTENDEDTRANSFER PICKUP FORWARD LINKEDID_END LOCAL_OPTIMIZE LOCAL_OPTIMIZE_BEGIN
        """.split(),
        start=1,
    )
)
"""Numbers of event types, as some tables have them (Asterisk, include/asterisk/cel.h)."""


def read(stream: Iterable[bytes]) -> Iterator[Any]:
    """Rows as objects by the header's names, in lower case."""
    lines = utf8(stream)
    first = next((line for line in lines if line.strip()), b"")
    if first.lstrip()[:1] in (b"{", b"["):
        yield from json_records(chain([first], lines))
        return
    if first and not all(name.encode() in first.lower() for name in _NEEDED):
        yield Unknown(f"no header row with {', '.join(_NEEDED)}: name the columns of the file in its first line")
        return
    yield from table_rows(chain([first], lines)) if first else ()


def rules(record: dict[str, Any], feed: Feed) -> list[Event] | Unknown:
    row = FORMS.record(record)
    name = _event_type(row)
    if str(row.get("appname") or "").lower() == "celgenuserevent" or row.get("userdeftype"):
        return []  # a dialplan's own event: Asterisk writes its name, not USER_DEFINED
    rule = _RULES.get(name)
    if name in _BEFORE_12:
        return Unknown(f"event {name!r} is of Asterisk 11 or older")
    if rule is None and name not in _NOTHING:  # a dialplan's own event, in rows without the application's name
        return Unknown(f"event {name[:40]!r} is not known", dead_letter=False)
    said = CelRow(row, name, feed)
    said.notice_takeover()
    if rule is not None:
        rule(said)
    return said.events


def _event_type(row: dict[str, Any]) -> str:
    given = row.get("eventtype") or row.get("eventname")
    if not given:
        raise KeyError("eventtype")
    text = str(given).strip().upper()
    return _TYPES.get(whole_number(text) or 0, text)


def _began(said: CelRow) -> None:
    interface = interface_of(said.row.get("channame"))
    known = Channel(said.leg, said.root, interface, said.number("cid_num"), said.time, said.number("exten"))
    said.channels.keep(known)
    call = said.channels.call(said.root)
    if call is None or (call.over is not None and said.leg == said.root):  # over: the file is read again
        call = Call(said.root)
    call.legs = call.legs | {said.leg}
    if said.leg == said.root:
        call.ours, call.interface = said.channels.begins_with_agent(known), interface
        said.offer(known, call)
    _tell_all(said, call)


def _tell_all(said: CelRow, call: Call) -> None:
    said.channels.keep_call(call)
    for leg in sorted(call.legs):
        other = said.channels.channel(leg)
        if other is not None:
            tell(said, other, call)


def _calling(said: CelRow) -> Call | None:
    """The call of an application; whoever runs one in a call whose beginning was not captured is its customer."""
    call = said.channels.call(said.root)
    if said.leg == said.root and (call is None or call.ours is None):
        call = call or Call(said.root)
        call.ours, call.interface = False, interface_of(said.row.get("channame"))
        _tell_all(said, call)
    return call


def _app_started(said: CelRow) -> None:
    call = _calling(said)
    if call is not None and call.ours and said.leg == said.root and said.app == "dial":
        _dials(said, call)
    elif call is not None and said.app == "dial":
        _forward(said, call, str(said.row.get("appdata") or ""))
    if call is None or (said.is_ours and not (said.leg == said.root and said.app == "queue")):
        return
    _leave(said, call)
    dialed = said.number("exten")
    if said.leg == said.root and dialed is not None and call.dialed is None and not call.ours:
        call.dialed = dialed  # an originated call begins at `s`
        said.say("offered", said.channels.start_of(said.root) or said.time, dialed=dialed)
    if said.app == "queue":
        call.queue = str(said.row.get("appdata") or "").partition(",")[0]
        call.waits = True
        _queued(said, call)
    elif said.app == "voicemail":
        said.say("voicemail_started")
    elif said.app in _SELF_SERVICE:
        said.say("ivr_entered", flow=said.row.get("context"))
    said.channels.keep_call(call)


def _dials(said: CelRow, call: Call) -> None:
    """Whom an agent's phone calls, where its call began without an extension: a click to call."""
    dialed = said.number("exten")
    if call.dialed is None and said.channels.is_outside(dialed):
        call.dialed = dialed
        party = {"address": dialed}
        said.say("offered", said.channels.start_of(said.root) or said.time, direction="outbound", party=party)
        said.channels.keep_call(call)


def _forwarded(said: CelRow) -> None:
    """A phone sends the call on, in `extra` to where."""
    call = said.channels.call(said.root)
    if call is not None:
        _forward(said, call, str(said.extra.get("forward") or ""))


def _forward(said: CelRow, call: Call, dialed: str) -> None:
    """Whom a customer is put through to outside is no agent; a queue's member may be anywhere."""
    outside = said.channels.dialed_outside(dialed)
    if outside and not call.ours and not call.waits:
        call.outside = call.outside | outside
        said.channels.keep_call(call)


def _queued(said: CelRow, call: Call) -> None:
    if not call.ours or said.leg != said.root:
        said.say("queued", queue=call.queue)
        return
    doubts = said.channels.doubts_of_caller(call.interface, said.number("cid_num"))
    said.say("queued", direction="internal", queue=call.queue, doubts=doubts)


def _app_ended(said: CelRow) -> None:
    call = _calling(said)
    if call is None or (said.is_ours and not (said.leg == said.root and said.app == "queue")):
        return
    if said.app == "queue":  # also when the caller hung up: what comes next tells
        if call.waits and not _was_answered(call, said.time):
            call.gave_up = (said.time, call.queue)
        call.waits = False
        said.channels.keep_call(call)
    elif said.app == "voicemail":
        said.say("voicemail_ended")
    elif said.app in _SELF_SERVICE:
        said.say("ivr_exited", flow=said.row.get("context"))


def _was_answered(call: Call, until: Micros) -> bool:
    return call.answered is not None and call.answered <= until


def _leave(said: CelRow, call: Call) -> None:
    if call.gave_up is not None:
        at, queue = call.gave_up
        call.gave_up = None
        said.say("dequeued", at, queue=queue)


def _entered(said: CelRow) -> None:
    known = said.channels.channel(said.leg)
    if known is not None:
        known.entered = said.time if known.entered is None else known.entered
        known.left = None
        said.channels.keep(known)
        tell(said, known, said.channels.call(known.call))


def _exited(said: CelRow) -> None:
    known = said.channels.channel(said.leg)
    if known is not None:
        known.left = said.time
        said.channels.keep(known)


def _hung_up(said: CelRow) -> None:
    known = said.channels.channel(said.leg)
    source, cause = str(said.extra.get("hangupsource") or ""), str(said.extra.get("hangupcause") or "")
    itself = source != "" and source == said.row.get("channame")
    if known is not None:
        known.gone, known.hung_up = said.time, itself
        known.cause = whole_number(cause)
        said.channels.keep(known)
        tell(said, known, said.channels.call(known.call))
    call = said.channels.call(said.root)
    if call is None or said.leg != said.root:
        return
    if not call.ours:
        gave_up = call.gave_up is not None  # straight out of the queue, unanswered
        call.gave_up = None
        canceled = call.answered is None and said.extra.get("dialstatus") == "CANCEL"  # by who called, while it rang
        if gave_up or itself or canceled:
            said.say("disconnected", by="customer")
    _over(said, call)


def _over(said: CelRow, call: Call) -> None:
    """How the rings ended that no cause tells of."""
    call.over = said.time if call.over is None else call.over
    pending, call.pending = call.pending, ()
    for leg in pending:
        known = said.channels.channel(leg)
        who = None if known is None else agent(known.interface)
        if known is not None and who is not None:
            ring_ended(said, known, call, who)
    said.channels.keep_call(call)


def _ended(said: CelRow) -> None:
    call = said.channels.call(said.root)
    if call is not None and call.ours is None:
        _adopt_first(said, call)
    if call is not None:
        said.time = max([said.time, *said.channels.lasts(call)])  # it is the last row of a call
        _over(said, call)
    said.say("ended")


def _adopt_first(said: CelRow, call: Call) -> None:
    """Of a call whose own first channel no row tells of, as it began before the log, the earliest is the first."""
    legs = [leg for leg in map(said.channels.channel, sorted(call.legs)) if leg is not None and leg.call == call.name]
    first = min(legs, key=lambda leg: leg.start, default=None)
    if first is None:
        return
    call.first, call.interface = first.name, first.interface
    call.ours = said.channels.begins_with_agent(first)
    said.offer(first, call)
    _tell_all(said, call)
    if not call.ours and first.hung_up:
        said.say("disconnected", first.gone, by="customer")


def _who(said: CelRow, leg: Any, channel: Any) -> dict[str, Any] | None:
    known = said.channels.channel(str(leg))
    return agent(known.interface if known is not None else None) or agent(interface_of(channel))


def _call_of(said: CelRow, leg: Any) -> str | None:
    known = said.channels.channel(str(leg)) if leg else None
    return None if known is None else known.call


def _blind(said: CelRow) -> None:
    call = _call_of(said, said.extra.get("transferee_channel_uniqueid")) or said.root
    by = _who(said, said.leg, said.row.get("channame"))
    said.say("transferred", item=call, resource=by, kind="blind", to={"address": said.extra.get("extension")})


def _attended(said: CelRow) -> None:
    """The row is of one of the transferer's two channels, `channel2` of the other; the call is the transferee's."""
    extra = said.extra
    second = _call_of(said, extra.get("channel2_uniqueid"))
    call = _call_of(said, extra.get("transferee_channel_uniqueid")) or said.root
    first_is = call == said.root or second is None
    by = (
        (said.leg, said.row.get("channame"))
        if first_is
        else (extra.get("channel2_uniqueid"), extra.get("channel2_name"))
    )
    other = second if first_is else said.root
    if other is not None and other != call:
        said.say("alias", item=other, to=call)
    resource, target = _who(said, *by), extra.get("transfer_target_channel_name")
    to = _who(said, extra.get("transfer_target_channel_uniqueid"), target) if target else None
    if to is not None:
        _hand_over(said, str(extra.get("transfer_target_channel_uniqueid")), call)
        said.say("consult_answered", item=call, resource=resource, to={"resource": to})
    said.say(
        "transferred", item=call, resource=resource, kind="attended", to={"resource": to}, ext={"app": extra.get("app")}
    )


def _hand_over(said: CelRow, leg: str, call: str) -> None:
    """The agent's leg that a call was transferred to is a part of it from now on, and has answered it."""
    known = said.channels.channel(leg)
    if known is not None:
        known.call, known.told = call, known.told | {"rang", "answered"}
        said.channels.keep(known)
        joined = said.channels.call(call)
        if joined is not None:
            joined.agents = joined.agents | {leg}
            said.channels.keep_call(joined)


def _picked_up(said: CelRow) -> None:
    """The row is of the call that was ringing; the channel that takes it began a call of its own."""
    known = said.channels.channel(str(said.extra.get("pickup_channel_uniqueid") or ""))
    if known is not None and known.call != said.root:
        call = said.channels.call(said.root)
        if call is not None:
            call.agents = call.agents | {known.name}
            said.channels.keep_call(call)
        said.take_over(known, said.root)


def _parked(said: CelRow) -> None:
    said.say("parked")


def _unparked(said: CelRow) -> None:
    if said.extra.get("reason") == "ParkedCallGiveUp":
        said.say("disconnected", by="customer")
    else:
        said.say("unparked")


_BEFORE_12 = frozenset("BRIDGE_START BRIDGE_END BRIDGE_UPDATE CONF_ENTER CONF_EXIT CONF_START CONF_END".split())
_NOTHING = frozenset(
    "CHAN_END ANSWER LOCAL_OPTIMIZE LOCAL_OPTIMIZE_BEGIN USER_DEFINED DTMF STREAM_BEGIN STREAM_END".split()
)
_RULES: dict[str, Callable[[CelRow], None]] = {
    "CHAN_START": _began,
    "APP_START": _app_started,
    "APP_END": _app_ended,
    "BRIDGE_ENTER": _entered,
    "BRIDGE_EXIT": _exited,
    "HANGUP": _hung_up,
    "LINKEDID_END": _ended,
    "BLINDTRANSFER": _blind,
    "ATTENDEDTRANSFER": _attended,
    "PICKUP": _picked_up,
    "FORWARD": _forwarded,
    "PARK_START": _parked,
    "PARK_END": _unparked,
}

DIALECT = Dialect(
    name="asterisk-cel",
    capabilities=Capabilities(hold=False, wrapup=False, messages=False, ordered=False),
    read=read,
    rules=rules,
    reads="CSV with a header row, or JSON objects, with eventtype, eventtime, uniqueid and linkedid",
    rules_version=2,  # 1: release 0.1.0
    ids_changed=(IdsChanged(2, "0.2.0", "2026-12-01T00:00:00Z", "agents that ring"),),
)

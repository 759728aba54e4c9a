"""Asterisk's channel event log (12 and later): CSV with a header row, or JSON lines of the same columns.

Remembered: of each channel whose call it is in, when it began, entered and left a bridge and hung up; of each call
whether its first channel is a customer's or an agent's. What a channel's rows tell is said as soon as the side of the
call is known, so rows of different channels may come in any order. The mapping: docs/capture/asterisk-cel.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import orjson

from touchpoint.dialects.channels import Call, Channel, Channels
from touchpoint.dialects.dialect import Dialect, Event, Feed, IdsChanged, Unknown, agent, event, instant
from touchpoint.dialects.feed_time import stamp_micros
from touchpoint.dialects.lines import interface_of
from touchpoint.dialects.reading import BYTE_ORDER_MARK, json_records, lowered, table_rows
from touchpoint.stitching.facts import SECOND, Micros
from touchpoint.stitching.limits import Capabilities

_SELF_SERVICE = frozenset({"background", "read", "waitexten", "speechbackground"})
_CAUSES = {
    17: "busy",
    19: "no_answer",
    21: "rejected",
    26: "canceled",
    3: "failed",
    20: "failed",
    27: "failed",
    34: "busy",
}
"""Hangup causes that say how a ring ended; 0 and 16, which a dropped leg has as well, say nothing."""
_NEEDED = ("eventtype", "eventtime", "uniqueid", "linkedid")
_RACE: Micros = SECOND
"""Legs that lose a race are dropped within moments of the answer."""
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
    lines = iter(stream)
    first = next((line for line in lines if line.removeprefix(BYTE_ORDER_MARK).strip()), b"")
    first = first.removeprefix(BYTE_ORDER_MARK)
    if first.lstrip()[:1] in (b"{", b"["):
        yield from json_records(chain([first], lines))
        return
    if first and not all(name.encode() in first.lower() for name in _NEEDED):
        yield Unknown(f"no header row with {', '.join(_NEEDED)}: name the columns of the file in its first line")
        return
    yield from table_rows(chain([first], lines)) if first else ()


def rules(record: dict[str, Any], feed: Feed) -> list[Event] | Unknown:
    row = {name: _value(value) for name, value in lowered(record).items()}
    name = _event_type(row)
    if str(row.get("appname") or "").lower() == "celgenuserevent" or row.get("userdeftype"):
        return []  # a dialplan's own event: Asterisk writes its name, not USER_DEFINED
    rule = _RULES.get(name)
    if rule is None and name not in _NOTHING:
        return Unknown(f"event {name[:40]!r} is not known", bool(row.get("linkedid")))
    said = _Said(row, name, feed)
    said.notice_takeover()
    if rule is not None:
        rule(said)
    return said.events


def _value(value: Any) -> Any:
    """NULL, as databases export it, is no value."""
    return None if value in ("NULL", "\\N") else value


def _event_type(row: dict[str, Any]) -> str:
    given = row["eventtype"] if row.get("eventtype") is not None else row["eventname"]
    text = str(given).strip().upper()
    return _TYPES.get(int(text), text) if text.isdigit() else text


class _Said:
    """The events of one row, and what they make of the channels that are remembered."""

    def __init__(self, row: dict[str, Any], name: str, feed: Feed) -> None:
        self.row, self.name, self.channels = row, name, Channels(feed)
        self.time: Micros = stamp_micros(str(row["eventtime"]).strip(), feed)
        self.leg, self.root = str(row["uniqueid"]), str(row["linkedid"])
        self.app = str(row.get("appname") or "").lower()
        self.extra = _extra(row.get("extra") or row.get("eventextra"))
        parts = (self.leg, name, str(self.time), self.app, str(row.get("appdata") or ""))
        self.id = f"{self.leg[:60]}/{name[:24]}/{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:24]}"
        self.events: list[Event] = []

    def say(
        self, verb: str, time: Micros | None = None, *, item: str | None = None, id_: str | None = None, **data: Any
    ) -> None:
        at = self.time if time is None else time
        self.events.append(event(f"call.{verb}", at, item or self.root, f"{id_ or self.id}/{verb}", data))

    def notice_takeover(self) -> None:
        """A channel that is of another call now: its call was taken over by a pickup or an interception."""
        known = self.channels.channel(self.leg)
        if known is not None and known.call != self.root and self.name != "LINKEDID_END":
            self.take_over(known, self.root)

    def take_over(self, known: Channel, call: str) -> None:
        """The channel is a part of another call, as from its beginning."""
        if known.name == known.call:
            self.say("alias", known.start, item=known.call, id_=f"{known.name[:60]}/takeover", to=call)
        known.call = call
        self.channels.keep(known)
        _tell(self, known, self.channels.call(call))

    @property
    def is_ours(self) -> bool:
        """Whether the row is of an agent's channel; of one that is not known, the caller's is not."""
        known = self.channels.channel(self.leg)
        call = self.channels.call(self.root)
        return known is not None and call is not None and self.channels.is_agent(known, call)

    def number(self, name: str) -> str | None:
        value = str(self.row.get(name) or "").strip()
        return None if value in ("", "s", "<unknown>") else value


def _extra(text: Any) -> dict[str, Any]:
    """What a row tells beyond its columns; nothing, where it was cut off."""
    if isinstance(text, dict):
        return text
    try:
        found = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _began(said: _Said) -> None:
    interface = interface_of(said.row.get("channame"))
    known = Channel(said.leg, said.root, interface, said.number("cid_num"), said.time, said.number("exten"))
    said.channels.keep(known)
    call = said.channels.call(said.root)
    if call is None or (call.over is not None and said.leg == said.root):  # over: the file is read again
        call = Call(said.root)
    call.legs = call.legs | {said.leg}
    if said.leg == said.root:
        call.ours, call.interface = said.channels.begins_with_agent(known), interface
        _offered(said, known, call)
    _tell_all(said, call)


def _tell_all(said: _Said, call: Call) -> None:
    said.channels.keep_call(call)
    for leg in sorted(call.legs):
        other = said.channels.channel(leg)
        if other is not None:
            _tell(said, other, call)


def _offered(said: _Said, known: Channel, call: Call) -> None:
    dialed = known.dialed
    if not call.ours:
        party = {"address": known.number, "name": said.row.get("cid_name")}
        said.say("offered", direction="inbound", party=party, dialed=dialed)
        call.dialed = dialed
        return
    outside = said.channels.is_outside(dialed)
    direction = None if dialed is None else "outbound" if outside else "internal"
    said.say("offered", direction=direction, party={"address": dialed if outside else None})
    call.dialed = dialed if outside else None


def _tell(said: _Said, known: Channel, call: Call | None) -> None:
    """Say what is known of a channel and was not said yet."""
    if call is None or call.ours is None:
        return
    if said.channels.is_agent(known, call):
        _tell_agent(said, known, call)
    elif call.ours and known.name != call.name:
        _tell_customer(said, known, call)
    said.channels.keep(known)
    said.channels.keep_call(call)


def _tell_agent(said: _Said, known: Channel, call: Call) -> None:
    """An agent's leg: rings, answers, leaves. An agent's own first channel neither rings nor answers."""
    who = agent(known.interface)
    if who is None:
        return
    name = who["id"]
    first = known.name == call.name
    if "rang" not in known.told and not first:
        known.told = known.told | {"rang"}
        if not call.ringing.get(name):
            said.say(
                "alerting", known.start, item=call.name, id_=known.id("CHAN_START"), resource=who, queue=call.queue
            )
        call.ringing = {**call.ringing, name: call.ringing.get(name, frozenset()) | {known.name}}
    if known.entered is not None and "answered" not in known.told and not first:
        known.told = known.told | {"answered"}
        call.answered = known.entered if call.answered is None else call.answered
        call.waits = False
        said.say("answered", known.entered, item=call.name, id_=known.id("BRIDGE_ENTER"), resource=who)
        _correct_guesses(said, call)
    if known.gone is not None and "gone" not in known.told:
        known.told = known.told | {"gone"}
        call.ringing = {**call.ringing, name: call.ringing.get(name, frozenset()) - {known.name}}
        if "answered" in known.told or first:
            at = known.left if known.left is not None and known.left <= known.gone else known.gone
            if call.answered is not None or not first:
                said.say("released", at, item=call.name, id_=known.id("HANGUP"), resource=who)
        elif not call.ringing[name]:
            _ring_ended(said, known, call, who)


def _ring_ended(said: _Said, known: Channel, call: Call, who: dict[str, Any]) -> None:
    """Why, by the cause where it says; else by what else happened then, which is known when the call is over."""
    assert known.gone is not None
    reason = _CAUSES.get(known.cause or 0)
    if reason is None and call.over is None:
        call.pending = (*call.pending, known.name)
        return
    near = (at for at in (call.answered, call.over) if at is not None)
    if reason is None and any(abs(at - known.gone) <= _RACE for at in near):
        reason = "canceled"
    elif reason is None:
        reason, call.guessed = "no_answer", (*call.guessed, known.name)
    said.say("alert_ended", known.gone, item=call.name, id_=known.id("HANGUP"), resource=who, reason=reason)


def _correct_guesses(said: _Said, call: Call) -> None:
    """An answer whose row came after the end of the call: who stopped ringing then had lost the race."""
    guessed, call.guessed = call.guessed, ()
    for leg in guessed:
        known = said.channels.channel(leg)
        if known is None or known.gone is None or call.answered is None or abs(call.answered - known.gone) > _RACE:
            continue
        who = agent(known.interface)
        said.say("alert_ended", known.gone, item=call.name, id_=known.id("HANGUP"), resource=who, reason="canceled")
        said.events[-1]["recordedtime"] = instant((call.over or said.time) + _RACE)  # the last word on that ring


def _tell_customer(said: _Said, known: Channel, call: Call) -> None:
    """The customer's leg of a call that an agent dialed."""
    who, number = agent(call.interface), known.number or call.dialed
    if "rang" not in known.told:
        known.told = known.told | {"rang"}
        party = {"address": number if said.channels.is_outside(number) else None}
        said.say("dialing", known.start, item=call.name, id_=known.id("CHAN_START"), direction="outbound", party=party)
    if known.entered is not None and "answered" not in known.told:
        known.told = known.told | {"answered"}
        call.answered = known.entered if call.answered is None else call.answered
        said.say("connected", known.entered, item=call.name, id_=known.id("BRIDGE_ENTER"), resource=who)
    if known.gone is not None and "gone" not in known.told:
        known.told = known.told | {"gone"}
        if "answered" not in known.told:
            reason = _CAUSES.get(known.cause or 0)
            said.say("failed", known.gone, item=call.name, id_=known.id("HANGUP"), reason=reason)
        elif known.hung_up:
            said.say("disconnected", known.gone, item=call.name, id_=known.id("HANGUP"), by="customer")


def _calling(said: _Said) -> Call | None:
    """The call of an application; whoever runs one in a call whose beginning was not captured is its customer."""
    call = said.channels.call(said.root)
    if said.leg == said.root and (call is None or call.ours is None):
        call = call or Call(said.root)
        call.ours, call.interface = False, interface_of(said.row.get("channame"))
        _tell_all(said, call)
    return call


def _app_started(said: _Said) -> None:
    call = _calling(said)
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
        said.say("queued", direction="internal" if call.ours and said.leg == said.root else None, queue=call.queue)
    elif said.app == "voicemail":
        said.say("voicemail_started")
    elif said.app in _SELF_SERVICE:
        said.say("ivr_entered", flow=said.row.get("context"))
    said.channels.keep_call(call)


def _app_ended(said: _Said) -> None:
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


def _leave(said: _Said, call: Call) -> None:
    if call.gave_up is not None:
        at, queue = call.gave_up
        call.gave_up = None
        said.say("dequeued", at, queue=queue)


def _entered(said: _Said) -> None:
    known = said.channels.channel(said.leg)
    if known is not None:
        known.entered = said.time if known.entered is None else known.entered
        known.left = None
        said.channels.keep(known)
        _tell(said, known, said.channels.call(known.call))


def _exited(said: _Said) -> None:
    known = said.channels.channel(said.leg)
    if known is not None:
        known.left = said.time
        said.channels.keep(known)


def _hung_up(said: _Said) -> None:
    known = said.channels.channel(said.leg)
    source, cause = str(said.extra.get("hangupsource") or ""), str(said.extra.get("hangupcause") or "")
    itself = source != "" and source == said.row.get("channame")
    if known is not None:
        known.gone, known.hung_up = said.time, itself
        known.cause = int(cause) if cause.isdigit() else None
        said.channels.keep(known)
        _tell(said, known, said.channels.call(known.call))
    call = said.channels.call(said.root)
    if call is None or said.leg != said.root:
        return
    if not call.ours:
        gave_up = call.gave_up is not None  # straight out of the queue, unanswered
        call.gave_up = None
        if gave_up or itself:
            said.say("disconnected", by="customer")
    _over(said, call)


def _over(said: _Said, call: Call) -> None:
    """How the rings ended that no cause tells of."""
    call.over = said.time if call.over is None else call.over
    pending, call.pending = call.pending, ()
    for leg in pending:
        known = said.channels.channel(leg)
        who = None if known is None else agent(known.interface)
        if known is not None and who is not None:
            _ring_ended(said, known, call, who)
    said.channels.keep_call(call)


def _ended(said: _Said) -> None:
    call = said.channels.call(said.root)
    if call is not None:
        _over(said, call)
    said.say("ended")


def _who(said: _Said, leg: Any, channel: Any) -> dict[str, Any] | None:
    known = said.channels.channel(str(leg))
    return agent(known.interface if known is not None else None) or agent(interface_of(channel))


def _call_of(said: _Said, leg: Any) -> str | None:
    known = said.channels.channel(str(leg)) if leg else None
    return None if known is None else known.call


def _blind(said: _Said) -> None:
    call = _call_of(said, said.extra.get("transferee_channel_uniqueid")) or said.root
    by = _who(said, said.leg, said.row.get("channame"))
    said.say("transferred", item=call, resource=by, kind="blind", to={"address": said.extra.get("extension")})


def _attended(said: _Said) -> None:
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


def _hand_over(said: _Said, leg: str, call: str) -> None:
    """The agent's leg that a call was transferred to is a part of it from now on, and has answered it."""
    known = said.channels.channel(leg)
    if known is not None:
        known.call, known.told = call, known.told | {"rang", "answered"}
        said.channels.keep(known)
        joined = said.channels.call(call)
        if joined is not None:
            joined.agents = joined.agents | {leg}
            said.channels.keep_call(joined)


def _picked_up(said: _Said) -> None:
    """The row is of the call that was ringing; the channel that takes it began a call of its own."""
    known = said.channels.channel(str(said.extra.get("pickup_channel_uniqueid") or ""))
    if known is not None and known.call != said.root:
        call = said.channels.call(said.root)
        if call is not None:
            call.agents = call.agents | {known.name}
            said.channels.keep_call(call)
        said.take_over(known, said.root)


def _parked(said: _Said) -> None:
    said.say("parked")


def _unparked(said: _Said) -> None:
    said.say("unparked")


_NOTHING = frozenset(
    "CHAN_END ANSWER FORWARD LOCAL_OPTIMIZE LOCAL_OPTIMIZE_BEGIN USER_DEFINED DTMF STREAM_BEGIN STREAM_END".split()
)
_RULES: dict[str, Callable[[_Said], None]] = {
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

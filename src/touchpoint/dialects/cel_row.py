"""One row of the channel event log, and what it makes known of its channel and call (docs/capture/asterisk-cel.md)."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from touchpoint.dialects.channels import PARTY, Call, Channel, Channels
from touchpoint.dialects.dialect import Event, Feed, agent, event, instant
from touchpoint.dialects.feed_time import stamp_of
from touchpoint.dialects.forms import STAMP, TEXT, Fields, Plain
from touchpoint.stitching.facts import SECOND, Micros

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
_RACE: Micros = SECOND
"""Legs that lose a race are dropped within moments of the answer."""


def _extra(told: Any) -> dict[str, Any]:
    """What a row tells beyond its columns; nothing, where it was cut off."""
    if isinstance(told, dict):
        return told
    if not isinstance(told, str):
        raise ValueError
    try:
        found = orjson.loads(told)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


FORMS = Fields(
    {
        "eventtime": STAMP,
        "extra": Plain("an object or its JSON", _extra),
        "eventextra": Plain("an object or its JSON", _extra),
    }
    | dict.fromkeys(
        """
        eventtype eventname uniqueid linkedid channame cid_num cid_name exten context appname appdata userdeftype
        """.split(),
        TEXT,
    )
)


class CelRow:
    """The events of one row, and what they make of the channels that are remembered."""

    def __init__(self, row: dict[str, Any], name: str, feed: Feed) -> None:
        self.row, self.name, self.channels = row, name, Channels(feed)
        self.stamp, self._doubts = stamp_of(row["eventtime"].strip(), feed, "eventtime")
        self.leg, self.root = row["uniqueid"], row["linkedid"]
        self.time: Micros = self._in_order()
        self.app = str(row.get("appname") or "").lower()
        self.extra: dict[str, Any] = row.get("extra") or row.get("eventextra") or {}
        parts = (self.leg, name, str(self.stamp), self.app, str(row.get("appdata") or ""))
        self.id = f"{self.leg[:60]}/{name[:24]}/{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:24]}"
        self.events: list[Event] = []

    def say(
        self, verb: str, time: Micros | None = None, *, item: str | None = None, id_: str | None = None, **data: Any
    ) -> None:
        at = self.time if time is None else time
        data["doubts"] = [*data.get("doubts", ()), *self._doubts]
        made = event(f"call.{verb}", at, item or self.root, f"{id_ or self.id}/{verb}", data)
        if at == self.time != self.stamp:
            made["recordedtime"] = instant(self.stamp)  # the fold takes it for the flag `clock_skew`
        self.events.append(made)

    def _in_order(self) -> Micros:
        """The row's time: never before the row before it of the same channel, nor before its call began.

        Rows of one channel are in their order, so an earlier stamp is that of a clock that was set back.
        """
        known = None if self.name == "CHAN_START" else self.channels.channel(self.leg)
        if known is not None:
            last = known.start if known.last is None else known.last
            time = self.stamp if self.stamp >= last else last + 1  # behind it, as rows have no sequence
            if time != known.last:
                known.last = time
                self.channels.keep(known)
            return time
        first = self.channels.start_of(self.root) if self.name == "CHAN_START" and self.leg != self.root else None
        return self.stamp if first is None else max(self.stamp, first)

    def offer(self, first: Channel, call: Call) -> None:
        """Say that a call begins with its first channel, at that channel's start."""
        id_, dialed = first.id("CHAN_START"), first.dialed
        if self.name == "CHAN_START":
            id_ = self.id
        if not call.ours:
            party = {"address": first.number, "name": self.row.get("cid_name")}
            told: dict[str, Any] = {"direction": "inbound", "party": party, "dialed": dialed}
            if first.interface is None and first.number is None:  # half of a Local channel: somebody had it originated
                told = {"doubts": [PARTY]}
            self.say("offered", first.start, id_=id_, **told)
            call.dialed = dialed
            return
        outside = self.channels.is_outside(dialed)
        direction = None if dialed is None else "outbound" if outside else "internal"
        self.say("offered", first.start, id_=id_, direction=direction, party={"address": dialed if outside else None})
        call.dialed = dialed if outside else None

    def notice_takeover(self) -> None:
        """A channel that is of another call now: its call was taken over by a pickup or an interception."""
        known = self.channels.channel(self.leg)
        if known is not None and known.call != self.root and self.name != "LINKEDID_END":
            self.take_over(known, self.root)

    def take_over(self, known: Channel, call: str) -> None:
        """The channel is a part of another call, as from its beginning."""
        if known.name == known.call:  # it called: its phone has not rung
            known.told = known.told | {"rang"}
            self.say("alias", known.start, item=known.call, id_=f"{known.name[:60]}/takeover", to=call)
        known.call = call
        self.channels.keep(known)
        tell(self, known, self.channels.call(call))

    @property
    def is_ours(self) -> bool:
        """Whether the row is of an agent's channel; of one that is not known, the caller's is not."""
        known = self.channels.channel(self.leg)
        call = self.channels.call(self.root)
        return known is not None and call is not None and self.channels.is_agent(known, call)

    def number(self, name: str) -> str | None:
        value = str(self.row.get(name) or "").strip()
        return None if value in ("", "s", "<unknown>") else value


def tell(said: CelRow, known: Channel, call: Call | None) -> None:
    """Say what is known of a channel and was not said yet."""
    if call is None or call.ours is None:
        return
    if said.channels.is_agent(known, call):
        _tell_agent(said, known, call)
    elif call.ours and not call.begins_with(known.name):
        _tell_customer(said, known, call)
    said.channels.keep(known)
    said.channels.keep_call(call)


def _tell_agent(said: CelRow, known: Channel, call: Call) -> None:
    """An agent's leg: rings, answers, leaves. An agent's own first channel neither rings nor answers."""
    who = agent(known.interface)
    if who is None:
        return
    name = who["id"]
    first = call.begins_with(known.name)
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
            ring_ended(said, known, call, who)


def ring_ended(said: CelRow, known: Channel, call: Call, who: dict[str, Any]) -> None:
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


def _correct_guesses(said: CelRow, call: Call) -> None:
    """An answer whose row came after the end of the call: who stopped ringing then had lost the race."""
    guessed, call.guessed = call.guessed, ()
    for leg in guessed:
        known = said.channels.channel(leg)
        if known is None or known.gone is None or call.answered is None or abs(call.answered - known.gone) > _RACE:
            continue
        who = agent(known.interface)
        said.say("alert_ended", known.gone, item=call.name, id_=known.id("HANGUP"), resource=who, reason="canceled")
        said.events[-1]["recordedtime"] = instant((call.over or said.time) + _RACE)  # the last word on that ring


def _tell_customer(said: CelRow, known: Channel, call: Call) -> None:
    """The customer's leg of a call that an agent dialed."""
    who = agent(call.interface)
    if "rang" not in known.told:
        known.told = known.told | {"rang"}
        told = said.channels.customer(known.number, call.dialed)
        said.say("dialing", known.start, item=call.name, id_=known.id("CHAN_START"), direction="outbound", **told)
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

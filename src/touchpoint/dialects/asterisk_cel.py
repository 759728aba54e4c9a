"""Asterisk's channel event log (12 and later): CSV with a header row, or JSON lines of the same columns.

Remembered: whose call a channel began in, the queue that a caller stands in or has just left, its members' legs.
The mapping: docs/capture/asterisk-cel.md.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import orjson

from touchpoint.dialects.dialect import Dialect, Event, Feed, Unknown, agent, event, micros, seconds
from touchpoint.dialects.reading import json_records
from touchpoint.stitching.facts import Micros
from touchpoint.stitching.limits import Capabilities

_SELF_SERVICE = frozenset({"background", "read", "waitexten", "speechbackground"})
_CAUSES = {17: "busy", 21: "rejected", 26: "canceled", 3: "failed", 20: "failed", 27: "failed", 34: "busy"}
_NEEDED = ("eventtype", "eventtime", "uniqueid", "linkedid")


def read(stream: Iterable[bytes]) -> Iterator[Any]:
    """Rows as objects by the header's names, in lower case."""
    lines = iter(stream)
    first = next((line for line in lines if line.strip()), b"")
    if first.lstrip()[:1] in (b"{", b"["):
        yield from json_records(chain([first], lines))
        return
    rows = _rows(chain([first], lines))
    names = [str(name).strip().lower() for name in next(rows, [])]
    if first and not set(_NEEDED) <= set(names):
        yield Unknown(f"no header row with {', '.join(_NEEDED)}: name the columns of the file in its first line")
        return
    for row in rows:
        if isinstance(row, Unknown):
            yield row
        elif len(row) == len(names):
            yield dict(zip(names, row, strict=True))
        elif row:
            yield Unknown(f"a row of {len(row)} columns where the header has {len(names)}")


def _rows(lines: Iterable[bytes]) -> Iterator[list[str] | Unknown]:
    found = csv.reader(line.decode("utf-8-sig", "replace").replace("\x00", "") for line in lines)
    while True:
        try:
            yield next(found)
        except csv.Error:
            yield Unknown("not a row of CSV")
        except StopIteration:
            return


def rules(record: dict[str, Any], feed: Feed) -> list[Event] | Unknown:
    name = str(record["eventtype"]).upper()
    rule = _RULES.get(name)
    if rule is None:
        return [] if name in _NOTHING else Unknown(f"event {name[:40]!r} is not known", bool(record.get("linkedid")))
    said = _Said(record, feed)
    rule(said)
    return said.events


class _Said:
    """The events of one row."""

    def __init__(self, row: dict[str, Any], feed: Feed) -> None:
        self.row, self.memory = row, feed.memory
        stamp = str(row["eventtime"]).strip()
        self.time: Micros = seconds(stamp) if stamp.replace(".", "").isdigit() else micros(stamp, feed.zone)
        self.leg, self.root = str(row["uniqueid"]), str(row["linkedid"])
        self.app = str(row.get("appname") or "").lower()
        extra = row.get("extra") or row.get("eventextra") or {}
        self.extra: dict[str, Any] = orjson.loads(extra) if isinstance(extra, str) else extra
        parts = (self.leg, str(row["eventtype"]), str(self.time), self.app, str(row.get("appdata") or ""))
        self.id = f"{self.leg[:60]}/{parts[1][:24]}/{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:24]}"
        self.events: list[Event] = []

    @property
    def is_caller(self) -> bool:
        return self.leg == self.root

    def say(self, verb: str, time: Micros | None = None, *, item: str | None = None, **data: Any) -> None:
        at = self.time if time is None else time
        self.events.append(event(f"call.{verb}", at, item or self.root, f"{self.id}/{verb}", data))

    def call_of(self, leg: Any) -> str | None:
        found = self.memory.get(("call", leg))
        return None if found is None else str(found)


def _interface(channel: Any) -> str | None:
    """`PJSIP/1602-0000000a` is a channel of PJSIP/1602; both halves of a Local channel are nobody's."""
    name = str(channel or "")
    return None if name.startswith("Local/") else name.rpartition("-")[0] or None


def _channel(said: _Said) -> None:
    said.memory.put(("call", said.leg), said.root)
    if said.is_caller:
        party = {"address": said.row.get("cid_num"), "name": said.row.get("cid_name")}
        dialed = said.row.get("exten")
        said.say("offered", party=party, dialed=None if dialed == "s" else dialed)
        return
    queue, who = said.memory.get(("queue", said.root)), agent(_interface(said.row.get("channame")))
    if queue is not None and who is not None:  # only a member's leg: whoever else is dialed may be the customer
        said.memory.put(("leg", said.leg), (who, False))
        said.say("alerting", resource=who, queue=queue)


def _app_started(said: _Said) -> None:
    if not said.is_caller:
        return
    _leave(said)
    if said.app == "queue":
        queue = str(said.row.get("appdata") or "").partition(",")[0]
        said.memory.put(("queue", said.root), queue)
        said.say("queued", direction="inbound", queue=queue)
    elif said.app == "voicemail":
        said.say("voicemail_started")
    elif said.app in _SELF_SERVICE:
        said.say("ivr_entered", flow=said.row.get("context"))


def _app_ended(said: _Said) -> None:
    if not said.is_caller:
        return
    if said.app == "queue":  # also when the caller hung up: what comes next tells
        queue = said.memory.pop(("queue", said.root))
        if queue is not None:
            said.memory.put(("left", said.root), (said.time, queue))
    elif said.app == "voicemail":
        said.say("voicemail_ended")
    elif said.app in _SELF_SERVICE:
        said.say("ivr_exited", flow=said.row.get("context"))


def _leave(said: _Said) -> None:
    left = said.memory.pop(("left", said.root))
    if left is not None:
        said.say("dequeued", left[0], queue=left[1])


def _entered(said: _Said) -> None:
    """A member's leg in a bridge: that member has answered."""
    who, _ = said.memory.get(("leg", said.leg), (None, False))
    if who is not None:
        said.memory.pop(("queue", said.root))
        said.memory.put(("leg", said.leg), (who, True))
        said.say("answered", resource=who)


def _hung_up(said: _Said) -> None:
    source = str(said.extra.get("hangupsource") or "")
    if said.is_caller:
        gave_up = said.memory.pop(("left", said.root)) is not None  # straight out of the queue, unanswered
        if gave_up or source == said.row.get("channame"):
            said.say("disconnected", by="customer")
        return
    who, answered = said.memory.pop(("leg", said.leg)) or (None, False)
    if who is not None and answered:
        said.say("released", resource=who)
    elif who is not None:
        said.say("alert_ended", resource=who, reason=_CAUSES.get(int(said.extra.get("hangupcause") or 0), "no_answer"))


def _ended(said: _Said) -> None:
    said.say("ended")


def _who(said: _Said, leg: Any, channel: Any) -> dict[str, Any] | None:
    return said.memory.get(("leg", leg), (None,))[0] or agent(_interface(channel))


def _blind(said: _Said) -> None:
    call = said.call_of(said.extra.get("transferee_channel_uniqueid")) or said.root
    by = _who(said, said.leg, said.row.get("channame"))
    said.say("transferred", item=call, resource=by, kind="blind", to={"address": said.extra.get("extension")})


def _attended(said: _Said) -> None:
    """The row is of one of the transferer's two channels, `channel2` of the other; the call is the transferee's."""
    extra = said.extra
    second = said.call_of(extra.get("channel2_uniqueid"))
    call = said.call_of(extra.get("transferee_channel_uniqueid")) or said.root
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
        said.memory.put(("leg", extra.get("transfer_target_channel_uniqueid")), (to, True))
        said.say("consult_answered", item=call, resource=resource, to={"resource": to})
    said.say(
        "transferred", item=call, resource=resource, kind="attended", to={"resource": to}, ext={"app": extra.get("app")}
    )


def _parked(said: _Said) -> None:
    said.say("parked")


def _unparked(said: _Said) -> None:
    said.say("unparked")


_NOTHING = frozenset(
    """
    chan_end answer bridge_exit pickup forward local_optimize local_optimize_begin user_defined dtmf
    stream_begin stream_end
    """.upper().split()
)
_RULES: dict[str, Callable[[_Said], None]] = {
    "CHAN_START": _channel,
    "APP_START": _app_started,
    "APP_END": _app_ended,
    "BRIDGE_ENTER": _entered,
    "HANGUP": _hung_up,
    "LINKEDID_END": _ended,
    "BLINDTRANSFER": _blind,
    "ATTENDEDTRANSFER": _attended,
    "PARK_START": _parked,
    "PARK_END": _unparked,
}

DIALECT = Dialect(
    name="asterisk-cel",
    capabilities=Capabilities(hold=False, wrapup=False, ordered=False),
    read=read,
    rules=rules,
    reads="CSV with a header row, or JSON objects, with eventtype, eventtime, uniqueid and linkedid",
)

"""Asterisk's queue_log: `time|callid|queue|agent|EVENT|data...`, one line an event.

The same as rows of the realtime table: JSON objects `time callid queuename agent event data1 ... data5`.
The mapping: docs/capture/asterisk-queue-log.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import orjson

from touchpoint.dialects.dialect import Dialect, Event, Feed, Unknown, agent, event, instant, micros, seconds
from touchpoint.stitching.facts import SECOND, Micros
from touchpoint.stitching.limits import Capabilities

_OF_NO_CALL = frozenset(
    """
    addmember removemember pause unpause pauseall unpauseall pausereason penalty ringinuse configreload queuestart
    agentlogin agentlogoff agentcallbacklogin agentcallbacklogoff syscompat did info joinempty full closed
    """.upper().split()
)
"""Known, and nothing of the media item's history."""

_LEFT = {"EXITEMPTY": "empty", "EXITWITHTIMEOUT": "timeout", "EXITWITHKEY": "key", "WITHDRAW": "withdrawn"}


class Row(NamedTuple):
    time: Micros
    stamp: str  # as written
    call: str
    queue: str
    agent: str | None
    event: str
    data: list[str]


def read(stream: Iterable[bytes]) -> Iterator[Any]:
    """Lines, as text; a line that is a JSON object is a row of the realtime table."""
    for raw in stream:
        line = raw.decode("utf-8", "replace").strip("\r\n\x00 ")
        if not line:
            continue
        try:
            yield orjson.loads(raw) if line.startswith("{") else line
        except orjson.JSONDecodeError:
            yield Unknown("not JSON")


def rules(record: Any, feed: Feed) -> list[Event] | Unknown:
    row = _row(record, feed)
    if isinstance(row, Unknown):
        return row
    if row.event in _OF_NO_CALL:
        return []
    names_call = row.call not in ("", "NONE", "REALTIME", "MANAGER")
    say = _RULES.get(row.event)
    if say is None or not names_call:
        return Unknown(f"event {row.event[:40]!r} is not known", names_call)
    return say(_Told(row, feed))


def _row(record: Any, feed: Feed) -> Row | Unknown:
    if isinstance(record, dict):
        fields = [str(record.get(name) or "") for name in ("time", "callid", "queuename", "agent", "event")]
        rest = str(record.get("data") or "").split("|") if "data" in record else _columns(record)
    else:
        fields, rest = (parts := record.split("|"))[:5], parts[5:]
    if len(fields) < 5 or not fields[4]:
        return Unknown("a line of less than five fields: cut off while it was written?")
    stamp, call, queue, who, name = fields
    # the file has seconds since 1970; the realtime table a date and time, local unless logger.conf says otherwise
    time = seconds(stamp) if stamp.replace(".", "").isdigit() else micros(stamp, feed.zone)
    return Row(time, stamp, call, queue, None if who in ("", "NONE") else who, name.upper(), rest)


def _columns(record: dict[str, Any]) -> list[str]:
    columns = [str(record.get(f"data{n}") or "") for n in range(1, 6)]
    while columns and not columns[-1]:
        columns.pop()
    return columns


class _Told:
    """A row's events. Their sequence is the file's order: the row's second, its place in that, theirs in the row."""

    def __init__(self, row: Row, feed: Feed) -> None:
        self.row = row
        self.feed = feed
        self.agent = agent(row.agent)
        said = "|".join((instant(row.time), row.call, row.queue, row.agent or "", row.event, *row.data))
        self._id = f"{row.call[:60]}/{row.event[:24]}/{hashlib.sha256(said.encode()).hexdigest()[:24]}"
        second = row.time // SECOND
        last, place = feed.memory.get("place", (0, 0))
        self._place = place + 1 if last == second else 0
        feed.memory.put("place", (second, self._place))
        self._second = second
        self.events: list[Event] = []

    def say(self, verb: str, time: Micros | None = None, **data: Any) -> _Told:
        row = self.row
        sequence = f"{self._second:011d}.{self._place:05d}.{len(self.events)}"
        at = row.time if time is None else time
        self.events.append(event(f"call.{verb}", at, row.call, f"{self._id}/{verb}", data, sequence=sequence))
        return self

    def rang(self, length: Micros) -> _Told:
        """A ring of which only the length is told; it does not begin before the same agent's last one ended."""
        key = ("rang", self.row.call, self.row.agent)
        begun = max(self.row.time - length, self.feed.memory.get(key, 0))
        self.feed.memory.put(key, self.row.time)
        return self.say("alerting", begun, resource=self.agent, queue=self.row.queue)

    def text(self, n: int) -> str | None:
        return self.row.data[n] if -len(self.row.data) <= n < len(self.row.data) else None

    def number(self, n: int) -> int | None:
        text = self.text(n)
        return int(text) if text is not None and text.isdigit() else None


def _entered(told: _Told) -> list[Event]:
    party = {"address": told.text(1), "name": "|".join(told.row.data[3:])}
    return told.say("queued", direction="inbound", queue=told.row.queue, party=party).events


def _left(told: _Told) -> list[Event]:
    return told.say("dequeued", queue=told.row.queue, reason=_LEFT[told.row.event]).events


def _abandoned(told: _Told) -> list[Event]:
    if told.agent is not None:  # gave up while being connected to that agent: it was ringing there
        told.say("alerting", resource=told.agent, queue=told.row.queue)
    return told.say("disconnected", by="customer").events


def _rang_out(told: _Told) -> list[Event]:
    reason = "no_answer" if told.row.event == "RINGNOANSWER" else "canceled"
    told.rang((told.number(0) or 0) * 1_000)
    return told.say("alert_ended", resource=told.agent, reason=reason).events


def _dumped(told: _Told) -> list[Event]:
    return told.say("alert_ended", resource=told.agent, reason="rejected").events


def _connected(told: _Told) -> list[Event]:
    if told.agent is None:
        raise ValueError("CONNECT without an agent")
    told.rang((told.number(2) or 0) * SECOND)  # whole seconds here; `holdtime`, the first field, includes the ring
    return told.say("answered", resource=told.agent, queue=told.row.queue).events


def _completed(told: _Told) -> list[Event]:
    talked = _connected_ms(told.number(1))
    if told.row.event == "COMPLETECALLER":
        told.say("disconnected", by="customer").say("released", resource=told.agent, reported=talked)
    else:
        told.say("released", resource=told.agent, reported=talked).say("disconnected", by="agent")
    return told.say("ended", reason=told.row.event.lower()).events


def _blind(told: _Told) -> list[Event]:
    where = {"address": told.text(0)}
    told.say("transferred", resource=told.agent, kind="blind", to=where, reported=_connected_ms(told.number(3)))
    return told.events


def _attended(told: _Told) -> list[Event]:
    """The figures are counted from the end: `LINK` names two channels where `BRIDGE` and `APP` name one thing."""
    reported = _connected_ms(told.number(-2))
    ext = {"method": told.text(0), "target": "|".join(told.row.data[1:-3])}
    return told.say("transferred", resource=told.agent, kind="attended", reported=reported, ext=ext).events


def _connected_ms(length: int | None) -> dict[str, int] | None:
    return None if length is None else {"connected_ms": length * 1000}


_RULES: dict[str, Callable[[_Told], list[Event]]] = {
    "ENTERQUEUE": _entered,
    **dict.fromkeys(_LEFT, _left),
    "ABANDON": _abandoned,
    "RINGNOANSWER": _rang_out,
    "RINGCANCELED": _rang_out,
    "AGENTDUMP": _dumped,
    "CONNECT": _connected,
    "COMPLETECALLER": _completed,
    "COMPLETEAGENT": _completed,
    "BLINDTRANSFER": _blind,
    "TRANSFER": _blind,  # before Asterisk 12
    "ATTENDEDTRANSFER": _attended,
}

DIALECT = Dialect(
    name="asterisk-queue-log",
    capabilities=Capabilities(hold=False, wrapup=False, resolution=SECOND),
    read=read,
    rules=rules,
)

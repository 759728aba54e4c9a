"""Asterisk's queue_log: `time|callid|queue|agent|EVENT|data...`, one line an event.

The same as rows of the realtime table, as JSON objects or CSV: `time callid queuename agent event data1 ... data5`.
Remembered: which agent a number is and what they are connected to, and calls that became a part of another.
The mapping: docs/capture/asterisk-queue-log.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from touchpoint.dialects.channels import PARTY
from touchpoint.dialects.dialect import Dialect, Event, Feed, Unknown, agent, event, instant, whole_number
from touchpoint.dialects.feed_time import ItemTime, stamp_of
from touchpoint.dialects.forms import STAMP, TEXT, Fields
from touchpoint.dialects.lines import number_of
from touchpoint.dialects.reading import table_or_lines
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
    call: str
    queue: str
    agent: str | None
    event: str
    data: list[str]
    doubts: list[str]  # of its time


_COLUMNS = ("time", "callid", "event")
_FORMS = Fields(
    {"time": STAMP}
    | dict.fromkeys("callid queuename queue agent event data data1 data2 data3 data4 data5".split(), TEXT)
)
"""Of a row of the realtime table."""


def read(stream: Iterable[bytes]) -> Iterator[Any]:
    """Lines, as text; JSON objects, and lines of CSV under a header, are rows of the realtime table."""
    for line in table_or_lines(stream, _COLUMNS):
        if not isinstance(line, bytes):
            yield line
            continue
        text = line.decode("utf-8", "replace").strip("\r\n\x00 ")
        if text:
            yield text


def rules(record: Any, feed: Feed) -> list[Event] | Unknown:
    row = _row(record, feed)
    if isinstance(row, Unknown):
        return row
    if row.event in _OF_NO_CALL:
        return []
    names_call = row.call not in ("", "NONE", "REALTIME", "MANAGER")
    say = _RULES.get(row.event)
    if say is None:
        return Unknown(f"event {row.event[:40]!r} is not known", names_call)
    if not names_call:
        raise KeyError("callid")
    return say(_Told(row, feed))


def _row(record: Any, feed: Feed) -> Row | Unknown:
    if isinstance(record, dict):
        row = _FORMS.record(record)
        fields = [row.get(name, "") for name in ("time", "callid", "queuename", "agent", "event")]
        fields[2] = fields[2] or row.get("queue", "")
        # Asterisk splits the text into five columns of which the last keeps what is left, bars and all (main/logger.c)
        columns = [row.get(f"data{n}", "") for n in range(1, 6)]
        rest = (row.get("data") or "|".join(columns).rstrip("|")).split("|")
    elif isinstance(record, str):
        fields, rest = (parts := record.split("|"))[:5], parts[5:]
    else:
        return Unknown("neither a line nor a row of the table")
    if isinstance(record, dict) and not fields[4]:
        raise KeyError("event")
    if len(fields) < 5 or not fields[4]:
        return Unknown("a line of less than five fields: cut off while it was written?")
    stamp, call, queue, who, name = fields
    # the file has seconds since 1970; the realtime table a date and time, local unless logger.conf says otherwise
    time, doubts = stamp_of(stamp, feed, "time")
    return Row(time, call, queue, None if who in ("", "NONE") else who, name.upper(), rest, doubts)


class _Told:
    """A row's events, in the file's order. A call that became a part of another is told as a part of that."""

    def __init__(self, row: Row, feed: Feed) -> None:
        self.row, self.memory, self.lines = row, feed.memory, feed.lines
        self.agent = agent(row.agent)
        said = "|".join((instant(row.time), row.call, row.queue, row.agent or "", row.event, *row.data))
        self._id = f"{row.call[:60]}/{row.event[:24]}/{hashlib.sha256(said.encode()).hexdigest()[:24]}"
        self.item: str = feed.memory.get(("part of", row.call), row.call)
        begins = row.event == "ENTERQUEUE" and feed.memory.get(("entered", self.item)) is None
        if begins:
            feed.memory.put(("entered", self.item), True)
        self.at = ItemTime(self.item, row.time, feed, SECOND, begins=begins)
        self.events: list[Event] = []

    def say(self, verb: str, time: Micros | None = None, *, item: str | None = None, **data: Any) -> _Told:
        at = self.at.time if time is None else time
        data["doubts"] = [*data.get("doubts", ()), *self.row.doubts]
        sequence = self.at.sequence(len(self.events))
        made = event(f"call.{verb}", at, item or self.item, f"{self._id}/{verb}", data, sequence=sequence)
        self.events.append(self.at.mark(made))
        return self

    def rang(self, length: Micros) -> _Told:
        """A ring of which only the length is told; it does not begin before the same agent's last one ended."""
        key = ("rang", self.row.call, self.row.agent)
        begun = max(self.at.time - length, self.memory.get(key, 0))
        self.memory.put(key, self.at.time)
        return self.say("alerting", begun, resource=self.agent, queue=self.row.queue)

    def text(self, n: int) -> str | None:
        return self.row.data[n] if -len(self.row.data) <= n < len(self.row.data) else None

    def number(self, n: int) -> int | None:
        return whole_number(self.text(n))


def _entered(told: _Told) -> list[Event]:
    """A caller, or an agent who asks in another queue while their own caller waits: that is nobody's contact."""
    caller = told.text(1)
    if told.item != told.row.call:  # transferred: the caller waits in the queue that the agent asked
        return told.say("queued", queue=told.row.queue).events
    if _is_agent(told, caller):
        told.memory.put(("asks", caller), (told.row.call, told.row.queue, None))
        told.memory.put(("asked by", told.row.call), caller)
        doubts = [] if told.lines.is_configured(None, caller) else [PARTY]
        return told.say("queued", direction="internal", queue=told.row.queue, doubts=doubts).events
    party = {"address": caller, "name": "|".join(told.row.data[3:])}
    return told.say("queued", direction="inbound", queue=told.row.queue, party=party).events


def _is_agent(told: _Told, caller: str | None) -> bool:
    """Whether a caller's number is that of an agent's phone: as configured, or as a member's whom the log has named."""
    if not caller:
        return False
    known = told.lines.is_ours(None, caller)
    return bool(told.memory.get(("member", caller))) if known is None else known


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
        raise KeyError("agent")
    _note_member(told)
    for number, asked in _asking(told):
        told.memory.put(("asks", number), (*asked[:2], told.row.agent))
    told.rang((told.number(2) or 0) * SECOND)  # whole seconds here; `holdtime`, the first field, includes the ring
    return told.say("answered", resource=told.agent, queue=told.row.queue).events


def _note_member(told: _Told) -> None:
    number = number_of(told.row.agent)
    if number is not None:
        told.memory.put(("member", number), told.row.agent)


def _asking(told: _Told) -> Iterator[tuple[str, Any]]:
    """The agent who asks by this call, if one does: their number, and what they ask."""
    number = told.memory.get(("asked by", told.row.call))
    asked = told.memory.get(("asks", number)) if number is not None else None
    if asked is not None and asked[0] == told.row.call:
        yield number, asked


def _completed(told: _Told) -> list[Event]:
    """`COMPLETEAGENT` ends the agent's part: with option c of Queue(), or a redirect, the caller goes on."""
    talked = _connected_ms(told.number(1))
    if told.row.event == "COMPLETECALLER":
        told.say("disconnected", by="customer")
    return told.say("released", resource=told.agent, reason=told.row.event.lower(), reported=talked).events


def _blind(told: _Told) -> list[Event]:
    where = {"address": told.text(0)}
    told.say("transferred", resource=told.agent, kind="blind", to=where, reported=_connected_ms(told.number(3)))
    return told.events


def _attended(told: _Told) -> list[Event]:
    """The figures are counted from the end: `LINK` names two channels where `BRIDGE` and `APP` name one thing.

    If the agent had asked in another queue, what they asked becomes a part of this call: its agent is connected from
    now on, or its queue is the caller's.
    """
    _note_member(told)
    reported = _connected_ms(told.number(-2))
    ext = {"method": told.text(0), "target": "|".join(told.row.data[1:-3])}
    asked = told.memory.pop(("asks", number_of(told.row.agent)))
    if asked is None or asked[0] == told.row.call:
        return told.say("transferred", resource=told.agent, kind="attended", reported=reported, ext=ext).events
    call, queue, who = asked
    told.memory.put(("part of", call), told.item)
    to = {"resource": agent(who)} if who is not None else {"queue": queue}
    told.say("alias", item=call, to=told.item)
    if who is not None:
        told.say("consult_answered", resource=told.agent, to=to)
    return told.say("transferred", resource=told.agent, kind="attended", to=to, reported=reported, ext=ext).events


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
    capabilities=Capabilities(hold=False, wrapup=False, messages=False, outside=False, resolution=SECOND),
    read=read,
    rules=rules,
    reads="lines of queue_log (time|callid|queue|agent|EVENT|...), or rows of its table as JSON or CSV with a header",
    rules_version=2,  # 1: release 0.1.0
)

"""HylaFAX's xferfaxlog: a line for each transmission, tab-separated (xferfaxlog(5)).

`date SEND commid modem jobid jobtag sender "dest-number" "CSI" params #pages jobtime conntime "reason" ...`
`date RECV commid modem fax.tif - fax "local-number" "TSI" params #pages jobtime conntime "reason" "CallID1" ...`

The mapping: docs/capture/hylafax.md.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from touchpoint.dialects.dialect import Dialect, Event, Feed, FormError, Unknown, event, whole_number
from touchpoint.dialects.feed_time import Stamp, stamp_of
from touchpoint.dialects.reading import utf8
from touchpoint.stitching.facts import MINUTE, SECOND, Micros
from touchpoint.stitching.limits import Capabilities

_SENT = frozenset({"SEND", "PROXY", "POLL"})
_OF_NO_FAX = frozenset({"CALL", "PAGE", "SUBMIT"})  # any call to the modem, a pager, a job that has only been accepted
_NUMBER = re.compile(r"\+?[0-9][0-9 ().-]{2,}")


class Line(NamedTuple):
    """What every kind of line has."""

    date: str
    kind: str
    commid: str
    modem: str
    job: str  # RECV: the file
    tag: str
    sender: str
    number: str  # the dialed one; RECV: the local one
    station: str  # CSI or TSI, as the other machine calls itself
    params: str
    pages: str
    jobtime: str
    conntime: str
    reason: str


def read(stream: Iterable[bytes]) -> Iterator[Any]:
    """Lines, as their fields."""
    for raw in utf8(stream):
        line = raw.decode("utf-8", "replace").strip("\r\n\x00")
        if line.strip():
            yield [field.strip().strip('"') for field in line.split("\t")]


def rules(record: Any, feed: Feed) -> list[Event] | Unknown:
    if len(record) < len(Line._fields):
        return Unknown(f"a line of less than {len(Line._fields)} fields: cut off while it was written?")
    line = Line(*record[: len(Line._fields)])
    if line.kind in _OF_NO_FAX:
        return []
    try:
        began = datetime.strptime(line.date, "%m/%d/%y %H:%M").isoformat()  # noqa: DTZ007 - of the zone
    except ValueError:
        raise FormError(f"a line begins with a date as 01/31/26 09:00, not {line.date[:20]!r}") from None
    lasted = 0 if line.kind == "UNSENT" else _span(line.jobtime)
    said = _Said(line, record, stamp_of(began, feed, "date", lasted))  # a line is written when its job is over
    if line.kind in _SENT:
        return said.transmission(line.number, f"{said.day}/job/{line.job}")
    if line.kind == "RECV":
        return said.document(_caller(record) or line.station, f"{said.day}/{line.commid}", feed)
    if line.kind == "UNSENT":
        said.say("ended", f"{said.day}/job/{line.job}", said.began, reason=line.reason)
        return said.events
    return Unknown(f"{line.kind[:40]!r} is no kind of line that is known", bool(line.commid))


class _Said:
    """A line's events. A day is a part of an item's id, since HylaFAX's own numbers begin again."""

    def __init__(self, line: Line, fields: list[str], began: Stamp) -> None:
        self.line, (self.began, self._doubts) = line, began
        month, day, year = line.date[:8].split("/")
        self.day = f"20{year}-{month}-{day}"
        digest = hashlib.sha256("\t".join(fields).encode()).hexdigest()[:24]
        self._id = f"{line.commid[:40]}/{line.kind[:10]}/{digest}"
        self.events: list[Event] = []

    def say(self, verb: str, item: str, time: Micros, **data: Any) -> None:
        place = f"{self.began // SECOND:011d}.{self.line.commid:>12}.{len(self.events)}"
        data["doubts"] = self._doubts
        self.events.append(event(f"fax.{verb}", time, item, f"{self._id}/{verb}", data, sequence=place))

    def document(self, number: str | None, item: str, feed: Feed) -> list[Event]:
        """A document that was received. A session has a line for each of its documents, and their jobtimes add up.

        The fax is over with the last of them, which no line says it is: so none ends it, and 30 s of quiet do. The
        pages told with a document are those of the session so far.
        """
        line, length = self.line, _span(self.line.jobtime)
        documents: dict[str, Any] = dict(feed.memory.get(("session", item)) or {})
        if line.job not in documents:  # a line that is read again says the same again
            spent = max((each[1] for each in documents.values()), default=0)
            pages = sum(each[2] for each in documents.values())
            until = length if length > spent else spent + length  # of the session, or the document's own time
            told = whole_number(line.pages) or 0
            documents[line.job] = (spent, until, told, pages + told)
            feed.memory.put(("session", item), documents)
        spent, until, _, so_far = documents[line.job]
        party = {"address": f"fax:{number}" if number and _NUMBER.fullmatch(number) else None}
        self.say("offered", item, self.began, direction="inbound", party=party, dialed=line.number)
        connected, over = _span(line.conntime), self.began + until
        if connected:
            self.say("transmission_started", item, max(self.began + spent, over - connected))
        reported = {"connected_ms": connected // 1_000}
        done = "transmission_failed" if line.reason else "transmitted"
        self.say(done, item, over, reason=line.reason, pages=so_far, reported=reported)
        if line.reason:
            self.say("ended", item, over, reason=line.reason)
        return self.events

    def transmission(self, number: str, item: str) -> list[Event]:
        """`conntime` is a part of `jobtime`, at its end but for the cleaning up: the line tells no more."""
        line, over = self.line, self.began + _span(self.line.jobtime)
        party = {"address": f"fax:{number}" if _NUMBER.fullmatch(number) else None}
        self.say("offered", item, self.began, direction="outbound", party=party)
        pages = whole_number(line.pages)
        reported = {"connected_ms": _span(line.conntime) // 1_000}
        if reported["connected_ms"]:
            self.say("transmission_started", item, max(self.began, over - _span(line.conntime)))
        done = "transmission_failed" if line.reason else "transmitted"
        self.say(done, item, over, reason=line.reason, pages=pages, reported=reported)
        if not line.reason:  # what was not sent is tried again
            self.say("ended", item, over, reason=line.reason)
        return self.events


def _caller(fields: list[str]) -> str | None:
    """The first CallID that is a number: which of them is, is configured."""
    return next((each for each in fields[len(Line._fields) :][:4] if _NUMBER.fullmatch(each)), None)


def _span(text: str) -> Micros:
    """`H:MM:SS`, or less of it from the left. Raises FormError for anything else."""
    seconds = 0
    parts = [whole_number(part, digits=6) for part in text.split(":")]
    for part in parts[:3]:
        if part is None or len(parts) > 3:
            raise FormError(f"jobtime and conntime are H:MM:SS, not {text[:20]!r}")
        seconds = seconds * 60 + part
    return seconds * SECOND


DIALECT = Dialect(
    name="hylafax",
    capabilities=Capabilities(hold=False, wrapup=False, ring=False, transfer=False, resolution=MINUTE),
    read=read,
    rules=rules,
    reads="lines of xferfaxlog, with tabs between their fields",
    rules_version=2,  # 1: release 0.1.0
)

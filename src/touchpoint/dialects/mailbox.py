"""Emails by their headers: JSON objects `header` `received`, an mbox, or single messages. Bodies are never looked at.

Remembered: which item a message of ours belongs to, which thread a message is of, and by whom and when each Message-ID
was first used. The mapping: docs/capture/mailbox.md.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email.message import Message
from email.parser import HeaderParser
from email.utils import parsedate_to_datetime
from itertools import chain
from typing import Any

from touchpoint.dialects.dialect import MAX_ID, Dialect, Event, Feed, IdsChanged, Unknown, event, instant, micros
from touchpoint.dialects.forms import MOMENT, TEXT, Fields
from touchpoint.dialects.mail_headers import Person, message_ids, people
from touchpoint.dialects.reading import json_records, utf8
from touchpoint.stitching.facts import SECOND, Micros
from touchpoint.stitching.limits import Capabilities

HEADERS = (
    "MESSAGE-ID", "IN-REPLY-TO", "REFERENCES", "DATE", "RECEIVED", "FROM", "SENDER", "TO", "CC", "AUTO-SUBMITTED",
    "REPLY-TO",
)  # fmt: skip
"""All that is looked at: no subject, as it is text of the customer's."""

MOST_REFERENCES = 100
_NO_TIME = (ValueError, TypeError, IndexError, OverflowError)
_FORMS = Fields({"header": TEXT, "received": MOMENT})
_FROM = re.compile(r"From (?![0-9a-f]{40} Mon Sep 17 00:00:00 2001)\S+ .*[0-9]{2}:[0-9]{2}.*\b[0-9]{4}\b.*")
"""RFC 4155; a text's line has no date, and a patch of git always the same."""
_LONGEST_FROM = 300  # characters: the expression takes time as the square of a line's length


def read(stream: Iterable[bytes]) -> Iterator[Any]:
    """Records `{"header": text, "received": instant}`; an mbox's and a message's bodies are passed over."""
    lines = utf8(stream)
    first = next((line for line in lines if line.strip()), b"")
    again = chain([first], lines)
    if first.lstrip()[:1] in (b"{", b"["):
        yield from json_records(again)
    else:
        yield from _messages(again)


def _messages(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Of an mbox (each begins with a line `From sender date`), or the one of a file."""
    header: list[str] = []
    delivered: str | None = None
    inside, blank = True, True  # a header; the line before was empty
    for raw in lines:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        if blank and len(line) <= _LONGEST_FROM and _FROM.fullmatch(line):
            if header:
                yield _record(header, delivered)
            header, inside, delivered = [], True, line
        elif inside and not line:
            inside = False
        elif inside:
            header.append(line)
        blank = not line
    if header:
        yield _record(header, delivered)


def _record(header: list[str], delivered: str | None) -> dict[str, Any]:
    wanted, kept = False, []
    for line in header:
        if not line.startswith((" ", "\t")):  # what begins so goes on with the line before
            wanted = line.partition(":")[0].strip().upper() in HEADERS
        if wanted:
            kept.append(line)
    return {"header": "\n".join(kept), "received": _delivered(delivered)}


def _delivered(line: str | None) -> str | None:
    """When an mbox says that the message was delivered: `From someone Mon Jan  5 09:00:00 2026`, in UTC."""
    try:
        at = datetime.strptime(" ".join((line or "").split()[-5:]), "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC)
    except ValueError:
        return None
    return at.isoformat()


def rules(record: dict[str, Any], feed: Feed) -> list[Event] | Unknown:
    if "refused" in record:  # where it lies; capture writes it
        return Unknown("the mail server never gives this message")
    record = _FORMS.record(record)
    mail = _Mail(HeaderParser().parsestr(record["header"]), record.get("received"), feed)
    if mail.author is None:
        return Unknown("no sender")
    return mail.sent() if feed.is_own(mail.author.address) else mail.received()


class _Mail:
    """One message, as its header has it. `author`: who wrote it; of a web form's mail, who filled it in."""

    def __init__(self, message: Message, received: str | None, feed: Feed) -> None:
        self._message, self._received, self._feed = message, received, feed
        self._sender = next(iter(self._people("From")), None)
        self._recipients = [*self._people("To"), *self._people("Cc")]
        self.author = self._form() or self._sender
        everybody = {each.address for name in ("From", "Sender", "Reply-To", "To", "Cc") for each in self._people(name)}
        self._is_address = everybody.__contains__  # never an id: those stay when a person is erased
        self.id = next(iter(self._ids("Message-ID")), None)
        self._references = [each for each in self._ids("References") if each != self.id]
        replied_to = [each for each in self._ids("In-Reply-To") if each != self.id]
        self._answers = next(iter([*replied_to[-1:], *self._references[-1:]]), None)
        self._thread = self._thread_of([*self._references, *replied_to])
        self._repeated = self._is_repeated()
        self._item = self._own_item()

    def received(self) -> list[Event]:
        """An inbound message is an item of its own (stitching.md 2, email)."""
        assert self.author is not None
        if self.id and self._repeated:
            self._feed.memory.put(("item", self.id, self.author.address), self._item)
        to = [each.address for each in self._recipients]
        dialed = next((each for each in to if self._feed.is_own(each)), next(iter(to), None))
        party = {"address": f"mailto:{self.author.address}", "name": self.author.name}
        data = {
            "direction": "inbound",
            "party": party,
            "dialed": f"mailto:{dialed}" if dialed else None,
            "ext": {"auto_submitted": self._automatic()},
            "related": {"parent": self._answered_item([]) if self._answers else None},
        }
        return [self._event("offered", self._item, self._arrived(), data)]

    def sent(self) -> list[Event]:
        """A reply is of the item that it answers, anything else an item of its own."""
        to = [person for person in self._recipients if not self._feed.is_own(person.address)]
        name, address = next(iter(to), (None, None))
        party = {"address": f"mailto:{address}" if address else None, "name": name}
        kind = "auto_reply" if self._automatic() else "reply" if self._answers else "new"
        item = self._answered_item(to) if self._answers else self._item
        if self.id:
            self._feed.memory.put(("item", self.id), item)
        direction = "outbound" if to else "internal"
        data = {
            "direction": direction,
            "party": party,
            "kind": kind,
            "resource": self._agent(),
            "ext": {},
            "related": {},
        }
        return [self._event("sent", item, self._written(), data)]  # no end: another answer may follow

    def _event(self, verb: str, item: str, time: Micros, data: dict[str, Any]) -> Event:
        data["message_id"] = f"<{self.id}>" if self.id else None
        data["in_reply_to"] = f"<{self._answers}>" if self._answers else None
        data["references"] = [f"<{each}>" for each in self._references[-MOST_REFERENCES:]]
        data["ext"]["repeated_message_id"] = self._repeated or None
        data["related"]["thread"] = f"<{self._thread}>" if self._thread else None
        return event(f"email.{verb}", time, item, f"{self._id()}/{verb}", data)

    def _thread_of(self, named: list[str]) -> str | None:
        """The message that the thread began with: that of a message which it names, else the first that it names."""
        known = (self._feed.memory.get(("thread", each)) for each in named)
        thread = next(filter(None, known), None) or next(iter([*named, *([self.id] if self.id else [])]), None)
        if self.id and self.id != thread:
            self._feed.memory.put(("thread", self.id), thread)
        return thread

    def _form(self) -> Person | None:
        """Who filled in a web form, which writes from us to us and names them in Reply-To."""
        ours = [each for each in (self._sender, *self._recipients) if each and self._feed.is_own(each.address)]
        if len(ours) < 2 or len(ours) != 1 + len(self._recipients):
            return None
        return next((each for each in self._people("Reply-To") if not self._feed.is_own(each.address)), None)

    def _is_repeated(self) -> bool:
        """Whether another message, of another author or instant, had this Message-ID before."""
        if self.id is None or self.author is None:
            return False
        return bool(self._feed.memory.get(("message", self.id), self._digest()) != self._digest())

    def _own_item(self) -> str:
        if self.id is None:
            return f"no-id-{self._digest('From', 'To')}"
        if self._repeated:
            return f"{_bounded(self.id, MAX_ID - 40)}-{self._digest()}"
        self._feed.memory.put(("message", self.id), self._digest())
        return _bounded(self.id)

    def _answered_item(self, to: list[Person]) -> str:
        assert self._answers is not None
        memory = self._feed.memory
        repeated = (memory.get(("item", self._answers, person.address)) for person in to)
        return next(filter(None, repeated), None) or memory.get(("item", self._answers)) or _bounded(self._answers)

    def _id(self) -> str:
        return _bounded(self._item, MAX_ID - 10)

    def _agent(self) -> dict[str, Any] | None:
        """Who wrote for a shared address: RFC 5322 has them in Sender."""
        who = next(iter(self._people("Sender")), None)
        if who is None or self._sender is None or who.address == self._sender.address:
            return None
        return {"id": who.address, "name": who.name, "kind": "agent"}

    def _arrived(self) -> Micros:
        """When our server took it: the topmost Received, which the server itself wrote; else what the mailbox says."""
        stamps = self._message.get_all("Received") or []
        return self._first(*(str(each).rpartition(";")[2] for each in stamps[:1]), self._received, self._text("Date"))

    def _written(self) -> Micros:
        return self._first(self._text("Date"), self._received)

    def _first(self, *texts: str | None) -> Micros:
        for text in texts:
            try:
                time = micros(text or "") if text and text[:4].isdigit() else _mail_time(text or "")
                instant(time)  # raises OverflowError behind the year 9999
            except _NO_TIME:
                continue
            if time >= 0:
                return time
        raise ValueError("no date")

    def _ids(self, header: str) -> list[str]:
        text = " ".join(str(each) for each in self._message.get_all(header) or [])  # one each, but some write more
        return [each for each in message_ids(text) if not self._is_address(each.lower())]

    def _people(self, header: str) -> list[Person]:
        return people(str(each) for each in self._message.get_all(header) or [])

    def _automatic(self) -> str | None:
        """RFC 3834: an automatic answer, a bounce, an absence."""
        said = (self._text("Auto-Submitted") or "no").partition(";")[0].strip().lower()
        return None if said == "no" else said[:100]

    def _text(self, header: str) -> str | None:
        value = self._message.get(header)
        return None if value is None else str(value).strip()

    def _digest(self, *headers: str) -> str:
        """Of when and by whom it was written; of `headers` as they are, where it has no Message-ID."""
        if headers:
            said = "\n".join(str(self._message.get(name)) for name in ("Date", *headers))
        else:
            said = f"{self._date()}\n{self.author.address if self.author else ''}"
        return hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:32]

    def _date(self) -> str | None:
        """Comparable, however it is written."""
        text = self._text("Date")
        try:
            return str(_mail_time(text or ""))
        except _NO_TIME:
            return text


def _bounded(text: str, most: int = MAX_ID) -> str:
    """An id that is too long by its digest."""
    return text if len(text) <= most else hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _mail_time(text: str) -> Micros:
    at = parsedate_to_datetime(text.strip())
    return micros(at.isoformat())


DIALECT = Dialect(
    name="mailbox",
    capabilities=Capabilities(hold=False, wrapup=False, ring=False, transfer=False, ordered=False, resolution=SECOND),
    read=read,
    rules=rules,
    reads="an mbox, single messages, or JSON lines with `header` and `received`",
    rules_version=2,  # 1: release 0.1.0
    ids_changed=(IdsChanged(2, "0.2.0", "2026-12-01T00:00:00Z", "web forms, and of a Message-ID that is used again"),),
)

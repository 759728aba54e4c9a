"""A day of mixed traffic of all dialects: the fixtures again and again, each copy at its own time, with its own ids."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import orjson
from vendor_feed import CAPTURES, fixture

from touchpoint.dialects import DIALECTS, Event, Feed, Unknown
from touchpoint.settings.sections import DialectTopic

START = datetime(2026, 3, 2, 6, tzinfo=UTC)
SYSTEMS = ("pbx-london", "pbx-leeds", "pbx-york")
OWN = ("mailto:service@touchpoint.example",)
"""The organisation's own address in the mailbox."""
_STAMP = re.compile(r"(?<!\d)(1[3-7]\d{8})(?=(\d{3}|\d{6})?(?!\d))")
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?=[.\dZ+\"&]|$)")
_NAME = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[A-Z]{2}[0-9a-f]{27,32}\b")
_SERIAL = re.compile(r"(?<=<)(?!(?i:mary))[^<>@\s]+(?=@)|\b0000001\d\d\b|(?<=\t)20\d(?=\t)")
_MAIL = re.compile(r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d")
_FAX = re.compile(r"\b\d\d/\d\d/\d\d \d\d:\d\d\b")
_NUMBER = re.compile(r"(?i:(?<=\bmary)(?=@))|(?<=1632960)\d{3}|(?<=1632 960)\d{3}|(?<=415555)\d{4}|(?<=0771100)\d{4}")


class VendorRecord(NamedTuple):
    """One record of a vendor's topic."""

    arrives: float
    dialect: str
    key: bytes | None
    value: bytes


def day(
    seed: int, copies: int, hours: float = 16.0, captures: Iterable[tuple[str, str]] = CAPTURES
) -> list[VendorRecord]:
    """Records of every fixture, `copies` times, in the order of their arrival."""
    dice = random.Random(seed)
    found: list[VendorRecord] = []
    for dialect, file in captures:
        plain = list(_records(dialect, file))
        # stamps move by whole minutes: two copies in one minute would have the same ids, and so be one call
        for minute in dice.sample(range(int(hours * 60)), copies):
            begins = START + timedelta(minutes=minute, seconds=dice.randrange(60))
            system = dice.choice(SYSTEMS)
            found += _copy(dialect, plain, begins, f"{seed}/{len(found)}", system, dice)
    return sorted(found, key=lambda each: each.arrives)


def _records(dialect: str, file: str) -> Iterator[bytes]:
    """The records of a fixture, each as a topic has it: as JSON, where it is not a line of text."""
    if file in ("twilio_callbacks", "xferfaxlog"):
        yield from (line.strip() for line in fixture(file) if line.strip())
        return
    for record in DIALECTS[dialect].read(fixture(file)):
        yield record.encode() if isinstance(record, str) else orjson.dumps(record)


def _copy(
    dialect: str, plain: list[bytes], begins: datetime, name: str, system: str, dice: random.Random
) -> Iterator[VendorRecord]:
    said = list(_translated(dialect, plain, Feed(own=frozenset(OWN))))
    first = min(datetime.fromisoformat(event["time"]) for event in said)
    shift = int((begins - first).total_seconds()) // 60 * 60
    arrives = begins.timestamp()
    feed = Feed(own=frozenset(OWN))
    for value in plain:
        moved = _moved(value.decode(), shift, name, dialect).encode()
        times = [datetime.fromisoformat(event["time"]).timestamp() for event in _translated(dialect, [moved], feed)]
        # in the feed's order, and soon after what it tells of
        arrives = max(arrives, *times) if times else arrives
        key = system.encode() if DIALECTS[dialect].capabilities.ordered else name.encode()
        yield VendorRecord(arrives + dice.random(), dialect, key, moved)


def _moved(text: str, shift: int, name: str, dialect: str) -> str:
    """Every stamp later, every id and number another."""

    def renamed(match: re.Match[str]) -> str:
        digest = hashlib.sha256((name + match[0]).encode()).hexdigest()
        if match[0][8] == "-":
            return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"
        return match[0][:2] + digest[: len(match[0]) - 2]

    def redialed(match: re.Match[str]) -> str:
        size = len(match[0]) or 9
        return f"{int(hashlib.sha256((name + dialect).encode()).hexdigest(), 16) % 10**size:0{size}d}"

    text = _NAME.sub(renamed, text)
    text = _NUMBER.sub(redialed, text)
    text = _SERIAL.sub(lambda match: f"{hashlib.sha256((name + match[0]).encode()).hexdigest()[:9]}", text)
    text = _MAIL.sub(lambda match: _later(match[0], shift, "%a, %d %b %Y %H:%M:%S"), text)
    text = _FAX.sub(lambda match: _later(match[0], shift, "%m/%d/%y %H:%M"), text)
    text = _STAMP.sub(lambda match: str(int(match[1]) + shift), text)
    return _INSTANT.sub(lambda match: _later(match[1], shift, f"%Y-%m-%d{match[1][10]}%H:%M:%S"), text)


def _later(text: str, shift: int, form: str) -> str:
    return (datetime.strptime(text, form) + timedelta(seconds=shift)).strftime(form)  # noqa: DTZ007 - as it was


def _translated(dialect: str, values: Iterable[bytes], feed: Feed) -> Iterator[Event]:
    for value in values:
        for record in DIALECTS[dialect].read(value.splitlines(keepends=True)):
            said = DIALECTS[dialect].translate(record, feed)
            assert not isinstance(said, Unknown), (said, value)
            yield from said


def translated(records: Iterable[VendorRecord], topics: Mapping[str, DialectTopic] | None = None) -> list[Event]:
    """What `touchpoint translate` makes of the records, system by system."""
    declared = {topic.dialect: topic for topic in (topics or {}).values()}
    feeds: dict[tuple[str, bytes | None], Feed] = {}
    found: list[Event] = []
    for record in records:
        ordered = DIALECTS[record.dialect].capabilities.ordered
        topic = declared.get(record.dialect) or DialectTopic(dialect=record.dialect)
        place = (record.dialect, record.key if ordered else None)
        feed = feeds.setdefault(place, Feed(topic.source, topic.tenant, own=frozenset(OWN)))
        found += _translated(record.dialect, [record.value], feed)
    return found

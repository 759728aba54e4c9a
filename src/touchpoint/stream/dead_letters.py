"""What could not be accepted, on its way to the dead-letters topic: bytes unchanged, the rest in headers."""

from __future__ import annotations

import msgspec

from touchpoint.events.burial import CAUSE, CODE, ORIGIN, TOPIC, VERSION, reasons
from touchpoint.stitching.facts import Fact
from touchpoint.stream.stage import Forward, Record

__all__ = [
    "CAUSE",
    "CODE",
    "ORIGIN",
    "TOPIC",
    "TRUNCATED",
    "VERSION",
    "code_of",
    "dead_letter",
    "orphan",
    "truncated",
    "without_record",
]

TRUNCATED = "touchpoint-truncated"  # the whole value's length in bytes, where even a dead letter cannot hold it

KEPT_OF_TRUNCATED = 1024 * 1024


def dead_letter(record: Record, cause: str, code: str = "internal") -> Forward:
    """The record as a dead letter; its own headers are kept."""
    headers = [
        *record.headers,
        *reasons(cause, code),
        (ORIGIN, f"{record.topic}/{record.partition}/{record.offset}".encode()),
    ]
    return Forward(TOPIC, record.key, record.value, headers)


def orphan(fact: Fact) -> Forward:
    """A fact of a media item that never came: its own bytes are gone, what was understood of them is not."""
    cause = f"{fact.kind}.{fact.verb} speaks of a media item of which no event of a channel ever came"
    return without_record(fact, cause, "orphan")


def without_record(fact: Fact, cause: str, code: str) -> Forward:
    """A fact that cannot be kept, and whose record is elsewhere or gone."""
    headers = reasons(cause, code)
    return Forward(TOPIC, fact.subject.encode(), msgspec.json.encode(fact), headers)


def code_of(forward: Forward) -> str:
    """The code of a dead letter: ours comes after what its record had in its headers."""
    return next((value.decode() for name, value in reversed(forward.headers) if name == CODE), "unknown")


def truncated(forward: Forward) -> Forward:
    """A dead letter that is too large even for its topic: the beginning of the value, and how long it was."""
    value = forward.value or b""
    headers = [*forward.headers, (TRUNCATED, str(len(value)).encode())]
    return Forward(TOPIC, (forward.key or b"")[:1024], value[:KEPT_OF_TRUNCATED], headers, forward.partition)

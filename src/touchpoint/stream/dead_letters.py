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
_OURS = frozenset({CAUSE, CODE, ORIGIN, VERSION, TRUNCATED})


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


def truncated(forward: Forward, limit: int) -> Forward:
    """A dead letter of more bytes than its topic takes: the beginning of the value, and how long it was."""
    value = forward.value or b""
    headers = [*forward.headers, (TRUNCATED, str(len(value)).encode())]
    if sum(len(name) + len(content) for name, content in headers) > limit // 4:
        headers = [(name, content[:1024]) for name, content in headers if name in _OURS]
    kept = min(KEPT_OF_TRUNCATED, limit // 2)
    return Forward(TOPIC, (forward.key or b"")[:1024], value[:kept], headers, forward.partition)

"""What could not be accepted, on its way to the dead-letters topic: bytes unchanged, the rest in headers."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from touchpoint.events.dead_letter_headers import CAUSE, CODE, ORIGIN, TOPIC, VERSION, reasons
from touchpoint.stages.protocol import Forward, Record
from touchpoint.stitching.facts import Fact

__all__ = [
    "CAUSE",
    "CODE",
    "DAMAGED",
    "ORIGIN",
    "TOPIC",
    "TRUNCATED",
    "VERSION",
    "code_of",
    "dead_letter",
    "orphan",
    "topic_of",
    "truncated",
    "without_record",
]

DAMAGED = "damaged"
"""The code of what is no record: its bytes are those of Kafka's log and cannot be sent again."""
TRUNCATED = "touchpoint-truncated"  # the whole value's length in bytes, where even a dead letter cannot hold it

KEPT_OF_TRUNCATED = 1024 * 1024
_OURS = frozenset({CAUSE, CODE, ORIGIN, VERSION, TRUNCATED})


def dead_letter(record: Record, cause: str, code: str = "internal") -> Forward:
    """The record as a dead letter; its own headers are kept."""
    headers: list[tuple[str, bytes | None]] = [
        *record.headers,
        *reasons(cause, code),
        (ORIGIN, f"{record.topic}/{record.partition}/{record.offset}".encode()),
    ]
    return Forward(TOPIC, record.key, record.value, headers)


def readable(batches: Sequence[Sequence[Record]]) -> tuple[list[Sequence[Record]], list[Forward]]:
    """The batches without what could not be parsed, and that as dead letters."""
    damaged = [record for batch in batches for record in batch if record.damage is not None]
    if not damaged:
        return list(batches), []
    rest = [[record for record in batch if record.damage is None] for batch in batches]
    return [batch for batch in rest if batch], [_unparsable(record) for record in damaged]


def _unparsable(record: Record) -> Forward:
    damage = record.damage
    assert damage is not None
    offsets = f"{record.offset:,} to {damage.last:,}" if damage.last > record.offset else f"{record.offset:,}"
    return dead_letter(record, f"cannot be parsed ({damage.reason}): offset {offsets}: {damage.cause}", DAMAGED)


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
    return next((value.decode() for name, value in reversed(forward.headers) if name == CODE and value), "unknown")


def topic_of(letter: Forward) -> str:
    """Where a dead letter came from, without prefix; empty for one of no record."""
    origin = next((value for name, value in reversed(letter.headers) if name == ORIGIN), b"")
    return (origin or b"").partition(b"/")[0].decode()


def truncated(forward: Forward, limit: int) -> Forward:
    """A dead letter of more bytes than its topic takes: the beginning of the value, and how long it was."""
    value = forward.value or b""
    headers = [*forward.headers, (TRUNCATED, str(len(value)).encode())]
    if sum(len(name.encode()) + len(content or b"") + 8 for name, content in headers) > limit // 4:
        headers = [(name, content and content[:1024]) for name, content in headers if name in _OURS][-len(_OURS) :]
    kept = min(KEPT_OF_TRUNCATED, limit // 2)
    return Forward(TOPIC, (forward.key or b"")[:1024], value[:kept], headers, forward.partition)

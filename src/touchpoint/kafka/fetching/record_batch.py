"""Parses the records of a batch one by one, so that one that is damaged costs no other.

aiokafka's parser is compiled and fast, but gives up a batch at the first error, and at a header name that is not UTF-8.
This one takes over from the record where it gave up. Format: Kafka's documentation, Record Batch (magic 2).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from touchpoint.kafka.fetching.damaged import DamagedError
from touchpoint.kafka.fetching.unpacking import Body

MOST_HEADERS = 1000
"""Of one record: a header of two bytes takes 30 times as many in memory."""
Headers = list[tuple[str, bytes | None]]


class Parsed(NamedTuple):
    """One record; offset and time are relative to those of the batch."""

    start: int  # where it lies in the body
    end: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Broken(NamedTuple):
    """Bytes that are no record."""

    start: int
    end: int
    error: DamagedError
    rest: bool  # nothing after them can be parsed


def parse(body: Body, count: int) -> Iterator[Parsed | Broken]:
    """What a batch's body holds, in order. ``count``: as the batch's header declares.

    Holds no memory of the body between two records.
    """
    position = number = 0
    while number < count and position < body.size:
        each = _next(body, position)
        yield each
        if isinstance(each, Broken) and each.rest:
            return
        number, position = number + 1, each.end
    if number < count or position < body.size:
        lie = f"its batch declares {count:,} records and has {number:,}, and {body.size - position:,} bytes after them"
        yield Broken(position, body.size, DamagedError("count", lie), rest=True)


def _next(body: Body, position: int) -> Parsed | Broken:
    try:
        start, end = _bounds(body.view(), position)
    except DamagedError as error:
        return Broken(position, body.size, error.bare(), rest=True)
    try:
        return Parsed(position, end, *_record(body.view()[start:end]))
    except DamagedError as error:
        return Broken(position, end, error.bare(), rest=False)


def _bounds(body: memoryview, position: int) -> tuple[int, int]:
    """Where the next record begins and ends."""
    try:
        size, start = _varint(body, position)
    except (ValueError, IndexError):
        raise DamagedError("record", "the length of a record cannot be read") from None
    if not 0 <= size <= len(body) - start:
        raise DamagedError("record", f"a record claims {size:,} bytes, and its batch has {len(body) - start:,} left")
    return start, start + size


def _record(raw: memoryview) -> tuple[int, int, bytes | None, bytes | None, Headers]:
    try:
        timestamp, position = _varint(raw, 1)  # the first byte has attributes, of which none is used
        offset, position = _varint(raw, position)
        key, position = _bytes(raw, position)
        value, position = _bytes(raw, position)
        headers, position = _headers(raw, position)
    except (ValueError, IndexError):
        raise DamagedError("record", "the record ends too early, or a number in it has too many bytes") from None
    if position != len(raw):
        raise DamagedError("record", f"the record has {len(raw) - position:,} bytes too many")
    return offset, timestamp, key, value, headers


def _bytes(raw: memoryview, position: int) -> tuple[bytes | None, int]:
    """A key or a value; any negative length is null, as aiokafka has it."""
    size, position = _varint(raw, position)
    if size < 0:
        return None, position
    if size > len(raw) - position:
        raise DamagedError("record", f"a field claims {size:,} bytes, and its record has {len(raw) - position:,} left")
    return bytes(raw[position : position + size]), position + size


def _headers(raw: memoryview, position: int) -> tuple[Headers, int]:
    count, position = _varint(raw, position)
    if count < 0:
        raise DamagedError("record", f"the record claims {count:,} headers")
    if count > MOST_HEADERS:
        raise DamagedError("headers", f"the record claims {count:,} headers; at most {MOST_HEADERS:,}")
    headers: Headers = []
    for _ in range(count):
        name, position = _bytes(raw, position)
        if name is None:
            raise DamagedError("record", "the record has a header without a name")
        value, position = _bytes(raw, position)
        headers.append((readable(name), value))
    return headers, position


def readable(name: bytes) -> str:
    """A header's name as text: bytes that are no UTF-8 as ``\\xff``, since no producer of ours could write them."""
    return name.decode("utf-8", "backslashreplace")


def _varint(raw: memoryview, position: int) -> tuple[int, int]:
    """A zigzag number and the position behind it. aiokafka's compiled function reads beyond the end of what it gets."""
    byte = raw[position]
    if byte < 0x80:  # most are
        return (byte >> 1) ^ -(byte & 1), position + 1
    value = shift = 0
    while True:
        byte = raw[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 63:
            raise ValueError("more than ten bytes")
    if value >= 2**64:
        raise ValueError("more than 64 bits")
    return (value >> 1) ^ -(value & 1), position

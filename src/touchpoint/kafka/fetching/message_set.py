"""Parses messages of the formats before Kafka 0.11 (magic 0 and 1), which old segments may hold.

A message is a record, or a wrapper whose value is a compressed series of messages. Format: Kafka's documentation,
Old Message Format.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from touchpoint.kafka.fetching.damaged import DamagedError
from touchpoint.kafka.fetching.unpacking import unpack

LOG_OVERHEAD = 12  # offset, size
SMALLEST = 14  # checksum, magic, attributes, length of the key, length of the value
_HEAD = struct.Struct(">qiIbb")  # offset, size, checksum, magic, attributes
_INT32, _INT64 = struct.Struct(">i"), struct.Struct(">q")
_CHECKED = 16  # the checksum is of what comes after it
_CODEC, _APPEND_TIME = 0x07, 0x08


class Message(NamedTuple):
    """One message as it stands; ``offset`` may be relative to its wrapper's."""

    offset: int
    timestamp: int  # milliseconds; -1: unknown
    key: bytes | None
    value: bytes | None
    codec: int
    magic: int
    stamped_by_broker: bool


def checksum_fits(raw: memoryview) -> bool:
    """Whether a message is as it was written."""
    return bool(zlib.crc32(raw[_CHECKED:]) == _HEAD.unpack_from(raw)[2])


def parse_message(raw: memoryview) -> Message:
    """One message with its offset and size. Raises ``DamagedError``."""
    try:
        offset, _, _, magic, attributes = _HEAD.unpack_from(raw)
        position, timestamp = _HEAD.size, -1
        if magic not in (0, 1):
            raise DamagedError("format", f"format {magic} of a message is not known")
        if magic == 1:
            timestamp = _INT64.unpack_from(raw, position)[0]
            position += _INT64.size
        key, position = _bytes(raw, position)
        value, position = _bytes(raw, position)
    except struct.error:
        raise DamagedError("record", "a message ends too early") from None
    stamped = bool(magic and attributes & _APPEND_TIME)
    return Message(offset, timestamp, key, value, attributes & _CODEC, magic, stamped)


def unwrapped(wrapper: Message) -> Iterator[Message]:
    """The messages of a compressed one, with their offsets. Raises ``DamagedError``: none of them can be read then."""
    if wrapper.value is None:
        raise DamagedError("record", "a compressed message has no value")
    inner = [parse_message(raw) for raw in _split(memoryview(unpack(wrapper.codec, memoryview(wrapper.value))))]
    if not inner:
        raise DamagedError("count", "a compressed message holds no message")
    if any(each.codec for each in inner):
        raise DamagedError("format", "a compressed message holds another compressed one")
    base = wrapper.offset - inner[-1].offset if wrapper.magic else 0
    if wrapper.stamped_by_broker:
        inner = [each._replace(timestamp=wrapper.timestamp) for each in inner]
    return (each._replace(offset=base + each.offset) for each in inner)


def _split(data: memoryview) -> Iterator[memoryview]:
    position = 0
    while position < len(data):
        size = _INT32.unpack_from(data, position + 8)[0] if len(data) - position >= LOG_OVERHEAD else -1
        end = position + LOG_OVERHEAD + size
        if size < SMALLEST or end > len(data):
            raise DamagedError("record", "the messages of a compressed one do not end where it ends")
        yield data[position:end]
        position = end


def _bytes(raw: memoryview, position: int) -> tuple[bytes | None, int]:
    (size,) = _INT32.unpack_from(raw, position)
    position += _INT32.size
    if size < 0:
        return None, position
    if size > len(raw) - position:
        raise DamagedError("record", f"a field claims {size:,} bytes, and its message has {len(raw) - position:,} left")
    return bytes(raw[position : position + size]), position + size

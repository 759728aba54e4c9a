"""Record batches by hand, as any client may send them: every field can lie. Format: Kafka's documentation."""

from __future__ import annotations

import gzip
import struct
import time
import zlib
from collections.abc import Sequence

import cramjam
from aiokafka.codec import lz4_encode, snappy_encode
from aiokafka.record.util import calc_crc32c

Header = tuple[bytes | None, bytes | None]
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
NOW = int(time.time() * 1000)
"""A topic with a retention forgets what is much older, whenever it was written."""
TRANSACTIONAL, CONTROL, APPEND_TIME = 0x10, 0x20, 0x08


def varint(value: int) -> bytes:
    """Zigzag, as all numbers in a record."""
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def sized(data: bytes | None) -> bytes:
    return varint(-1) if data is None else varint(len(data)) + data


def record(
    offset: int, key: bytes | None = b"k", value: bytes | None = b"v", headers: Sequence[Header] = (),
    timestamp: int = 0, header_count: int | None = None,
) -> bytes:  # fmt: skip
    """A record with its length; `offset` and `timestamp` are relative to the batch's."""
    count = varint(len(headers) if header_count is None else header_count)
    fields = b"".join(sized(name) + sized(content) for name, content in headers)
    return sized(b"\0" + varint(timestamp) + varint(offset) + sized(key) + sized(value) + count + fields)


def compressed(codec: str, body: bytes) -> bytes:
    match codec:
        case "gzip":
            return gzip.compress(body)
        case "snappy":
            return bytes(snappy_encode(body))
        case "snappy-raw":
            return bytes(cramjam.snappy.compress_raw(body))
        case "lz4":
            return bytes(lz4_encode(body))
        case "zstd":
            return bytes(cramjam.zstd.compress(body))
        case _:
            return body


def batch(
    base: int, records: Sequence[bytes], codec: str = "none", *, count: int | None = None,
    last_delta: int | None = None, body: bytes | None = None, attributes: int = 0, magic: int = 2,
    producer: int = -1, epoch: int = -1, sequence: int = -1, first_timestamp: int = NOW, max_timestamp: int = NOW,
    good_checksum: bool = True,
) -> bytes:  # fmt: skip
    """A batch of magic 2. `body`: the records as sent, in place of the compressed `records`."""
    data = compressed(codec, b"".join(records)) if body is None else body
    attributes |= CODECS[codec.removesuffix("-raw")]
    number = len(records) if count is None else count
    checked = struct.pack(
        ">hiqqqhii", attributes, len(records) - 1 if last_delta is None else last_delta, first_timestamp,
        max_timestamp, producer, epoch, sequence, number,
    ) + data  # fmt: skip
    checksum = calc_crc32c(checked) ^ (not good_checksum)
    inner = struct.pack(">ibI", 0, magic, checksum) + checked
    return struct.pack(">qi", base, len(inner)) + inner


def control(base: int, producer: int, *, commit: bool, body: bytes | None = None) -> bytes:
    """The marker that ends a transaction."""
    marker = record(0, struct.pack(">hh", 0, commit), struct.pack(">hi", 0, 0))
    return batch(base, [marker], attributes=TRANSACTIONAL | CONTROL, producer=producer, epoch=0, body=body)


def message(
    offset: int, key: bytes | None = b"k", value: bytes | None = b"v", *, magic: int = 1, attributes: int = 0,
    timestamp: int = NOW,
) -> bytes:  # fmt: skip
    """A message of magic 0 or 1, whose value may be a compressed series of messages."""

    def long_sized(data: bytes | None) -> bytes:
        return struct.pack(">i", -1) if data is None else struct.pack(">i", len(data)) + data

    stamp = struct.pack(">q", timestamp) if magic else b""
    checked = struct.pack(">bb", magic, attributes) + stamp + long_sized(key) + long_sized(value)
    inner = struct.pack(">I", zlib.crc32(checked)) + checked
    return struct.pack(">qi", offset, len(inner)) + inner

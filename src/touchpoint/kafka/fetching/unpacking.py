"""Decompresses the records of a batch, with a limit on what comes out.

The codecs of Kafka: 1 gzip, 2 snappy (raw, or in the blocks of the Java client), 3 lz4, 4 zstd. The output is bounded
whatever the data declares: snappy's declared length is checked first, the others write into a buffer of the limit.
"""

from __future__ import annotations

import mmap
import struct
import threading
import zlib
from typing import Any

from touchpoint.kafka.fetching.damaged import DamagedError

cramjam: Any
try:
    import cramjam
except ImportError:  # aiokafka, too, does without it but for gzip
    cramjam = None

MOST_UNPACKED = 64 * 1024 * 1024
"""Bytes of one batch. The largest record of ours has 32 MiB; a batch of JSON is 10 to 20 times its compressed size."""

CODECS = {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
KEPT = 4 * 1024 * 1024
PIECE = 16 * 1024
_of_thread = threading.local()
_GZIP = 16 + zlib.MAX_WBITS
_GZIP_MAGIC = b"\x1f\x8b"
_BLOCKS_MAGIC = b"\x82SNAPPY\x00"
_BLOCKS_HEADER = 16  # magic, version, the least version that reads it
_INT32 = struct.Struct(">i")


class Body:
    """What follows the header of a batch, decompressed. What is large can be put away: it is decompressed again."""

    def __init__(self, packed: memoryview, codec: int) -> None:
        """Raises ``DamagedError`` as ``unpack``."""
        self._packed, self._codec = packed, codec
        self._view: memoryview | None = None
        self.size = len(self.view())

    def view(self) -> memoryview:
        """All of it. Whoever keeps this keeps the memory."""
        if self._view is None:
            self._view = memoryview(unpack(self._codec, self._packed)) if self._codec else self._packed
        return self._view

    def put_away(self) -> None:
        """Keep only the compressed bytes."""
        if self.size > KEPT:
            self._view = None


def unpack(codec: int, data: memoryview, limit: int = MOST_UNPACKED) -> bytes:
    """The decompressed bytes, at most ``limit``. Raises ``DamagedError``: ``codec``, ``compression`` or ``size``."""
    name = CODECS.get(codec)
    if name is None:
        raise DamagedError("codec", f"compression codec {codec} is not known")
    if cramjam is None and name != "gzip":
        raise DamagedError("codec", f"the library for {name} (cramjam) is not installed")
    try:
        if name == "gzip":
            return _gzip(data, limit)
        return _snappy(data, limit) if name == "snappy" else _into_buffer(getattr(cramjam, name), data, limit)
    except DamagedError:
        raise
    except Exception as error:  # cramjam.DecompressionError, zlib.error, struct.error
        if "whole buffer" in str(error):
            raise _too_large(name, limit) from None
        raise DamagedError("compression", f"its {name} data cannot be decompressed") from error


def _too_large(name: str, limit: int) -> DamagedError:
    return DamagedError("size", f"its {name} data unpacks to more than {limit:,} bytes")


def _gzip(data: memoryview, limit: int) -> bytes:
    """One member after the other; what follows the last one and is none is ignored, as by Java.

    In pieces: zlib copies what it leaves of its input, and a batch may have a member every 20 bytes.
    """
    parts: list[bytes] = []
    left, position, member = limit, 0, zlib.decompressobj(_GZIP)
    while position < len(data):
        piece = data[position : position + PIECE]
        parts.append(member.decompress(piece, left + 1))
        left -= len(parts[-1])
        if left < 0 or member.unconsumed_tail:
            raise _too_large("gzip", limit)
        position += len(piece) - len(member.unused_data)
        if member.eof:
            if data[position : position + 2] != _GZIP_MAGIC:
                return b"".join(parts)
            member = zlib.decompressobj(_GZIP)
    raise DamagedError("compression", "its gzip data ends too early")


def _snappy(data: memoryview, limit: int) -> bytes:
    if data[: len(_BLOCKS_MAGIC)] != _BLOCKS_MAGIC:
        return _snappy_block(data, limit, limit)
    parts: list[bytes] = []
    position, left = _BLOCKS_HEADER, limit
    while position < len(data):
        (size,) = _INT32.unpack_from(data, position)
        position += _INT32.size
        if not 0 < size <= len(data) - position:
            raise DamagedError("compression", "its snappy data has a block of a length that cannot be")
        parts.append(_snappy_block(data[position : position + size], left, limit))
        position += size
        left -= len(parts[-1])
    return b"".join(parts)


def _snappy_block(data: memoryview, left: int, limit: int) -> bytes:
    if cramjam.snappy.decompress_raw_len(data) > left:
        raise _too_large("snappy", limit)
    return bytes(cramjam.snappy.decompress_raw(data))


def _into_buffer(codec: Any, data: memoryview, limit: int) -> bytes:
    """Into a mapping of the limit's size: only the pages that are written take memory."""
    buffer = getattr(_of_thread, "buffer", None)
    if buffer is None or len(buffer) != limit:
        buffer = memoryview(mmap.mmap(-1, limit))
    _of_thread.buffer = None
    size = codec.decompress_into(data, buffer)
    if size <= KEPT:  # memory that was written before is faster, and what is large goes back
        _of_thread.buffer = buffer
    return bytes(buffer[:size])

"""Produce requests by hand: whatever bytes, straight to a broker's socket, and what the broker says of them."""

from __future__ import annotations

import asyncio
import struct
import time
from typing import NamedTuple

from aiokafka.errors import NotLeaderForPartitionError, for_code

VERSION, OLD_VERSION = 7, 2
"""Of the request: the latest before the flexible ones, and the last that takes messages of magic 0 and 1."""
SECONDS = 30
_NAMES = {-1: "UnknownServerError", 32: "InvalidTimestamp", 76: "UnsupportedCompressionType", 87: "InvalidRecord"}
"""Of codes for which aiokafka has none."""
CLOSED = "connection closed"


class Answer(NamedTuple):
    """What a broker says: the name of an error or none, and the first offset of what it has stored."""

    error: str | None
    offset: int


def text(value: str | None) -> bytes:
    return struct.pack(">h", -1) if value is None else struct.pack(">h", len(value)) + value.encode()


def request(topic: str, partition: int, records: bytes, version: int, transaction: str | None = None) -> bytes:
    """One Produce request for one partition, waiting for all replicas."""
    head = struct.pack(">hhi", 0, version, 1) + text("raw")
    body = (text(transaction) if version > OLD_VERSION else b"") + struct.pack(">hi", -1, SECONDS * 1000)
    body += struct.pack(">i", 1) + text(topic) + struct.pack(">iii", 1, partition, len(records)) + records
    return struct.pack(">i", len(head + body)) + head + body


class RawProducer:
    """One connection, made again when the broker closes it."""

    def __init__(self, bootstrap: str) -> None:
        self._host, _, port = bootstrap.rpartition(":")
        self._port = int(port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(
        self, topic: str, partition: int, records: bytes, version: int = VERSION, transaction: str | None = None
    ) -> Answer:
        """Send, and wait for the broker's answer; again while it does not yet know that the partition is its own."""
        deadline = time.monotonic() + SECONDS
        while True:
            answer = await self._send(topic, partition, records, version, transaction)
            if answer.error != NotLeaderForPartitionError.__name__ or time.monotonic() > deadline:
                return answer
            await asyncio.sleep(0.1)

    async def _send(self, topic: str, partition: int, records: bytes, version: int, transaction: str | None) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        try:
            writer.write(request(topic, partition, records, version, transaction))
            async with asyncio.timeout(SECONDS):
                (size,) = struct.unpack(">i", await reader.readexactly(4))
                answer = await reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.close()
            return Answer(CLOSED, -1)
        code, offset = struct.unpack_from(">hq", answer, 4 + 4 + 2 + len(topic.encode()) + 4 + 4)
        return Answer(_NAMES.get(code, for_code(code).__name__) if code else None, offset)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

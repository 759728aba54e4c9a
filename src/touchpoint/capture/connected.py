"""A feed that a server sends over a TCP or TLS connection: log in, listen, and see to it that the server is alive."""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from touchpoint.capture.blocking import in_thread
from touchpoint.capture.reconnecting import Reconnecting

LONGEST = 1024 * 1024  # bytes of a record


class Deadlines(NamedTuple):
    """In seconds. `connect`: to connect and log in. `silence`: then the server is asked whether it is there; after as
    many more the connection is given up."""

    connect: float = 10.0
    silence: float = 15.0


DEADLINES = Deadlines()


@dataclass(frozen=True)
class Address:
    """Where to connect. `tls`: None for a plain connection."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Talk(Protocol):
    """What is said over the connection. `missed`: what to do about what was sent while nobody listened."""

    missed: str

    async def log_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Raises SourceError where it is refused."""

    async def record(self, reader: asyncio.StreamReader) -> bytes | None:
        """The next record; None for what is none, such as an answer."""

    def ping(self) -> bytes:
        """What has an answer."""


def is_position(stored: Any) -> bool:
    """There is none: what was missed cannot be asked for."""
    return stored is None


class Connected:
    """A conversation that cannot replay: what is sent while nobody listens is lost."""

    def __init__(self, address: Address, talk: Talk, deadlines: Deadlines = DEADLINES) -> None:
        self.address = str(address)
        self.missed = talk.missed
        self.fresh = 2 * deadlines.silence
        self._where, self._talk, self._deadlines = address, talk, deadlines

    async def converse(self, link: Reconnecting) -> None:
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(self._deadlines.connect):
                reader, writer = await self._connection()
                await self._talk.log_in(reader, writer)
            link.welcome()
            link.complete()
            while True:
                record = await self._record(reader, writer)
                link.complete()
                if record is not None:
                    await link.receive([record], link.position)
        finally:
            if writer is not None:
                writer.transport.abort()  # `close` would wait for a server that reads nothing

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port, tls = self._where.host, self._where.port, self._where.tls
        look_up = functools.partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        refused: OSError | None = None
        for *_, where in await in_thread(look_up):
            try:
                return await asyncio.open_connection(
                    str(where[0]), port, ssl=tls, server_hostname=host if tls else None, limit=LONGEST
                )
            except OSError as error:
                refused = error
        raise refused or OSError(f"{host} has no address")

    async def _record(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
        """The next record or answer; asks for one in a long silence. Raises TimeoutError if there is none."""
        silence = self._deadlines.silence
        ping = asyncio.get_running_loop().call_later(silence, writer.write, self._talk.ping())
        try:
            async with asyncio.timeout(2 * silence):
                return await self._talk.record(reader)
        finally:
            ping.cancel()

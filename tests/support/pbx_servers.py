"""Recorded conversations over real sockets: Asterisk's manager interface, FreeSWITCH's event socket.

Each follows the vendor's own description of the protocol, keeps what it was told, and sends what a test gives it.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Callable
from typing import Self

from patience import LIMIT

from touchpoint.embedded.broker import free_port

PASSWORD = "secret of tests"
CHALLENGE = "840415273"


class PbxServer:
    """A server of one port. `send` reaches whoever is logged in; `listeners` counts them."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.port = free_port()
        self.said: list[str] = []  # by clients, a command each
        self.answers_pings = True
        self.logged_in = 0  # ever
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._changed = asyncio.Event()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self.drop()
            await self._server.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def drop(self) -> None:
        """Cut all connections, as a restart or a network does."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that clients did makes it true."""
        async with asyncio.timeout(LIMIT):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def listener(self, which: int = 1) -> None:
        """Wait until so many have logged in, all in all."""
        await self.until(lambda: self.logged_in >= which)

    async def send(self, *records: bytes) -> None:
        """Events for all who are logged in."""
        for writer in list(self._writers):
            for record in records:
                writer.write(self.framed(record))
            await writer.drain()

    def framed(self, record: bytes) -> bytes:
        """A record as it is on the wire."""
        raise NotImplementedError

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the client leaves; `_welcome` marks a login."""
        raise NotImplementedError

    def _note(self, said: str) -> None:
        self.said.append(said)
        self._changed.set()

    def _welcome(self, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self.logged_in += 1
        self._changed.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self.talk(reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


class AmiServer(PbxServer):
    """Actions Challenge, Login (MD5 and plain) and Ping, as Asterisk 20's manager.c answers them."""

    def framed(self, record: bytes) -> bytes:
        return record

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Asterisk Call Manager/9.0.0\r\n")
        key = hashlib.md5((CHALLENGE + PASSWORD).encode()).hexdigest()
        while True:
            packet = (await reader.readuntil(b"\r\n\r\n")).decode()
            said = dict(line.split(": ", 1) for line in packet.split("\r\n") if line)
            self._note(packet)
            if said["Action"] == "Challenge":
                writer.write(f"Response: Success\r\nChallenge: {CHALLENGE}\r\n\r\n".encode())
            elif said["Action"] == "Ping" and self.answers_pings:
                writer.write(b"Response: Success\r\nPing: Pong\r\nTimestamp: 1767603600.000000\r\n\r\n")
            elif said["Action"] == "Login":
                if said.get("Secret") != PASSWORD and said.get("Key") != key:
                    writer.write(b"Response: Error\r\nMessage: Authentication failed\r\n\r\n")
                    await writer.drain()
                    return
                writer.write(b"Response: Success\r\nMessage: Authentication accepted\r\n\r\n")
                self._welcome(writer)


class EventSocketServer(PbxServer):
    """`auth`, `event json` and `api`, as mod_event_socket answers them."""

    def framed(self, record: bytes) -> bytes:
        return b"Content-Length: %d\nContent-Type: text/event-json\n\n%s" % (len(record), record)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Content-Type: auth/request\n\n")
        while True:
            command = (await reader.readuntil(b"\n\n")).decode().strip()
            self._note(command)
            if command.startswith("auth "):
                known = command == f"auth {PASSWORD}"
                writer.write(
                    b"Content-Type: command/reply\nReply-Text: %s\n\n" % (b"+OK accepted" if known else b"-ERR invalid")
                )
            elif command.startswith("event json "):
                writer.write(b"Content-Type: command/reply\nReply-Text: +OK event listener enabled json\n\n")
                self._welcome(writer)
            elif command.startswith("api ") and self.answers_pings:
                writer.write(b"Content-Type: api/response\nContent-Length: 4\n\n1.10")

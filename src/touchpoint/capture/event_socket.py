"""FreeSWITCH's event socket, inbound: how to log in, what to ask for, and where an event ends."""

from __future__ import annotations

import asyncio

from touchpoint.capture.connected import LONGEST
from touchpoint.capture.reconnecting import plain
from touchpoint.capture.source import LostError, SourceError

MOST_FRAMES = 100  # before the answer to a command
EVENTS = (
    "CHANNEL_CREATE CHANNEL_BRIDGE CHANNEL_HOLD CHANNEL_UNHOLD CHANNEL_HANGUP_COMPLETE "
    "CUSTOM callcenter::info valet_parking::info spandsp::rxfaxresult spandsp::txfaxresult"
)


class EventSocket:
    """`event json`, and nothing that the dialect does not read."""

    missed = "what FreeSWITCH sent meanwhile is not told again (docs/capture/freeswitch.md)"

    def __init__(self, password: str) -> None:
        """Raises SourceError for what would be two lines."""
        if any(character in password for character in "\r\n"):
            raise SourceError("the password must be of one line")
        self._password = password

    async def log_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked, _ = await _frame(reader)
        if asked.get("content-type") == "text/rude-rejection":
            raise SourceError("FreeSWITCH rejects this address: see apply-inbound-acl in event_socket.conf.xml")
        if asked.get("content-type") != "auth/request":
            raise LostError("this is no event socket of FreeSWITCH: it does not ask for a password")
        writer.write(f"auth {self._password}\n\n".encode())
        if (said := await _answer(reader)).startswith("-ERR"):
            raise SourceError("FreeSWITCH refuses the password: see event_socket.conf.xml")
        if not said.startswith("+OK"):
            raise LostError("what it answers to the password is not understood")
        writer.write(f"event json {EVENTS}\n\n".encode())
        if (said := await _answer(reader)).startswith("-ERR"):
            raise SourceError(f"FreeSWITCH does not send its events: {plain(said)}")
        if not said.startswith("+OK"):
            raise LostError("what it answers to the command for events is not understood")

    async def record(self, reader: asyncio.StreamReader) -> bytes | None:
        headers, body = await _frame(reader)
        if headers.get("content-type") == "text/disconnect-notice":
            raise LostError("FreeSWITCH says goodbye")
        return body if headers.get("content-type") == "text/event-json" else None

    def ping(self) -> bytes:
        return b"api version\n\n"


async def _answer(reader: asyncio.StreamReader) -> str:
    """What is said to a command."""
    for _ in range(MOST_FRAMES):
        headers, _ = await _frame(reader)
        if headers.get("content-type") == "command/reply":
            return headers.get("reply-text", "")
    raise LostError("it does not answer a command")


async def _frame(reader: asyncio.StreamReader) -> tuple[dict[str, str], bytes]:
    """Headers, in lower case, and the body that they announce."""
    text = (await reader.readuntil(b"\n\n")).decode("utf-8", "replace")
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in text.split("\n"))
    }
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit() and len(length) < 10 and int(length) <= LONGEST):
        raise LostError(f"it announces a frame of {plain(length, 20)} bytes")
    return headers, await reader.readexactly(int(length))

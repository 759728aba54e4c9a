"""Servers that keep to no protocol, each a script: what is sent, when nothing is, and when the connection ends."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Self

from patience import LIMIT

from touchpoint.embedded.broker import free_port


class Step(Enum):
    """`HEAR`: wait until the client says something. `HOLD`: say nothing until it leaves. `RESET`: a TCP reset."""

    HEAR = auto()
    HOLD = auto()
    RESET = auto()


@dataclass(frozen=True)
class Endless:
    """The same again and again until the client leaves; `pause`: seconds between two."""

    what: bytes
    pause: float = 0.0


Script = Sequence[bytes | Step | Endless]
"""At its end the connection is closed. `{tag}` stands for the first word of what the client said last."""


class ScriptedServer:
    """Follows the script with every client that connects."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.port = free_port()
        self.connections = 0  # ever
        self.steps = 0  # of the script, that the connection that came farthest has behind it
        self._script, self._tls = script, tls
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def visited(self, times: int) -> None:
        """Wait until so many connections were made, all in all."""
        async with asyncio.timeout(LIMIT):
            while self.connections < times:
                self._changed.clear()
                await self._changed.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._changed.set()
        tag = b""
        try:
            for number, step in enumerate(self._script):
                self.steps = max(self.steps, number)
                if isinstance(step, Endless):
                    while True:
                        writer.write(step.what)
                        await writer.drain()
                        await asyncio.sleep(step.pause)
                elif isinstance(step, bytes):
                    writer.write(step.replace(b"{tag}", tag))
                    await writer.drain()
                elif step is Step.HEAR:
                    if not (heard := await reader.readline()):
                        return
                    tag = heard.split(b" ", 1)[0].strip()
                    reader._buffer.clear()  # type: ignore[attr-defined]  # the rest of what was said at once
                elif step is Step.HOLD:
                    while await reader.read(65536):
                        pass
                else:
                    writer.transport.abort()
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

"""A small HTTP server for probes and Prometheus, which no client can keep from its work or from its descriptors.

One request a connection. Every connection has a deadline, their number has a bound, and beyond it the oldest is closed:
a probe that comes while others hold connections open is still answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

log = logging.getLogger(__name__)


class Bounds(NamedTuple):
    """Of connections at once; of bytes of a request's line and header; seconds to send a request, and to take its
    answer."""

    connections: int = 32
    header: int = 8 * 1024
    ask: float = 5.0
    answer: float = 10.0


class Answer(NamedTuple):
    """What a page shows."""

    body: bytes
    status: int = 200
    content_type: str = "text/plain; charset=utf-8"


BOUNDS = Bounds()
BACKLOG = 16  # connections that the kernel holds for us
ACCEPT_AGAIN = 0.5  # seconds, where the process has no descriptor left
_REASONS = {
    200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 503: "Service Unavailable",
}  # fmt: skip


class Endpoint:
    """Serves pages by their paths, to GET and HEAD. A page is called for every request, in the event loop."""

    def __init__(self, pages: Mapping[str, Callable[[], Answer]], bounds: Bounds = BOUNDS) -> None:
        self._pages, self._bounds = pages, bounds
        self._listening: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._open: dict[asyncio.Task[None], None] = {}  # a set in order: the oldest first

    async def start(self, host: str, port: int) -> None:
        """Raises OSError that names the settings if it cannot listen there."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, *_, address in dict.fromkeys(found):
                self._listening.append(_listener(family, address))
        except OSError as error:
            await self.stop()
            way = "choose another TOUCHPOINT_METRICS_PORT or TOUCHPOINT_METRICS_HOST, or port 0 for none"
            raise OSError(error.errno, f"metrics cannot be served at {host}:{port}: {error.strerror}; {way}") from None
        self._accepting = [loop.create_task(self._accept(each)) for each in self._listening]

    async def stop(self) -> None:
        tasks = [*self._accepting, *self._open]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in self._listening:
            each.close()
        self._listening.clear()

    async def _accept(self, listener: socket.socket) -> None:
        """asyncio's own server would write a traceback for every connection that finds no descriptor."""
        loop = asyncio.get_running_loop()
        told = False
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError as error:
                if not told:
                    log.warning("metrics and health cannot be served for now: %s", error.strerror)
                told = True
                await asyncio.sleep(ACCEPT_AGAIN)
                continue
            told = False
            self._begin(connection)
            await asyncio.sleep(0)  # a flood of connections does not hold the loop

    def _begin(self, connection: socket.socket) -> None:
        if len(self._open) >= self._bounds.connections:
            oldest = next(iter(self._open))
            del self._open[oldest]
            oldest.cancel()
        connection.setblocking(False)
        task = asyncio.get_running_loop().create_task(self._serve(connection))
        self._open[task] = None

        def ended(done: asyncio.Task[None]) -> None:
            self._open.pop(done, None)
            connection.close()  # here, as a task that is cancelled before it began runs no `finally`

        task.add_done_callback(ended)

    async def _serve(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(self._bounds.ask):
                request = await self._request(connection)
            async with asyncio.timeout(self._bounds.answer):
                await loop.sock_sendall(connection, self._answered(request))
                connection.shutdown(socket.SHUT_WR)
                await loop.sock_recv(connection, 1024)  # until the client has it: `close` could discard what is sent

    async def _request(self, connection: socket.socket) -> bytes:
        """Its first bytes, to the end of its header or to the bound. Raises OSError where it ends before."""
        received = b""
        while b"\r\n\r\n" not in received and b"\n\n" not in received and len(received) <= self._bounds.header:
            piece = await asyncio.get_running_loop().sock_recv(connection, 4096)
            if not piece:
                raise ConnectionResetError
            received += piece
        return received

    def _answered(self, request: bytes) -> bytes:
        words = request[: self._bounds.header].partition(b"\n")[0].split()
        if len(request) > self._bounds.header:
            answer = Answer(b"the header is too long\n", 431)
        elif len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            answer = Answer(b"no request of HTTP/1\n", 400)
        elif words[0] not in {b"GET", b"HEAD"}:
            answer = Answer(b"only GET\n", 405)
        else:
            answer = self._page(words[1].partition(b"?")[0].decode("latin-1"))
        head = (
            f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}\r\nContent-Type: {answer.content_type}\r\n"
            f"Content-Length: {len(answer.body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + (b"" if words[:1] == [b"HEAD"] else answer.body)

    def _page(self, path: str) -> Answer:
        page = self._pages.get(path)
        if page is None:
            return Answer(b"no such page\n", 404)
        try:
            return page()
        except Exception as error:  # noqa: BLE001 - one page's failure is that page's
            log.error("the page %s failed: %s", path, type(error).__name__)
            return Answer(b"it failed: see the log\n", 500)


def _listener(family: int, address: Any) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener

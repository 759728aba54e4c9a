"""The server of metrics and health under clients that ask for little and hold much."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from patience import LIMIT

from touchpoint.embedded.broker import free_port
from touchpoint.telemetry.endpoint import Answer, Bounds, Endpoint

BOUNDS = Bounds(connections=8, header=1024, ask=0.2, answer=0.2)


@asynccontextmanager
async def served(bounds: Bounds = BOUNDS, body: bytes = b"ok\n") -> AsyncIterator[int]:
    def fails() -> Answer:
        raise ValueError("+441632961055")

    endpoint, port = Endpoint({"/page": lambda: Answer(body), "/fails": fails}, bounds), free_port()
    await endpoint.start("127.0.0.1", port)
    try:
        yield port
    finally:
        await endpoint.stop()


async def asked(port: int, request: bytes) -> bytes:
    """All that is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        async with asyncio.timeout(LIMIT):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK\r\n"),
        (b"GET /page?a=b HTTP/1.0\n\n", b"HTTP/1.1 200 OK\r\n"),
        (b"GET /other HTTP/1.1\r\n\r\n", b"HTTP/1.1 404 "),
        (b"GET /fails HTTP/1.1\r\n\r\n", b"HTTP/1.1 500 "),
        (b"POST /page HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcde", b"HTTP/1.1 405 "),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"HTTP/1.1 400 "),
        (b"GET /page HTTP/1.1\r\nCookie: " + b"x" * 2_000, b"HTTP/1.1 431 "),
        (b"\r\n\r\n", b"HTTP/1.1 400 "),
        (b"GET /page HTTP/1.1\r\nHost", b""),  # half a header: closed at the deadline
        (b"", b""),
    ],
)
async def test_every_request_is_answered_or_closed_in_time(
    request_: bytes, answer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with served() as port:
        said = await asked(port, request_)
    assert said.startswith(answer)
    assert bool(said) is bool(answer)
    assert "+44" not in caplog.text


async def test_a_head_request_has_no_body() -> None:
    async with served() as port:
        said = await asked(port, b"HEAD /page HTTP/1.1\r\n\r\n")
    assert said.endswith(b"Content-Length: 3\r\nConnection: close\r\n\r\n")


async def test_client_that_does_not_read_is_dropped() -> None:
    async with served(body=b"x" * (32 << 20)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET /page HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(LIMIT):
            assert await reader.readexactly(15) == b"HTTP/1.1 200 OK"
            await asyncio.sleep(2 * BOUNDS.answer)  # the deadline is what is tested
            rest = 0
            with contextlib.suppress(ConnectionResetError):
                while piece := await reader.read(1 << 20):
                    rest += len(piece)
            assert rest < 32 << 20
        writer.close()


async def test_a_flood_of_half_requests_leaves_descriptors_and_an_answer_for_a_probe(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Half a header each, as the connections that once took all 1,024 descriptors of a worker."""
    caplog.set_level(logging.DEBUG)
    held: list[socket.socket] = []
    async with served(Bounds(connections=8, ask=2 * LIMIT)) as port:
        try:
            for _ in range(200):
                held.append(socket.create_connection(("127.0.0.1", port)))
                held[-1].sendall(b"GET /page HTTP/1.1\r\nHost: ")
                await asyncio.sleep(0)
            assert b"200 OK" in await asked(port, b"GET /page HTTP/1.1\r\n\r\n")
            async with asyncio.timeout(LIMIT):  # all but the last few were closed, long before their deadline
                while sum(_closed(each) for each in held) < len(held) - 8:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.01)
        finally:
            for each in held:
                each.close()
    assert "Traceback" not in caplog.text


def _closed(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


async def test_lack_of_descriptors_is_logged_once_and_serving_resumes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with served(Bounds()) as port:
        client = socket.socket()
        client.setblocking(False)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno() + 1, hard))
            with pytest.raises(BlockingIOError):
                client.connect(("127.0.0.1", port))
            async with asyncio.timeout(LIMIT):
                while "cannot be served for now" not in caplog.text:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.01)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            client.close()
        assert b"200 OK" in await asked(port, b"GET /page HTTP/1.1\r\n\r\n")
    assert caplog.text.count("cannot be served for now") == 1
    assert "Traceback" not in caplog.text


async def test_endpoint_stops_while_connections_are_open() -> None:
    async with served(Bounds()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /page HTTP/1.1\r\n")
        await writer.drain()
    async with asyncio.timeout(LIMIT):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()

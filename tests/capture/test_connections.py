"""Asterisk's manager interface and FreeSWITCH's event socket, live: logins, cuts, TLS, and the same as from a file."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

import orjson
import pytest
import trustme
from capture_process import CaptureProcess
from patience import LIMIT
from pbx_servers import PASSWORD, AmiServer, EventSocketServer, PbxServer
from vendor_feed import events, fixture

from touchpoint.capture.ami import Ami
from touchpoint.capture.connected import DEADLINES, Address, Connected, Deadlines, Talk
from touchpoint.capture.event_socket import EventSocket
from touchpoint.capture.reconnecting import Reconnecting, trusting
from touchpoint.capture.source import SourceError
from touchpoint.dialects.reading import packets_or_json

Made = tuple[type[PbxServer], Callable[[str], Talk]]
BOTH = pytest.mark.parametrize(
    "made", [(AmiServer, lambda secret: Ami("touchpoint", secret)), (EventSocketServer, EventSocket)]
)


class Listener:
    """A source that is read in the background; `records` is what it gave."""

    def __init__(
        self, server: PbxServer, talk: Talk, tls: ssl.SSLContext | None = None, deadlines: Deadlines = DEADLINES
    ) -> None:
        self.records: list[bytes] = []
        self.there: list[bool] = []
        self.stopping = asyncio.Event()
        self.idle = 0
        address = Address("127.0.0.1", server.port, tls)
        self._source = Reconnecting(Connected(address, talk, deadlines), self.there.append)
        self._changed = asyncio.Event()

    async def run(self) -> None:
        async for chunk in self._source.chunks(None, self.stopping):
            self.records += chunk.records
            self.idle += chunk.caught_up
            self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def listening(
    server: PbxServer, talk: Talk, tls: ssl.SSLContext | None = None, deadlines: Deadlines = DEADLINES
) -> AsyncIterator[Listener]:
    listener = Listener(server, talk, tls, deadlines)
    async with asyncio.TaskGroup() as group:
        group.create_task(listener.run())
        try:
            yield listener
        finally:
            listener.stopping.set()


@BOTH
async def test_records_come_as_they_were_sent_and_in_their_order(made: Made) -> None:
    async with made[0]() as server, listening(server, made[1](PASSWORD)) as listener:
        await server.listener()
        sent = [b"Event: E%d\r\nN: %d\r\n\r\n" % (n, n) for n in range(3_000)]
        await server.send(*sent)
        await listener.until(lambda: len(listener.records) == len(sent))
    assert listener.records == sent


@BOTH
async def test_records_read_before_a_stop_are_still_delivered(made: Made) -> None:
    async with made[0]() as server:
        stopping = asyncio.Event()
        source = Reconnecting(Connected(Address("127.0.0.1", server.port), made[1](PASSWORD)))
        chunks = source.chunks(None, stopping)
        first = asyncio.create_task(anext(chunks))
        await server.listener()
        await server.send(b"Event: first\r\n\r\n")
        assert (await first).records == [b"Event: first\r\n\r\n"]
        await server.send(*[b"Event: E\r\n\r\n"] * 10)
        await until(lambda: source._records == 10)
        stopping.set()
        assert sum([len(chunk.records) async for chunk in chunks]) == 10


@BOTH
async def test_a_wrong_password_ends_it_with_the_place_to_look_at(made: Made) -> None:
    async with made[0]() as server:
        with pytest.raises(ExceptionGroup) as failure:
            async with listening(server, made[1]("wrong")) as listener:
                await listener.until(lambda: False)
    assert failure.group_contains(SourceError, match=r"manager\.conf|event_socket\.conf")


@BOTH
async def test_connection_is_made_again_after_a_cut_and_the_gap_is_reported(
    made: Made, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with made[0]() as server, listening(server, made[1](PASSWORD)) as listener:
        await server.listener()
        await server.send(b"Event: before\r\n\r\n")
        await listener.until(lambda: len(listener.records) == 1)
        await server.stop()
        await listener.until(lambda: listener.there[-1:] == [False])
        await server.start()
        await server.listener(2)
        await server.send(b"Event: after\r\n\r\n")
        await listener.until(lambda: len(listener.records) == 2)
    assert listener.there[:3] == [True, False, True]
    assert "is back after" in caplog.text
    assert "not told again" in caplog.text


@BOTH
async def test_a_server_that_says_nothing_is_asked_and_one_that_does_not_answer_is_left(
    made: Made,
) -> None:
    async with made[0]() as server, listening(server, made[1](PASSWORD), deadlines=Deadlines(silence=0.2)) as listener:
        await server.until(lambda: sum("Ping" in said or "api" in said for said in server.said) >= 3)
        assert server.logged_in == 1
        await listener.until(lambda: listener.idle > 0)
        server.answers_pings = False
        await server.listener(2)
    assert listener.there[:2] == [True, False]


@pytest.mark.parametrize("auth", ["md5", "plain"])
async def test_md5_login_does_not_send_the_secret(auth: Literal["md5", "plain"]) -> None:
    async with AmiServer() as server, listening(server, Ami("touchpoint", PASSWORD, auth)):
        await server.listener()
    assert any(PASSWORD in said for said in server.said) is (auth == "plain")


@BOTH
async def test_tls_is_spoken_and_the_certificate_checked(made: Made, tmp_path: Path) -> None:
    authority = trustme.CA()
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with made[0](theirs) as server:
        async with listening(server, made[1](PASSWORD), trusting(tmp_path / "ca.pem")) as listener:
            await server.listener()
            await server.send(b"Event: E\r\n\r\n")
            await listener.until(lambda: len(listener.records) == 1)
        with pytest.raises(ExceptionGroup) as failure:
            async with listening(server, made[1](PASSWORD), trusting(None)) as listener:
                await listener.until(lambda: False)
    assert failure.group_contains(SourceError, match="certificate of 127.0.0.1.* is not accepted")


@BOTH
async def test_server_of_another_kind_is_refused_by_name(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    other = EventSocketServer() if made[0] is AmiServer else AmiServer()
    async with other, listening(other, made[1](PASSWORD), deadlines=Deadlines(connect=1.0)):
        await until(lambda: "this is no" in caplog.text or "does not answer" in caplog.text)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT):
        while not condition():  # noqa: ASYNC110 - there is no event of it
            await asyncio.sleep(0.01)


def wire(name: str, file: str) -> list[bytes]:
    """The records of a fixture as they come over the wire: AMI packets, JSON of FreeSWITCH."""
    found = [record for record in packets_or_json(fixture(file)) if "Event" in record or "Event-Name" in record]
    if name == "freeswitch":
        return [orjson.dumps({key: unquote(value) for key, value in record.items()}) for record in found]
    return ["\r\n".join([*(f"{key}: {value}" for key, value in record.items()), "", ""]).encode() for record in found]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "file", "server"),
    [("asterisk-ami", "asterisk_ami", AmiServer()), ("freeswitch", "freeswitch_events", EventSocketServer())],
)
async def test_live_and_from_a_file_the_same_events_come(
    name: str, file: str, server: PbxServer, tmp_path: Path
) -> None:
    """With a restart of capture in the middle: what it remembers of calls goes on."""
    from_file = events(name, fixture(file))
    state = str(tmp_path / "state.json")
    process = CaptureProcess(
        tmp_path, name, f"127.0.0.1:{server.port}", "--to", "-", "--state", state, CAPTURE_PASSWORD=PASSWORD
    )
    records = wire(name, file)
    half = len(records) // 2 + 1
    async with server:
        for run, some in enumerate((records[:half], records[half:]), 1):
            process.start()
            await server.listener(run)
            await server.send(*some)
            expected = events(name, b"\n".join(records[: half * run]).splitlines(keepends=True))
            await process.until(lambda said, expected=expected: len(said) >= len(expected))  # type: ignore[misc]
            assert process.stop() == 0
    assert process.events() == from_file

"""Whatever a server sends or does not send, capture pauses, says so in one line, and ends when it is told to."""

from __future__ import annotations

import asyncio
import logging
import signal
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from capture_process import CaptureProcess
from patience import LIMIT
from scripted_server import Endless, Script, ScriptedServer, Step

from touchpoint.capture.ami import Ami
from touchpoint.capture.connected import Address, Connected, Deadlines, Talk
from touchpoint.capture.event_socket import EventSocket
from touchpoint.capture.reconnecting import Conversation, Pauses, Reconnecting, Room
from touchpoint.capture.source import SourceError

HEAR, HOLD, RESET = Step.HEAR, Step.HOLD, Step.RESET
DEADLINES = Deadlines(connect=0.2, silence=0.05)
PAUSES = Pauses(0.01, 0.04)

GREETING = b"Asterisk Call Manager/9.0.0\r\n"
CHALLENGED = b"Response: Success\r\nChallenge: 840415273\r\n\r\n"
ACCEPTED = b"Response: Success\r\nMessage: Authentication accepted\r\n\r\n"
AMI: dict[str, Script] = {
    "nothing is said": (HOLD,),
    "it closes at once": (),
    "it resets at once": (RESET,),
    "a greeting of 2 MB without an end": (b"x" * 2_000_000, HOLD),
    "an endless greeting": (Endless(b"x" * 65536),),
    "a greeting byte by byte": (Endless(b"A", 0.01),),
    "another protocol": (b"220 mail.example ESMTP\r\n", HOLD),
    "bytes that are no text": (bytes(range(256)) * 8 + b"\r\n", HOLD),
    "no answer to the challenge": (GREETING, HOLD),
    "half an answer to the challenge": (GREETING, HEAR, b"Response: Succ", HOLD),
    "a challenge without a challenge": (GREETING, HEAR, ACCEPTED, HOLD),
    "a challenge that is no UTF-8": (GREETING, HEAR, b"Response: Success\r\nChallenge: \xff\xfe\r\n\r\n", HOLD),
    "an event in place of an answer": (GREETING, HEAR, CHALLENGED, HEAR, b"Event: X\r\n\r\n", HOLD),
    "an endless answer": (GREETING, HEAR, Endless(b"Response: Success\r\n")),
    "it closes instead of an answer to the login": (GREETING, HEAR, CHALLENGED, HEAR),
    "it accepts the login and breaks off": (GREETING, HEAR, CHALLENGED, HEAR, ACCEPTED),
    "it accepts the login and resets": (GREETING, HEAR, CHALLENGED, HEAR, ACCEPTED, RESET),
    "it accepts the login and is silent": (GREETING, HEAR, CHALLENGED, HEAR, ACCEPTED, HOLD),
    "an endless event": (GREETING, HEAR, CHALLENGED, HEAR, ACCEPTED, b"Event: X\r\n", Endless(b"Field: value\r\n")),
    "an event byte by byte": (GREETING, HEAR, CHALLENGED, HEAR, ACCEPTED, b"Event: X\r\n", Endless(b"a", 0.01)),
    "an event that breaks off": (GREETING, HEAR, CHALLENGED, HEAR, ACCEPTED, b"Event: X\r\nUniqu"),
}

ASKED = b"Content-Type: auth/request\n\n"
OK = b"Content-Type: command/reply\nReply-Text: +OK\n\n"
EVENT_SOCKET: dict[str, Script] = {
    "nothing is said": (HOLD,),
    "it closes at once": (),
    "another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n", HOLD),
    "an endless header": (Endless(b"x" * 65536),),
    "headers without an end": (Endless(b"A: b\n"),),
    "a length that is a digit and no number": (b"Content-Length: \xc2\xb2\nContent-Type: auth/request\n\n", HOLD),
    "a length of 5,000 digits": (b"Content-Length: " + b"9" * 5_000 + b"\n\n", HOLD),
    "a length of a terabyte": (b"Content-Length: 1000000000000\n\n", Endless(b"x" * 65536)),
    "a length below zero": (b"Content-Length: -1\nContent-Type: auth/request\n\n", HOLD),
    "a length with an underscore": (b"Content-Length: 1_0\n\n" + b"x" * 10, HOLD),
    "no answer to the password": (ASKED, HOLD),
    "frames that are no answer": (ASKED, HEAR, Endless(b"Content-Type: text/event-json\n\n")),
    "an answer that is neither yes nor no": (ASKED, HEAR, b"Content-Type: command/reply\n\n", HOLD),
    "no answer to the command for events": (ASKED, HEAR, OK, HEAR, HOLD),
    "it accepts the login and breaks off": (ASKED, HEAR, OK, HEAR, OK),
    "it says goodbye": (ASKED, HEAR, OK, HEAR, OK, b"Content-Type: text/disconnect-notice\n\n", HOLD),
    "a body that breaks off": (ASKED, HEAR, OK, HEAR, OK, b"Content-Length: 100\n\nabc"),
    "a body byte by byte": (ASKED, HEAR, OK, HEAR, OK, b"Content-Length: 100000\n\n", Endless(b"a", 0.01)),
}

Making = Callable[[ScriptedServer], Conversation]


def talking(talk: Callable[[], Talk], deadlines: Deadlines = DEADLINES) -> Making:
    return lambda server: Connected(Address("127.0.0.1", server.port), talk(), deadlines)


def ami() -> Talk:
    return Ami("touchpoint", "secret")


def event_socket() -> Talk:
    return EventSocket("secret")


CASES = [
    *(pytest.param(talking(ami), script, id=f"AMI: {name}") for name, script in AMI.items()),
    *(pytest.param(talking(event_socket), script, id=f"FreeSWITCH: {name}") for name, script in EVENT_SOCKET.items()),
]


@pytest.mark.parametrize(("make", "script"), CASES)
async def test_a_servers_failure_is_a_pause_and_a_line_and_the_end_comes_when_it_is_told(
    make: Making, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tracemalloc.start()
    try:
        async with ScriptedServer(script) as server:
            stopping = asyncio.Event()
            reading = asyncio.create_task(read(Reconnecting(make(server), pauses=PAUSES), stopping))
            await asyncio.wait([reading, asyncio.create_task(server.visited(3))], return_when=asyncio.FIRST_COMPLETED)
            assert not reading.done(), reading.exception()
            stopping.set()
            async with asyncio.timeout(LIMIT):
                await reading
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    lines = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert all(record.name == "touchpoint.capture.reconnecting" for record in lines), caplog.text
    assert all("trying again in" in record.message or "is back after" in record.message for record in lines)
    assert sum("trying again in" in record.message for record in lines) in {server.connections - 1, server.connections}
    assert "Traceback" not in caplog.text
    assert "\n" not in "".join(record.message for record in lines)
    assert peak < 32 << 20


async def read(source: Reconnecting, stopping: asyncio.Event) -> list[bytes]:
    return [record async for chunk in source.chunks(None, stopping) for record in chunk.records]


class Broken:
    """A conversation that fails in the same way each time; `useful`: after it was logged in."""

    address, missed, fresh = "pbx:1", "", 1.0

    def __init__(self, failure: Exception, useful: bool, records: int = 0) -> None:
        self._failure, self._useful, self._records = failure, useful, records

    async def converse(self, link: Reconnecting) -> None:
        if self._useful:
            link.welcome()
        for _ in range(self._records):
            await link.receive([b"x"])
        raise self._failure


@pytest.mark.parametrize(
    "failure", [ValueError("+441632961055"), MemoryError(), RecursionError(), KeyError("a"), OSError()]
)
async def test_a_failure_that_nobody_thought_of_is_a_pause_too_and_does_not_quote(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    source = Reconnecting(Broken(failure, useful=False), pauses=PAUSES)
    stopping = asyncio.Event()
    reading = asyncio.create_task(read(source, stopping))
    async with asyncio.timeout(LIMIT):
        while len(caplog.records) < 3:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    stopping.set()
    await reading
    assert "+44" not in caplog.text


@pytest.mark.parametrize("useful", [False, True])
async def test_permanent_refusal_ends_capture_only_before_the_first_record(
    useful: bool, caplog: pytest.LogCaptureFixture
) -> None:
    source = Reconnecting(Broken(SourceError("refused"), useful), pauses=PAUSES)
    stopping = asyncio.Event()
    reading = asyncio.create_task(read(source, stopping))
    if not useful:
        with pytest.raises(SourceError):
            await reading
        return
    async with asyncio.timeout(LIMIT):
        while caplog.text.count("refused; trying again") < 3:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    stopping.set()
    await reading


@pytest.mark.parametrize("records", [0, 1])
async def test_pauses_double_and_begin_anew_only_after_a_record(records: int, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    enough = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 8:
            enough.set()
            await asyncio.Event().wait()

    monkeypatch.setattr("touchpoint.capture.reconnecting.asyncio.sleep", sleep)
    source = Reconnecting(Broken(EOFError(), useful=True, records=records))
    stopping = asyncio.Event()
    reading = asyncio.create_task(read(source, stopping))
    async with asyncio.timeout(LIMIT):
        await enough.wait()
    stopping.set()
    await reading
    expected = [0.5] * 8 if records else [0.5, 1, 2, 4, 8, 16, 30, 30]
    for wanted, real in zip(expected, slept, strict=True):
        assert wanted * 0.75 <= real <= min(30, wanted * 1.25), slept


async def test_queue_of_waiting_records_is_bounded_by_bytes() -> None:
    source = Reconnecting(Broken(EOFError(), useful=True), room=Room(records=1_000, size=10_000))
    async with asyncio.timeout(LIMIT):
        for _ in range(10):
            await source.receive([b"x" * 1_000])
        full = asyncio.create_task(source.receive([b"y"]))
        assert await asyncio.wait([full], timeout=0.05) == (set(), {full})
        source._take(None)
        await full


@pytest.mark.slow
@pytest.mark.parametrize(
    "script", [AMI["an endless greeting"], AMI["it accepts the login and breaks off"], AMI["nothing is said"]]
)
async def test_the_process_ends_by_sigterm_whatever_its_server_does(script: Script, tmp_path: Path) -> None:
    async with ScriptedServer(script) as server:
        process = CaptureProcess(
            tmp_path, "asterisk-ami", f"127.0.0.1:{server.port}", "--to", "-", CAPTURE_PASSWORD="secret"
        )
        process.start()
        await server.visited(1)
        process.send(signal.SIGTERM)
        assert await process.ended() == 0
    assert "Traceback" not in process.log.read_text()

"""Whatever an IMAP server or a token endpoint sends or does not send, capture pauses, says so, and ends when told."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import tracemalloc
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest
from capture_process import CaptureProcess
from patience import LIMIT
from scripted_server import Endless, Script, ScriptedServer, Step

from touchpoint.capture.imap import Server
from touchpoint.capture.mailbox_source import Bearer, Mailbox, Password, Timing
from touchpoint.capture.reconnecting import Pauses, Reconnecting
from touchpoint.capture.source import LostError, SourceError
from touchpoint.capture.tokens import Grant, TokenCommand, TokenEndpoint

HEAR, HOLD, RESET = Step.HEAR, Step.HOLD, Step.RESET
TIMING = Timing(poll=0.02, idle=0.05, looks=0.0, connect=0.4, answer=0.4)
PAUSES = Pauses(0.01, 0.04)

GREETING = b"* OK ready\r\n"
ABLE = (HEAR, b"* CAPABILITY IMAP4rev1 IDLE\r\n{tag} OK done\r\n")
DONE = (HEAR, b"{tag} OK done\r\n")
OPENED = (HEAR, b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [UIDNEXT 4]\r\n{tag} OK [READ-ONLY] done\r\n")
READY = (GREETING, *ABLE, *DONE, *OPENED)
FOUND = (*READY, *ABLE, *OPENED, HEAR, b"* SEARCH 1 2 3\r\n{tag} OK done\r\n")
NOTHING = (*READY, *ABLE, *OPENED, HEAR, b"* SEARCH\r\n{tag} OK done\r\n")
BOMB = b"{1000000000000}\r\n"

IMAP: dict[str, Script] = {
    "nothing is said": (HOLD,),
    "it closes at once": (),
    "it resets at once": (RESET,),
    "an endless greeting": (Endless(b"x" * 65536),),
    "a greeting byte by byte": (Endless(b"*", 0.01),),
    "lines without an end of a line": (b"* OK ready\n", HOLD),
    "bytes that are no text": (bytes(range(256)) * 4, b"\r\n", HOLD),
    "another protocol": (b"HTTP/1.1 400 Bad Request\r\n\r\n", HOLD),
    "it says goodbye": (b"* BYE overloaded\r\n", HOLD),
    "it took us in before we asked": (b"* PREAUTH welcome\r\n", *ABLE, *DONE, HOLD),
    "no abilities": (GREETING, *DONE, HOLD),
    "another protocol's abilities": (GREETING, HEAR, b"* CAPABILITY POP3\r\n{tag} OK\r\n", HOLD),
    "an answer to another command": (GREETING, HEAR, b"ZZZZ99 OK done\r\n", HOLD),
    "an endless answer": (GREETING, HEAR, Endless(b"* OK more of it\r\n")),
    "an answer of endless numbers": (GREETING, HEAR, b"* SEARCH", Endless(b" 1234567890" * 1_000)),
    "a literal of a terabyte": (GREETING, HEAR, b"* CAPABILITY " + BOMB, Endless(b"x" * 65536)),
    "a literal whose length has 5,000 digits": (GREETING, HEAR, b"* X {" + b"9" * 5_000 + b"}\r\n", HOLD),
    "a literal that does not come": (GREETING, HEAR, b"* CAPABILITY {10}\r\nabc", HOLD),
    "literals without an end": (GREETING, HEAR, b"* X ", Endless(b"{1}\r\nx ")),
    "no answer to the login": (GREETING, *ABLE, HEAR, HOLD),
    "a login that is no command to it": (GREETING, *ABLE, HEAR, b"{tag} BAD what\r\n", HOLD),
    "a login that it cannot take now": (GREETING, *ABLE, HEAR, b"{tag} NO [UNAVAILABLE] later\r\n", HOLD),
    "it closes at the login": (GREETING, *ABLE, HEAR),
    "it takes the login and breaks off": (GREETING, *ABLE, *DONE),
    "it takes the login and is silent": (GREETING, *ABLE, *DONE, HOLD),
    "a challenge without an end": (
        GREETING, HEAR, b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n{tag} OK\r\n", Endless(b"+ \r\n", 0.001),
    ),
    "a folder without UIDVALIDITY": (GREETING, *ABLE, *DONE, *DONE, HOLD),
    "a UIDVALIDITY that is a word": (GREETING, *ABLE, *DONE, HEAR, b"* OK [UIDVALIDITY abc]\r\n{tag} OK\r\n", HOLD),
    "a UIDVALIDITY of zero": (GREETING, *ABLE, *DONE, HEAR, b"* OK [UIDVALIDITY 0]\r\n{tag} OK\r\n", HOLD),
    "a UIDVALIDITY beyond all": (
        GREETING, *ABLE, *DONE, HEAR, b"* OK [UIDVALIDITY 99999999999999999999]\r\n{tag} OK\r\n", HOLD,
    ),
    "a folder that it cannot open now": (
        GREETING, *ABLE, *DONE, HEAR, b"{tag} NO [INUSE] later\r\n", HEAR, b'* LIST () "/" INBOX\r\n{tag} OK\r\n', HOLD,
    ),
    "a folder that it cannot open, and no list": (GREETING, *ABLE, *DONE, HEAR, b"{tag} NO\r\n", HEAR, b"{tag} NO\r\n"),
    "a search that finds a word": (*READY, *ABLE, *OPENED, HEAR, b"* SEARCH word\r\n{tag} OK\r\n", HOLD),
    "a search that finds a long number": (
        *READY, *ABLE, *OPENED, HEAR, b"* SEARCH " + b"9" * 5_000 + b"\r\n{tag} OK\r\n", HOLD,
    ),
    "a search that is answered twice": (
        *READY, *ABLE, *OPENED, HEAR, b"* SEARCH 1\r\n* SEARCH 2\r\n{tag} OK\r\n", HOLD,
    ),
    "a search that is refused": (*READY, *ABLE, *OPENED, HEAR, b"{tag} BAD what\r\n", HOLD),
    "a message of nested parentheses": (*FOUND, HEAR, b"* 1 FETCH " + b"(" * 50_000 + b"\r\n{tag} OK\r\n", HOLD),
    "a message without an end": (*FOUND, HEAR, b'* 1 FETCH (UID 1 X "abc\r\n{tag} OK\r\n', HOLD),
    "a message that is no pair": (*FOUND, HEAR, b"* 1 FETCH (UID)\r\n{tag} OK\r\n", HOLD),
    "a message whose UID is a word": (*FOUND, HEAR, b"* 1 FETCH (UID abc)\r\n{tag} OK\r\n", HOLD),
    "a date that is a number": (*FOUND, HEAR, b"* 1 FETCH (UID 1 INTERNALDATE 5)\r\n{tag} OK\r\n", HOLD),
    "a header of a terabyte": (*FOUND, HEAR, b"* 1 FETCH (UID 1 BODY[HEADER] " + BOMB, Endless(b"x" * 65536)),
    "messages without an end": (*FOUND, HEAR, Endless(b"* 1 FETCH (UID 1 FLAGS ())\r\n" * 100)),
    "messages that it cannot give": (*FOUND, HEAR, b"{tag} NO [SERVERBUG] broken\r\n", HOLD),
    "news without an end": (*NOTHING, HEAR, b"+ idling\r\n", Endless(b"* OK still here\r\n" * 100)),
    "goodbye in place of news": (*NOTHING, HEAR, b"+ idling\r\n* BYE\r\n", HOLD),
    "it closes in place of news": (*NOTHING, HEAR, b"+ idling\r\n"),
    "nonsense in place of news": (*NOTHING, HEAR, b"+ idling\r\n\x00\xff\r\n", HOLD),
    "no answer to the end of waiting": (*NOTHING, HEAR, b"+ idling\r\n", HOLD),
    "no answer to waiting": (*NOTHING, HEAR, HOLD),
}  # fmt: skip


def reconnecting(server: ScriptedServer, timing: Timing = TIMING) -> Reconnecting:
    where = Server("127.0.0.1", server.port, None)
    talk = Mailbox(where, Password("somebody", "secret"), ["INBOX"], date(2026, 1, 1), timing)
    return Reconnecting(talk, pauses=PAUSES)


async def read(source: Reconnecting, stopping: asyncio.Event, found: list[bytes] | None = None) -> None:
    async for chunk in source.chunks(None, stopping):
        if found is not None:
            found += chunk.records


@pytest.mark.parametrize("script", IMAP.values(), ids=IMAP)
async def test_a_servers_failure_is_a_pause_and_a_line_and_the_end_comes_when_it_is_told(
    script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tracemalloc.start()
    try:
        async with ScriptedServer(script) as server:
            stopping = asyncio.Event()
            reading = asyncio.create_task(read(reconnecting(server), stopping))
            visits = asyncio.create_task(server.visited(3))
            await asyncio.wait([reading, visits], return_when=asyncio.FIRST_COMPLETED)
            assert visits.done(), reading.exception()
            stopping.set()
            async with asyncio.timeout(LIMIT):
                await reading
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    lines = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert all("trying again in" in record.message or "is back after" in record.message for record in lines), (
        caplog.text
    )
    assert "Traceback" not in caplog.text
    assert peak < 64 << 20
    async with asyncio.timeout(LIMIT):  # no thread is left behind with a connection
        while any(thread.name == "capture" for thread in threading.enumerate()):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


HEADER = b"Message-ID: <m@example>\r\n\r\n"


@pytest.mark.parametrize(
    "stamp",
    [
        b'"yesterday"', b'""', b'" 5-Jan-2026 09:00:00 +9999"', b'" 1-Jan-1000 00:00:00 +1400"', b"NIL",
        b'"31-Feb-2026 09:00:00 +0000"', b'" 5-Jan-9999 23:59:59 -1400"', b'"\xff\xfe"', b'"5-Jan-2026 99:99:99 +0000"',
        b'" 5-Jan-2026 09:00:00"',
    ],
)  # fmt: skip
async def test_a_message_with_a_date_that_is_none_comes_without_it(stamp: bytes) -> None:
    message = b"* 1 FETCH (UID 1 INTERNALDATE %s BODY[HEADER.FIELDS (A)]<0> {%d}\r\n%s)\r\n" % (
        stamp,
        len(HEADER),
        HEADER,
    )
    async with ScriptedServer((*FOUND, HEAR, message + b"{tag} OK done\r\n", HOLD)) as server:
        found: list[bytes] = []
        stopping = asyncio.Event()
        reading = asyncio.create_task(read(reconnecting(server), stopping, found))
        async with asyncio.timeout(LIMIT):
            while not found:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        stopping.set()
        await reading
    assert orjson.loads(found[0]) == {"header": "Message-ID: <m@example>", "received": None}


async def test_a_server_that_offers_idle_and_refuses_it_is_asked_again_and_again() -> None:
    script = (*NOTHING, HEAR, b"{tag} BAD no such thing\r\n", *OPENED, *OPENED, HOLD)
    async with ScriptedServer(script) as server:
        stopping = asyncio.Event()
        reading = asyncio.create_task(read(reconnecting(server, TIMING._replace(answer=5.0)), stopping))
        async with asyncio.timeout(LIMIT):
            while server.steps < len(script) - 1:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        assert server.connections == 1
        stopping.set()
        await reading


@pytest.mark.slow
@pytest.mark.parametrize("name", ["an endless answer", "a literal of a terabyte", "it takes the login and is silent"])
async def test_the_process_ends_by_sigterm_whatever_its_server_does(name: str, tmp_path: Path) -> None:
    async with ScriptedServer(IMAP[name]) as server:
        arguments = ["mailbox", f"127.0.0.1:{server.port}", "--user", "a@b.example", "--no-tls", "--to", "-"]
        process = CaptureProcess(tmp_path, *arguments, CAPTURE_PASSWORD="secret")
        process.start()
        await server.visited(1)
        process.send(signal.SIGTERM)
        assert await process.ended() == 0
    assert "Traceback" not in process.log.read_text()


def http(status: bytes, body: bytes, length: int | None = None) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body) if length is None else length, body)


ENDPOINTS: dict[str, Script] = {
    "nothing is said": (HEAR, HOLD),
    "it closes at once": (),
    "it resets": (HEAR, RESET),
    "another protocol": (b"* OK ready\r\n", HEAR, HOLD),
    "an endless line": (HEAR, Endless(b"x" * 65536)),
    "headers without an end": (HEAR, b"HTTP/1.1 200 OK\r\n", Endless(b"A: b\r\n")),
    "go on, without an end": (HEAR, Endless(b"HTTP/1.1 100 Continue\r\n\r\n")),
    "an answer without an end": (HEAR, b"HTTP/1.1 200 OK\r\n\r\n", Endless(b"x" * 65536)),
    "an answer byte by byte": (HEAR, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", Endless(b"x", 0.01)),
    "an answer of a terabyte": (HEAR, http(b"200 OK", b"{}", 10**12), Endless(b"x" * 65536)),
    "a length that is none": (HEAR, b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n", HOLD),
    "a way elsewhere": (HEAR, b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n"),
    "it is overloaded": (HEAR, http(b"503 Later", b"later")),
    "no JSON": (HEAR, http(b"200 OK", b"<html>")),
    "an array": (HEAR, http(b"200 OK", b"[]")),
    "JSON a thousand deep": (HEAR, http(b"200 OK", b"[" * 5_000)),
    "a token that is a number": (HEAR, http(b"200 OK", b'{"access_token": 5}')),
    "a token of two lines": (HEAR, http(b"200 OK", b'{"access_token": "a\\r\\nb LOGOUT"}')),
    "a token with control characters": (HEAR, http(b"200 OK", b'{"access_token": "a\\u0001user=other"}')),
    "a token of a megabyte": (HEAR, http(b"200 OK", b'{"access_token": "%s"}' % (b"a" * 200_000))),
    "an error that is none": (HEAR, http(b"400 Bad", b'{"error": ["invalid_client"]}')),
    "an error of its own": (HEAR, http(b"400 Bad", b'{"error": "slow_down"}')),
}


@pytest.mark.parametrize("script", ENDPOINTS.values(), ids=ENDPOINTS)
async def test_a_token_endpoints_failure_passes(script: Script) -> None:
    async with ScriptedServer(script) as server:
        grant = Grant(f"http://127.0.0.1:{server.port}/token", "client", "secret", None, None, None)
        with pytest.raises(LostError) as failure:
            await TokenEndpoint(grant, seconds=0.3).token()
    assert "secret" not in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("seconds", [None, "soon", [], -5, 1e400, {}])
async def test_a_token_that_does_not_say_how_long_it_is_valid_is_used_once(seconds: Any) -> None:
    said = orjson.dumps({"access_token": "token", "expires_in": seconds})
    async with ScriptedServer((HEAR, http(b"200 OK", said))) as server:
        grant = Grant(f"http://127.0.0.1:{server.port}/token", "client", "secret", None, None, None)
        endpoint = TokenEndpoint(grant)
        for _ in range(2):
            assert await endpoint.token() == "token"
        assert server.connections == 2


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example/token", "ftp://login.example/", "https://", "https://user:secret@login.example/",
        "https://login.example:99999/", "https://[::1", "login.example", "", "https://login.example/\r\nX: y", "http://127.0.0.1.example/",
    ],
)  # fmt: skip
def test_a_token_endpoint_that_would_be_told_secrets_in_the_clear_is_refused(url: str) -> None:
    with pytest.raises(SourceError, match="--token-url"):
        TokenEndpoint(Grant(url, "client", "secret", None, None, None))


@pytest.mark.parametrize(
    ("command", "failure"),
    [
        ("sleep 60", LostError), ("yes", LostError), ("false", LostError), ("true", LostError),
        ("printf 'a b'", LostError), ("", SourceError), ("'", SourceError), ("/nowhere", SourceError),
        ("/dev/null", SourceError),
    ],
)  # fmt: skip
async def test_a_command_that_gives_no_token_is_left(command: str, failure: type[Exception]) -> None:
    with pytest.raises(failure):
        await TokenCommand(command, seconds=0.3).token()


async def test_a_token_endpoint_that_is_away_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    tokens = TokenEndpoint(Grant("http://127.0.0.1:1/token", "client", "secret", None, None, None))
    talk = Mailbox(Server("127.0.0.1", 1, None), Bearer("somebody", tokens), ["INBOX"], date(2026, 1, 1), TIMING)
    stopping = asyncio.Event()
    reading = asyncio.create_task(read(Reconnecting(talk, pauses=PAUSES), stopping))
    async with asyncio.timeout(LIMIT):
        while caplog.text.count("cannot be asked (Connection refused); trying again") < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    stopping.set()
    await reading

"""A message that its mail server never gives: capture pauses, and in the end leaves out that one alone."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Collection
from datetime import date
from typing import Self

import orjson
import pytest
from patience import LIMIT

from touchpoint.capture.imap import MOST_AT_ONCE, Server
from touchpoint.capture.mailbox_source import Mailbox, Password, Timing
from touchpoint.capture.reconnecting import Pauses, Reconnecting
from touchpoint.capture.refused import TRIES
from touchpoint.capture.source import Position
from touchpoint.dialects import DIALECTS, Feed, Unknown
from touchpoint.embedded.broker import free_port

TIMING = Timing(poll=0.02, idle=0.05, looks=0.0, connect=10.0, answer=10.0)
PAUSES = Pauses(0.005, 0.01)
HEADER = b"From: c%d@customer.example\r\nMessage-ID: <m%d@example>\r\n\r\n"
REFUSALS = {
    "it refuses the command": b"{tag} NO [SERVERBUG] internal error\r\n",
    "it breaks off": None,
    "it says nonsense": b"* 1 FETCH (UID \x00\xff\r\n{tag} OK done\r\n",
    "it does not answer": b"",
}


class MailServer:
    """One folder, in which it never gives some messages."""

    def __init__(self, messages: Collection[int], bad: Collection[int], refusal: bytes | None) -> None:
        self.messages, self.bad, self.refusal = set(messages), set(bad), refusal
        self.port = free_port()
        self.fetches = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK ready\r\n")
        try:
            while line := await reader.readline():
                tag, _, command = line.strip().partition(b" ")
                answer = self._answer(command)
                if answer is None:
                    break
                writer.write(answer.replace(b"{tag}", tag))
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    def _answer(self, command: bytes) -> bytes | None:
        if command.startswith(b"CAPABILITY"):
            return b"* CAPABILITY IMAP4rev1\r\n{tag} OK done\r\n"
        if command.startswith(b"EXAMINE"):
            following = max(self.messages, default=0) + 1
            return b"* %d EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [UIDNEXT %d]\r\n{tag} OK done\r\n" % (
                len(self.messages),
                following,
            )
        if (asked := re.match(rb"UID SEARCH UID (\d+):(\d+)", command)) is not None:
            found = [uid for uid in sorted(self.messages) if int(asked[1]) <= uid <= int(asked[2])]
            return b"* SEARCH%s\r\n{tag} OK done\r\n" % b"".join(b" %d" % uid for uid in found)
        if (asked := re.match(rb"UID FETCH ([0-9,:]+) ", command)) is not None:
            return self._fetched(asked[1])
        return b"{tag} OK done\r\n"

    def _fetched(self, wanted: bytes) -> bytes | None:
        self.fetches += 1
        uids: list[int] = []
        for part in wanted.split(b","):
            first, _, last = part.partition(b":")
            uids += range(int(first), int(last or first) + 1)
        if not self.bad.isdisjoint(uids):
            return self.refusal
        answer = b""
        for uid in sorted(self.messages.intersection(uids)):
            header = HEADER % (uid, uid)
            answer += b'* %d FETCH (UID %d INTERNALDATE " 5-Jan-2026 09:00:00 +0000"' % (uid, uid)
            answer += b" BODY[HEADER.FIELDS (A)]<0> {%d}\r\n" % len(header)
            answer += header + b")\r\n"
        return answer + b"{tag} OK done\r\n"


class Reader:
    """What capture makes of the folder, read in the background."""

    def __init__(self, server: MailServer, timing: Timing = TIMING) -> None:
        self.records: list[bytes] = []
        self.position: Position = None
        self._stopping, self._changed = asyncio.Event(), asyncio.Event()
        mailbox = Mailbox(
            Server("127.0.0.1", server.port, None), Password("a", "secret"), ["INBOX"], date(2026, 1, 1), timing
        )
        self._source = Reconnecting(mailbox, pauses=PAUSES)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping.set()
        await self._task

    async def _run(self) -> None:
        async for chunk in self._source.chunks(None, self._stopping):
            self.records += chunk.records
            self.position = chunk.position
            self._changed.set()

    async def has(self, number: int) -> None:
        async with asyncio.timeout(LIMIT):
            while len(self.records) < number:
                self._changed.clear()
                await self._changed.wait()

    @property
    def outcome(self) -> list[int | str]:
        """UIDs in the order in which they came; of one that was left out `refused`."""
        found: list[int | str] = []
        for each in map(orjson.loads, self.records):
            if "refused" in each:
                found.append(f"refused {each['refused']['uid']}")
            else:
                found.append(int(each["header"].partition("c")[2].partition("@")[0]))
        return found


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
async def test_only_the_message_that_is_refused_is_left_out_and_said(
    refusal: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    timing = TIMING._replace(answer=0.5) if refusal == b"" else TIMING
    async with MailServer([1, 2, 3, 4], [2], refusal) as server, Reader(server, timing) as reader:
        await reader.has(4)
        assert reader.outcome == [1, "refused 2", 3, 4]
        assert reader.position["INBOX"][:2] == [7, 4]
        server.messages.add(5)
        await reader.has(5)
    assert reader.outcome[4:] == [5]
    assert len([line for line in caplog.messages if "never gives the message with UID 2" in line]) == 1


async def test_of_many_messages_all_others_come() -> None:
    everything = range(1, 2 * MOST_AT_ONCE + 11)
    async with MailServer(everything, [3, 4, 55], REFUSALS["it breaks off"]) as server, Reader(server) as reader:
        await reader.has(len(everything))
    assert reader.outcome == [f"refused {uid}" if uid in (3, 4, 55) else uid for uid in everything]


async def test_a_new_message_that_is_refused_is_left_out_where_an_older_one_is_given() -> None:
    async with MailServer([1], [2], REFUSALS["it refuses the command"]) as server, Reader(server) as reader:
        await reader.has(1)
        server.messages.add(2)
        await reader.has(2)
    assert reader.outcome == [1, "refused 2"]


@pytest.mark.parametrize("messages", [[1], [1, 2, 3]])
async def test_a_server_that_gives_nothing_is_waited_for(messages: list[int], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with MailServer(messages, messages, REFUSALS["it refuses the command"]) as server, Reader(server) as reader:
        async with asyncio.timeout(LIMIT):
            while server.fetches < 20 * TRIES:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        assert not reader.records
        server.bad.clear()
        await reader.has(len(messages))
    assert reader.outcome == messages
    assert all("it refuses a command" in line for line in caplog.messages if "trying again" in line)


def test_what_is_left_out_is_a_dead_letter_that_says_where_it_lies() -> None:
    dialect = DIALECTS["mailbox"]
    line = b'{"refused": {"folder": "INBOX", "uidvalidity": 7, "uid": 2}}\n'
    [record] = dialect.read([line])
    assert dialect.translate(record, Feed(own=frozenset({"@example.com"}))) == Unknown(
        "the mail server never gives this message", dead_letter=True
    )

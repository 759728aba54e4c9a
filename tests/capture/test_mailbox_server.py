"""Mailboxes against a real Dovecot, in this process: IDLE, many messages, folders that change meanwhile, OAuth 2."""

from __future__ import annotations

import asyncio
import imaplib
import logging
import ssl
import stat
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest
from certificates import Authority
from dovecot_server import PASSWORD, Dovecot, DovecotMissingError
from kafka_broker import must_have_kafka
from patience import LIMIT
from token_server import CLIENT, SCOPE, SECRET, TokenServer

from touchpoint.capture import mailbox_source
from touchpoint.capture.imap import Imap, Server
from touchpoint.capture.mailbox_source import Bearer, Mailbox, Password, Timing
from touchpoint.capture.reconnecting import Pauses, Reconnecting
from touchpoint.capture.source import SourceError
from touchpoint.capture.tokens import Grant, TokenCommand, TokenEndpoint, TokenFile, Tokens

pytestmark = pytest.mark.slow
PAUSES = Pauses(0.01, 0.05)
TIMING = Timing(poll=0.05, looks=0.0)
USER = "service@touchpoint.example"


@pytest.fixture(scope="module", params=["xoauth2", "oauthbearer"])
def mechanism(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"), "authority")


@pytest.fixture(scope="module")
def tokens() -> Iterator[TokenServer]:
    with TokenServer(USER) as server:
        yield server


@pytest.fixture(scope="module")
def dovecot(mechanism: str, authority: Authority, tokens: TokenServer) -> Iterator[Dovecot]:
    introspection = f"http://127.0.0.1:{tokens.port}/introspect"
    try:
        server = Dovecot(authority.issue(f"imap-{mechanism}"), (introspection, mechanism))
    except DovecotMissingError as error:
        if must_have_kafka():  # CI has everything
            raise
        pytest.skip(str(error))
    server.start()
    yield server
    server.remove()


class Reader:
    """A mailbox that is read in the background."""

    def __init__(self, source: Reconnecting) -> None:
        self.records: list[dict[str, Any]] = []
        self.position: Any = None
        self.looks = 0
        self.stopping = asyncio.Event()
        self._source = source
        self._changed = asyncio.Event()

    async def run(self, position: Any) -> None:
        async for chunk in self._source.chunks(position, self.stopping):
            self.records += map(orjson.loads, chunk.records)
            self.position = chunk.position
            self.looks += chunk.caught_up
            self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    @property
    def subjects(self) -> list[str]:
        """Which messages came, by their Message-IDs."""
        return [each["header"].partition("<")[2].partition("@")[0] for each in self.records]


@asynccontextmanager
async def reading(
    server: Server, login: Password | Bearer, folders: Sequence[str] = ("INBOX",), position: Any = None,
    timing: Timing = TIMING,
) -> AsyncIterator[Reader]:  # fmt: skip
    reader = Reader(Reconnecting(Mailbox(server, login, folders, date(2026, 1, 1), timing), pauses=PAUSES))
    task = asyncio.create_task(reader.run(position))
    try:
        yield reader
    finally:
        reader.stopping.set()
        async with asyncio.timeout(LIMIT):
            await task


def deliver(server: Dovecot, user: str, *names: str, folder: str = "INBOX", at: float = 1_767_603_600) -> None:
    with server.client(user) as client:
        for name in names:
            message = f"Message-ID: <{name}@example>\r\nFrom: a@b.example\r\n\r\ntext\r\n".encode()
            assert client.append(folder, "", imaplib.Time2Internaldate(at), message)[0] == "OK"


@pytest.fixture
def account(dovecot: Dovecot, request: pytest.FixtureRequest) -> str:
    name = f"u{abs(hash(request.node.name))}"
    dovecot.client(name).logout()
    return name


def plain(dovecot: Dovecot) -> Server:
    return Server("127.0.0.1", dovecot.port, None)


async def test_idle_reports_new_mail_before_the_next_poll(dovecot: Dovecot, account: str) -> None:
    timing = Timing(poll=3_600, idle=3_600, looks=0.0)
    async with reading(plain(dovecot), Password(account, PASSWORD), timing=timing) as reader:
        await reader.until(lambda: reader.looks == 1)
        for number in range(3):
            deliver(dovecot, account, f"m{number}")
            await reader.until(lambda number=number: len(reader.records) == number + 1)  # type: ignore[misc]
    assert reader.subjects == ["m0", "m1", "m2"]


async def test_idle_is_renewed_and_the_other_folders_are_asked_for_meanwhile(dovecot: Dovecot, account: str) -> None:
    with dovecot.client(account) as client:
        client.create("Sent")
    timing = Timing(poll=0.05, idle=3_600, looks=0.0)
    async with reading(plain(dovecot), Password(account, PASSWORD), ["INBOX", "Sent"], timing=timing) as reader:
        await reader.until(lambda: reader.looks >= 3)
        deliver(dovecot, account, "sent", folder="Sent")
        await reader.until(lambda: reader.subjects == ["sent"])


async def test_server_without_idle_is_polled(dovecot: Dovecot, account: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Imap, "has_idle", lambda _: False)
    async with reading(plain(dovecot), Password(account, PASSWORD)) as reader:
        await reader.until(lambda: reader.looks >= 2)
        deliver(dovecot, account, "m")
        await reader.until(lambda: reader.subjects == ["m"])


async def test_mail_before_the_first_day_is_left_out_and_later_mail_never(
    dovecot: Dovecot, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With searches of few UIDs: more than a server may send in one line is never asked for."""
    monkeypatch.setattr(mailbox_source, "MOST_FOUND", 2)
    deliver(dovecot, account, "old1", "old2", "old3", at=1_700_000_000)
    deliver(dovecot, account, "new1")
    deliver(dovecot, account, "old4", at=1_700_000_000)
    deliver(dovecot, account, "new2")
    async with reading(plain(dovecot), Password(account, PASSWORD)) as reader:
        await reader.until(lambda: reader.looks >= 1)
    assert reader.subjects == ["new1", "new2"]
    deliver(dovecot, account, "moved", at=1_700_000_000)
    async with reading(plain(dovecot), Password(account, PASSWORD), position=reader.position) as again:
        await again.until(lambda: again.looks >= 1)
    assert again.subjects == ["moved"]


async def test_a_place_of_version_0_1_0_is_gone_on_from(dovecot: Dovecot, account: str) -> None:
    deliver(dovecot, account, "m1", "m2")
    async with reading(plain(dovecot), Password(account, PASSWORD)) as reader:
        await reader.until(lambda: reader.looks >= 1)
    validity, last, since, _ = reader.position["INBOX"]
    position = {"INBOX": [validity, last - 1, since]}
    assert mailbox_source.is_position(position)
    async with reading(plain(dovecot), Password(account, PASSWORD), position=position) as again:
        await again.until(lambda: again.looks >= 1)
    assert again.subjects == ["m2"]


async def test_messages_that_are_expunged_meanwhile_stop_nothing(dovecot: Dovecot, account: str) -> None:
    deliver(dovecot, account, *(f"m{number}" for number in range(60)))
    async with reading(plain(dovecot), Password(account, PASSWORD)) as reader:
        await reader.until(lambda: len(reader.records) >= 1)
        with dovecot.client(account) as client:
            client.select("INBOX")
            client.store("1:*", "+FLAGS", "\\Deleted")
            client.expunge()
        deliver(dovecot, account, "after")
        await reader.until(lambda: "after" in reader.subjects)


async def test_a_folder_that_is_deleted_while_it_is_read_is_waited_for(
    dovecot: Dovecot, account: str, caplog: pytest.LogCaptureFixture
) -> None:
    with dovecot.client(account) as client:
        client.create("Sent")
    async with reading(plain(dovecot), Password(account, PASSWORD), ["INBOX", "Sent"]) as reader:
        await reader.until(lambda: reader.looks >= 1)
        with dovecot.client(account) as client:
            client.delete("Sent")
        async with asyncio.timeout(LIMIT):
            while "there is no folder 'Sent'" not in caplog.text:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        with dovecot.client(account) as client:
            client.create("Sent")
        deliver(dovecot, account, "sent", folder="Sent")
        await reader.until(lambda: "sent" in reader.subjects)


@pytest.mark.parametrize(("typed", "name"), [("Entwürfe", "Entw&APw-rfe"), ("Entw&APw-rfe", "Entw&APw-rfe")])
async def test_a_folder_with_letters_beyond_ascii_by_either_name(
    dovecot: Dovecot, account: str, typed: str, name: str
) -> None:
    with dovecot.client(account) as client:
        client.create(name)
    deliver(dovecot, account, "m", folder=name)
    async with reading(plain(dovecot), Password(account, PASSWORD), [typed]) as reader:
        await reader.until(lambda: reader.subjects == ["m"])


async def test_a_header_of_a_megabyte_is_cut_and_the_others_come(dovecot: Dovecot, account: str) -> None:
    with dovecot.client(account) as client:
        cc = b",\r\n ".join(b"somebody-%d@customer.example" % number for number in range(30_000))
        client.append("INBOX", "", "", b"Message-ID: <long@example>\r\nFrom: a@b.example\r\nCc: " + cc + b"\r\n\r\n")
    deliver(dovecot, account, "short")
    async with reading(plain(dovecot), Password(account, PASSWORD)) as reader:
        await reader.until(lambda: reader.subjects == ["long", "short"])
    assert len(reader.records[0]["header"]) < 200_000


# --- OAuth 2 --------------------------------------------------------------------------------------------------------


def bearer(tokens: Tokens) -> Bearer:
    return Bearer(USER, tokens)


def granted(server: TokenServer, **changes: Any) -> Grant:
    return Grant(server.url, CLIENT, SECRET, SCOPE, None, None)._replace(**changes)


async def test_a_login_with_client_credentials(dovecot: Dovecot, tokens: TokenServer, mechanism: str) -> None:
    deliver(dovecot, USER, "m")
    with dovecot.client(USER) as client:
        assert f"AUTH={mechanism.upper()}" in client.capabilities
    async with reading(plain(dovecot), bearer(TokenEndpoint(granted(tokens)))) as reader:
        await reader.until(lambda: "m" in reader.subjects)
    assert tokens.asked[-1] == {
        "grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET, "scope": SCOPE,
    }  # fmt: skip


async def test_a_token_is_used_until_it_ends_and_one_that_is_refused_is_asked_for_anew(
    dovecot: Dovecot, tokens: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Imap] = []

    class Kept(Imap):
        def __init__(self, server: Server) -> None:
            super().__init__(server)
            made.append(self)

    monkeypatch.setattr(mailbox_source, "Imap", Kept)
    endpoint = TokenEndpoint(granted(tokens))
    async with reading(plain(dovecot), bearer(endpoint)) as reader:
        await reader.until(lambda: reader.looks >= 1)
        asked = len(tokens.asked)
        made[-1].cut()
        deliver(dovecot, USER, "with-the-same")
        await reader.until(lambda: "with-the-same" in reader.subjects)
        assert len(made) == 2
        assert len(tokens.asked) == asked
        tokens.revoke()
        made[-1].cut()
        deliver(dovecot, USER, "with-another")
        await reader.until(lambda: "with-another" in reader.subjects)
    assert len(tokens.asked) > asked


async def test_a_refresh_token_is_replaced_by_the_one_that_comes_with_each_grant(
    dovecot: Dovecot, tokens: TokenServer, tmp_path: Path
) -> None:
    file = tmp_path / "refresh"
    file.write_text(f"{tokens.refresh}\n")
    tokens.seconds = 0  # each login needs another
    endpoint = TokenEndpoint(granted(tokens, refresh=file, scope=None))
    try:
        for _ in range(3):
            async with reading(plain(dovecot), bearer(endpoint)) as reader:
                await reader.until(lambda: reader.looks >= 1)
    finally:
        tokens.seconds = 3600
    assert file.read_text().strip() == tokens.refresh
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_tokens_from_a_file_and_from_a_command(dovecot: Dovecot, tokens: TokenServer, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(tokens.token() + "\n")
    for source in (TokenFile(file), TokenCommand(f"cat {file}")):
        async with reading(plain(dovecot), bearer(source)) as reader:
            await reader.until(lambda: reader.looks >= 1)


async def test_over_tls(dovecot: Dovecot, tokens: TokenServer, authority: Authority) -> None:
    trusting = ssl.create_default_context(cafile=authority.file)
    for server in (
        Server("127.0.0.1", dovecot.tls_port, trusting),
        Server("127.0.0.1", dovecot.port, trusting, starttls=True),
    ):
        async with reading(server, bearer(TokenEndpoint(granted(tokens)))) as reader:
            await reader.until(lambda: reader.looks >= 1)


@pytest.mark.parametrize(
    ("tokens_of", "said"),
    [
        (lambda server: TokenEndpoint(granted(server, secret="wrong")), "refuses: invalid_client, AADSTS7000215$"),
        (lambda server: TokenEndpoint(granted(server, scope="other")), "refuses: invalid_scope$"),
        (lambda _: TokenCommand(f"{sys.executable} -c 'print(5)'"), "refuses the login of"),
        (lambda _: TokenCommand("/nowhere/at/all"), "cannot be run"),
        (lambda _: TokenFile(Path("/nowhere")), "cannot be read"),
    ],
)
async def test_refused_login_ends_capture_with_a_reason_and_without_a_secret(
    dovecot: Dovecot, tokens: TokenServer, tokens_of: Callable[[TokenServer], Tokens], said: str
) -> None:
    source = Reconnecting(Mailbox(plain(dovecot), bearer(tokens_of(tokens)), ["INBOX"], date(2026, 1, 1)))
    with pytest.raises(SourceError, match=said) as failure:
        await Reader(source).run(None)
    assert SECRET not in str(failure.value)


async def test_log_holds_neither_messages_nor_secrets(
    dovecot: Dovecot, tokens: TokenServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    deliver(dovecot, USER, "logged")
    async with reading(plain(dovecot), bearer(TokenEndpoint(granted(tokens)))) as reader:
        await reader.until(lambda: "logged" in reader.subjects)
    for each in ("a@b.example", "logged@", "token-", SECRET):
        assert each not in caplog.text

"""Mailboxes live, on a real IMAP server: nothing missed, nothing changed, and the same as from an archive."""

from __future__ import annotations

import imaplib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import trustme
from capture_process import CaptureProcess, ids
from dovecot_server import PASSWORD, Dovecot, DovecotMissingError
from kafka_broker import must_have_kafka
from vendor_feed import events

from touchpoint.capture.kinds import KINDS
from touchpoint.dialects import DIALECTS, Feed

pytestmark = pytest.mark.slow
OWN = Feed(own=frozenset({"@touchpoint.example"}))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Authority, certificate of 127.0.0.1, its key."""
    folder = tmp_path_factory.mktemp("certificate")
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1")
    paths = folder / "ca.pem", folder / "cert.pem", folder / "key.pem"
    authority.cert_pem.write_to_path(str(paths[0]))
    made.cert_chain_pems[0].write_to_path(str(paths[1]))
    made.private_key_pem.write_to_path(str(paths[2]))
    return paths


@pytest.fixture(scope="module")
def dovecot(certificate: tuple[Path, Path, Path]) -> Iterator[Dovecot]:
    try:
        server = Dovecot(certificate[1:])
    except DovecotMissingError as error:
        if must_have_kafka():  # CI has everything
            raise
        pytest.skip(str(error))
    server.start()
    yield server
    server.remove()


class Account:
    """A mailbox of a test's own, with the folders INBOX and Sent."""

    def __init__(self, server: Dovecot, user: str) -> None:
        self.server, self.user = server, user
        self.sent: list[bytes] = []
        with server.client(user) as client:
            client.create("Sent")

    def deliver(self, *numbers: int, folder: str = "INBOX", answers: int | None = None) -> None:
        """A message each, from a customer, or in answer to one."""
        with self.server.client(self.user) as client:
            for number in numbers:
                message = mail(number, answers)
                self.sent.append(message)
                done, _ = client.append(folder, "", imaplib.Time2Internaldate(1_767_603_600 + number), message)
                assert done == "OK"

    def archive(self) -> list[dict[str, Any]]:
        """The events of the same messages, from files."""
        feed = Feed(own=OWN.own)
        return [each for message in self.sent for each in events("mailbox", message.splitlines(keepends=True), feed)]

    def flags(self) -> bytes:
        with self.server.client(self.user) as client:
            client.select("INBOX", readonly=True)
            return b" ".join(each for each in client.fetch("1:*", "(FLAGS)")[1] if isinstance(each, bytes))


def mail(number: int, answers: int | None = None) -> bytes:
    who = "service@touchpoint.example" if answers is not None else f"Customer {number} <c{number}@customer.example>"
    to = f"c{answers}@customer.example" if answers is not None else "service@touchpoint.example"
    lines = [
        f"From: {who}", f"To: {to}", f"Message-ID: <m{number}@example>", f"Subject: secret {number}",
        f"Date: Mon, 5 Jan 2026 09:{number // 60 % 60:02}:{number % 60:02} +0000",
        f"Received: by mail.touchpoint.example; Mon, 5 Jan 2026 09:{number // 60 % 60:02}:{number % 60:02} +0000",
        *([f"In-Reply-To: <m{answers}@example>"] if answers is not None else []), "", "a secret text", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode()


@pytest.fixture
def account(dovecot: Dovecot, request: pytest.FixtureRequest) -> Account:
    return Account(dovecot, f"u{abs(hash(request.node.name))}")


def capture(account: Account, folder: Path, *options: str, password: str = PASSWORD) -> CaptureProcess:
    common = ["--user", account.user, "--folder", "INBOX", "--folder", "Sent", "--own", "@touchpoint.example"]
    common += ["--since", "2026-01-01", "--poll", "0.2", "--to", "-", "--state", str(folder / "state.json")]
    where = f"127.0.0.1:{account.server.port}"
    if "--ca" in options:
        where = f"127.0.0.1:{account.server.tls_port}"
    elif not options:
        options = ("--no-tls", "--yes")
    return CaptureProcess(folder, "mailbox", where, *common, *options, CAPTURE_PASSWORD=password)


async def test_mailbox_gives_the_events_of_its_archive_and_stays_unchanged(account: Account, tmp_path: Path) -> None:
    account.deliver(1, 2, 3)
    process = capture(account, tmp_path)
    process.start()
    await process.until(lambda said: len(said) == 3)
    account.deliver(4, folder="Sent", answers=1)
    account.deliver(5)
    await process.until(lambda said: ids(said) == ids(account.archive()))
    assert process.stop() == 0
    assert {each["id"]: each for each in process.events()} == {each["id"]: each for each in account.archive()}
    assert b"Seen" not in account.flags()
    assert "secret" not in (tmp_path / "events-1.jsonl").read_text() + (tmp_path / "state.json").read_text()


async def test_mailbox_capture_killed_at_any_instant_loses_and_changes_no_message(
    account: Account, tmp_path: Path
) -> None:
    process = capture(account, tmp_path)
    for run in range(5):
        process.start()
        account.deliver(*range(run * 150, run * 150 + 100))
        seen = len(ids(process.events()))
        await process.until(lambda said, seen=seen, run=run: len(ids(said)) > min(seen, run * 150))  # type: ignore[misc]
        process.kill()
        account.deliver(*range(run * 150 + 100, run * 150 + 150))
    process.start()
    await process.until(lambda said: len(ids(said)) == 750)
    assert process.stop() == 0
    by_id = {each["id"]: each for each in account.archive()}
    assert all(each == by_id[each["id"]] for each in process.events())


async def test_a_server_that_was_away_is_waited_for(account: Account, tmp_path: Path) -> None:
    account.deliver(1)
    process = capture(account, tmp_path)
    process.start()
    await process.until(lambda said: len(said) == 1)
    account.server.stop()
    account.server.start()
    account.deliver(2)
    await process.until(lambda said: len(said) == 2)
    assert process.stop() == 0


async def test_a_folder_with_new_uids_is_read_again_and_counts_once(account: Account, tmp_path: Path) -> None:
    account.deliver(1, 2, folder="Sent", answers=7)
    process = capture(account, tmp_path)
    process.start()
    await process.until(lambda said: ids(said) == ids(account.archive()))
    assert process.stop() == 0
    with account.server.client(account.user) as client:
        client.delete("Sent")
        client.create("Sent")
    account.deliver(1, 2, 3, folder="Sent", answers=7)
    process.start()
    await process.until(lambda said: ids(said) == ids(account.archive()))
    assert process.stop() == 0
    assert ids(process.events()) == ids(account.archive())


def as_of_0_1_0(state: Path) -> None:
    """The state as release 0.1.0 wrote it, which named no version of rules."""
    stored = orjson.loads(state.read_bytes())
    assert stored.pop("rules_version") == DIALECTS["mailbox"].rules_version
    state.write_bytes(orjson.dumps(stored))


async def test_what_0_1_0_captured_is_not_captured_again_under_other_ids_unless_that_is_meant(
    account: Account, tmp_path: Path
) -> None:
    """Behind its place, which is known, capture goes on; a folder with new UIDs would be read from its beginning."""
    account.deliver(1, 2)
    process = capture(account, tmp_path)
    process.start()
    await process.until(lambda said: ids(said) == ids(account.archive()))
    assert process.stop() == 0
    as_of_0_1_0(tmp_path / "state.json")
    account.deliver(3)
    process = capture(account, tmp_path, "--no-tls")
    process.start()
    await process.until(lambda said: len(said) == 1)
    assert process.stop() == 0
    with account.server.client(account.user) as client:
        client.delete("Sent")
        client.create("Sent")
    account.deliver(4, folder="Sent", answers=1)
    before = (tmp_path / "state.json").read_bytes()
    process.start()
    assert await process.ended() == 1
    assert "since release 0.2.0 the dialect gives events of web forms" in process.log.read_text()
    assert (tmp_path / "state.json").read_bytes() == before
    assert len(process.events()) == 1
    process = capture(account, tmp_path)
    process.start()
    await process.until(lambda said: len(said) == 1)
    assert process.stop() == 0


async def test_a_first_day_before_the_release_with_other_ids_is_refused_unless_that_is_meant(
    account: Account, tmp_path: Path
) -> None:
    process = capture(account, tmp_path, "--no-tls")
    process.start()
    assert await process.ended() == 2
    assert "--since 2026-01-01: since release 0.2.0" in process.log.read_text()


@pytest.mark.parametrize("name", [kind.dialect for kind in KINDS.values()])
def test_every_dialect_with_other_ids_has_a_source_that_says_when_it_reads_again(name: str) -> None:
    """The manager interface repeats nothing; a log that is followed does not tell yet that it is read again."""
    assert not DIALECTS[name].ids_changed or name in {"mailbox", "asterisk-ami"}


@pytest.mark.parametrize("how", ["--ca", "--starttls"])
async def test_tls_from_the_first_byte_and_by_starttls(
    account: Account, certificate: tuple[Path, Path, Path], tmp_path: Path, how: str
) -> None:
    account.deliver(1)
    options = ("--ca", str(certificate[0])) if how == "--ca" else ("--starttls", f"--ca={certificate[0]}")
    process = capture(account, tmp_path, "--yes", *options)
    process.start()
    await process.until(lambda said: len(said) == 1)
    assert process.stop() == 0


@pytest.mark.parametrize(
    ("options", "password", "said"),
    [
        (("--no-tls", "--yes"), "wrong", "refuses the login"),
        (("--no-tls", "--yes", "--folder", "Nothing"), PASSWORD, "there is no folder 'Nothing'"),
        (("--starttls", "--yes"), PASSWORD, "certificate of 127.0.0.1"),
    ],
)
async def test_permanent_refusal_of_the_mail_server_ends_capture(
    account: Account, tmp_path: Path, options: tuple[str, ...], password: str, said: str
) -> None:
    process = capture(account, tmp_path, *options, password=password)
    process.start()
    assert await process.ended() == 1
    assert said in process.log.read_text()


def test_mbox_and_maildir_of_the_same_messages_give_the_same_events(account: Account, tmp_path: Path) -> None:
    """By the command itself, as an operator does it."""
    account.deliver(1, 2)
    (tmp_path / "mbox").write_bytes(
        b"".join(b"From a Mon Jan  5 09:00:00 2026\n" + each + b"\n" for each in account.sent)
    )
    maildir = account.server.folder / "mail" / account.user
    files = sorted(str(each) for each in maildir.glob("new/*"))
    assert len(files) == 2
    found = []
    for some in (files, [str(tmp_path / "mbox")]):
        arguments = ["translate", "--dialect", "mailbox", "--own", "@touchpoint.example", *some]
        found.append(
            subprocess.run([sys.executable, "-m", "touchpoint", *arguments], capture_output=True, check=True).stdout
        )
    assert found[0] == found[1] != b""

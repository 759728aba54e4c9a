"""One IMAP connection (RFC 3501) by IMAPClient, with bounds on all that its server says. Every call blocks."""

from __future__ import annotations

import contextlib
import imaplib
import logging
import re
import select
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, NamedTuple, TypeVar

import orjson
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError
from imapclient.imap_utf7 import encode as encode_utf7

from touchpoint.capture.blocking import Line
from touchpoint.capture.source import LostError, SourceError
from touchpoint.dialects.mailbox import HEADERS

LONGEST_LINE = 1024 * 1024  # bytes
LONGEST_HEADER = 128 * 1024  # bytes of a message's header that are asked for
MOST_AT_ONCE = 50  # messages
MOST_SAID = 8 * 1024 * 1024  # bytes of one answer: more than MOST_AT_ONCE headers of full length
A_LINES_COST = 100  # bytes that a line of an answer counts besides its own
MOST_UID = (1 << 32) - 1

logging.getLogger("imapclient").setLevel(logging.WARNING)  # below, it logs all that is said, the addresses too

T = TypeVar("T")
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_PASSING = re.compile(r"\[(UNAVAILABLE|INUSE|LIMIT|SERVERBUG)\]", re.IGNORECASE)  # RFC 5530: may pass by itself
_CODE = re.compile(r"\[([A-Z-]{1,30})[\] ]")
_FIELDS = f"BODY.PEEK[HEADER.FIELDS ({' '.join(HEADERS)})]<0.{LONGEST_HEADER}>"


@dataclass(frozen=True)
class Server:
    """`tls`: from the first byte on, or by STARTTLS; None: none. `seconds`: for each read and write."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    starttls: bool = False
    seconds: float = 30.0

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Folder(NamedTuple):
    """An opened folder: its UIDVALIDITY, the UID that its next message will have, how many it has."""

    validity: int
    next: int | None
    messages: int


class Imap:
    """A connection. `cut`, from any thread, makes whatever it does fail."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._line = Line()
        self._opened: _Client | None = None
        self._in_use = threading.Lock()

    def run(self, work: Callable[[], T]) -> T:
        """One call of the others, from one thread at a time."""
        with self._in_use:
            return work()

    def cut(self) -> None:
        self._line.cut()

    def close(self) -> None:
        """End the connection, whatever it does; does not block. Nobody is told LOGOUT: a server may not answer."""
        self.cut()
        threading.Thread(target=self._close, daemon=True, name="capture").start()

    def _close(self) -> None:
        with self._in_use, contextlib.suppress(Exception):
            if self._opened is not None:
                self._opened.shutdown()

    def connect(self) -> None:
        """Raises SourceError for what configuration must cure; anything else may pass."""
        try:
            self._opened = _Client(self._server, self._line)
            if self._server.tls is not None and self._server.starttls:
                if not self._opened.has_capability("STARTTLS"):
                    raise SourceError(f"{self._server} offers no STARTTLS: see --starttls")
                self._opened.starttls(self._server.tls)
        except IMAPClientError as error:
            raise _lost(error) from None

    def log_in(self, user: str, password: str) -> None:
        """Raises SourceError where it is refused."""
        client = self._client
        if client.has_capability("AUTH=PLAIN"):
            self._authenticate("PLAIN", user, f"\0{user}\0{password}")
            return
        if client.has_capability("LOGINDISABLED"):
            raise SourceError(f"{self._server} allows no login on this connection: use TLS, or OAuth")
        if not (user + password).isascii():
            raise SourceError(f"{self._server} takes passwords in ASCII only: it has no AUTH=PLAIN")
        with _refusals(f"{self._server} refuses the login of {user!r}"):
            client.login(user, password)

    def log_in_with_token(self, user: str, token: str) -> None:
        """By XOAUTH2 (developers.google.com/gmail/imap/xoauth2-protocol) or OAUTHBEARER (RFC 7628)."""
        if not self._client.has_capability("AUTH=XOAUTH2") and self._client.has_capability("AUTH=OAUTHBEARER"):
            identity = user.replace("=", "=3D").replace(",", "=2C")
            said = f"n,a={identity},\1host={self._server.host}\1port={self._server.port}\1auth=Bearer {token}\1\1"
            self._authenticate("OAUTHBEARER", user, said, "\1")
        else:
            self._authenticate("XOAUTH2", user, f"user={user}\1auth=Bearer {token}\1\1", "")

    def has_idle(self) -> bool:
        return bool(self._client.has_capability("IDLE"))

    def open(self, name: str) -> Folder:
        """Open a folder with EXAMINE, in which nothing can be changed. Raises SourceError if there is none."""
        try:
            said = self._client.select_folder(_encoded(name), readonly=True)
        except IMAPClientAbortError as error:
            raise _lost(error) from None
        except IMAPClientError as error:
            if (names := self._folders()) and _encoded(name) not in names:
                listed = ", ".join(each.decode("ascii", "replace") for each in names[:20])
                raise SourceError(f"there is no folder {name!r} at {self._server}; there are: {listed}") from None
            raise _lost(error) from None
        self._client.transport.opened()
        validity, following, messages = (said.get(key) for key in (b"UIDVALIDITY", b"UIDNEXT", b"EXISTS"))
        if not isinstance(validity, int) or not 0 < validity <= MOST_UID:
            raise LostError(f"it tells no UIDVALIDITY of {name!r}")
        known = isinstance(following, int) and 0 < following <= MOST_UID + 1
        return Folder(validity, following if known else None, messages if isinstance(messages, int) else MOST_UID)

    def search(self, first: int, last: int | None, since: date | None) -> list[int]:
        """UIDs of the opened folder from `first` to `last` (None: the end), in their order."""
        day = f" SINCE {since.day}-{_MONTHS[since.month - 1]}-{since.year}" if since else ""
        try:
            found = self._client.search(f"UID {first}:{last or '*'}{day}")
        except IMAPClientError as error:
            raise _lost(error) from None
        # of `n:*` the last message is one, whatever its UID
        return sorted({uid for uid in found if first <= uid <= (last or MOST_UID)})

    def fetch(self, uids: Sequence[int]) -> list[bytes]:
        """Records of the dialect `mailbox`: headers, and when the server got the message. None for one that is gone."""
        try:
            found = self._client.fetch(list(uids), ["INTERNALDATE", _FIELDS])
        except IMAPClientError as error:
            raise _lost(error) from None
        records = []
        for uid in uids:
            if uid in found:
                said = found[uid]
                header = next((each for key, each in said.items() if key.startswith(b"BODY[")), None)
                text = header.decode("utf-8", "replace") if isinstance(header, bytes) else ""
                record = {
                    "header": text.replace("\r\n", "\n").strip("\n"),
                    "received": _received(said.get(b"INTERNALDATE")),
                }
                records.append(orjson.dumps(record))
        return records

    def wait(self, seconds: float) -> bool:
        """IDLE (RFC 2177) in the opened folder, until there is something new, but not longer. False: it is refused."""
        try:
            return self._client.transport.idle(seconds)
        except imaplib.IMAP4.error as error:
            raise _lost(error) from None

    @property
    def _client(self) -> _Client:
        """For one command and its answer."""
        assert self._opened is not None
        self._opened.transport.renew()
        return self._opened

    def _authenticate(self, mechanism: str, user: str, first: str, last: str = "") -> None:
        """`last`: what is said to a server that gives reasons for its refusal and waits for a word."""
        answers = iter((first, last))
        with _refusals(f"{self._server} refuses the login of {user!r} by {mechanism}"):
            self._client.sasl_login(mechanism, lambda _: next(answers, None))

    def _folders(self) -> list[bytes]:
        try:
            return [name for _, _, name in self._client.list_folders() if isinstance(name, bytes)]
        except IMAPClientError as error:
            raise _lost(error) from None


class _Client(IMAPClient):  # type: ignore[misc]
    """IMAPClient over a transport of ours."""

    transport: _Transport

    def __init__(self, server: Server, line: Line) -> None:
        self._server, self._line = server, line
        super().__init__(server.host, server.port, ssl=False, timeout=server.seconds)
        self.normalise_times = False
        self.folder_encode = False  # see `_encoded`
        self._imap.debug = 0  # else it formats all that is said, for a log that nobody reads

    def _create_IMAP4(self) -> _Transport:  # noqa: N802 - IMAPClient's
        self.transport = _Transport(self._server, self._line)
        return self.transport


class _Transport(imaplib.IMAP4):
    """imaplib over a socket that another thread may cut, and with bounds on what is read from it.

    imaplib reads literals whole and keeps every line of an answer, however many there are.
    """

    untagged_responses: dict[str, list[Any]]
    tagged_commands: dict[bytes, Any]
    _get_response: Callable[[], bytes | None]
    _get_capabilities: Callable[[], None]
    _simple_command: Callable[..., tuple[str, list[bytes]]]
    _command: Callable[..., bytes]
    _command_complete: Callable[[str, bytes], tuple[str, list[bytes]]]
    _check_bye: Callable[[], None]

    def __init__(self, server: Server, line: Line) -> None:
        self._server, self._line = server, line
        self._read_ahead = bytearray()
        self._left = MOST_SAID
        self._news = False  # since a folder was opened
        super().__init__(server.host, server.port, server.seconds)

    def renew(self) -> None:
        """For another command and its answer. What was said besides the last one is forgotten."""
        self._left = MOST_SAID
        self._news |= "EXISTS" in self.untagged_responses
        self.untagged_responses.clear()

    def opened(self) -> None:
        """A folder was opened: what is said of it from now on is new."""
        self.untagged_responses.clear()
        self._news = False

    def _create_socket(self, timeout: float | None) -> Any:
        connected = self._line.connect(self.host, self.port, timeout or self._server.seconds)
        if self._server.tls is None or self._server.starttls:
            return connected
        return self._server.tls.wrap_socket(connected, server_hostname=self.host)

    def starttls(self, ssl_context: ssl.SSLContext | None = None) -> Any:
        """Raises LostError for what stands behind the answer: it would count as said under TLS."""
        said = self._simple_command("STARTTLS")
        if said[0] != "OK" or self._read_ahead:
            raise LostError("it does not begin TLS")
        assert ssl_context is not None
        self.sock = ssl_context.wrap_socket(self.sock, server_hostname=self.host)
        self._tls_established = True
        self._get_capabilities()
        return said

    def readline(self) -> bytes:
        looked = 0
        while (end := self._read_ahead.find(b"\n", looked)) < 0:
            looked = len(self._read_ahead)
            if looked > LONGEST_LINE:
                raise LostError(f"it sends a line of more than {LONGEST_LINE} bytes")
            self._fill()
        return self._taken(end + 1, A_LINES_COST)

    def read(self, size: int) -> bytes:
        if size > self._left:
            raise LostError(f"it announces a literal beyond the {MOST_SAID} bytes of an answer")
        while len(self._read_ahead) < size:
            self._fill()
        return self._taken(size)

    def idle(self, seconds: float) -> bool:  # type: ignore[override, unused-ignore]
        """Until EXISTS says that there is something new, but not longer. False where it is refused."""
        if self._news:
            return True
        until = time.monotonic() + seconds
        tag = self._command("IDLE")
        while self._get_response() is not None:
            if self.tagged_commands[tag] is not None:
                del self.tagged_commands[tag]
                return False
        while "EXISTS" not in self.untagged_responses and self._readable(until - time.monotonic()):
            self._get_response()
            self._check_bye()
        self.send(b"DONE\r\n")
        self._command_complete("IDLE", tag)
        return True

    def _readable(self, seconds: float) -> bool:
        """Whether there is something to be read, within so many seconds."""
        if self._read_ahead or (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()):
            return seconds > 0
        poll = select.poll()
        poll.register(self.sock.fileno(), select.POLLIN)
        return seconds > 0 and bool(poll.poll(seconds * 1_000))

    def _fill(self) -> None:
        piece = self.sock.recv(65536)
        if not piece:
            raise LostError("it ended the connection")
        self._read_ahead += piece

    def _taken(self, size: int, cost: int = 0) -> bytes:
        self._left -= size + cost
        if self._left < 0:
            raise LostError(f"it answers with more than {MOST_SAID} bytes")
        taken = bytes(self._read_ahead[:size])
        del self._read_ahead[:size]
        return taken


def _encoded(name: str) -> bytes:
    """As the server has it: an ASCII name is given as the server lists it, any other is encoded for it."""
    return name.encode() if name.isascii() else encode_utf7(name)


def _received(said: Any) -> str | None:
    """When the server got a message; None where it says nonsense, so that the message's own stamps count."""
    try:
        at = said.astimezone(UTC) if isinstance(said, datetime) and said.tzinfo else None
    except (ValueError, OverflowError):
        return None
    return at.isoformat() if at is not None and 1970 <= at.year < 2100 else None


@contextlib.contextmanager
def _refusals(what: str) -> Iterator[None]:
    """A refused login as SourceError; one that the server could not take, as LostError."""
    try:
        yield
    except LoginError as error:
        said = str(error)
        broken = isinstance(error.__context__, IMAPClientAbortError) or "command" in said  # imaplib's own errors say so
        if broken or _PASSING.search(said):
            raise _lost(error) from None
        code = _CODE.search(said)
        raise SourceError(f"{what} ({code[1] if code else 'NO'})") from None


def _lost(error: Exception) -> LostError:
    """Without what the server says in it: that may be a part of a message."""
    code = _CODE.search(str(error))
    what = "it breaks off" if isinstance(error, IMAPClientAbortError) else "it refuses a command"
    return LostError(f"{what} ({code[1]})" if code else what)

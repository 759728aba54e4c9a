"""Mailboxes over IMAP (RFC 3501): the headers of what is new in some folders. Nothing is changed, no body asked for."""

from __future__ import annotations

import asyncio
import imaplib
import logging
import re
import ssl
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import orjson

from touchpoint.capture.reconnecting import untrusted
from touchpoint.capture.source import Chunk, Position, SourceError, pause
from touchpoint.dialects.mailbox import HEADERS

log = logging.getLogger(__name__)

POLL = 20.0  # seconds
AT_ONCE = 100  # messages
ANSWER_SECONDS = 30.0
LONGEST_PAUSE = 60.0  # seconds between two tries
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_UID = re.compile(rb"\bUID (\d+)")
_DATE = re.compile(rb'\bINTERNALDATE "([^"]+)"')


class Place(NamedTuple):
    """In a folder: its UIDVALIDITY, the last UID that was read, and from which day on it is read."""

    validity: int
    last: int
    since: str


def is_position(stored: Any) -> bool:
    """The places of folders, by their names."""
    return isinstance(stored, dict) and all(_is_place(each) for each in stored.values())


def _is_place(stored: Any) -> bool:
    if not isinstance(stored, list) or len(stored) != len(Place._fields):
        return False
    validity, last, since = stored
    try:
        return type(validity) is type(last) is int and min(validity, last) >= 0 and bool(date.fromisoformat(since))
    except (TypeError, ValueError):
        return False


@dataclass(frozen=True)
class Login:
    """`tls`: from the first byte on, or by STARTTLS; None: none."""

    host: str
    port: int
    user: str
    password: str
    tls: ssl.SSLContext | None
    starttls: bool = False

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Mailbox:
    """A source: the messages of some folders, from the day `since` on."""

    def __init__(
        self,
        login: Login,
        folders: Sequence[str],
        since: date,
        connected: Callable[[bool], None] = lambda _: None,
        poll: float = POLL,
    ) -> None:
        self._login, self._folders, self._since = login, folders, since
        self._connected, self._poll = connected, poll

    async def chunks(self, position: Position, stopping: asyncio.Event) -> AsyncGenerator[Chunk, None]:
        places = {folder: Place(*place) for folder, place in (position or {}).items()}
        wait = 0.5
        while not stopping.is_set():
            try:
                server = await asyncio.to_thread(log_in, self._login)
                self._connected(True)
                log.info("reading %s at %s", ", ".join(self._folders), self._login)
                wait = 0.5
                async for chunk in self._read(server, places, stopping):
                    yield chunk
            except ssl.SSLCertVerificationError as error:
                raise SourceError(untrusted(str(self._login), error)) from None
            except (OSError, EOFError, imaplib.IMAP4.error) as error:
                self._connected(False)
                log.warning("%s is not reached, trying again in %.0f s: %s", self._login, wait, error)
                await pause(wait, stopping)
                wait = min(LONGEST_PAUSE, wait * 2)

    async def _read(
        self, server: imaplib.IMAP4, places: dict[str, Place], stopping: asyncio.Event
    ) -> AsyncGenerator[Chunk, None]:
        """Asks each folder again and again, for as long as the connection lasts."""
        try:
            while not stopping.is_set():
                for folder in self._folders:
                    news = await asyncio.to_thread(self._look, server, folder, places.get(folder))
                    places[folder], uids = news
                    for begin in range(0, len(uids), AT_ONCE):
                        some = uids[begin : begin + AT_ONCE]
                        records = await asyncio.to_thread(fetch, server, some)
                        places[folder] = places[folder]._replace(last=max(places[folder].last, some[-1]))
                        yield Chunk(records, _json(places))
                yield Chunk([], _json(places), caught_up=True)
                await pause(self._poll, stopping)
        finally:
            await asyncio.to_thread(log_out, server)

    def _look(self, server: imaplib.IMAP4, folder: str, place: Place | None) -> tuple[Place, list[int]]:
        """Where reading stands, and the UIDs that follow, in their order."""
        opened, _ = server.select(f'"{folder}"', readonly=True)  # EXAMINE
        if opened != "OK":
            raise SourceError(f"there is no folder {folder!r} at {self._login}; there are: {_folders(server)}")
        validity = _number(server, "UIDVALIDITY")
        if place is not None and place.validity == validity:
            return place, search(server, f"UID {place.last + 1}:*", place.last)
        if place is not None:
            log.warning("%s: %s has new UIDs; it is read again, and what was known counts once", self._login, folder)
        since = date.fromisoformat(place.since) if place else self._since
        next_ = _number(server, "UIDNEXT")
        uids = search(server, f"SINCE {since.day}-{_MONTHS[since.month - 1]}-{since.year}")
        return Place(validity, (uids[0] if uids else next_) - 1, since.isoformat()), uids


def log_in(login: Login) -> imaplib.IMAP4:
    """Raises SourceError where it is refused, OSError and IMAP4.error for what may pass."""
    if login.tls is not None and not login.starttls:
        server: imaplib.IMAP4 = imaplib.IMAP4_SSL(login.host, login.port, ssl_context=login.tls, timeout=ANSWER_SECONDS)
    else:
        server = imaplib.IMAP4(login.host, login.port, timeout=ANSWER_SECONDS)
        if login.tls is not None:
            server.starttls(login.tls)
    try:
        if "AUTH=PLAIN" in server.capabilities:
            server.authenticate("PLAIN", lambda _: f"\0{login.user}\0{login.password}".encode())
        else:
            server.login(login.user, login.password)
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error as error:
        log_out(server)
        raise SourceError(f"{login} refuses the login of {login.user!r} ({error})") from None
    return server


def log_out(server: imaplib.IMAP4) -> None:
    """Whatever state the connection is in."""
    try:
        server.logout()
    except (OSError, imaplib.IMAP4.error):
        server.shutdown()


def search(server: imaplib.IMAP4, what: str, after: int = 0) -> list[int]:
    """UIDs beyond `after`: of `n:*` the last message is one, whatever its UID."""
    _, found = _answered(server.uid("SEARCH", what))
    return sorted(uid for uid in map(int, b" ".join(each for each in found if each).split()) if uid > after)


def fetch(server: imaplib.IMAP4, uids: Sequence[int]) -> list[bytes]:
    """Records of the dialect `mailbox`: headers, and when the server got the message."""
    fields = f"(UID INTERNALDATE BODY.PEEK[HEADER.FIELDS ({' '.join(HEADERS)})])"
    _, parts = _answered(server.uid("FETCH", ",".join(map(str, uids)), fields))
    found: dict[int, bytes] = {}
    for number, part in enumerate(parts):
        if not isinstance(part, tuple):
            continue
        after = parts[number + 1] if number + 1 < len(parts) and isinstance(parts[number + 1], bytes) else b""
        around = part[0] + b" " + after  # what stands before the header, and after it
        uid = _UID.search(around)
        if uid is not None:  # else it speaks of another change
            header = part[1].decode("utf-8", "replace").replace("\r\n", "\n").strip("\n")
            found[int(uid[1])] = orjson.dumps({"header": header, "received": _received(around)})
    return [found[uid] for uid in sorted(found)]


def _received(around: bytes) -> str | None:
    stamp = _DATE.search(around)
    if stamp is None:
        return None
    at = datetime.strptime(stamp[1].decode().strip(), "%d-%b-%Y %H:%M:%S %z")
    return at.astimezone(UTC).isoformat()


def _answered(answer: tuple[str, list[Any]]) -> tuple[str, list[Any]]:
    if answer[0] != "OK":
        raise imaplib.IMAP4.error(f"the server says {answer[0]}: {answer[1]!r:.200}")
    return answer


def _number(server: imaplib.IMAP4, name: str) -> int:
    _, (value, *_) = server.response(name)
    if not value:
        raise imaplib.IMAP4.error(f"the server tells no {name}")
    return int(value)


def _folders(server: imaplib.IMAP4) -> str:
    _, lines = server.list()
    names = [
        line.decode("utf-8", "replace").rpartition(' "')[2].strip('"') for line in lines if isinstance(line, bytes)
    ]
    return ", ".join(names[:20])


def _json(places: dict[str, Place]) -> Position:
    return {folder: list(place) for folder, place in places.items()}

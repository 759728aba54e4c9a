"""Mailboxes over IMAP: the headers of what is new in some folders. Nothing is changed, no body asked for."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple, TypeVar

from touchpoint.capture.blocking import in_thread
from touchpoint.capture.imap import MOST_AT_ONCE, MOST_UID, Folder, Imap, Server
from touchpoint.capture.reconnecting import Reconnecting
from touchpoint.capture.refused import Box, Failures, record_of
from touchpoint.capture.source import LostError, Position, SourceError
from touchpoint.capture.tokens import Tokens

log = logging.getLogger(__name__)
T = TypeVar("T")

NEAR = 1_000
"""UIDs before and behind a message, among which there is another one."""
MOST_FOUND = 50_000  # UIDs of one search: more would be a line that is longer than a server may send


class Timing(NamedTuple):
    """In seconds. `poll`: between two looks at folders that cannot be waited for. `idle`: of one IDLE; RFC 2177 wants
    less than 29 minutes, and what went wrong with the connection is seen only at its end. `looks`: between two, at
    least. `connect`, `answer`: deadlines, to connect and for each answer."""

    poll: float = 20.0
    idle: float = 60.0
    looks: float = 1.0
    connect: float = 20.0
    answer: float = 60.0


class Place(NamedTuple):
    """In a folder: its UIDVALIDITY, the last UID that was read, the day `since` which it is read, and the UID `before`
    which messages were there when it was first read: to those alone the day applies."""

    validity: int
    last: int
    since: str
    before: int = 0  # of version 0.1.0, which had found the first of them


def is_position(stored: Any) -> bool:
    """The places of folders, by their names."""
    return isinstance(stored, dict) and all(_is_place(each) for each in stored.values())


def _is_place(stored: Any) -> bool:
    if not isinstance(stored, list) or len(stored) not in {3, 4}:
        return False
    validity, last, since, before = (*stored, 0)[:4]
    try:
        numbers = all(type(each) is int and 0 <= each <= MOST_UID + 1 for each in (validity, last, before))
        return numbers and bool(date.fromisoformat(since))
    except (TypeError, ValueError):
        return False


@dataclass(frozen=True)
class Password:
    """Logs in by AUTH=PLAIN or LOGIN."""

    user: str
    password: str


@dataclass(frozen=True)
class Bearer:
    """Logs in with an access token, by XOAUTH2 or OAUTHBEARER."""

    user: str
    tokens: Tokens


class Mailbox:
    """A conversation: the messages of some folders, from the day `since` on. The first folder is waited for by IDLE."""

    missed = "what came meanwhile is read now"
    fresh = 1.0

    def __init__(
        self,
        server: Server,
        login: Password | Bearer,
        folders: Sequence[str],
        since: date,
        timing: Timing = Timing(),  # noqa: B008 - it is immutable
    ) -> None:
        """Raises SourceError for what would be two lines."""
        secret = login.password if isinstance(login, Password) else ""
        if not all(each.isprintable() for each in (login.user, secret, *folders)):
            raise SourceError("the user's name, the password and the folders must be of one line each")
        self.address = str(server)
        self._server, self._login, self._folders, self._since = server, login, tuple(folders), since
        self._timing = timing
        self._failures = Failures()

    async def converse(self, link: Reconnecting) -> None:
        imap = Imap(self._server)
        places = {folder: Place(*place) for folder, place in (link.position or {}).items()}
        try:
            await self._log_in(imap)
            for folder in self._folders:
                await self._ask(imap, functools.partial(imap.open, folder))
            link.welcome()
            idle = await self._ask(imap, imap.has_idle)
            while True:
                began = time.monotonic()
                for folder in self._folders:
                    await self._read(imap, folder, places, link)
                link.complete()
                if idle and len(self._folders) > 1:
                    await self._read(imap, self._folders[0], places, link)  # IDLE waits for the folder opened last
                idle = await self._wait(imap, began, idle=idle)
        finally:
            imap.close()

    async def _log_in(self, imap: Imap) -> None:
        login = self._login
        if isinstance(login, Password):
            await self._ask(imap, imap.connect, self._timing.connect)
            await self._ask(imap, functools.partial(imap.log_in, login.user, login.password))
            return
        token = await login.tokens.token()
        await self._ask(imap, imap.connect, self._timing.connect)
        try:
            await self._ask(imap, functools.partial(imap.log_in_with_token, login.user, token))
        except SourceError:
            login.tokens.refused()
            raise

    async def _ask(self, imap: Imap, work: Callable[[], T], seconds: float | None = None) -> T:
        """One command and its answer. Raises TimeoutError."""
        async with asyncio.timeout(seconds or self._timing.answer):
            return await in_thread(functools.partial(imap.run, work), imap.cut)

    async def _read(self, imap: Imap, folder: str, places: dict[str, Place], link: Reconnecting) -> None:
        """All that is new in a folder."""
        opened = await self._ask(imap, functools.partial(imap.open, folder))
        known = places.get(folder)
        place = self._place(folder, opened, known)
        if place != known:
            if known is not None:
                link.repeat()
            places[folder] = place
            await link.receive([], _json(places))
        box = Box(folder, place.validity)
        for first, last in _ranges(place, opened):
            since = date.fromisoformat(place.since) if first < place.before else None
            uids = await self._ask(imap, functools.partial(imap.search, first, last, since))
            for some in self._failures.portions(box, uids, MOST_AT_ONCE):
                records, left_out = await self._fetch(imap, box, some)
                places[folder] = place._replace(last=some[-1])
                await link.receive(records, _json(places))
                if left_out:
                    raise LostError(left_out)
        self._failures.forget(box)
        if places[folder].last < place.before - 1:  # older than the day: they are not asked for again
            places[folder] = place._replace(last=place.before - 1)
            await link.receive([], _json(places))

    async def _fetch(self, imap: Imap, box: Box, some: Sequence[int]) -> tuple[list[bytes], str | None]:
        """Records of some messages; and what to say, if it is one message that the server never gives.

        Such a message is left out only while the server gives another one: who gives none is waited for.
        """
        gives = self._failures.is_refused(box, some) and await self._gives_another(imap, box, some[0])
        try:
            return await self._ask(imap, functools.partial(imap.fetch, some)), None
        except Exception:  # whatever a server can cause: it refuses, breaks off, or says nonsense
            if gives:
                return [record_of(box, some[0])], f"it never gives the message with UID {some[0]}, which is left out"
            self._failures.note(box, some)
            raise

    async def _gives_another(self, imap: Imap, box: Box, uid: int) -> bool:
        near = await self._ask(imap, functools.partial(imap.search, max(1, uid - NEAR), uid + NEAR, None))
        other = self._failures.another(box, uid, near)
        if other is None:
            return False
        try:
            return bool(await self._ask(imap, functools.partial(imap.fetch, [other])))
        except Exception:
            self._failures.note(box, [other])
            raise

    def _place(self, folder: str, opened: Folder, known: Place | None) -> Place:
        if known is not None and known.validity == opened.validity:
            return known
        if known is not None:
            log.warning("%s: %s has new UIDs; it is read again, and what was known counts once", self._server, folder)
        since = known.since if known is not None else self._since.isoformat()
        return Place(opened.validity, 0, since, opened.next or MOST_UID + 1)

    async def _wait(self, imap: Imap, began: float, *, idle: bool) -> bool:
        """Until it is time for another look. Gives whether IDLE can be used the next time."""
        timing = self._timing
        if not idle:
            await asyncio.sleep(timing.poll)
            return False
        seconds = timing.idle if len(self._folders) == 1 else min(timing.poll, timing.idle)
        idle = await self._ask(imap, functools.partial(imap.wait, seconds), seconds + timing.answer)
        await asyncio.sleep(max(0.0, began + timing.looks - time.monotonic()))
        return idle


def _ranges(place: Place, opened: Folder) -> Iterator[tuple[int, int | None]]:
    """First and last UIDs to search from a place on; the last None: the end. No search finds more than MOST_FOUND."""
    first = place.last + 1
    bounds = [place.before] if first < place.before else []
    if opened.next is None:
        ends: list[int | None] = [*bounds, None]
    else:
        ends = [*(each for each in bounds if each < opened.next), opened.next]
    for end in ends:
        if end is None:
            yield first, None
            return
        step = MOST_FOUND if opened.messages > MOST_FOUND else MOST_UID
        while first < end:
            last = min(first + step, end) - 1
            yield first, last
            first = last + 1


def _json(places: dict[str, Place]) -> Position:
    return {folder: list(place) for folder, place in places.items()}

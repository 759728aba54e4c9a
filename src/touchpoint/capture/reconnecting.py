"""A source behind a connection: whatever its server does or does not, it is reached again after a pause.

All that can go wrong in a conversation is handled here, in `Reconnecting._converse_again_and_again`: a conversation
raises what it likes, and every exception is one line in the log and a pause.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
import traceback
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from touchpoint.backoff import backoff
from touchpoint.capture.source import Chunk, LostError, Position, SourceError

log = logging.getLogger(__name__)

AT_ONCE = 1_000  # records of a chunk
IDLE = 0.5  # seconds until a chunk without records


class Pauses(NamedTuple):
    """Seconds between two tries: they double from `first` to `longest`, and begin anew once a record was received."""

    first: float = 0.5
    longest: float = 30.0


class Room(NamedTuple):
    """How much may be received and not yet taken; then the server has to wait."""

    records: int = 100_000
    size: int = 64 * 1024 * 1024  # bytes


PAUSES, ROOM = Pauses(), Room()


class Conversation(Protocol):
    """What is said to one server.

    `address`: for the log. `missed`: what to do about what a server said while nobody listened; empty where it is
    asked for again. `fresh`: for how many seconds after `Reconnecting.complete` nothing is missing.
    """

    address: str
    missed: str
    fresh: float

    async def converse(self, link: Reconnecting) -> None:
        """Connect, log in, tell `link` so, and give it what comes.

        Whatever it raises, the connection is given up and the next one is made after a pause. SourceError ends the
        capture, if the server was never of use before: a configuration that is wrong from the start.
        """


class Reconnecting:
    """A source: one conversation, held again and again."""

    def __init__(
        self,
        conversation: Conversation,
        connected: Callable[[bool], None] = lambda _: None,
        pauses: Pauses = PAUSES,
        room: Room = ROOM,
    ) -> None:
        self._conversation = conversation
        self._connected = connected
        self._pauses, self._room = pauses, room
        self.position: Position = None
        """Behind all that was received; the source's own, where it can be asked for what comes after."""
        self._waiting: deque[tuple[Sequence[bytes], Position]] = deque()
        self._records = self._size = 0  # that wait
        self._news, self._taken = asyncio.Event(), asyncio.Event()
        self._complete: float | None = None  # when nothing was missing; None while the server is away
        self._received = False  # a record, since the last pause
        self._again = False  # what was captured before is read again
        self._useful = False  # ever logged in
        self._away_since: float | None = None

    async def chunks(self, position: Position, stopping: asyncio.Event) -> AsyncGenerator[Chunk, None]:
        """What is received, in its order. Raises SourceError where trying again is of no use."""
        self.position = position
        talking = asyncio.create_task(self._converse_again_and_again())
        stopped = asyncio.create_task(stopping.wait())
        for task in (talking, stopped):
            task.add_done_callback(lambda _: self._news.set())
        taken = position
        try:
            while not stopping.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(IDLE):
                        await self._news.wait()
                self._news.clear()
                records, taken = self._take(taken)
                if talking.done() and not records:
                    talking.result()
                yield Chunk(records, taken, caught_up=self._nothing_missing(), again=self._again)
        finally:
            talking.cancel()
            stopped.cancel()
            await asyncio.gather(talking, stopped, return_exceptions=True)
        while self._waiting:
            records, taken = self._take(taken)
            yield Chunk(records, taken, again=self._again)

    # --- for the conversation ------------------------------------------------------------------------------------

    def welcome(self) -> None:
        """The server took us in."""
        self._useful = True
        self._connected(True)
        log.info("listening to %s", self._conversation.address)
        if self._away_since is not None:
            away = time.monotonic() - self._away_since
            log.warning("%s is back after %.0f s; %s", self._conversation.address, away, self._conversation.missed)
            self._away_since = None

    async def receive(self, records: Sequence[bytes], position: Position = None) -> None:
        """Hand over records, and the position behind them. Waits for room."""
        while self._records >= self._room.records or self._size >= self._room.size:
            self._taken.clear()
            await self._taken.wait()
        self._received |= bool(records)
        self._waiting.append((records, position))
        self._records += len(records)
        self._size += sum(map(len, records))
        self.position = position
        self._news.set()

    def repeat(self) -> None:
        """The server does not know the position any more: what comes now may have been received before."""
        self._again = True

    def complete(self) -> None:
        """The server is alive, and until now nothing is missing."""
        self._complete = time.monotonic()
        self._news.set()

    # --- the rest ------------------------------------------------------------------------------------------------

    def _nothing_missing(self) -> bool:
        fresh = self._complete is not None and time.monotonic() - self._complete < self._conversation.fresh
        return fresh and not self._waiting

    def _take(self, taken: Position) -> tuple[list[bytes], Position]:
        """Some records, and the position behind them."""
        records: list[bytes] = []
        while self._waiting and len(records) < AT_ONCE:
            some, taken = self._waiting.popleft()
            records += some
        self._records -= len(records)
        self._size -= sum(map(len, records))
        self._taken.set()
        if self._waiting:
            self._news.set()
        return records, taken

    async def _converse_again_and_again(self) -> None:
        delays = backoff(self._pauses.first, self._pauses.longest)
        while True:
            try:
                await self._conversation.converse(self)
                why = "it has nothing more to say"
            except ssl.SSLCertVerificationError as error:
                why = untrusted(self._conversation.address, error)
                if not self._useful:
                    raise SourceError(why) from None
            except SourceError as error:
                why = reason(error)
                if not self._useful:
                    raise
            except Exception as error:  # noqa: BLE001 - whatever a server can cause
                why = reason(error)
            if self._received:
                delays = backoff(self._pauses.first, self._pauses.longest)
            self._lost()
            seconds = next(delays)
            log.warning("%s: %s; trying again in %.1f s", self._conversation.address, why, seconds)
            await asyncio.sleep(seconds)

    def _lost(self) -> None:
        self._received = False
        self._complete = None
        if self._away_since is None:
            self._away_since = time.monotonic()
            self._connected(False)


def trusting(ca: Path | None) -> ssl.SSLContext:
    """TLS that checks the other side's name and certificate. Raises SourceError for a file that is no authority."""
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise SourceError(f"--ca {ca} cannot be used: {error.strerror or error}") from None


def untrusted(address: str, error: ssl.SSLCertVerificationError) -> str:
    """What to say of a certificate that is not accepted."""
    return (
        f"the certificate of {address} is not accepted ({error.verify_message}): see --ca, and the name you connect to"
    )


def reason(error: Exception) -> str:
    """Why a conversation ended, in one line and without anything that its server said.

    What a server says may be about persons; our own errors quote of it only what cannot be.
    """
    if isinstance(error, LostError | SourceError):
        return str(error)
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, EOFError):
        return "it ended the connection"
    if isinstance(error, asyncio.LimitOverrunError):
        return "it says something too long without an end"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    where = traceback.extract_tb(error.__traceback__)[-1:]
    places = "".join(f" at {Path(frame.filename).name}:{frame.lineno}" for frame in where)
    return f"what it says is not understood ({type(error).__name__}{places})"


def plain(text: str, most: int = 100) -> str:
    """Of what a server said, what may stand in a line of a log."""
    return "".join(each if each.isprintable() else "?" for each in text[:most])

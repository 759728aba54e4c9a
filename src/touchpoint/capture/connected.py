"""A feed over a connection: logs in, listens, sees to it that the other side is alive, and comes back."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from touchpoint.capture.source import Chunk, Position, SourceError

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0  # to connect and log in
PING_EVERY = 15.0  # seconds of silence; after as many more the connection is given up
LONGEST_PAUSE = 30.0  # seconds between two tries
MOST_WAITING = 100_000  # records that are read and not yet taken: then the other side has to wait
AT_ONCE = 1_000
LONGEST = 1024 * 1024  # bytes of a record
IDLE = 0.5  # seconds


class LostError(Exception):
    """The connection is of no more use. The message says why."""


@dataclass(frozen=True)
class Address:
    """Where to connect. `tls`: None for a plain connection."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def trusting(ca: Path | None) -> ssl.SSLContext:
    """TLS that checks the other side's name and certificate. Raises SourceError for a file that is no authority."""
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise SourceError(f"--ca {ca} cannot be used: {error.strerror or error}") from None


def untrusted(address: str, error: ssl.SSLCertVerificationError) -> str:
    """What to say of a certificate that is not accepted."""
    return (
        f"the certificate of {address} is not accepted ({error.verify_message}): see --ca, and the name you connect to"
    )


class Conversation(Protocol):
    """What is said over the connection. `lost`: what to do about what was missed while nobody listened."""

    lost: str

    async def log_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Raises SourceError where it is refused, LostError for what is not understood."""

    async def record(self, reader: asyncio.StreamReader) -> bytes | None:
        """The next record; None for what is none, such as an answer. Raises LostError, EOFError, OSError."""

    def ping(self) -> bytes:
        """What has an answer."""


class Connected:
    """A source that cannot replay: what is sent while nobody listens is lost."""

    def __init__(
        self, address: Address, talk: Conversation, connected: Callable[[bool], None] = lambda _: None
    ) -> None:
        self._address = address
        self._talk = talk
        self._connected = connected
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(MOST_WAITING)
        self._heard: float | None = None  # when the other side last said anything; None while it is away

    async def chunks(self, position: Position, stopping: asyncio.Event) -> AsyncGenerator[Chunk, None]:
        """`position` says nothing: there is none."""
        listening = asyncio.create_task(self._listen())
        try:
            while not stopping.is_set():
                records = await self._some(listening)
                if listening.done() and not records:
                    listening.result()
                alive = self._heard is not None and time.monotonic() - self._heard < 2 * PING_EVERY
                yield Chunk(records, position, caught_up=alive and self._waiting.empty())
        finally:
            listening.cancel()
            await asyncio.wait([listening])
        while not self._waiting.empty():
            yield Chunk(self._taken(), position)

    async def _some(self, listening: asyncio.Task[None]) -> list[bytes]:
        """What has come; after a while without anything, nothing."""
        if self._waiting.empty():
            first = asyncio.ensure_future(self._waiting.get())
            done, _ = await asyncio.wait([first, listening], timeout=IDLE, return_when=asyncio.FIRST_COMPLETED)
            if first not in done:
                first.cancel()
                await asyncio.wait([first])
            return [first.result(), *self._taken()] if not first.cancelled() else []
        return self._taken()

    def _taken(self) -> list[bytes]:
        return [self._waiting.get_nowait() for _ in range(min(AT_ONCE, self._waiting.qsize()))]

    # --- the connection -----------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Connects again and again. Raises SourceError where that is of no use."""
        wait = 0.5
        away_since: float | None = None
        while True:
            try:
                reader, writer = await self._connect()
            except ssl.SSLCertVerificationError as error:
                raise SourceError(untrusted(str(self._address), error)) from None
            except (OSError, EOFError, LostError, TimeoutError, asyncio.LimitOverrunError) as error:
                log.warning("%s is not reached, trying again in %.1f s: %s", self._address, wait, _said(error))
                away_since = away_since or time.monotonic()
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                wait = min(LONGEST_PAUSE, wait * 2)
                continue
            if away_since is not None:
                log.warning(
                    "%s is back after %.0f s; %s", self._address, time.monotonic() - away_since, self._talk.lost
                )
            wait = 0.5
            away_since = await self._until_lost(reader, writer)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(CONNECT_SECONDS):
            address = self._address
            reader, writer = await asyncio.open_connection(address.host, address.port, ssl=address.tls, limit=LONGEST)
            try:
                await self._talk.log_in(reader, writer)
            except BaseException:
                writer.close()
                raise
        log.info("listening to %s", address)
        return reader, writer

    async def _until_lost(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
        """Listens for as long as it lasts; when the other side was heard last."""
        self._connected(True)
        self._heard = heard = time.monotonic()
        try:
            while True:
                record = await self._record(reader, writer)
                self._heard = heard = time.monotonic()
                if record is not None:
                    await self._waiting.put(record)
        except (OSError, EOFError, LostError, TimeoutError, asyncio.LimitOverrunError) as error:
            log.warning("%s is lost: %s", self._address, _said(error))
        finally:
            self._heard = None
            self._connected(False)
            writer.close()
        return heard

    async def _record(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
        """The next record or answer; asks for one in a long silence. Raises TimeoutError if there is none."""
        next_ = asyncio.ensure_future(self._talk.record(reader))
        try:
            done, _ = await asyncio.wait([next_], timeout=PING_EVERY)
            if not done:
                writer.write(self._talk.ping())
                await asyncio.wait_for(asyncio.shield(next_), PING_EVERY)
            return next_.result()
        finally:
            next_.cancel()


def _said(error: Exception) -> str:
    return "it does not answer" if isinstance(error, TimeoutError) else str(error) or type(error).__name__

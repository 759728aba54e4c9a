"""Whether the history can be written to: looked at before the first record is read, and afterwards as writing goes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

import asyncpg

from touchpoint.backoff import backoff
from touchpoint.history.agreement import Limits, limits_kept, set_limits
from touchpoint.history.checks import UnusableError, Wanted, check
from touchpoint.settings import PREFIX, Settings
from touchpoint.settings.database_url import place
from touchpoint.telemetry.logs import explained
from touchpoint.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

UNREACHABLE = (OSError, asyncpg.PostgresError, asyncpg.InternalClientError, asyncpg.InterfaceError)
"""What a database that does not answer, or not yet, makes of an attempt; TimeoutError is an OSError."""
LOOK_SECONDS = 10.0
COMPARE_SECONDS = 30.0  # between two looks at the limits of the other workers
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
_TOLD_EVERY = 60.0


class HistoryWatch:
    """Looks at the database until it answers once, and then at what the other workers are set to.

    While it does not answer, `trouble` says why: nothing is stored, and the worker is not ready.
    """

    def __init__(self, settings: Settings, pool: asyncpg.Pool, metrics: Metrics) -> None:
        """`pool`: connections of the worker's login."""
        assert settings.database_url is not None
        url = settings.database_url.get_secret_value()
        self.metrics = metrics
        self._wanted = Wanted(url, settings.party_secret.get_secret_value().encode())
        self._place = place(url)
        self._app_id = settings.app_id
        self._limits: Limits = settings.shared_by_all_workers()
        self._pool = pool
        self._told_at = -_TOLD_EVERY
        self.usable = False
        self._note(f"{self._place} was not looked at yet")

    async def look(self) -> None:
        """Look once. Raises UnusableError if the database answers and is of no use to us."""
        try:
            unusual = await check(self._wanted, LOOK_SECONDS)
            await self._compare_with_last_start()
        except UnusableError as error:
            raise UnusableError(f"{self._place}: {error}", configuration=error.configuration) from None
        except UNREACHABLE as error:
            self.failed(error)
            return
        for one in unusual:
            log.warning("%s: %s", self._place, one)
        self.usable = True
        self._note("")

    async def follow(self, refused: Callable[[UnusableError], None]) -> None:
        """Look until the database answers, then compare limits for ever. Ends after telling ``refused``."""
        delays = backoff(_SHORTEST_PAUSE, _LONGEST_PAUSE)
        while not self.usable:
            await asyncio.sleep(next(delays))
            try:
                await self.look()
            except UnusableError as error:
                refused(error)
                return
        while True:
            await asyncio.sleep(COMPARE_SECONDS)
            with contextlib.suppress(*UNREACHABLE):  # whoever writes tells it
                await self._compare_with_others()

    def require_usable(self) -> None:
        """Raises ConnectionError until the database has been looked at: what is stored before may be stored wrongly."""
        if not self.usable:
            raise ConnectionError(self.trouble)

    def wrote(self) -> None:
        """Something was stored."""
        self._note("")

    def failed(self, error: BaseException) -> None:
        """An attempt failed, and will be repeated."""
        self._note(f"{self._place} cannot be written to: {explained(error)}")
        if not self.usable and time.monotonic() - self._told_at > _TOLD_EVERY:
            self._told_at = time.monotonic()
            log.warning("%s; what closes waits, and is stored when it answers", self.trouble)

    def _note(self, trouble: str) -> None:
        self.trouble = trouble
        self.metrics.set("history_usable", float(not trouble))

    async def _compare_with_last_start(self) -> None:
        async with self._pool.acquire(timeout=LOOK_SECONDS) as connection:
            before = await set_limits(connection, self._app_id, self._limits)
        self.metrics.set("limits_differ", 0.0)
        if before is not None and before != self._limits:
            log.warning("limits differ from those of the last start: %s", _changes(before, self._limits))

    async def _compare_with_others(self) -> None:
        async with self._pool.acquire(timeout=LOOK_SECONDS) as connection:
            last = await limits_kept(connection, self._app_id)
        self.metrics.set("limits_differ", float(last is not None and last != self._limits))


def _changes(before: Limits, now: Limits) -> str:
    names = sorted({*before, *now})
    return ", ".join(
        f"{PREFIX}{name} {before.get(name, 'unset')} -> {now.get(name, 'unset')}"
        for name in names
        if before.get(name) != now.get(name)
    )

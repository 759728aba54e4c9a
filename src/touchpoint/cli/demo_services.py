"""What the demo starts: a broker, a PostgreSQL and a worker, each ending with this process whatever happens."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree
from types import TracebackType
from typing import Any, Self

from touchpoint.cli.errors import CliError
from touchpoint.embedded.broker import EmbeddedBroker, EmbeddedBrokerError, free_port
from touchpoint.embedded.held import Held
from touchpoint.embedded.kafka import ApacheKafka
from touchpoint.embedded.postgres import EmbeddedPostgres, EmbeddedPostgresError
from touchpoint.history.migration_runner import migrate
from touchpoint.history.session import session
from touchpoint.kafka.topic_admin import create_topics
from touchpoint.settings import PREFIX, load_settings

READY_WITHIN = 60.0  # seconds
_WEB_LOGIN = "web"


class Services:
    """The demo's installation. With `keep` it goes on after `keep()` was called, that is once all went well."""

    topic_prefix = "touchpoint."

    def __init__(self, broker: EmbeddedBroker | ApacheKafka, *, keep: bool) -> None:
        """`broker` is one that was not started yet, and with `keep` one that is kept."""
        self.broker = broker
        self.postgres = EmbeddedPostgres(keep=keep)
        self.directory = Path(tempfile.mkdtemp(prefix="touchpoint-demo-"))
        self.worker: Held | None = None
        self.web: Held | None = None
        self.page: str | None = None
        self._keeping = keep
        self._kept = False

    def start(self) -> None:
        """Start all of it; returns when the worker is ready. Raises CliError."""
        try:
            self.broker.start()
            self.postgres.start()
        except (EmbeddedBrokerError, EmbeddedPostgresError) as error:
            raise CliError(str(error)) from None
        asyncio.run(self._prepare())
        port = free_port()
        self.worker = self._held("worker", settings=self._settings(port))
        self._await_ready(port)

    def start_web(self) -> None:
        """Serve the page on this machine, if it is installed: `page` is its address then. Raises CliError."""
        if find_spec("fastapi") is None:
            return
        port, key = free_port(), secrets.token_hex(32)
        asyncio.run(self._set_view_key(bytes.fromhex(key)))
        settings = {
            "database_url": self.database_url.replace("//postgres@", f"//{_WEB_LOGIN}@"),
            "web__key": key,
            "web__port": port,
        }
        self.web = self._held("web", "--insecure-local", settings=settings)
        page = f"http://127.0.0.1:{port}/"
        deadline = time.monotonic() + READY_WITHIN
        while not self._answers(page):
            if not self.web.running or time.monotonic() > deadline:
                raise CliError(f"the page was not served; touchpoint web said:\n{self.web.said()}")
            time.sleep(0.1)  # between questions, as for the worker
        self.page = page

    async def _set_view_key(self, key: bytes) -> None:
        async with session(self.database_url) as connection:
            await connection.execute("SELECT touchpoint.set_view_key($1)", key)
            await connection.execute(f"CREATE ROLE {_WEB_LOGIN} LOGIN IN ROLE touchpoint_web")

    def _held(self, *words: str, settings: dict[str, Any]) -> Held:
        """One of our own commands, with these settings and no others."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        environment |= {PREFIX + name.upper(): str(value) for name, value in settings.items()}
        command = [sys.executable, "-m", "touchpoint", *words]
        return Held(command, keep=self._keeping, signal=signal.SIGTERM, environment=environment)

    def _settings(self, port: int) -> dict[str, Any]:
        return {
            "brokers": self.broker.address,
            "database_url": self.database_url,
            "partitions": 4,
            "replication": 1,
            "min_insync": 1,
            "idempotence": self.broker.idempotence,
            "session_timeout": 6,
            "metrics_port": port,
        }

    async def _prepare(self) -> None:
        await migrate(self.database_url)
        await create_topics(load_settings({}, **self._settings(0)))

    def _await_ready(self, port: int) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while not self._ready(port):
            self.check()
            if time.monotonic() > deadline:
                raise CliError(f"the worker was not ready within {READY_WITHIN:.0f} s; {self.said()}")
            time.sleep(0.1)  # between questions: another process tells nobody when it is ready

    def _ready(self, port: int) -> bool:
        return self._answers(f"http://127.0.0.1:{port}/readyz")

    @staticmethod
    def _answers(url: str) -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - one of our own
                return bool(answer.status == 200)
        except OSError:
            return False

    def check(self) -> None:
        """Raises CliError if the worker has ended."""
        if self.worker is None or not self.worker.running:
            raise CliError(f"the worker ended; {self.said()}")

    def said(self) -> str:
        """The end of the worker's log."""
        return f"the worker said:\n{self.worker.said()}" if self.worker is not None else "it was never started"

    @property
    def database_url(self) -> str:
        return self.postgres.dsn()

    @property
    def client(self) -> dict[str, Any]:
        """Options for a Kafka client."""
        return {"bootstrap_servers": self.broker.address}

    def keep(self) -> None:
        """From now on nothing is ended."""
        self._kept = self._keeping

    def pids(self) -> list[int]:
        """What to end by hand when it was kept: the worker first."""
        assert self.worker is not None
        web = [] if self.web is None else [self.web.pid]
        return [*web, self.worker.pid, self.broker.pid, self.postgres.pid]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._kept:
            return
        for held in (self.web, self.worker):
            if held is not None:
                held.stop()
        self.broker.end()
        self._end_postgres()
        rmtree(self.directory, ignore_errors=True)

    def _end_postgres(self) -> None:
        """End it even if it was to be kept: something failed before there was anything to keep."""
        if self._keeping and self.postgres.directory != Path():
            with suppress(FileNotFoundError, ProcessLookupError):
                os.kill(self.postgres.pid, signal.SIGINT)
            rmtree(self.postgres.directory, ignore_errors=True)
        self.postgres.stop()

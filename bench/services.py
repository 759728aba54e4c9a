"""What the benchmark starts: one broker, one PostgreSQL; topics and a database of its own for each measurement."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncpg
from kafka_broker import KafkaBroker

from touchpoint.embedded.broker import EmbeddedBroker
from touchpoint.embedded.kafka import VERSION, KafkaMissingError
from touchpoint.embedded.postgres import EmbeddedPostgres
from touchpoint.history.migration_runner import migrate
from touchpoint.kafka.topic_admin import create_topics
from touchpoint.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[1]
PARTITIONS = 4
REAL, EMBEDDED = f"Apache Kafka {VERSION}, one KRaft node", "embedded broker (Tansu, in memory)"


@dataclass(frozen=True)
class Place:
    """Topics with a prefix, and a migrated database."""

    settings: Settings
    database_url: str

    @property
    def inputs(self) -> list[str]:
        """The input topics, in full."""
        names = ("calls", "emails", "faxes", "chats", "activities", "parties")
        return [self.settings.topic_prefix + name for name in names]

    def environment(self, **more: Any) -> dict[str, str]:
        """For a worker: our settings and nobody else's."""
        ours: dict[str, Any] = self.settings.model_dump(exclude_unset=True) | more
        ours["brokers"] = ",".join(self.settings.brokers)
        ours["database_url"] = self.database_url
        kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        return kept | {PREFIX + name.upper(): str(value) for name, value in ours.items()}


class Services:
    """Starts them on entering; ends them and removes what they wrote on leaving, however that happens."""

    def __init__(self, broker: str) -> None:
        """`broker`: kafka, embedded, or auto for Kafka where Java and Maven are there."""
        self.directory = Path(tempfile.mkdtemp(prefix="touchpoint-bench-"))
        self._wanted = broker
        self._kafka: KafkaBroker | None = None
        self._embedded = EmbeddedBroker()
        self.postgres = EmbeddedPostgres()

    def __enter__(self) -> Self:
        try:
            self._start_broker()
            self.postgres.start()
        except BaseException:
            self._end()
            raise
        return self

    def _start_broker(self) -> None:
        if self._wanted != "embedded":
            try:
                kafka = KafkaBroker(self.directory / "kafka", heap="1g")
                kafka.prepare()
                self._kafka = kafka
                kafka.start()
                return
            except KafkaMissingError:
                if self._wanted == "kafka":
                    raise
        self._embedded.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        if self._kafka is not None:
            self._kafka.kill()  # its data is thrown away
        self._embedded.end()
        self.postgres.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def broker_name(self) -> str:
        return EMBEDDED if self._kafka is None else REAL

    @property
    def broker(self) -> str:
        """host:port"""
        return self._embedded.address if self._kafka is None else self._kafka.bootstrap

    @property
    def broker_pid(self) -> int:
        return self._embedded.pid if self._kafka is None else self._kafka.pid

    def place(self, name: str) -> Place:
        """Fresh topics and a fresh database."""
        real = self._kafka is not None
        settings = Settings(
            brokers=(self.broker,), topic_prefix=f"{name}.", app_id=name, partitions=PARTITIONS, replication=1,
            min_insync=1, idempotence=real,
        )  # fmt: skip
        database = name.replace("-", "_")
        asyncio.run(self._prepare(settings, database))
        return Place(settings, self.postgres.dsn(database))

    async def _prepare(self, settings: Settings, database: str) -> None:
        await create_topics(settings)
        connection = await asyncpg.connect(self.postgres.dsn())
        try:
            await connection.execute(f"CREATE DATABASE {database}")
        finally:
            await connection.close()
        await migrate(self.postgres.dsn(database))

"""What workers need and what may fail them: a Kafka and a PostgreSQL of the round's own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
from kafka_broker import KafkaBroker
from kafka_cluster import KafkaCluster

from touchpoint.embedded.postgres import EmbeddedPostgres
from touchpoint.history.migration_runner import migrate

RECOVERING = 8.0  # seconds after a broker came back: coordinators load, clients find it again


class Postgres(EmbeddedPostgres):
    """One that can be stopped and started again on the same data."""

    def halt(self, mode: str) -> None:
        """`mode`: fast, or immediate, which is a crash."""
        self._run("pg_ctl", "-D", str(self.directory / "data"), "-m", mode, "-w", "stop")

    def resume(self) -> None:
        self._serve()


class Surroundings:
    """Kafka, of one broker or three, and PostgreSQL; each is broken by one fault at a time."""

    def __init__(self, directory: Path, name: str, brokers: int = 1) -> None:
        """`name`: of the round's group, and what its topics begin with."""
        self.kafka = KafkaCluster(directory / "kafka") if brokers > 1 else KafkaBroker(directory / "kafka")
        self.broken_as: Counter[str] = Counter()  # what the broken broker was to the workers, by times
        self._name = name
        self.postgres = Postgres()
        self.database = ""
        self._broker_turn, self._postgres_turn = asyncio.Lock(), asyncio.Lock()
        self._broker_back = -RECOVERING
        self._broker_away = False

    async def start(self) -> None:
        """Both at once, with an empty, migrated database. Raises KafkaMissingError, EmbeddedPostgresError."""
        await asyncio.gather(asyncio.to_thread(self._start_broker), self._start_postgres())

    def _start_broker(self) -> None:
        if isinstance(self.kafka, KafkaBroker):
            self.kafka.prepare()
        self.kafka.start()

    async def _start_postgres(self) -> None:
        await asyncio.to_thread(self.postgres.start)
        administrator = await asyncpg.connect(self.postgres.dsn())
        await administrator.execute("CREATE DATABASE soak")
        await administrator.close()
        self.database = self.postgres.dsn("soak")
        await migrate(self.database)

    def end(self) -> None:
        """Both, with the database's data; the broker's is in the directory."""
        self.kafka.kill()
        self.postgres.stop()

    @contextlib.asynccontextmanager
    async def broker_away(self, pick: int) -> AsyncIterator[KafkaBroker]:
        """For a fault of a broker: nobody else breaks one until it is back, with all of its replicas in sync."""
        async with self._broker_turn:
            role, broker = await asyncio.to_thread(self._victim, pick)
            self.broken_as[role] += 1
            self._broker_away = True
            try:
                yield broker
                if isinstance(self.kafka, KafkaCluster):
                    await asyncio.to_thread(self.kafka.await_whole)
            finally:
                self._broker_away, self._broker_back = False, time.monotonic()

    def _victim(self, pick: int) -> tuple[str, KafkaBroker]:
        """Of three brokers the coordinator of the workers' group, the leader of most of their partitions, or any."""
        if isinstance(self.kafka, KafkaBroker):
            return "the only broker", self.kafka
        match pick % 3:
            case 0:
                role, node = "coordinator of the workers' group", self.kafka.coordinator(self._name)
            case 1:
                role, node = "leader of most partitions", self.kafka.busiest(self._name)
            case _:
                role, node = "any", None
        return role, node or self.kafka.nodes[pick % len(self.kafka.nodes)]

    @contextlib.asynccontextmanager
    async def postgres_away(self) -> AsyncIterator[Postgres]:
        """For a fault of PostgreSQL: nobody else breaks it meanwhile."""
        async with self._postgres_turn:
            yield self.postgres

    @property
    def broker_was_away_since(self) -> float:
        """Until when, by the monotonic clock, a worker may have missed the broker."""
        return time.monotonic() if self._broker_away else self._broker_back + RECOVERING

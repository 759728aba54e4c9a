"""An installation for each test, on the session's Apache Kafka and a real PostgreSQL."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from installation import Installation
from kafka_broker import KafkaBroker
from kafka_fixture import kafka
from postgres_server import database, postgres

__all__ = ["database", "kafka", "postgres"]


@pytest.fixture
async def installation(kafka: KafkaBroker, database: str, tmp_path: Path) -> AsyncIterator[Installation]:
    """Topics and a database of the test's own; its workers are ended whatever happens."""
    made = Installation(kafka.bootstrap, database, tmp_path, f"i{uuid.uuid4().hex[:8]}")
    await made.prepare()
    yield made
    made.close()

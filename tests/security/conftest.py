"""A Kafka with TLS and SASL, and a PostgreSQL with TLS and passwords: one each for all tests here."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka_fixture import kafka
from postgres_server import database, pool, postgres
from secure_kafka import SecureBroker

__all__ = ["database", "kafka", "pool", "postgres"]


@pytest.fixture(scope="session")
def secure_kafka() -> Iterator[SecureBroker]:
    """One broker with a listener for each protocol; where Java or Maven is missing, these tests are skipped."""
    with tempfile.TemporaryDirectory(prefix="touchpoint-kafka-") as directory:
        broker = SecureBroker(Path(directory) / "kafka")
        broker.prepare()
        broker.start()
        yield broker
        broker.kill()

"""The session's Kafka: ``from kafka_fixture import kafka`` in a conftest makes it a fixture there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka_broker import KafkaBroker, must_have_kafka

from touchpoint.embedded.kafka import KafkaMissingError


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaBroker]:
    """One broker for all tests; each test uses topics and groups of its own (``topic_prefix``, ``app_id``)."""
    with tempfile.TemporaryDirectory(prefix="touchpoint-kafka-") as directory:
        broker = KafkaBroker(Path(directory) / "kafka")
        try:
            broker.prepare()
        except KafkaMissingError as error:
            if must_have_kafka():
                raise
            pytest.skip(str(error))
        broker.start()
        yield broker
        broker.kill()

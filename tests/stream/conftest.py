"""A laboratory for each test, on the session's Kafka."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from kafka_broker import KafkaBroker
from kafka_fixture import kafka  # noqa: F401 - a fixture
from stream_lab import Lab


@pytest.fixture
async def lab(kafka: KafkaBroker, tmp_path: Path) -> AsyncIterator[Lab]:  # noqa: F811
    """Topics of the test's own; its workers are ended whatever happens."""
    laboratory = Lab(kafka, tmp_path, f"t{uuid.uuid4().hex[:8]}")
    await laboratory.prepare()
    yield laboratory
    laboratory.close()

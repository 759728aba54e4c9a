"""`touchpoint verify --topics` beside a worker: the input topics folded again are what it stored."""

from __future__ import annotations

import asyncio
import math
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from installation import SECRET, Installation, arrival, offline
from patience import LIMIT

from touchpoint.settings import PREFIX
from touchpoint.simulate import simulate
from touchpoint.simulate.produce import produce

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def verify(installation: Installation) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment |= {PREFIX + "TOPIC_PREFIX": installation.settings.topic_prefix, PREFIX + "PARTY_SECRET": SECRET}
    command = [sys.executable, "-m", "touchpoint", "verify", "--topics", "--rows", "--database", installation.database]
    command += ["--brokers", str(installation.client["bootstrap_servers"])]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=LIMIT)


async def test_the_topics_folded_again_are_what_the_worker_stored(installation: Installation) -> None:
    events = arrival(simulate(5, datetime(2026, 3, 2, 8, tzinfo=UTC), 1, 200), seed=5)
    await produce(events, installation.client, installation.settings.topic_prefix, math.inf, finish=True)
    before = await asyncio.to_thread(verify, installation)
    assert before.returncode == 1, "nothing is stored yet"
    assert "0 stored" in before.stdout
    await on_calls(
        installation,
        [event("party.erasure_requested", party["subject"]) for party in events if party["type"] == "party.identified"]
        + [event("interaction.close_requested", call["subject"]) for call in events if call["type"] == "call.offered"],
    )
    installation.worker()
    expected = offline(events)
    await installation.until_stored(expected)
    done = await asyncio.to_thread(verify, installation)
    assert done.stdout == f"{len(expected):,} interactions folded, {len(expected):,} stored: equal\n", done.stderr
    assert done.returncode == 0
    assert "records were not accepted, as by the worker" in done.stderr


def event(kind: str, subject: str) -> dict[str, Any]:
    return {"specversion": "1.0", "id": f"{kind} {subject}", "source": "/pbx", "type": kind, "subject": subject,
            "time": "2026-03-02T08:00:00Z"}  # fmt: skip


async def on_calls(installation: Installation, events: list[dict[str, Any]]) -> None:
    """What does not belong there: the worker and verify refuse it alike."""
    async with AIOKafkaProducer(**installation.client) as producer:
        for each in events:
            await producer.send(
                installation.settings.topic_prefix + "calls", orjson.dumps(each), each["subject"].encode()
            )

"""`touchpoint verify --topics` beside a worker: the input topics folded again are what it stored."""

from __future__ import annotations

import asyncio
import math
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from installation import SECRET, Installation, arrival, offline

from touchpoint.settings import PREFIX
from touchpoint.simulate import simulate
from touchpoint.simulate.produce import produce

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def verify(installation: Installation) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment |= {PREFIX + "TOPIC_PREFIX": installation.settings.topic_prefix, PREFIX + "PARTY_SECRET": SECRET}
    command = [sys.executable, "-m", "touchpoint", "verify", "--topics", "--rows", "--database", installation.database]
    command += ["--brokers", str(installation.client["bootstrap_servers"])]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=120)


async def test_the_topics_folded_again_are_what_the_worker_stored(installation: Installation) -> None:
    events = arrival(simulate(5, datetime(2026, 3, 2, 8, tzinfo=UTC), 1, 200), seed=5)
    await produce(events, installation.client, installation.settings.topic_prefix, math.inf, finish=True)
    before = await asyncio.to_thread(verify, installation)
    assert before.returncode == 1, "nothing is stored yet"
    assert "0 stored" in before.stdout
    installation.worker()
    expected = offline(events)
    await installation.until_stored(expected)
    done = await asyncio.to_thread(verify, installation)
    assert done.stdout == f"{len(expected):,} interactions folded, {len(expected):,} stored: equal\n", done.stderr
    assert done.returncode == 0

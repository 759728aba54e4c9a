"""What a worker's log tells an operator, from its start to its end."""

from __future__ import annotations

import asyncio
import re
import signal

import pytest
from installation import Installation

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


async def test_log_tells_version_group_partitions_level_and_end_and_nothing_of_faust(
    installation: Installation,
) -> None:
    worker = installation.worker(instance_id="one")

    async def ready() -> bool:
        return (await asyncio.to_thread(worker.page, "readyz"))[0] == 200

    await installation.until(ready, "the worker")
    for level in ("debug", "info"):
        worker.process.send_signal(signal.SIGUSR1)

        async def switched(level: str = level) -> bool:
            return f"the log level is {level} now" in worker.log.read_text()

        await installation.until(switched, f"the log level {level}")
    assert await worker.end() == 0
    said = worker.log.read_text()
    name = installation.settings.app_id
    assert re.search(
        rf"touchpoint 0\.\d+\.\d+ starts: group {name}, instance id one, topics {name}\.\*, brokers 127", said
    )
    assert "works on media 0-3; party 0-3; history 0-3" in said
    assert "stopped: what was finished is committed" in said.strip().splitlines()[-1]
    assert "[^" not in said

"""A log captured live, with kills and rotation, and then sent as a backfill too: each interaction is stored once."""

from __future__ import annotations

import random
from pathlib import Path

import orjson
import pytest
from capture_process import CaptureProcess
from installation import Installation, offline
from queue_log_writer import SOURCE, Log, killed_again_and_again

from touchpoint.simulate.produce import produce

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


async def test_live_and_a_backfill_of_the_same_period_are_the_same_rows_once(
    installation: Installation, tmp_path: Path
) -> None:
    installation.worker()
    log, state = Log(tmp_path / "queue_log"), tmp_path / "state.json"
    prefix = installation.settings.topic_prefix
    arguments = ["queue-log", str(log.path), "--source", SOURCE, "--state", str(state), "--heartbeat", "0"]
    environment = {"BROKERS": ",".join(installation.settings.brokers), "TOPIC_PREFIX": prefix}
    process = CaptureProcess(tmp_path, *arguments, **environment)
    await killed_again_and_again(process, log, state, random.Random(6), 2)
    process.start()
    backfill = log.events()

    async def captured() -> bool:
        found = {orjson.loads(record.value)["id"] for record in await installation.read("calls")}
        return found == {event["id"] for event in backfill}

    await installation.until(captured, "all of the log captured")
    assert process.stop() == 0
    await produce(backfill, installation.client, prefix, finish=True)
    await installation.until_stored(offline(backfill, installation.settings.stitching_limits()))
    assert not await installation.read("dead-letters")

"""Capture killed at any instant, its log rotated meanwhile: every event arrives, and what is repeated is equal."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from capture_process import CaptureProcess, ids
from installation import offline
from kafka_broker import KafkaBroker
from kafka_fixture import kafka
from patience import LIMIT
from queue_log_writer import SOURCE, Log, killed_again_and_again, stored_anew

from touchpoint.kafka.topic_admin import create_topics
from touchpoint.settings import load_settings

__all__ = ["kafka"]
UNKNOWN = "1767603600|c1|support|NONE|SOMETHING|1\n1767603600|NONE|support|NONE|SOMETHING|1\n"  # of a call, of none


@pytest.mark.slow
async def test_capture_killed_while_printing_loses_no_event(tmp_path: Path) -> None:
    log = Log(tmp_path / "queue_log")
    state = tmp_path / "state.json"
    arguments = ["queue-log", str(log.path), "--source", SOURCE, "--state", str(state), "--to", "-"]
    process = CaptureProcess(tmp_path, *arguments)
    await killed_again_and_again(process, log, state, random.Random(4), 4)
    process.start()
    wanted = {each["id"]: each for each in log.events()}
    await process.until(lambda said: len(ids(said)) == len(wanted))
    assert process.stop() == 0
    said = process.events()
    assert {each["id"]: each for each in said} == wanted
    assert all(each == wanted[each["id"]] for each in said)
    assert offline([*said, *wanted.values()]) == offline(wanted.values())  # live and a backfill of it: each record once


class Installation(NamedTuple):
    """Topics of a test's own, a log, and a capture of it."""

    broker: KafkaBroker
    prefix: str
    log: Log
    state: Path
    process: CaptureProcess

    async def found(self) -> Found:
        """What is in the topics once all is there."""
        found = Found()
        async with asyncio.timeout(LIMIT):
            await found.read(self.broker.bootstrap, self.prefix, {each["id"] for each in self.log.events()})
        return found


@pytest.fixture
async def installation(kafka: KafkaBroker, tmp_path: Path) -> AsyncIterator[Installation]:
    prefix = f"c{uuid.uuid4().hex[:8]}."
    environment = {"BROKERS": kafka.bootstrap, "TOPIC_PREFIX": prefix, "PARTITIONS": "3", "GRACE_SECONDS": "2"}
    settings = load_settings(
        {}, brokers=(kafka.bootstrap,), topic_prefix=prefix, partitions=3, replication=1, min_insync=1
    )
    await create_topics(settings)
    log, state = Log(tmp_path / "queue_log"), tmp_path / "state.json"
    log.path.write_text(UNKNOWN)
    arguments = ["queue-log", str(log.path), "--source", SOURCE, "--state", str(state), "--heartbeat", "1"]
    process = CaptureProcess(tmp_path, *arguments, **environment)
    yield Installation(kafka, prefix, log, state, process)
    process.kill()


@pytest.mark.kafka
@pytest.mark.slow
async def test_capture_killed_while_sending_to_kafka_loses_no_event(installation: Installation) -> None:
    _, _, log, state, process = installation
    await killed_again_and_again(process, log, state, random.Random(5), 4)
    process.start()
    found = await installation.found()
    assert process.stop() == 0
    assert found.events == {each["id"]: each for each in log.events()}
    assert {partition for partition, _ in found.heartbeats} == {0, 1, 2}
    assert {source for _, source in found.heartbeats} == {SOURCE}
    assert {
        (letter, headers["touchpoint-code"], headers["touchpoint-captured"]) for letter, headers in found.letters
    } == {(UNKNOWN.splitlines(keepends=True)[0].encode(), b"dialect", b"asterisk-queue-log")}


@pytest.mark.kafka
@pytest.mark.slow
async def test_capture_ends_in_time_while_kafka_stands_still_and_remembers_what_is_stored(
    installation: Installation,
) -> None:
    broker, _, log, state, process = installation
    process.start()
    log.write(20)
    await stored_anew(state, b"")
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        log.write(20)
        await asyncio.sleep(1)  # whatever it does meanwhile, none of it can be stored
        assert await asyncio.to_thread(process.stop) == 1
        assert "the grace period was too short" in process.log.read_text()
    finally:
        os.kill(broker.pid, signal.SIGCONT)
    process.start()
    assert (await installation.found()).events == {each["id"]: each for each in log.events()}
    assert process.stop() == 0


class Found:
    """What is in the topics."""

    def __init__(self) -> None:
        self.events: dict[str, dict[str, Any]] = {}
        self.heartbeats: set[tuple[int, str]] = set()
        self.letters: list[tuple[bytes, dict[str, bytes]]] = []

    async def read(self, broker: str, prefix: str, wanted: set[str]) -> None:
        """Until all that is wanted is there, and heartbeats on every partition after it."""
        consumer = AIOKafkaConsumer(bootstrap_servers=broker, auto_offset_reset="earliest")
        await consumer.start()
        try:
            consumer.assign(
                [TopicPartition(prefix + topic, n) for topic in ("calls", "dead-letters") for n in range(3)]
            )
            while not (wanted <= self.events.keys() and len(self.heartbeats) == 3 and self.letters):
                self._take(await consumer.getone())
        finally:
            await consumer.stop()

    def _take(self, record: Any) -> None:
        if record.topic.endswith("dead-letters"):
            self.letters.append((record.value, dict(record.headers)))
            return
        event = orjson.loads(record.value)
        if event["type"] == "source.heartbeat":
            self.heartbeats.add((record.partition, event["source"]))
            return
        assert record.key.decode() == event["subject"]
        assert self.events.setdefault(event["id"], event) == event

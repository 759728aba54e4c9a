"""Records that no client library writes, by hand into a real Kafka: no worker and no command ends, none is lost."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from installation import Event, Installation, Worker, offline
from patience import LIMIT
from raw_batches import Header, batch, record
from raw_produce import RawProducer

from touchpoint.kafka.fetching.unpacking import MOST_UNPACKED
from touchpoint.kafka.topic_admin import changelog
from touchpoint.simulate.produce import produce

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
HEADERS: list[Header] = [(b"traceparent", None), (b"\xff\xfe\xc3", b"\xfe"), (b"touchpoint-x", None)]
SHOWN = [
    {"name": "traceparent", "value": None},
    {"name": "\\xff\\xfe\\xc3", "value_base64": "/g=="},
]
"""As JSON has them; names that begin as ours do are not shown."""
LARGE = 700_000_000


def call(number: int) -> list[Event]:
    event = {"specversion": "1.0", "source": "/pbx", "subject": f"c{number}", "time": f"2026-03-02T08:{number:02}:00Z"}
    party = {"address": f"tel:+4416329600{number:02}"}
    return [
        event | {"id": f"{number}/1", "type": "call.offered", "data": {"party": party}},
        event | {"id": f"{number}/2", "type": "call.ended", "data": {}},
    ]


async def send(installation: Installation, data: bytes, topic: str = "calls") -> int:
    """Into the first partition of a topic; the offset of what the broker took."""
    return await send_to(installation, installation.settings.topic_prefix + topic, 0, data)


async def send_to(installation: Installation, topic: str, partition: int, data: bytes) -> int:
    """As `send`, into a topic by its full name."""
    producer = RawProducer(installation.settings.brokers[0])
    answer = await producer.send(topic, partition, data)
    producer.close()
    assert answer.error is None
    return answer.offset


async def command(installation: Installation, *words: str) -> str:
    """What a command prints; its exit status is 0."""
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "touchpoint", *words], capture_output=True, text=True, check=False,
        env=installation.environment(), timeout=LIMIT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


async def listed(installation: Installation) -> dict[str, dict[str, Any]]:
    """The dead letters as `list` has them, by origin."""
    lines = (await command(installation, "dead-letters", "list", "--format", "json")).splitlines()
    return {letter["origin"]: letter for letter in map(json.loads, lines)}


async def test_header_names_of_any_bytes_and_null_values_end_neither_worker_nor_command(
    installation: Installation,
) -> None:
    worker = installation.worker()
    valid = [record(n, b"c1", orjson.dumps(event), HEADERS) for n, event in enumerate(call(1))]
    refused = [record(n, b"c1", b"{}", HEADERS) for n in range(2)]
    await send(installation, batch(0, valid))
    await send(installation, batch(0, refused, "zstd"))
    await send(installation, batch(0, [record(0, b"k", b"", HEADERS)]), topic="dead-letters")
    await installation.until_letters(3)
    await produce(call(2), installation.client, installation.settings.topic_prefix, finish=True)
    await installation.until_stored(offline([*call(1), *call(2)]))
    assert worker.running

    found = await listed(installation)
    assert [found[f"calls/0/{n}"]["headers"] for n in (2, 3)] == [SHOWN, SHOWN]
    assert "traceparent" in await command(installation, "dead-letters", "show", "calls/0/2")
    assert "2 dead letters" in (await replayed(installation))
    await installation.until_letters(5)
    assert worker.running
    told = await command(installation, "verify", "--topics", "--database", installation.database)
    assert told.endswith("equal\n")


async def replayed(installation: Installation) -> str:
    """What `replay` says."""
    words = [sys.executable, "-m", "touchpoint", "dead-letters", "replay", "--topic", "calls", "--send"]
    done = await asyncio.to_thread(
        subprocess.run, words, capture_output=True, text=True, check=False, timeout=LIMIT,
        env=installation.environment(idempotence=False),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr


async def test_bombs_and_damage_are_dead_letters_and_take_little_memory(installation: Installation) -> None:
    worker = installation.worker()
    bombs = {
        await send(installation, batch(0, [record(0, value=b"\0" * (MOST_UNPACKED + 1))], codec)): codec
        for codec in ("gzip", "lz4", "zstd")
    }
    lies = await send(installation, batch(0, [record(n, b"k", b"null") for n in (0, 0, 1)], count=3))
    many = await send(installation, batch(0, [record(0, headers=[(b"", b"")] * 100_000)]))
    await send(installation, batch(0, [record(n, b"c1", orjson.dumps(event)) for n, event in enumerate(call(1))]))
    await produce(call(2), installation.client, installation.settings.topic_prefix, finish=True)
    await installation.until_stored(offline([*call(1), *call(2)]))
    assert worker.running
    found = await listed(installation)
    damaged = {f"calls/0/{offset}": f"cannot be parsed (size): offset {offset}" for offset in bombs}
    damaged[f"calls/0/{lies + 1}"] = f"cannot be parsed (offset): offset {lies + 1}"
    damaged[f"calls/0/{many}"] = f"cannot be parsed (headers): offset {many}"
    for origin, cause in damaged.items():
        assert found[origin]["cause"].startswith(cause), found[origin]
        assert found[origin]["code"] == "damaged"
    metrics = worker.metrics()
    assert metrics['touchpoint_damaged_records_total{reason="size",topic="calls"}'] == 3
    assert peak_memory(worker) < LARGE
    told = await command(installation, "verify", "--topics", "--database", installation.database)
    assert told.endswith("equal\n")


def peak_memory(worker: Worker) -> int:
    """Bytes that a worker had at most; 0 where that cannot be known."""
    status = Path(f"/proc/{worker.process.pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


async def test_an_open_transaction_is_told_and_what_is_aborted_never_comes(installation: Installation) -> None:
    worker = installation.worker()
    name = installation.settings.topic_prefix + "calls"
    producer = AIOKafkaProducer(**installation.client, transactional_id=installation.settings.app_id)
    await producer.start()
    await producer.begin_transaction()
    await (await producer.send(name, b"{}", b"k", partition=0))

    def held() -> float:
        return worker.metrics().get('touchpoint_open_transaction_records{partition="0",topic="calls"}', 0.0)

    await installation.until(told(lambda: held() == 1), "the open transaction")
    await producer.abort_transaction()
    await producer.stop()
    await installation.until(told(lambda: held() == 0), "the end of the transaction")
    await produce(call(1), installation.client, installation.settings.topic_prefix, finish=True)
    await installation.until_stored(offline(call(1)))
    assert not await installation.read("dead-letters")


def told(condition: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    """A condition on the worker's page, which may not be there yet."""

    async def holds() -> bool:
        try:
            return await asyncio.to_thread(condition)
        except OSError:
            return False

    return holds


async def test_changelogs_with_headers_of_any_kind_and_damage_are_recovered(installation: Installation) -> None:
    worker = installation.worker()
    await produce(call(1), installation.client, installation.settings.topic_prefix)
    await installation.until(told(lambda: worker.metrics().get("touchpoint_ready") == 1), "the worker")
    assert await worker.end() == 0
    for partition in range(installation.settings.partitions):
        bad = [record(0, b"\xff", None, [(b"\xff", None)]), record(0, b"\xff", None), record(1, b"\xff", None)]
        await send_to(installation, changelog(installation.settings, "media"), partition, batch(0, bad))
    worker = installation.worker()
    await produce(call(2), installation.client, installation.settings.topic_prefix, finish=True)
    await installation.until_stored(offline([*call(1), *call(2)]))
    assert worker.running

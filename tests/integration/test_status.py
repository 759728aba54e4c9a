"""`touchpoint status` beside real workers, Apache Kafka and PostgreSQL."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import orjson
import pytest
from installation import Installation

from touchpoint.embedded.broker import free_port

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


async def touchpoint(installation: Installation, *words: str, **own: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "touchpoint", "status", *words]
    environment = installation.environment(**own)
    return await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


async def test_two_workers_share_all_partitions_and_without_them_all_are_nobodys(installation: Installation) -> None:
    workers = [installation.worker(instance_id=name) for name in ("one", "two")]
    pages = [word for worker in workers for word in ("--worker", f"http://127.0.0.1:{worker.port}/metrics")]
    told: dict[str, Any] = {}

    async def shared() -> bool:
        done = await touchpoint(installation, "--json", *pages)
        assert done.returncode in {0, 1}, done.stderr
        told.clear()
        told.update(orjson.loads(done.stdout))
        return not told["problems"] and len(told["workers"]) == 2 and all(w["partitions"] for w in told["workers"])

    await installation.until(shared, "two workers that share the partitions")
    assert [worker["name"].partition("-")[0] for worker in told["workers"]] == ["one", "two"]
    topics = {topic["topic"]: topic for topic in told["topics"]}
    assert set(topics) == {
        "calls", "emails", "faxes", "chats", "activities", "parties", "links", "touches", "interactions"
    }  # fmt: skip
    assert sum(worker["partitions"] for worker in told["workers"]) == 4 * len(topics)
    assert [page["is_ready"] for page in told["pages"]] == [True, True]

    people = await touchpoint(installation, *pages)
    assert people.returncode == 0
    assert f"group {installation.settings.app_id}: Stable, 2 workers" in people.stdout

    for worker in workers:
        worker.kill()

    async def noticed() -> bool:
        return (await touchpoint(installation)).returncode == 1

    async with installation.producer() as producer:
        await producer.send_and_wait(f"{installation.settings.topic_prefix}calls", b"{", b"c1", 0)
    await installation.until(noticed, "a group without workers")
    alone = await touchpoint(installation, "--json")
    found = orjson.loads(alone.stdout)
    assert "problem" in (await touchpoint(installation)).stdout
    assert found["workers"] == []
    [calls] = [topic for topic in found["topics"] if topic["topic"] == "calls"]
    assert calls["lag"] == 1


async def test_no_broker_is_exit_status_3_and_a_wrong_setting_2(installation: Installation) -> None:
    nowhere = await touchpoint(installation, brokers=f"127.0.0.1:{free_port()}")
    assert nowhere.returncode == 3
    assert "TOUCHPOINT_BROKERS" in nowhere.stderr
    assert (await touchpoint(installation, partitions="many")).returncode == 2

"""`touchpoint dead-letters` on a real Apache Kafka: seen, chosen, and sent again once the configuration is right."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from installation import Event, Installation, JsonSetting
from kafka_broker import KafkaBroker
from patience import LIMIT

from touchpoint.settings import PREFIX

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture
async def twice(kafka: KafkaBroker, database: str, tmp_path: Path) -> AsyncIterator[tuple[Installation, Installation]]:
    """One installation as it was deployed, without the channel sms, and as it should have been."""
    name = f"i{uuid.uuid4().hex[:8]}"
    strict = Installation(kafka.bootstrap, database, tmp_path, name)
    right = Installation(kafka.bootstrap, database, tmp_path, name, channels=JsonSetting(sms={"topic": "calls"}))
    await strict.prepare()
    yield strict, right
    strict.close()
    right.close()


def event(number: int, kind: str, second: int, **data: Any) -> Event:
    return {
        "specversion": "1.0", "id": f"{kind}-{number}", "source": "gateway", "type": kind, "subject": f"s{number}",
        "time": f"2026-03-02T08:00:{second:02}Z", "data": {"direction": "inbound", **data},
    }  # fmt: skip


def message(number: int) -> list[Event]:
    party = {"address": f"tel:+4416329600{number:02}"}
    return [event(number, "sms.offered", number, party=party), event(number, "sms.ended", number + 1, reason="sent")]


async def dead_letters(installation: Installation, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment |= {PREFIX + "TOPIC_PREFIX": installation.settings.topic_prefix, PREFIX + "IDEMPOTENCE": "false"}
    command = [sys.executable, "-m", "touchpoint", "dead-letters", *words]
    command += ["--brokers", str(installation.client["bootstrap_servers"])]
    return await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, env=environment, check=False, timeout=LIMIT
    )


async def test_dead_letters_of_a_too_strict_configuration_are_sent_again_and_stored(
    twice: tuple[Installation, Installation],
) -> None:
    strict, right = twice
    calls = strict.settings.topic_prefix + "calls"
    assert (await dead_letters(strict, "list")).returncode == 1, "there is none yet"
    worker = strict.worker()
    async with strict.producer() as producer:
        for number in range(10):
            for each in message(number):
                await producer.send_and_wait(
                    calls, json.dumps(each).encode(), each["subject"].encode(), headers=[("trace", b"t%d" % number)]
                )
        await producer.send_and_wait(calls, b"\x00\xff\x1b[31m no event", b"\xfe")

    async def buried() -> bool:
        return len(await strict.read("dead-letters")) == 21

    await strict.until(buried, "21 dead letters")
    assert await worker.end() == 0
    await they_can_be_seen(strict)

    dry = await dead_letters(strict, "replay", "--cause", "SMS.")
    assert dry.returncode == 0, dry.stderr
    assert "20 dead letters would be sent; nothing was" in dry.stderr
    before = await strict.read("calls")
    sent = await dead_letters(strict, "replay", "--cause", "sms.", "--rate", "200", "--send")
    assert sent.returncode == 0, sent.stderr
    assert "20 dead letters sent" in sent.stderr
    after = await strict.read("calls")
    again = [record for record in after if (record.partition, record.offset) not in places(before)]
    assert sorted(map(contents, again)) == sorted(contents(each) for each in before if each.key != b"\xfe")

    right.worker()
    beat = {
        "specversion": "1.0",
        "id": "end",
        "source": "beat",
        "type": "source.heartbeat",
        "time": "2026-06-01T00:00:00Z",
    }
    async with strict.producer() as producer:
        for topic in ("calls", "emails", "faxes", "chats", "activities"):
            for partition in range(strict.settings.partitions):
                await producer.send_and_wait(
                    strict.settings.topic_prefix + topic, json.dumps(beat).encode(), partition=partition
                )

    async def stored() -> bool:
        return await right.count() == 10

    await right.until(stored, "10 interactions")
    records = (await right.records()).values()
    assert {record["media_items"][0]["media_item_id"] for record in records} == {f"s{n}" for n in range(10)}
    assert {record["channel"] for record in records} == {"sms"}


def places(records: list[Any]) -> set[tuple[int, int]]:
    return {(record.partition, record.offset) for record in records}


def contents(record: Any) -> tuple[Any, ...]:
    return record.partition, record.key, record.value, tuple(record.headers)


async def they_can_be_seen(installation: Installation) -> None:
    """In a table, as JSON by every filter, and one in full."""
    listed = await dead_letters(installation, "list")
    assert listed.returncode == 0, listed.stderr
    assert len(listed.stdout.splitlines()) == 22
    assert "\x1b" not in listed.stdout
    chosen = {
        ("--key", "s3"): 2,
        ("--topic", "calls"): 21,
        ("--topic", "emails"): 0,
        ("--cause", "'SMS.ended' is not"): 10,
        ("--code", "key"): 1,
        ("--since", "2999-01-01"): 0,
        ("--until", "2020-01-01"): 0,
        ("--since", "2020-01-01"): 21,
    }
    for words, count in chosen.items():
        found = await dead_letters(installation, "list", "--format", "json", *words)
        assert len(found.stdout.splitlines()) == count, words
        assert found.returncode == (0 if count else 1)
    lines = (await dead_letters(installation, "list", "--format", "json", "--code", "key")).stdout.splitlines()
    (garbage,) = [json.loads(line) for line in lines]
    assert garbage["value_base64"] == "AP8bWzMxbSBubyBldmVudA=="
    for where in (garbage["origin"], garbage["dead_letter"]):
        shown = await dead_letters(installation, "show", where)
        assert "00000000  00 ff 1b 5b 33 31 6d 20 6e 6f 20 65 76 65 6e 74  ...[31m no event" in shown.stdout
        assert garbage["cause"] in shown.stdout
        assert "\x1b" not in shown.stdout
    assert (await dead_letters(installation, "show", "calls/0/99999")).returncode == 1
    assert (await dead_letters(installation, "show", "dead-letters/0/99999")).returncode == 1

"""Clocks that are wrong and time in which nobody worked, with real workers, Apache Kafka and PostgreSQL.

tests/stages/test_time.py has the same with hours and minutes that pass in no time; here the broker's own stamps count.
"""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from installation import Event, Installation, JsonSetting, offline
from kafka_broker import KafkaBroker

from touchpoint.producer import Producer
from touchpoint.simulate import simulate
from touchpoint.simulate.produce import produce
from touchpoint.stitching.limits import Limits

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
SECONDS_STOPPED = 20
FAST = {"disorder": "1s", "quiet": "1s", "wrapup_begins_within": "1s"}


@pytest.fixture
async def quick(kafka: KafkaBroker, database: str, tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation that waits a second where others wait a minute or more."""
    fields = {"partitions": 2, "limits": JsonSetting(FAST)}
    made = Installation(kafka.bootstrap, database, tmp_path, f"i{uuid.uuid4().hex[:8]}", **fields)
    await made.prepare()
    yield made
    made.close()


def call(item: str, start: datetime, source: str = "/pbx", **other: str) -> list[Event]:
    """A call of 40 s: offered, answered, ended, wrapped up."""
    steps = [
        ("call.offered", 0, {"party": {"address": f"chat:{item}"}}),
        ("call.answered", 10, {"resource": {"id": "john"}}),
        ("call.ended", 40, {}),
        ("interaction.wrapped_up", 41, {"outcome": "done"}),
    ]
    return [
        {"specversion": "1.0", "id": f"{item}/{kind}", "source": source, "type": kind, "subject": item, "data": data,
         "time": (start + timedelta(seconds=after)).isoformat(), **other}
        for kind, after, data in steps
    ]  # fmt: skip


def ends_now(seconds: float = 0) -> datetime:
    """When a call begins that ends so many seconds ago."""
    return datetime.now(UTC) - timedelta(seconds=42 + seconds)


async def send(installation: Installation, events: Iterable[Event]) -> None:
    await produce(events, installation.client, installation.settings.topic_prefix, math.inf)


async def flush(installation: Installation, events: Iterable[Event]) -> None:
    """Each of their sources has told everything."""
    async with Producer(installation.client, installation.settings.topic_prefix) as producer:
        for source in sorted({event["source"] for event in events}):
            await producer.declare_flushed(source, datetime.now(UTC).isoformat())
        assert not (await producer.flush()).failed


async def codes(installation: Installation) -> list[bytes | None]:
    return [dict(letter.headers)["touchpoint-code"] for letter in await installation.read("dead-letters")]


async def test_a_source_23_hours_ahead_costs_its_own_events_and_nobody_elses_row(installation: Installation) -> None:
    """B7: 20 ordinary calls after 40 of such a source had 20 rows, none of them right, and amendments."""
    installation.worker()
    ahead = [
        each
        for n in range(40)
        for each in call(f"x{n}", ends_now() + timedelta(hours=23, seconds=n), "/bad", tenant="other")
    ]
    good = [each for n in range(20) for each in call(f"c{n}", ends_now(n / 4))]
    await send(installation, ahead)
    await send(installation, good)
    await installation.until_letters(len(ahead))
    await flush(installation, good)
    await installation.until_stored(offline(good))
    assert await codes(installation) == [b"time"] * len(ahead)
    assert not any(record["amendments"] for record in (await installation.records()).values())


async def test_time_without_a_worker_is_made_up_for_while_one_of_two_channels_is_quiet(quick: Installation) -> None:
    """S3: after a stop every row came later by as much, for good: until a fax reached every partition of `faxes`."""
    worker = quick.worker()
    faxes = [
        {"specversion": "1.0", "id": f"f{n}", "source": "/fax", "type": "fax.dialing", "subject": f"fax-{n}",
         "time": datetime.now(UTC).isoformat(), "data": {}}
        for n in range(8)
    ]  # fmt: skip
    before = call("before", ends_now())
    await send(quick, [*faxes, *before])
    await quick.until_count(1)
    assert await worker.end() == 0
    while_away = call("while-away", ends_now())
    await send(quick, while_away)
    await asyncio.sleep(SECONDS_STOPPED)
    worker = quick.worker()
    after = call("after", ends_now())
    await send(quick, after)

    async def made_up_for() -> bool:
        delays = [v for name, v in worker.metrics().items() if name.startswith("touchpoint_watermark_delay_seconds{")]
        return len(delays) == 2 * quick.settings.partitions and max(delays) < SECONDS_STOPPED / 2

    await quick.until(made_up_for, "event time that is the clock's again")
    await quick.until_count(3)
    limits = quick.settings.stitching_limits()
    expected = {i: r["content_hash"] for i, r in calls_of(offline([*before, *while_away, *after], limits)).items()}
    assert await quick.hashes() == expected
    assert await codes(quick) == []


def calls_of(records: dict[str, Event]) -> dict[str, Event]:
    return {i: each for i, each in records.items() if each["channels"] == ["call"]}


@pytest.mark.parametrize("beside", ["alone", "beside a live stream"])
async def test_a_years_backfill_with_a_pause_has_the_rows_of_stitch_and_no_live_event_is_late(
    installation: Installation, beside: str
) -> None:
    """Six stretches of a year, with a pause in the middle of one; each source declares an instant of its own."""
    installation.worker()
    now = datetime.now(UTC)
    old = [
        event | {"source": f"/old{event['source']}"}
        for n, days in enumerate((365, 200, 100, 40, 20, 2))
        for event in simulate(n, now - timedelta(days=days), hours=0.2, volume=60)
    ]
    live: list[Event] = []

    async def live_call() -> None:
        if beside != "alone":
            live.extend(made := call(f"live-{len(live)}", ends_now()))
            await send(installation, made)

    await live_call()
    for part in (old[: len(old) // 2], old[len(old) // 2 :]):
        await send(installation, part)
        began = time.monotonic()
        while time.monotonic() - began < 5:
            await live_call()
            await asyncio.sleep(1)
    await flush(installation, [*old, *live])
    await installation.until_stored(offline([*old, *live], Limits()))
    assert await codes(installation) == []
    assert not any(
        amendment["event_id"].startswith("live")
        for record in (await installation.records()).values()
        for amendment in record["amendments"]
    )

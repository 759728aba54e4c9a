"""What a real worker serves at /metrics: the table of metrics, all of it, and figures that an operator can rely on."""

from __future__ import annotations

import asyncio
import math
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from installation import Installation, Worker, arrival, offline
from postgres_server import TestPostgres, outage
from prometheus_client.parser import text_string_to_metric_families

from touchpoint.simulate import simulate
from touchpoint.simulate.produce import produce
from touchpoint.telemetry.metric_table import WORKER

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
OPTIONAL = {
    "touchpoint_source_seconds", "touchpoint_input_delay_seconds", "touchpoint_held_partitions",
    "touchpoint_watermark_delay_seconds", "touchpoint_vendor_records",
}  # fmt: skip
"""Of what has to be seen first, and of topics with a dialect, of which there is none here."""


async def page_of(worker: Worker, installation: Installation) -> str:
    async def ready() -> bool:
        return (await asyncio.to_thread(worker.page, "readyz"))[0] == 200 and bool(samples(worker, "lag_records"))

    await installation.until(ready, "a worker that is ready and knows its lag")
    return (await asyncio.to_thread(worker.page, "metrics"))[1]


def samples(worker: Worker, name: str) -> dict[str, float]:
    return {key: value for key, value in worker.metrics().items() if key.startswith(f"touchpoint_{name}")}


def summed(worker: Worker, name: str, *labels: str) -> float:
    return sum(v for key, v in samples(worker, name).items() if all(label in key for label in labels))


async def until(installation: Installation, condition: Callable[[], bool], what: str) -> None:
    async def holds() -> bool:
        return await asyncio.to_thread(condition)

    await installation.until(holds, what)


async def test_every_metric_of_the_table_is_served_with_its_labels_before_any_record(
    installation: Installation,
) -> None:
    page = await page_of(installation.worker(), installation)
    served = {family.name: family for family in text_string_to_metric_families(page)}
    assert {name for name in served if name.startswith("touchpoint_")} == {m.name for m in WORKER}
    for metric in WORKER:
        family = served[metric.name]
        assert (family.type, family.documentation) == (metric.kind, metric.help)
        labels = {frozenset(sample.labels) - {"le"} for sample in family.samples}
        assert labels == {frozenset(metric.labels)} or (metric.name in OPTIONAL and not labels), metric.name
    assert "process_resident_memory_bytes" in served
    assert "_created" not in page


async def test_every_code_of_a_dead_letter_is_there_at_zero_for_every_input(installation: Installation) -> None:
    worker = installation.worker()
    await page_of(worker, installation)
    found = samples(worker, "dead_letters_total")
    assert set(found.values()) == {0.0}
    for topic in ("calls", "emails", "faxes", "chats", "activities", "parties"):
        assert f'touchpoint_dead_letters_total{{code="not_json",dialect="",topic="{topic}"}}' in found
    async with installation.producer() as producer:
        await producer.send_and_wait(f"{installation.settings.topic_prefix}calls", b"{", b"c1")
    await until(installation, lambda: summed(worker, "dead_letters_total") > 0, "the dead letter")
    new = {name: value for name, value in samples(worker, "dead_letters_total").items() if value}
    assert new == {'touchpoint_dead_letters_total{code="not_json",dialect="",topic="calls"}': 1.0}


async def test_lag_and_oldest_show_what_an_unusable_database_leaves_unstored(
    installation: Installation, postgres: TestPostgres
) -> None:
    """S5: lag 0 and ready for 90 s, while a thousand interactions waited."""
    events = arrival(simulate(7, START, hours=0.2, volume=200), seed=7)
    expected = offline(events)
    async with outage(postgres, installation.database):
        worker = installation.worker(sources=events[0]["source"])
        await produce(events, installation.client, installation.settings.topic_prefix, math.inf, finish=True)
        waits = 'topic="interactions"'
        await until(installation, lambda: summed(worker, "lag_records", waits) >= len(expected), "lag of what waits")
        await until(installation, lambda: summed(worker, "oldest_unstored_seconds") > 1, "the age of what waits")
        assert summed(worker, "event_to_stored_seconds_count") == 0
    await installation.until_stored(expected)
    await until(installation, lambda: summed(worker, "lag_records") == 0, "no lag")
    await until(installation, lambda: summed(worker, "oldest_unstored_seconds") == 0, "nothing that waits")
    assert summed(worker, "event_to_stored_seconds_count") == len(expected)
    assert summed(worker, "closed_to_stored_seconds_count") >= len(expected)
    held = samples(worker, "held_partitions")
    assert sum(held.values()) == installation.settings.partitions
    assert all('source="none"' in key or 'source="others"' in key or events[0]["source"] in key for key in held)


async def test_promtool_finds_nothing_to_complain_of(installation: Installation) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.fail("no promtool: apt-get install prometheus (.ci/run does)")
    page = await page_of(installation.worker(), installation)
    checked = await asyncio.to_thread(
        subprocess.run, [promtool, "check", "metrics"], input=page, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")

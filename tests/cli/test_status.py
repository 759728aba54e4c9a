"""What `touchpoint status` makes of what brokers and workers tell."""

from __future__ import annotations

import pytest

from touchpoint.inspection.worker_page import WorkerPage, read_page
from touchpoint.inspection.worker_status import HolderStatus, Status, TopicStatus, summarize
from touchpoint.kafka.access import Member
from touchpoint.kafka.group_progress import GroupProgress, PartitionProgress
from touchpoint.telemetry.endpoint import Answer, Endpoint
from touchpoint.telemetry.health import HealthPage
from touchpoint.telemetry.metrics import Metrics

NOW = 1_000_000.0


def member(name: str, *partitions: int) -> Member:
    return Member(name, "10.0.0.5", f"{name}-1", frozenset(("t.calls", number) for number in partitions))


def progress(state: str = "Stable", nobodys: int = 0, **lags: int) -> GroupProgress:
    """A worker `one` with a partition of a topic for each of `lags`."""
    partitions = [PartitionProgress(topic, 0, 100, 100 - lag, lag, "one-1") for topic, lag in lags.items()]
    partitions += [PartitionProgress("calls", 1 + number, 5, None, 5, None) for number in range(nobodys)]
    return GroupProgress(state, [member("one", 0)], partitions)


async def page_of(metrics: Metrics, port: int) -> WorkerPage:
    page = HealthPage(metrics, lambda: True, str)
    await page.start("127.0.0.1", port)
    try:
        return await read_page(f"http://127.0.0.1:{port}/metrics")
    finally:
        await page.stop()


def usable(version: str = "0.1.0") -> Metrics:
    metrics = Metrics(["/pbx"])
    metrics.set("build_info", 1, version, "3.11", "2", "1", "2")
    metrics.set("ready", 1)
    metrics.set("history_usable", 1)
    return metrics


def status(found: GroupProgress, *pages: WorkerPage) -> Status:
    return summarize("touchpoint", found, pages, NOW)


async def test_event_time_lag_and_sources_are_those_of_brokers_and_pages_together(unused_tcp_port: int) -> None:
    metrics = usable()
    for partition, delay in (("0", 61.0), ("1", 95.0)):
        metrics.set("watermark_delay_seconds", delay, "party", partition)
        metrics.set("input_delay_seconds", delay, "calls", partition)
    metrics.hold(0, "calls", "/pbx")
    metrics.hold(1, "calls", "/somebody's")
    metrics.hold(1, "calls", "/pbx")
    metrics.observe_event("calls", "/pbx", NOW - 30)
    metrics.observe("batch_seconds", 0.5, "history")
    found = status(progress(calls=7, faxes=0), await page_of(metrics, unused_tcp_port))
    assert found.problems == found.notes == []
    assert [(w.name, w.partitions, w.lag) for w in found.workers] == [("one", 2, 7)]
    assert found.topics == [TopicStatus("calls", 1, 7, 95.0), TopicStatus("faxes", 1, 0, None)]
    assert found.delay_seconds == 95.0
    assert found.held_back_by == [HolderStatus("calls", "/pbx", 2)]
    assert [(s.source, s.silent_seconds) for s in found.sources] == [("/pbx", 30.0)]
    assert [(s.agent, s.batches, s.mean_seconds) for s in found.steps] == [("history", 1, 0.5)]


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (GroupProgress("Empty", [], []), "no worker is in the group: nothing is read"),
        (progress("PreparingRebalance"), "the group is in PreparingRebalance"),
        (progress(nobodys=6), "6 partitions are nobody's: calls 1, calls 2, calls 3, calls 4, calls 5, ..."),
    ],
)
def test_what_needs_an_operator_is_a_problem(found: GroupProgress, problem: str) -> None:
    [said] = status(found).problems
    assert said.startswith(problem)


async def test_worker_whose_database_is_away_is_a_problem_and_two_versions_are(unused_tcp_port: int) -> None:
    waiting, other = usable(), usable("0.2.0")
    waiting.set("history_usable", 0)
    pages = [await page_of(each, unused_tcp_port) for each in (waiting, other)]
    found = status(progress(calls=0), *pages)
    assert [page.is_ready for page in found.pages] == [False, True]
    assert found.problems == [
        f"the worker at http://127.0.0.1:{unused_tcp_port}/metrics is not ready: its /readyz and its log say why",
        "workers of several versions: 0.1.0, 0.2.0",
    ]


async def test_page_that_cannot_be_read_is_a_note_with_the_way_out(unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/metrics"
    refused = await read_page(url)
    endpoint = Endpoint({"/metrics": lambda: Answer(b"<html>nothing of ours</html>\n")})
    await endpoint.start("127.0.0.1", unused_tcp_port)
    strange = await read_page(url)
    await endpoint.stop()
    notes = status(progress(calls=0), refused, strange).notes
    assert notes[:2] == [f"{url} cannot be read: Connection refused", f"{url} has no metrics"]
    assert "--worker" in notes[2]

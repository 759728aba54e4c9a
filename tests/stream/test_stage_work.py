"""What the runtime does for a stage, without a broker."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import pytest

from touchpoint.stages.dead_letter_records import TOPIC
from touchpoint.stages.protocol import Assignment, Forward, Record, Report, Stage
from touchpoint.stream.changelog import Changelog
from touchpoint.stream.dead_letter_limit import WINDOW, DeadLetterLimit, DeadLetterLimitError, Versions
from touchpoint.stream.delivery import Delivery, Destinations
from touchpoint.stream.outbox import Outbox, Partitioner
from touchpoint.stream.tables import PartitionState
from touchpoint.stream.work import StageWork
from touchpoint.telemetry.metrics import Metrics

OLD, NEW = 1, 2  # fingerprints of versions
MARY = "tel:+441632960001"


class ReportingStage:
    """Reports once what it was made with."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.watermark: int | None = 1_000_000

    def parts(self, records: Sequence[Record]) -> Iterable[Sequence[Record]]:
        return (records,)

    def apply(self, records: Sequence[Record], now: int) -> Sequence[Forward]:  # noqa: ARG002
        return []

    def tick(self, now: int, caught_up: Collection[str]) -> Sequence[Forward]:  # noqa: ARG002
        return []

    def report(self) -> Report:
        return self._report.take(self.watermark)


class FailingStage(ReportingStage):
    """Fails on every record, as a stage with a fault that all records of a producer reach."""

    def __init__(self) -> None:
        super().__init__(Report())

    def apply(self, records: Sequence[Record], now: int) -> Sequence[Forward]:  # noqa: ARG002
        raise ArithmeticError(MARY)


def work(stage: Stage, metrics: Metrics, state: PartitionState | None = None) -> StageWork:
    def no_producer() -> None:
        raise AssertionError("nothing is to be sent")

    state = PartitionState("media") if state is None else state
    outbox = Outbox(no_producer, print)
    delivery = Delivery("media", 3, outbox, Destinations(Partitioner(4), str, len), metrics, lambda: False)

    async def read_again(_state: PartitionState) -> None:
        raise AssertionError("nobody else has written")

    changelog = Changelog("media", "media-changelog", state, delivery, read_again)
    gate = DeadLetterLimit(3, 0.5, Versions(NEW, state), lambda _: None)
    state.take_changes()  # the version's, as after a first batch
    return StageWork(lambda _assignment: stage, Assignment(3, 4, 4, state), changelog, delivery, gate)


def failing_work(accepted_under: int) -> tuple[StageWork, list[Forward]]:
    """Work of a stage that fails, on a partition whose records were accepted under a version; what it would send."""
    state, sent = PartitionState("media"), list[Forward]()
    versions = Versions(accepted_under, state)
    versions.accept("calls")
    versions.save()
    failing = work(FailingStage(), Metrics(), state)

    async def settle(forwards: Sequence[Forward]) -> None:
        sent.extend(forwards)

    failing._settle = settle  # type: ignore[method-assign]
    return failing, sent


async def test_records_that_a_stage_fails_on_become_dead_letters_however_many_there_are() -> None:
    failing, sent = failing_work(accepted_under=NEW)
    await failing.process([[Record("calls", 3, offset, b"k", b"v", (), 0) for offset in range(2 * WINDOW)]])
    assert len(sent) == 2 * WINDOW
    assert {forward.topic for forward in sent} == {TOPIC}
    assert not any(MARY.encode() in (value or b"") for forward in sent for _, value in forward.headers)


async def test_a_new_version_that_fails_on_most_records_stops_before_they_are_buried() -> None:
    failing, sent = failing_work(accepted_under=OLD)
    with pytest.raises(DeadLetterLimitError):
        await failing.process([[Record("calls", 3, offset, b"k", b"v", (), 0) for offset in range(2 * WINDOW)]])
    assert sent == []


async def test_report_of_a_stage_becomes_metrics_and_a_line_without_the_error_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics, report = Metrics(["/pbx"]), Report()
    report.verdicts["accepted"] += 5
    report.translated["twilio-taskrouter", "events"] += 2
    report.sources["calls", "/pbx"] = 7_000_000
    report.full["item"] += 1
    try:
        raise ArithmeticError(MARY)
    except ArithmeticError as error:
        report.failures.append(("2 parties failed and are tried again later", error))
    stage_work = work(ReportingStage(report), metrics)
    await stage_work.tick(())
    await stage_work.tick(())

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"touchpoint_{name}", labels)

    assert value("events_total", agent="media", verdict="accepted") == 5
    assert value("vendor_records_total", dialect="twilio-taskrouter", outcome="events") == 2
    assert value("source_seconds", topic="calls", source="/pbx") == 7
    assert value("state_full_total", table="media", kind="item") == 1
    assert (value("watermark_delay_seconds", agent="media", partition="3") or 0) > 50 * 365 * 86_400
    [line] = caplog.messages
    assert line.startswith("2 parties failed and are tried again later: ArithmeticError at ")
    assert MARY not in line


async def test_delay_of_event_time_is_absent_while_event_time_is_not_known() -> None:
    """As after a flush: its last value would rise no more, and an alert on it would stay."""
    metrics, stage = Metrics(), ReportingStage(Report())
    stage_work, labels = work(stage, metrics), {"agent": "media", "partition": "3"}
    await stage_work.tick(())
    assert metrics.registry.get_sample_value("touchpoint_watermark_delay_seconds", labels) is not None
    stage.watermark = None
    await stage_work.tick(())
    assert metrics.registry.get_sample_value("touchpoint_watermark_delay_seconds", labels) is None

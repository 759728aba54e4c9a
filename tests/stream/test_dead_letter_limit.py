"""A topic that is refused as a whole stops the worker before it is buried."""

from __future__ import annotations

from typing import Any

import pytest
from counting_worker import REJECTED
from stream_lab import Lab

from touchpoint.settings import load_settings
from touchpoint.stages.dead_letter_records import dead_letter
from touchpoint.stages.protocol import Forward, Record
from touchpoint.stream.dead_letter_limit import (
    WINDOW,
    DeadLetterAlarm,
    DeadLetterLimit,
    DeadLetterLimitError,
    Excess,
    Versions,
)
from touchpoint.telemetry.metrics import Metrics

OLD, NEW, ANOTHER = 1, 2, 3  # fingerprints


def batch(topic: str, count: int) -> list[Record]:
    return [Record(topic, 0, offset, b"k", b"v", (), 0) for offset in range(count)]


def outcome(records: list[Record], refused: int) -> list[Forward]:
    dead = [dead_letter(record, "no", "type") for record in records[:refused]]
    return dead + [Forward("touches", b"k", b"v") for _ in records[refused:]]


class Gate:
    """A gate over a partition's state, and the floods that it gave an alarm of."""

    def __init__(self, state: dict[bytes, bytes] | None = None, now: int = NEW, limit: float = 0.5) -> None:
        self.state = {b"key": b"of an earlier release"} if state is None else state
        self.alarms: list[Excess] = []
        self._gate = DeadLetterLimit(3, limit, Versions(now, self.state), self.alarms.append, frozenset({"links"}))

    def take(self, count: int, refused: int, topic: str = "calls") -> None:
        records = batch(topic, count)
        self._gate.check([records], outcome(records, refused))

    def check(self, *batches: tuple[list[Record], int]) -> None:
        self._gate.check([records for records, _ in batches], [f for each in batches for f in outcome(*each)])


def accepted(version: int, *topics: str) -> dict[bytes, bytes]:
    """The state of a partition whose records were accepted under a version."""
    state: dict[bytes, bytes] = {}
    for topic in topics or ("calls",):
        Gate(state, version).take(10, 0, topic)
    return state


def test_below_a_full_window_nothing_is_concluded() -> None:
    gate = Gate()
    for _ in range(9):
        gate.take(WINDOW // 10, WINDOW // 10)
    with pytest.raises(DeadLetterLimitError):
        gate.take(WINDOW // 10, WINDOW // 10)


def test_dead_letters_up_to_the_limit_are_borne_and_one_more_is_not() -> None:
    Gate().take(2 * WINDOW, WINDOW)
    with pytest.raises(DeadLetterLimitError):
        Gate().take(2 * WINDOW, WINDOW + 1)


def test_limit_counts_only_the_latest_records() -> None:
    gate = Gate(accepted(NEW))
    for _ in range(100):
        gate.take(1_000, 0)
    gate.take(400, 400)
    gate.take(600, 600)
    assert [(flood.records, flood.refused, flood.added) for flood in gate.alarms] == [(1_000, 1_000, 600)]


def test_records_of_another_topic_do_not_hide_a_flood() -> None:
    gate = Gate(accepted(OLD, "calls", "faxes"))
    with pytest.raises(
        DeadLetterLimitError, match=r"topic faxes, partition 3.*type: 1,000.*TOUCHPOINT_DEAD_LETTER_LIMIT=1"
    ):
        gate.check((batch("calls", 50_000), 0), (batch("faxes", WINDOW), WINDOW))


def test_a_stream_that_is_repeated_long_after_stops_nothing() -> None:
    records = batch("calls", 10 * WINDOW)
    gate = Gate()
    gate._gate.check([records], [dead_letter(record, "too late", "late") for record in records])
    assert gate.alarms == []


def test_limit_of_one_never_stops_the_worker() -> None:
    Gate(limit=1.0).take(10 * WINDOW, 10 * WINDOW)


def test_internal_topics_do_not_count() -> None:
    Gate().take(2 * WINDOW, 2 * WINDOW, "links")


def test_worker_with_unchanged_settings_is_not_stopped_by_a_producer() -> None:
    for state in (accepted(NEW), {}):
        gate = Gate(state)
        for _ in range(5):
            gate.take(WINDOW, WINDOW)
        gate = Gate(gate.state)  # nor after a restart
        gate.take(WINDOW, WINDOW)
        assert len(gate.alarms) == 1


def test_worker_with_changed_settings_stops_until_records_were_accepted() -> None:
    state = accepted(OLD)
    for _ in range(3):
        with pytest.raises(DeadLetterLimitError, match="accepted under another version or other settings"):
            Gate(state).take(WINDOW, WINDOW)
    Gate(state).take(50, 10)
    gate = Gate(state)
    gate.take(WINDOW, WINDOW)
    assert gate.alarms
    with pytest.raises(DeadLetterLimitError):
        Gate(state, ANOTHER).take(WINDOW, WINDOW)


def test_mostly_refused_batch_does_not_count_as_accepted() -> None:
    state = accepted(OLD)
    gate = Gate(state)
    gate.take(900, 600)
    with pytest.raises(DeadLetterLimitError):
        gate.take(100, 100)


def test_a_topic_that_is_new_is_judged_as_the_others_of_its_partition() -> None:
    with pytest.raises(DeadLetterLimitError):
        Gate(accepted(OLD)).take(WINDOW, WINDOW, "chats")
    Gate(accepted(NEW)).take(WINDOW, WINDOW, "chats")


def test_fingerprint_is_kept_with_the_state_although_the_batch_is_undone() -> None:
    state: dict[bytes, bytes] = {}
    gate = Gate(state)
    state.clear()
    gate.take(10, 0)
    assert len(state) == 1
    assert all(len(value) < 100 for value in state.values())
    assert sum(map(len, Gate({b"other": b"earlier"}).state)) == len(b"other"), (
        "an earlier release is still known as one"
    )


def test_the_alarm_is_a_metric_and_a_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    alarm = DeadLetterAlarm(metrics)
    for topic in ("calls", "faxes"):
        for number in range(100):
            alarm(Excess(topic, number, 1_000, 900, 7, "type: 7"))
    assert metrics.totals["flood_dead_letters"] == 2 * 700
    assert [record.args[2] for record in caplog.records if isinstance(record.args, tuple)] == ["calls", "faxes"]


def test_the_fingerprint_is_of_what_decides_on_a_record() -> None:
    plain = load_settings({})
    assert load_settings({}, metrics_port=1, instance_id="a", dead_letter_limit=1).fingerprint == plain.fingerprint
    changed: list[dict[str, Any]] = [
        {"channels": {"sms": {}}}, {"topics": {"calls": {"tenants": "a"}}}, {"default_region": "DE"},
        {"dialect_topics": {"x": {"dialect": "asterisk-ami"}}},
    ]  # fmt: skip
    assert len({load_settings({}, **each).fingerprint for each in changed} | {plain.fingerprint}) == 5


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.trap(10)
async def test_a_worker_that_would_bury_a_topic_since_it_was_deployed_stops(lab: Lab) -> None:
    await lab.send(200)
    worker = lab.worker()
    await lab.until_stored()
    assert await worker.end() == 0
    async with lab.producer() as producer:
        for _ in range(3 * WINDOW):
            await producer.send(lab.settings.topic_prefix + "calls", REJECTED, b"one key")
    worker = lab.worker(default_region="DE")
    await lab.until(lambda: not worker.running, "the worker's end")
    assert worker.process.returncode == 1
    said = worker.log.read_text()
    assert "records of topic calls" in said
    assert "`touchpoint dead-letters replay`" in said
    assert "Traceback" not in said
    buried = len(await lab.read(lab.settings.topic_prefix + "dead-letters"))
    assert buried < WINDOW, "only what came before it was plain"

    patient = lab.worker(default_region="DE", dead_letter_limit=1)
    await lab.until_read("dead-letters", 3 * WINDOW)
    assert patient.running
    assert await patient.end() == 0


@pytest.mark.kafka
@pytest.mark.slow
async def test_bad_producer_stops_no_worker(lab: Lab) -> None:
    """Not at the first start, not at the next, and what others send in the same partition is stored."""
    async with lab.producer() as producer:
        for _ in range(3 * WINDOW):
            await producer.send(lab.settings.topic_prefix + "calls", REJECTED, b"one key")
    lab.sent.append(("calls", b"one key", b"innocent"))
    for start in range(2):
        worker = lab.worker()
        async with lab.producer() as producer:
            await producer.send(lab.settings.topic_prefix + "calls", b"innocent", b"one key")
            for _ in range(2 * WINDOW):
                await producer.send(lab.settings.topic_prefix + "calls", REJECTED, b"one key")
        await lab.until_stored()
        await lab.until_read("dead-letters", (5 + 2 * start) * WINDOW)
        assert await worker.end() == 0
        said = [line for line in worker.log.read_text().splitlines() if "a producer sends what cannot be read" in line]
        assert len(said) == 1, "a line a minute"
    letters = await lab.read(lab.settings.topic_prefix + "dead-letters")
    assert {value for _, _, _, value, _ in letters} == {REJECTED}

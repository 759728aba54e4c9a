"""A topic that is refused as a whole stops the worker before it is buried."""

from __future__ import annotations

import pytest
from counting_worker import REJECTED
from stream_lab import Lab

from touchpoint.stream.dead_letters import dead_letter
from touchpoint.stream.flood import WINDOW, FloodError, FloodGate
from touchpoint.stream.stage import Forward, Record


def batch(topic: str, count: int) -> list[Record]:
    return [Record(topic, 0, offset, b"k", b"v", (), 0) for offset in range(count)]


def outcome(records: list[Record], refused: int) -> list[Forward]:
    dead = [dead_letter(record, "no", "type") for record in records[:refused]]
    return dead + [Forward("touches", b"k", b"v") for _ in records[refused:]]


def pass_through(gate: FloodGate, count: int, refused: int, topic: str = "calls") -> None:
    records = batch(topic, count)
    gate.check([records], outcome(records, refused))


def test_below_a_full_window_nothing_is_concluded() -> None:
    gate = FloodGate(0, 0.5)
    for _ in range(9):
        pass_through(gate, WINDOW // 10, WINDOW // 10)
    with pytest.raises(FloodError):
        pass_through(gate, WINDOW // 10, WINDOW // 10)


def test_as_many_as_the_limit_are_borne_and_one_more_is_not() -> None:
    pass_through(FloodGate(0, 0.5), 2 * WINDOW, WINDOW)
    with pytest.raises(FloodError):
        pass_through(FloodGate(0, 0.5), 2 * WINDOW, WINDOW + 1)


def test_only_the_last_records_count() -> None:
    gate = FloodGate(0, 0.5)
    for _ in range(100):
        pass_through(gate, 1_000, 0)
    pass_through(gate, 400, 400)
    with pytest.raises(FloodError, match=r"1,000 of the last 1,000 records of topic calls, partition 0"):
        pass_through(gate, 600, 600)


def test_another_topic_does_not_hide_it() -> None:
    gate = FloodGate(3, 0.5)
    good, bad = batch("calls", 50_000), batch("faxes", WINDOW)
    with pytest.raises(FloodError, match=r"topic faxes, partition 3.*type: 1,000.*TOUCHPOINT_DEAD_LETTER_LIMIT=1"):
        gate.check([good, bad], outcome(good, 0) + outcome(bad, WINDOW))


def test_a_stream_that_is_repeated_long_after_stops_nothing() -> None:
    records = batch("calls", 10 * WINDOW)
    FloodGate(0, 0.5).check([records], [dead_letter(record, "too late", "late") for record in records])


def test_with_a_limit_of_one_nothing_stops_it() -> None:
    pass_through(FloodGate(0, 1.0), 10 * WINDOW, 10 * WINDOW)


def test_internal_topics_do_not_count() -> None:
    pass_through(FloodGate(0, 0.5, frozenset({"links"})), 2 * WINDOW, 2 * WINDOW, "links")


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.trap(10)
async def test_a_worker_that_would_bury_a_topic_stops_and_another_configuration_goes_on_from_there(lab: Lab) -> None:
    async with lab.producer() as producer:
        for _ in range(3 * WINDOW):
            await producer.send(lab.settings.topic_prefix + "calls", REJECTED, b"one key")
    worker = lab.worker()
    await lab.until(lambda: not worker.running, "the worker's end")
    assert worker.process.returncode == 1
    said = worker.log.read_text()
    assert "records of topic calls" in said
    assert "`touchpoint dead-letters replay`" in said
    assert "Traceback" not in said
    buried = len(await lab.read(lab.settings.topic_prefix + "dead-letters"))
    assert buried < WINDOW, "only what came before it was plain"
    assert (await lab.committed())["calls"] <= buried

    patient = lab.worker(dead_letter_limit=1)
    await lab.until_read("dead-letters", 3 * WINDOW)
    assert patient.running
    assert await patient.end() == 0

"""When a quiet input lets time run on: only while the broker says that there is no more (architecture.md, Time)."""

from __future__ import annotations

import time

from faust.types import TP

from touchpoint.stages.media.media_clock import LONGEST_TICK, MediaClock
from touchpoint.stages.protocol import Assignment, Record
from touchpoint.stitching.facts import SECOND, Fact, Micros
from touchpoint.stitching.limits import DEFAULT
from touchpoint.stream.transport import Consumer, OffsetTracker
from touchpoint.stream.transport.consumer import HEARD_WITHIN

HERE = TP("calls", 0)


class Reader(Consumer):
    """Has read partition HERE to offset 10, where the broker said, so many seconds ago, that it ends."""

    def __init__(self, seconds_ago: float) -> None:
        self.tracker = OffsetTracker()
        self._delivered_to = {HERE: 10}
        self._heard_at = {HERE: time.time() - seconds_ago}

    def highwater(self, tp: TP) -> int:  # noqa: ARG002 - the signature of the consumer
        return 10


def test_a_partition_is_read_to_its_end_when_the_broker_said_so_a_moment_ago() -> None:
    assert Reader(0.3).caught_up(HERE)


def test_offsets_read_before_a_broker_failure_are_not_used() -> None:
    assert not Reader(HEARD_WITHIN + 0.5).caught_up(HERE)


def test_a_tick_that_waited_for_the_broker_does_not_count_as_a_quiet_time() -> None:
    clock = MediaClock(Assignment(0, 1, 1, {}), ["calls"], DEFAULT)
    clock.observe_stamp(stamped("calls", 1_000), 0)
    clock.observe("calls", Fact(1_000 * SECOND, "call", "offered", "/pbx", "1", "c1"), 1_000 * SECOND, {})
    clock.advance(SECOND, ["calls"])
    assert reached(clock) == 941 * SECOND  # the event's time, less the disorder, and the quiet second
    clock.advance(601 * SECOND, ["calls"])
    assert reached(clock) == 940 * SECOND + LONGEST_TICK
    clock.observe_stamp(stamped("links", 1_600), 601 * SECOND)
    clock.advance(601 * SECOND, ["calls"])
    assert reached(clock) == 1_540 * SECOND, "the broker says how much time has passed"


def stamped(topic: str, second: int) -> Record:
    return Record(topic, 0, 0, None, None, (), second * 1_000, True)


def reached(clock: MediaClock) -> Micros | None:
    return clock.time.inputs["calls"].watermark(DEFAULT.disorder)

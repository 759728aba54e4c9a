"""What an agent does with batches: through a stage, or into the history.

The order is what makes it at least once (architecture.md, Delivery): apply, deliver the forwards, write the changelog,
acknowledge. Forwards go before the changelog, so state that says "seen" implies that what followed from it is out.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Protocol

from touchpoint.backoff import backoff
from touchpoint.stages import dead_letter_records
from touchpoint.stages.bounds import FullError
from touchpoint.stages.protocol import Assignment, Forward, InputTime, Record, Stage, StageFactory, Writer
from touchpoint.stitching.facts import Micros
from touchpoint.stitching.watermarks import EMPTY, UNKNOWN
from touchpoint.stream.changelog import Changelog
from touchpoint.stream.dead_letter_limit import DeadLetterLimit
from touchpoint.stream.delivery import Delivery
from touchpoint.stream.outbox import AbandonedError
from touchpoint.telemetry.logs import explained, place_of
from touchpoint.telemetry.metric_table import NOBODY

log = logging.getLogger(__name__)

LONGEST_PAUSE = 5.0  # an outage that is over should be over here too, soon
QUIET_SECONDS = 10.0  # between two lines about failing batches


class Work(Protocol):
    """The work of one agent on one partition; calls never overlap."""

    async def process(self, records: Sequence[Sequence[Record]]) -> None:
        """Take records of one or more topic partitions; return when everything that follows from them is durable."""
        ...

    async def tick(self, caught_up: Collection[str]) -> None: ...


def now_micros() -> Micros:
    """The wall clock, UTC."""
    return time.time_ns() // 1000


class StageWork:
    """Batches through a stage whose state is a table's partition."""

    def __init__(
        self, factory: StageFactory, assignment: Assignment, changelog: Changelog, delivery: Delivery,
        gate: DeadLetterLimit, at_once: int | None = None,
    ) -> None:  # fmt: skip
        """``changelog``: of the assignment's state. ``gate``: of its dead letters. ``at_once``: so few records are
        finished together that their changes go into one batch of the producer: they are stored whole or not at all.
        """
        self._build = partial(factory, assignment)
        self._stage: Stage = self._build()
        self._state = changelog.state
        self._changelog = changelog
        self._delivery = delivery
        self._gate = gate
        self._at_once = at_once
        self._said_at = -QUIET_SECONDS

    async def process(self, records: Sequence[Sequence[Record]]) -> None:
        await self._changelog.write_upgraded()
        for some in self._parts(records):
            now = now_micros()
            self._state.begin()
            readable, damaged = dead_letter_records.readable(some)
            forwards = [*damaged, *await self._apply(readable, now)]
            self._gate.check(some, forwards)
            await self._settle(forwards)

    def _parts(self, records: Sequence[Sequence[Record]]) -> Iterator[Sequence[Sequence[Record]]]:
        if self._at_once is None:
            yield records
            return
        for batch in records:
            yield from ([batch[n : n + self._at_once]] for n in range(0, len(batch), self._at_once))

    async def tick(self, caught_up: Collection[str]) -> None:
        await self._changelog.write_upgraded()
        self._state.begin()
        # a tick passes through the actor between batches: the progress that it tells is of batches that are durable,
        # and stands behind their forwards in the same partitions; shown by test_stages_agree_with_stitch.py
        await self._settle(self._stage.tick(now_micros(), caught_up))
        self._measure()

    async def _apply(self, batches: Sequence[Sequence[Record]], now: Micros) -> list[Forward]:
        forwards: list[Forward] = []
        try:
            for records in batches:
                for part in self._stage.parts(records):
                    forwards += self._stage.apply(part, now)
                    await asyncio.sleep(0)  # heartbeats, commits and other partitions between two calls
        except Exception as error:  # noqa: BLE001 - no input can stop a worker
            self._say(error)
            return await self._apply_singly(batches, now)
        return forwards

    async def _apply_singly(self, batches: Sequence[Sequence[Record]], now: Micros) -> list[Forward]:
        """No input can stop a worker: what a stage cannot bear becomes a dead letter, the rest is taken."""
        self._state.roll_back()
        self._stage = self._build()
        forwards: list[Forward] = []
        for record in (record for records in batches for record in records):
            await asyncio.sleep(0)  # as above: each failure builds the stage anew
            mark = self._state.mark()
            try:
                forwards += self._stage.apply([record], now)
            except FullError as error:
                self._state.roll_back(mark)
                self._stage = self._build()
                forwards.append(dead_letter_records.dead_letter(record, str(error), "too_large"))
            except Exception as error:  # noqa: BLE001 - however many fail: the limit of dead letters judges a new version
                self._state.roll_back(mark)
                self._stage = self._build()
                forwards.append(dead_letter_records.dead_letter(record, f"internal error: {place_of(error)}"))
        return forwards

    def _say(self, error: Exception) -> None:
        now = time.monotonic()
        if now - self._said_at > QUIET_SECONDS:
            self._said_at = now
            log.error("a batch failed, its records are tried one by one: %s", place_of(error))

    async def _settle(self, forwards: Sequence[Forward]) -> None:
        await self._delivery.forward(forwards)
        await self._changelog.write()

    def _measure(self) -> None:
        """Make metrics and log lines of what the stage has to say of itself."""
        delivery, report = self._delivery, self._stage.report()
        if report.watermark:
            delay = (now_micros() - report.watermark) / 1e6
            delivery.metrics.set("watermark_delay_seconds", delay, delivery.agent, str(delivery.partition))
        else:
            delivery.metrics.remove("watermark_delay_seconds", delivery.agent, str(delivery.partition))
        self._measure_inputs(report.inputs)
        for verdict, count in report.verdicts.items():
            delivery.metrics.count("events", count, delivery.agent, verdict)
        for (dialect, outcome), count in report.translated.items():
            delivery.metrics.count("vendor_records", count, dialect, outcome)
        for (topic, source), latest in report.sources.items():
            delivery.metrics.observe_event(topic, source, latest / 1e6)
        for kind, count in report.full.items():
            delivery.metrics.count("state_full", count, self._changelog.table, kind)
        for failure, error in report.failures:
            log.error("%s: %s", failure, place_of(error))
        delivery.metrics.set("state_keys", len(self._state), self._changelog.table, str(delivery.partition))
        for kind, size in self._state.sizes.items():
            delivery.metrics.set("state_bytes", size, self._changelog.table, str(delivery.partition), kind)

    def _measure_inputs(self, inputs: Mapping[str, InputTime]) -> None:
        """How late each input is, and which of them holds time back."""
        metrics, partition, now = self._delivery.metrics, self._delivery.partition, now_micros()
        slowest = min(inputs, key=lambda topic: inputs[topic].watermark or UNKNOWN, default=None)
        for topic, (watermark, _) in inputs.items():
            if watermark is None:
                metrics.remove("input_delay_seconds", topic, str(partition))
            else:
                delay = 0.0 if watermark == EMPTY else (now - watermark) / 1e6
                metrics.set("input_delay_seconds", delay, topic, str(partition))
        if slowest is not None:
            source = inputs[slowest].source
            metrics.hold(partition, slowest, NOBODY if source is None else source)


class WriterWork:
    """Batches into the history, in place until it takes them."""

    def __init__(self, writer: Writer, delivery: Delivery, stopping: asyncio.Event) -> None:
        self._writer = writer
        self._transient: tuple[type[BaseException], ...] = (OSError, TimeoutError, *writer.retriable)
        self._delivery = delivery
        self._stopping = stopping

    async def process(self, records: Sequence[Sequence[Record]]) -> None:
        readable, damaged = dead_letter_records.readable(records)
        flat = [record for batch in readable for record in batch]
        rejected = await self._write(flat) if flat else ()
        await self._delivery.forward([*damaged, *rejected])
        self._delivery.metrics.count("history_rows", len(flat) - len(rejected))

    async def tick(self, caught_up: Collection[str]) -> None:
        """Nothing closes by time here."""

    async def _write(self, records: Sequence[Record]) -> Sequence[Forward]:
        for delay in backoff(0.2, LONGEST_PAUSE):
            try:
                return await self._writer.write(records)
            except self._transient as error:
                self._delivery.metrics.count("retries", 1, "postgres")
                log.warning("the history is not writable, trying again in %.1f s: %s", delay, explained(error))
            if await self._stopped_within(delay):
                break
        raise AbandonedError

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return False
        return True

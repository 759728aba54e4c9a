"""What an agent does with batches: through a stage, or into the history.

The order is what makes it at least once (architecture.md, Delivery): apply, deliver the forwards, write the changelog,
acknowledge. Forwards go before the changelog, so state that says "seen" implies that what followed from it is out.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from typing import Protocol

from touchpoint.stages import dead_letter_records
from touchpoint.stages.bounds import FullError
from touchpoint.stages.protocol import Forward, Record, Stage, StageFactory, Writer, in_order
from touchpoint.stitching.facts import Micros
from touchpoint.stream import terms
from touchpoint.stream.dead_letter_limit import FloodGate
from touchpoint.stream.outbox import AbandonedError, Outbound, Outbox, Partitioner
from touchpoint.stream.tables import Changes, PartitionState
from touchpoint.telemetry.logs import explained, place_of
from touchpoint.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

LONGEST_PAUSE = 5.0  # an outage that is over should be over here too, soon
MOST_FAILED_IN_A_ROW = 100  # beyond it the stage is broken, and everything would become a dead letter
ONE_BATCH = 192 * 1024  # bytes that surely go into one batch of the producer
MOST_AT_ONCE = 1024 * 1024  # bytes of state that one call of a stage reads, unless one key has more
QUIET_SECONDS = 10.0  # between two lines about failing batches


class StateTooLargeError(Exception):
    """A key's state is larger than its changelog takes: the topic's max.message.bytes is below the bounds of state."""


class StageBrokenError(Exception):
    """Records fail one after the other: that is not the records' fault."""


class Work(Protocol):
    """The work of one agent on one partition; calls never overlap."""

    async def process(self, records: Sequence[Sequence[Record]]) -> None:
        """Take records of one or more topic partitions; return when everything that follows from them is durable."""
        ...

    async def tick(self, caught_up: Collection[str]) -> None: ...


def now_micros() -> Micros:
    """The wall clock, UTC."""
    return time.time_ns() // 1000


class Delivery:
    """Forwards on their way: their topics in full, their partitions, their sizes, their counts."""

    def __init__(  # noqa: PLR0913, PLR0917 - the ports of one place, made in one place
        self, agent: str, partition: int, outbox: Outbox, partitioner: Partitioner, metrics: Metrics,
        full_name: Callable[[str], str], max_bytes: Callable[[str], int], give_up: Callable[[], bool],
    ) -> None:  # fmt: skip
        self.agent = agent
        self.partition = partition
        self.metrics = metrics
        self.give_up = give_up
        self.outbox = outbox
        self.max_bytes = max_bytes
        self._partitioner = partitioner
        self._full_name = full_name

    async def forward(self, forwards: Sequence[Forward]) -> None:
        """Deliver them all."""
        if forwards:
            await self.outbox.deliver([self._settled(forward) for forward in forwards], self.give_up)
            self._count(forwards)

    def _settled(self, forward: Forward) -> Outbound:
        partition = forward.partition
        if partition is None:
            # a topic with a dialect may have more partitions than what is ours
            keyless = self.partition % self._partitioner.partitions
            partition = keyless if forward.key is None else self._partitioner(forward.key)
        name = self._full_name(forward.topic)
        outbound = Outbound(name, partition, forward.key, forward.value, forward.headers)
        limit = self.max_bytes(name)
        if outbound.size <= limit:
            return outbound
        if forward.topic == dead_letter_records.TOPIC:
            forward = dead_letter_records.truncated(forward, limit)
            return Outbound(name, partition, forward.key, forward.value, forward.headers)
        cause = f"too large for topic {forward.topic}: {outbound.size:,} bytes, at most {limit:,}"
        origin = Record(forward.topic, partition, -1, forward.key, forward.value, forward.headers, 0)
        return self._settled(dead_letter_records.dead_letter(origin, cause, "too_large"))

    def _count(self, forwards: Sequence[Forward]) -> None:
        by_topic: dict[str, int] = {}
        for forward in forwards:
            by_topic[forward.topic] = by_topic.get(forward.topic, 0) + 1
            if forward.topic == dead_letter_records.TOPIC:
                self.metrics.count("dead_letters", 1, self.agent, dead_letter_records.code_of(forward))
        for topic, count in by_topic.items():
            self.metrics.count("forwards", count, topic)
        self.metrics.count("closed_interactions", by_topic.get("interactions", 0))


class StageWork:
    """Batches through a stage whose state is a table's partition."""

    def __init__(  # noqa: PLR0913, PLR0917 - the ports of one place, made in one place
        self, factory: StageFactory, partition: int, partitions: int, state: PartitionState, table: str,
        changelog: str, delivery: Delivery, gate: FloodGate | None,
        read_again: Callable[[PartitionState], Awaitable[None]], at_once: int | None = None,
    ) -> None:  # fmt: skip
        """``gate``: of what reads inputs. ``read_again``: called when somebody else has written into our changelog.
        ``at_once``: so few records are finished together that their changes go into one batch of the producer: they
        are stored whole or not at all.
        """
        self._build: Callable[[], Stage] = lambda: factory(partition, partitions, state)
        self._stage = self._build()
        self._state = state
        self._table = table
        self._changelog = changelog
        self._delivery = delivery
        self._gate = gate
        self._read_again = read_again
        self._at_once = at_once
        self._failed_in_a_row = 0
        self._said_at = -QUIET_SECONDS

    async def process(self, records: Sequence[Sequence[Record]]) -> None:
        await self._write_upgraded()
        for some in self._parts(records):
            now = now_micros()
            self._state.begin()
            readable, damaged = dead_letter_records.readable(some)
            forwards = [*damaged, *await self._apply(readable, now)]
            if self._gate is not None:
                self._gate.check(some, forwards)
            await self._settle(forwards)

    def _parts(self, records: Sequence[Sequence[Record]]) -> Iterator[Sequence[Sequence[Record]]]:
        if self._at_once is None:
            yield records
            return
        for batch in records:
            yield from ([batch[n : n + self._at_once]] for n in range(0, len(batch), self._at_once))

    async def tick(self, caught_up: Collection[str]) -> None:
        await self._write_upgraded()
        self._state.begin()
        await self._settle(self._stage.tick(now_micros(), caught_up))
        self._measure()

    async def _apply(self, batches: Sequence[Sequence[Record]], now: Micros) -> list[Forward]:
        forwards: list[Forward] = []
        try:
            for records in batches:
                for part in parts_by_weight(records, getattr(self._stage, "weight", None)):
                    forwards += self._stage.apply(part, now)
                    await asyncio.sleep(0)  # heartbeats, commits and other partitions between two calls
        except Exception as error:  # noqa: BLE001 - no input can stop a worker
            self._say(error)
            return self._apply_singly(batches, now)
        return forwards

    def _apply_singly(self, batches: Sequence[Sequence[Record]], now: Micros) -> list[Forward]:
        """No input can stop a worker: what a stage cannot bear becomes a dead letter, the rest is taken."""
        self._state.roll_back()
        self._stage = self._build()
        forwards: list[Forward] = []
        for record in (record for records in batches for record in records):
            mark = self._state.mark()
            try:
                forwards += self._stage.apply([record], now)
                self._failed_in_a_row = 0
            except FullError as error:
                self._state.roll_back(mark)
                self._stage = self._build()
                forwards.append(dead_letter_records.dead_letter(record, str(error), "too_large"))
            except Exception as error:
                self._state.roll_back(mark)
                self._stage = self._build()
                self._failed_in_a_row += 1
                if self._failed_in_a_row >= MOST_FAILED_IN_A_ROW:
                    raise StageBrokenError(f"{MOST_FAILED_IN_A_ROW} records in a row failed") from error
                forwards.append(dead_letter_records.dead_letter(record, f"internal error: {place_of(error)}"))
        return forwards

    def _say(self, error: Exception) -> None:
        now = time.monotonic()
        if now - self._said_at > QUIET_SECONDS:
            self._said_at = now
            log.error("a batch failed, its records are tried one by one: %s", place_of(error))

    async def _settle(self, forwards: Sequence[Forward]) -> None:
        await self._delivery.forward(forwards)
        await self._write_changelog()
        while not self._state.contiguous:
            await self._read_again(self._state)
            await self._write_changelog()

    async def _write_upgraded(self) -> None:
        """Before anything else: what came of values that an older version wrote (forms.py)."""
        if parts := self._state.take_upgraded():
            self._state.begin()
            self._state.settle(await self._write([self._outbound(part) for part in parts]))

    async def _write_changelog(self) -> None:
        changes = self._state.take_changes()
        self._state.settle(await self._write(parts_of(self._outbound(changes))) if changes else [])

    def _outbound(self, changes: Changes) -> list[Outbound]:
        headers = terms.headers_of(self._state.term, self._state.secret)
        return [Outbound(self._changelog, self._delivery.partition, *change, headers) for change in changes]

    async def _write(self, parts: list[list[Outbound]]) -> list[tuple[int, int]]:
        """Each part is acknowledged before the next is sent; returns base offset and records of each batch."""
        delivery = self._delivery
        for part in parts:
            self._check_sizes(part)
        written: list[tuple[int, int]] = []
        for part in parts:
            written += (await delivery.outbox.deliver(part, delivery.give_up))[self._changelog, delivery.partition]
        size = sum(record.size for part in parts for record in part)
        delivery.metrics.count("changelog_bytes", size, self._table)
        return written

    def _check_sizes(self, outbound: list[Outbound]) -> None:
        limit = self._delivery.max_bytes(self._changelog)
        for record in outbound:
            if record.size > limit:
                raise StateTooLargeError(f"{record.size:,} bytes for one key in {self._changelog}, at most {limit:,}")

    def _measure(self) -> None:
        """What a stage says of itself, if it does: ``watermark`` (microseconds), and counts to empty: ``verdicts``,
        ``translated`` by dialect and outcome, the latest time of ``sources`` by topic, ``full`` by kind of key.
        """
        delivery, stage = self._delivery, self._stage
        watermark: Micros | None = getattr(stage, "watermark", None)
        if watermark:
            delay = (now_micros() - watermark) / 1e6
            delivery.metrics.set("watermark_delay_seconds", delay, delivery.agent, str(delivery.partition))
        for verdict, count in getattr(stage, "verdicts", {}).items():
            delivery.metrics.count("events", count, delivery.agent, verdict)
        for (dialect, outcome), count in getattr(stage, "translated", {}).items():
            delivery.metrics.count("vendor_records", count, dialect, outcome)
        for (topic, source), latest in getattr(stage, "sources", {}).items():
            delivery.metrics.saw(topic, source, latest / 1e6)
        for kind, count in getattr(stage, "full", {}).items():
            delivery.metrics.count("state_full", count, self._table, kind)
        for told in ("verdicts", "translated", "sources", "full"):
            getattr(stage, told, {}).clear()
        delivery.metrics.set("state_keys", len(self._state), self._table, str(delivery.partition))
        for kind, size in self._state.sizes.items():
            delivery.metrics.set("state_bytes", size, self._table, str(delivery.partition), kind)


def parts_by_weight(records: Sequence[Record], weight: Callable[[Record], int] | None) -> Iterator[Sequence[Record]]:
    """Records in parts that each make a stage read little state: what it reads it does without a pause.

    ``weight``: bytes of the state that a record concerns; what several records of one key concern is read once.
    """
    if weight is None:
        yield records
        return
    begin, held, keys = 0, 0, set[bytes | None]()
    for n, record in enumerate(records):
        if record.key not in keys:
            keys.add(record.key)
            held += weight(record)
            if held > MOST_AT_ONCE and n > begin:
                yield records[begin:n]
                begin, held, keys = n, weight(record), {record.key}
    yield records[begin:] if begin else records


def parts_of(changes: list[Outbound]) -> list[list[Outbound]]:
    """What is written one after the other, each part acknowledged before the next.

    A crash in between must leave neither what is closed forgotten, so that it would open again, nor time ahead of the
    facts, so that what is incomplete would close. A single batch is stored whole or not at all.
    """
    if sum(record.size for record in changes) <= ONE_BATCH:
        return [changes]
    by_key = {record.key or b"": record for record in changes}
    return [[by_key[key] for key in part] for part in in_order(by_key.keys())]


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
        pause = 0.2
        while True:
            try:
                return await self._writer.write(records)
            except self._transient as error:
                self._delivery.metrics.count("retries", 1, "postgres")
                log.warning("the history is not writable, trying again in %.1f s: %s", pause, explained(error))
            if await self._stopped_within(
                pause * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
            ):
                raise AbandonedError
            pause = min(LONGEST_PAUSE, pause * 2)

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return False
        return True

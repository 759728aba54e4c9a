"""The agents: one Faust agent each, and behind it one actor for each partition this worker owns.

An actor is the single writer of its partition: batches of all the agent's topics and the ticks of time pass through it
one after the other. Batches that wait together are finished together, so that a busy partition pays for
one round of acknowledgements per many batches. Different partitions overlap.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec
from faust.types import TP

from touchpoint.kafka.fetching import Damaged
from touchpoint.stages.protocol import Damage, Record
from touchpoint.stream.outbox import AbandonedError
from touchpoint.stream.transport import Batch, Consumer
from touchpoint.stream.work import Work
from touchpoint.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

TICK_SECONDS = 0.5
SOON_SECONDS = 0.1  # after work: what it told of time travels on, hop by hop
_OF_PARTITIONS = (
    "lag_records", "fetch_age_seconds", "open_transaction_records", "watermark_delay_seconds", "state_keys",
    "state_bytes", "input_delay_seconds", "held_partitions",
)  # fmt: skip
"""Gauges that say nothing of a partition that is another worker's now."""
GROUP_RECORDS = 8000  # at most so many records are finished together
APPENDED = 1
"""The type of a timestamp that the broker set when it appended the record."""
QUEUED_BYTES = 64 * 1024 * 1024  # of all agents together; beyond it nothing more is taken from Kafka

Fatal = Callable[[str, BaseException], None]


class Agent(msgspec.Struct, frozen=True):
    """What an agent is: its name, what it reads, where its state lives, what it does with a partition."""

    name: str
    topics: tuple[str, ...]  # without the prefix
    table: str | None
    work: Callable[[int, asyncio.Event], Work]  # (partition, set when the partition is being given up)


class Actor:
    """The work of one agent on one partition."""

    def __init__(self, agent: Agent, partition: int, runtime: Runtime) -> None:
        self.agent = agent
        self.partition = partition
        self.stopping = asyncio.Event()
        self._runtime = runtime
        self._work = agent.work(partition, self.stopping)
        self._queue: deque[tuple[Any, Batch]] = deque()
        self._wake = asyncio.Event()
        self.task = asyncio.create_task(self._run(), name=f"{agent.name}-{partition}")

    def put(self, event: Any, batch: Batch) -> None:
        self._queue.append((event, batch))
        self._wake.set()

    def stop(self) -> None:
        """Finish the current work, take no more. What is queued is read again by the partition's next owner."""
        self.stopping.set()
        self._wake.set()

    async def _run(self) -> None:
        try:
            next_tick = time.monotonic() + TICK_SECONDS
            while not self.stopping.is_set():
                group = await self._take(next_tick - time.monotonic())
                if group:
                    await self._finish(group)
                    next_tick = min(next_tick, time.monotonic() + SOON_SECONDS)
                if time.monotonic() >= next_tick and not self.stopping.is_set():
                    await self._work.tick(self._caught_up())
                    next_tick = time.monotonic() + TICK_SECONDS
        except AbandonedError:
            log.info("%s partition %d was given up in the middle of a batch", self.agent.name, self.partition)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the process
            self._runtime.fatal(f"{self.agent.name} partition {self.partition}", error)
        finally:
            while self._queue:
                self._runtime.release(self._queue.popleft()[1])

    async def _take(self, seconds: float) -> list[tuple[Any, Batch]]:
        """What waits, up to a group; after ``seconds`` without anything an empty list."""
        if not self._queue:
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), max(0.0, seconds))
            except TimeoutError:
                return []
        group: list[tuple[Any, Batch]] = []
        size = 0
        while self._queue and not self.stopping.is_set() and (not group or size < GROUP_RECORDS):
            event, batch = self._queue.popleft()
            self._runtime.release(batch)
            if self._runtime.consumer.is_current(batch):
                group.append((event, batch))
                size += len(batch.records)
        return group

    async def _finish(self, group: Sequence[tuple[Any, Batch]]) -> None:
        began = time.monotonic()
        await self._work.process([self._runtime.records(batch) for _, batch in group])
        for event, _ in group:
            event.ack()  # counts only if the partition is still ours
        metrics, name = self._runtime.metrics, self.agent.name
        metrics.count("records", sum(len(batch.records) for _, batch in group), name)
        metrics.count("batches", len(group), name)
        metrics.observe("batch_seconds", time.monotonic() - began, name)

    def _caught_up(self) -> Collection[str]:
        if self._queue:
            return ()
        runtime = self._runtime
        return {topic for topic in self.agent.topics if runtime.caught_up(topic, self.partition)}


class Runtime:
    """All actors of this process: made when partitions are recovered, stopped before they are given up."""

    def __init__(
        self, agents: Sequence[Agent], names: Mapping[str, str], consumer: Callable[[], Consumer],
        metrics: Metrics, fatal: Fatal,
    ) -> None:  # fmt: skip
        """``names``: every topic without its prefix -> in full."""
        self.agents = {agent.name: agent for agent in agents}
        self.metrics = metrics
        self.fatal = fatal
        self.ready = False
        self._names = names
        self._short = {full: short for short, full in names.items()}
        self._consumer = consumer
        self._actors: dict[tuple[str, int], Actor] = {}
        self._queued = 0
        self._room = asyncio.Event()
        self._room.set()

    @property
    def consumer(self) -> Consumer:
        return self._consumer()

    async def submit(self, agent: str, event: Any) -> None:
        """Hand a batch to its actor; waits while too many bytes are queued."""
        batch: Batch = event.value
        while not self._room.is_set() and self.consumer.is_current(batch):
            await self._room.wait()
        actor = self._actors.get((agent, batch.tp.partition))
        if actor is None or actor.stopping.is_set() or not self.consumer.is_current(batch):
            return  # being given up: it stays unacknowledged and is read again
        self._queued += batch.size
        if self._queued >= QUEUED_BYTES:
            self._room.clear()
        actor.put(event, batch)

    def release(self, batch: Batch) -> None:
        """A batch left a queue."""
        self._queued -= batch.size
        if self._queued < QUEUED_BYTES:
            self._room.set()

    def assigned(self, assignment: set[TP], changelog: Callable[[str], str]) -> None:
        """Make the actors of the partitions we own; their tables are recovered.

        Raises ``RuntimeError`` if a partition's topics are not all here: they must be assigned together; and if there
        are actors already: two of one partition would write one state.
        """
        if self._actors:
            raise RuntimeError("partitions were assigned while actors of an earlier assignment work on them")
        for agent in self.agents.values():
            needed = {self._names[topic] for topic in agent.topics}
            if agent.table is not None:
                needed.add(changelog(agent.table))
            numbers = {tp.partition for tp in assignment if tp.topic in needed}
            for number in sorted(numbers):
                absent = sorted(name for name in needed if TP(name, number) not in assignment)
                if absent:
                    raise RuntimeError(f"partition {number} of {', '.join(absent)} was assigned to another worker")
                self._actors[agent.name, number] = Actor(agent, number, self)
        self.metrics.count("rebalances")
        log.info("works on %s", self._work_in_words())
        self._be_ready(True)

    def _work_in_words(self) -> str:
        """The partitions of each agent, as `media 0-5; history 0, 3`."""
        named = [(name, sorted(n for agent, n in self._actors if agent == name)) for name in self.agents]
        return "; ".join(f"{name} {ranges(numbers)}" for name, numbers in named if numbers) or "no partition"

    async def drain(self, seconds: float) -> None:
        """Stop every actor after its current work; after ``seconds`` in the middle of it, unacknowledged."""
        self._be_ready(False)
        actors, self._actors = list(self._actors.values()), {}
        for actor in actors:
            actor.stop()
        self._room.set()
        tasks = [actor.task for actor in actors]
        if not tasks:
            return
        log.info("finishes the work on its %d partitions, to give them up", len(actors))
        _, late = await asyncio.wait(tasks, timeout=max(0.1, seconds))
        for task in late:
            log.warning("%s did not finish its batch within %.0f s: it will be read again", task.get_name(), seconds)
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=1.0)

    def _be_ready(self, ready: bool) -> None:
        self.ready = ready
        self.metrics.set("ready", float(ready))
        for gauge in _OF_PARTITIONS:
            self.metrics.forget(gauge)
        for name in self.agents:
            self.metrics.set("assigned_partitions", sum(agent == name for agent, _ in self._actors), name)

    def caught_up(self, topic: str, partition: int) -> bool:
        """True if this partition is read to its end and finished."""
        return self.consumer.caught_up(TP(self._names[topic], partition))

    def records(self, batch: Batch) -> list[Record]:
        """The batch as stages see it."""
        topic = self._short[batch.tp.topic]
        partition = batch.tp.partition
        for each in batch.damaged:
            self.metrics.count("damaged_records", 1, topic, each.reason)
        return [
            Record(topic, partition, r.offset, r.key, r.value, r.headers, r.timestamp, r.timestamp_type == APPENDED)
            if type(r) is not Damaged
            else Record(topic, partition, r.first, None, r.value, (), -1, False, Damage(r.reason, r.cause, r.offset))
            for r in batch.records
        ]


def ranges(numbers: Sequence[int]) -> str:
    """Sorted numbers in few characters: `0-3, 7`."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ", ".join("-".join(map(str, part)) for part in parts)

"""The Faust app, its agents and what works behind them: one worker in an event loop.

Several workers share the partitions; start as many processes as there are cores.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from faust.types import TP

from touchpoint.kafka.topic_admin import (
    Counts,
    changelog,
    check_topics,
    feed_topics,
    full_name,
    record_limits,
    unstamped_topics,
)
from touchpoint.settings import Settings
from touchpoint.stages.dead_letter_records import TOPIC as DEAD_LETTERS
from touchpoint.stages.protocol import Assignment, StageFactory, State, Writer
from touchpoint.stream.app import App, new_app
from touchpoint.stream.changelog import Changelog
from touchpoint.stream.dead_letter_limit import DeadLetterAlarm, DeadLetterLimit, Versions
from touchpoint.stream.delivery import Delivery, Destinations
from touchpoint.stream.first_values import first_values
from touchpoint.stream.outbox import Outbox, Partitioner
from touchpoint.stream.partition_watch import PartitionWatch
from touchpoint.stream.recovery import read_again
from touchpoint.stream.runtime import Agent, Runtime
from touchpoint.stream.tables import Table
from touchpoint.stream.terms import OtherFormError, OtherStateError
from touchpoint.stream.transport import BatchSchema, Consumer, Membership, is_fenced
from touchpoint.stream.work import StageWork, Work, WriterWork
from touchpoint.telemetry.logs import traced
from touchpoint.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

INTERNAL = frozenset({"links", "touches"})  # what is dead there says nothing of the inputs read beside them
RATIO_SECONDS = 60.0
JOIN_SECONDS = 300.0  # and a rebalance: a worker that is no member of its group for longer ends, and is started again


class StageSpec(msgspec.Struct, frozen=True):
    """What an agent does whose state is a table."""

    table: str
    build: StageFactory
    at_once: int | None = None  # so few records are finished together; None: as many as wait


class AgentSpec(msgspec.Struct, frozen=True):
    """An agent as it is to be: what it reads, and what it does with that."""

    name: str
    topics: tuple[str, ...]  # without the prefix; all have the same number of partitions
    does: StageSpec | Writer


class StreamWorker:
    """One worker in this event loop. Start it, let it run, stop it."""

    def __init__(
        self, settings: Settings, agents: Sequence[AgentSpec], metrics: Metrics | None,
        fatal: Callable[[str, BaseException], None],
    ) -> None:  # fmt: skip
        """``fatal``: called with a place and an error that nothing here can cure."""
        self.settings = settings
        self.metrics = metrics or Metrics(settings.named_sources)
        self._alarm = DeadLetterAlarm(self.metrics)
        self._specs = agents
        self._fatal = fatal
        topics = dict.fromkeys([*(topic for spec in agents for topic in spec.topics), DEAD_LETTERS])
        self._names = {topic: full_name(settings, topic) for topic in topics}
        self._dialects = {topic: declared.dialect for topic, declared in feed_topics(settings).items()}
        tables = [spec.does.table for spec in agents if isinstance(spec.does, StageSpec)]
        first_values(self.metrics, settings, {spec.name: spec.topics for spec in agents}, tables, self._dialects)
        short = {full: topic for topic, full in self._names.items()}
        self._watch = PartitionWatch(self._consumer, self.metrics, short, lambda: self.ready)
        self._limits: dict[str, int] = {}  # bytes of a record, by topic in full
        self._app: App | None = None
        self._runtime: Runtime | None = None
        self._watchers: list[asyncio.Task[None]] = []
        self._membership = Membership(settings.instance_id, JOIN_SECONDS + settings.rebalance_timeout)

    @property
    def ready(self) -> bool:
        """True while our partitions are recovered and being worked on. A worker without partitions is ready too."""
        return self._runtime is not None and self._runtime.ready

    @property
    def trouble(self) -> str:
        """Which partition is ours and not read; empty if there is none."""
        return self._watch.trouble

    @property
    def joining(self) -> bool:
        """True once the topics are checked: from then on there is something to end."""
        return self._app is not None

    @property
    def crash(self) -> BaseException | None:
        """Why Faust gave up, if it did."""
        return self._app.crash_reason if self._app is not None and self._app.crashed else None

    @property
    def group_problem(self) -> str | None:
        """Why this worker does not belong to its group and never will, in a sentence."""
        return self._consumer().group_problem(self._membership) if self._app is not None else None

    def why_crashed(self) -> str:
        """What to say of a crash: a sentence where its cause is known, else where it happened."""
        if is_fenced(self.crash):
            return self._membership.replaced()
        assert self.crash is not None
        said_in_words = isinstance(self.crash, OtherFormError | OtherStateError)
        return str(self.crash) if said_in_words else traced(self.crash)

    async def start(self) -> None:
        """Check the topics, join the group. Raises ``TopicsError``, or ``KafkaError`` if no broker answers."""
        self._app = None
        counts = await check_topics(self.settings)
        self._limits = await record_limits(self.settings)
        if unstamped := await unstamped_topics(self.settings):
            log.warning(
                "the broker does not stamp what is appended to %s: run `touchpoint topics` (a topic with a dialect is "
                "altered by whoever owns it); until then this machine's clock says how far ahead an event may be",
                ", ".join(sorted(unstamped)),
            )
        app = self._app = new_app(self.settings)
        self._destinations = Destinations(
            Partitioner(counts.ours), self._names.__getitem__, self._limits.__getitem__, self._dialects
        )
        self._outbox = Outbox(self._producer, lambda what: self.metrics.count("retries", 1, what))
        agents = [self._agent(app, spec, counts) for spec in self._specs]
        runtime = self._runtime = Runtime(agents, self._names, self._consumer, self.metrics, self._fatal)
        for agent in runtime.agents.values():
            self._declare(app, runtime, agent)
        app.on_recovered = self._recovered
        app.finalize()
        self._consumer().drain = runtime.drain
        await app.start()
        self._watchers = [asyncio.create_task(self._watch.follow()), asyncio.create_task(self._watch_dead_letters())]

    async def stop(self, seconds: float | None = None) -> None:
        """Finish the current batches within half of ``seconds``, commit, leave the group."""
        seconds = self.settings.grace_seconds if seconds is None else seconds
        for watcher in self._watchers:
            watcher.cancel()
        if self._app is None:
            return
        consumer = self._consumer()
        consumer.stop_flow()
        self._app.flow_control.suspend()
        await consumer.drain_and_commit(seconds / 2)
        await self._app.stop()

    def _consumer(self) -> Consumer:
        assert self._app is not None
        consumer = self._app.consumer
        assert isinstance(consumer, Consumer)
        return consumer

    def _producer(self) -> AIOKafkaProducer:
        assert self._app is not None
        return self._app.producer._ensure_producer()  # type: ignore[attr-defined]  # noqa: SLF001

    def _agent(self, app: App, spec: AgentSpec, counts: Counts) -> Agent:
        does = spec.does
        if isinstance(does, StageSpec):
            return Agent(spec.name, spec.topics, does.table, self._stage_work(app, spec, does, counts))

        def writer_work(partition: int, stopping: asyncio.Event) -> Work:
            return WriterWork(does, self._delivery(spec.name, partition, stopping), stopping)

        return Agent(spec.name, spec.topics, None, writer_work)

    def _stage_work(
        self, app: App, spec: AgentSpec, does: StageSpec, counts: Counts
    ) -> Callable[[int, asyncio.Event], Work]:
        # a topic with a dialect is read by an agent of its own, because it may have any number of partitions
        topic_partitions = counts.feeds.get(spec.topics[0], counts.ours)
        table = app.Table(does.table, partitions=topic_partitions, key_type=bytes, value_type=bytes)
        assert isinstance(table, Table)

        def work(partition: int, stopping: asyncio.Event) -> Work:
            state, log_of = table.partition(partition), TP(changelog(self.settings, does.table), partition)
            delivery = self._delivery(spec.name, partition, stopping)
            log_writer = Changelog(
                does.table, log_of.topic, state, delivery, partial(read_again, app.new_reader, log_of)
            )
            gate = self._gate(spec.topics, partition, state)
            assignment = Assignment(partition, counts.ours, topic_partitions, state)
            return StageWork(does.build, assignment, log_writer, delivery, gate, does.at_once)

        return work

    def _gate(self, topics: Collection[str], partition: int, state: State) -> DeadLetterLimit:
        versions = Versions(self.settings.fingerprint, state)
        exempt = frozenset[str]() if INTERNAL.issuperset(topics) else INTERNAL
        return DeadLetterLimit(partition, self.settings.dead_letter_limit, versions, self._alarm, exempt)

    def _delivery(self, agent: str, partition: int, stopping: asyncio.Event) -> Delivery:
        return Delivery(agent, partition, self._outbox, self._destinations, self.metrics, stopping.is_set)

    def _declare(self, app: App, runtime: Runtime, agent: Agent) -> None:
        topic = app.topic(*(self._names[name] for name in agent.topics), schema=BatchSchema())

        async def take(stream: Any) -> None:
            async for event in stream.noack().events():
                await runtime.submit(agent.name, event)

        app.agent(topic, name=agent.name, concurrency=1)(take)

    def _recovered(self, _generation: int) -> None:
        assert self._runtime is not None
        assert self._app is not None
        self.metrics.set("recovery_seconds", self._app.recovery_seconds)
        self.metrics.set("recovery_records", self._app.recovery_records)
        try:
            self._runtime.assigned(self._consumer().assignment(), lambda table: changelog(self.settings, table))
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the process
            self._fatal("taking up the assigned partitions", error)

    async def _watch_dead_letters(self) -> None:
        totals, limit = self.metrics.totals, self.settings.dead_letter_ratio
        while True:
            dead, records = totals["dead_letters"], totals["records"]
            await asyncio.sleep(RATIO_SECONDS)
            dead, records = totals["dead_letters"] - dead, totals["records"] - records
            if dead > limit * records:
                log.warning(
                    "%s of the last minute's %s records became dead letters: see their causes",
                    f"{dead:,.0f}",
                    f"{records:,.0f}",
                )

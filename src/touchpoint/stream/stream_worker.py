"""The worker: the app, the three agents, the watchdog and the health page, from start to end.

Several workers share the partitions; start as many processes as there are cores.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError
from faust.types import TP

from touchpoint.history.checks import UnusableError
from touchpoint.history.watch import HistoryWatch
from touchpoint.kafka.topic_admin import (
    Counts,
    changelog,
    check_topics,
    feed_table,
    feed_topics,
    full_name,
    media_topics,
    record_limits,
    unstamped_topics,
)
from touchpoint.kafka_client import refusal
from touchpoint.settings import Settings
from touchpoint.stages.protocol import Stage, StageFactory, State, Writer
from touchpoint.stream.app import App, new_app
from touchpoint.stream.dead_letter_limit import FloodAlarm, FloodError, FloodGate, Versions
from touchpoint.stream.outbox import Outbox, Partitioner
from touchpoint.stream.partition_watch import PartitionWatch
from touchpoint.stream.recovery import OwnerChangedError, read_again
from touchpoint.stream.runtime import Agent, Runtime
from touchpoint.stream.tables import Table
from touchpoint.stream.terms import OtherFormError, OtherStateError
from touchpoint.stream.transport import BatchSchema, Consumer, Membership, is_fenced
from touchpoint.stream.watchdog import Watchdog, end_process
from touchpoint.stream.work import Delivery, StageWork, Work, WriterWork
from touchpoint.telemetry.health import HealthPage
from touchpoint.telemetry.logs import traced
from touchpoint.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

EXIT_FAILED = 70
EXIT_FLOODED = 1
EXIT_CONFIGURATION = 2
AT_ONCE = 50
"""Records of a topic with a dialect that are finished together: their memory and their offset are stored as one."""
INTERNAL = frozenset({"links", "touches"})  # what is dead there says nothing of the inputs
RATIO_SECONDS = 60.0
JOIN_SECONDS = 300.0  # and a rebalance: a worker that is no member of its group for longer ends, and is started again
STALL_OF_SESSION = 0.8  # of the session timeout: a zombie must be gone before its partitions are somebody else's


FeedFactory = Callable[[str, int, int, int, State], Stage]
"""(topic, partition, partitions of the topic, partitions of all others, state)"""


class Stages(msgspec.Struct, frozen=True):
    """What the agents do: the two stages, and where the history goes."""

    media: StageFactory
    party: StageFactory
    writer: Writer
    feed: FeedFactory | None = None  # for topics with a dialect


def fail(where: str, error: BaseException) -> None:
    """End the process: what was not finished is read again after the restart."""
    if isinstance(error, FloodError):
        log.error("%s", error)
        end_process(EXIT_FLOODED)
    if isinstance(error, OwnerChangedError):
        log.error("%s, ending", error)
    else:
        log.error("%s failed unexpectedly, ending: %s", where, traced(error))
    end_process(EXIT_FAILED)


class StreamWorker:
    """One worker in this event loop. Start it, let it run, stop it."""

    def __init__(
        self, settings: Settings, stages: Stages, metrics: Metrics | None = None,
        fatal: Callable[[str, BaseException], None] = fail,
    ) -> None:  # fmt: skip
        self.settings = settings
        self.metrics = metrics or Metrics(settings.named_sources)
        self._alarm = FloodAlarm(self.metrics)
        self._stages = stages
        self._fatal = fatal
        self._names = {topic: full_name(settings, topic) for topic in _topics(settings)}
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
        self._partitioner = Partitioner(counts.ours)
        self._outbox = Outbox(self._producer, lambda what: self.metrics.count("retries", 1, what))
        agents = self._agents(app, counts)
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

    def _agents(self, app: App, counts: Counts) -> list[Agent]:
        def history_work(partition: int, stopping: asyncio.Event) -> Work:
            return WriterWork(self._stages.writer, self._delivery("history", partition, stopping), stopping)

        return [
            self._stage_agent(app, "media", media_topics(self.settings), "media", self._stages.media, counts.ours),
            self._stage_agent(app, "party", ("touches",), "parties", self._stages.party, counts.ours),
            Agent("history", ("interactions",), None, history_work),
            *(self._feed_agent(app, topic, of, counts.ours) for topic, of in counts.feeds.items()),
        ]

    def _feed_agent(self, app: App, topic: str, of: int, partitions: int) -> Agent:
        """An agent of its own for each topic with a dialect, because it may have any number of partitions."""
        make = self._stages.feed
        assert make is not None, "topics with a dialect need their stage"

        def stage(partition: int, of: int, state: State) -> Stage:
            return make(topic, partition, of, partitions, state)

        table = feed_table(topic)
        return self._stage_agent(app, table, (topic,), table, stage, of, AT_ONCE)

    def _stage_agent(
        self, app: App, name: str, topics: tuple[str, ...], table: str, stage: StageFactory, partitions: int,
        at_once: int | None = None,
    ) -> Agent:  # fmt: skip
        owner = app.Table(table, partitions=partitions, key_type=bytes, value_type=bytes)
        assert isinstance(owner, Table)

        def work(partition: int, stopping: asyncio.Event) -> Work:
            gate = None if INTERNAL.issuperset(topics) else self._gate(partition, owner.partition(partition))
            log_of = TP(changelog(self.settings, table), partition)
            return StageWork(
                stage, partition, partitions, owner.partition(partition), table, log_of.topic,
                self._delivery(name, partition, stopping), gate, partial(read_again, app.new_reader, log_of),
                at_once,
            )  # fmt: skip

        return Agent(name, topics, table, work)

    def _gate(self, partition: int, state: State) -> FloodGate:
        versions = Versions(self.settings.fingerprint, state)
        return FloodGate(partition, self.settings.dead_letter_limit, versions, self._alarm, INTERNAL)

    def _delivery(self, agent: str, partition: int, stopping: asyncio.Event) -> Delivery:
        return Delivery(
            agent, partition, self._outbox, self._partitioner, self.metrics,
            self._names.__getitem__, self._limits.__getitem__, stopping.is_set,
        )  # fmt: skip

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


def _topics(settings: Settings) -> list[str]:
    return [*media_topics(settings), "touches", "interactions", "dead-letters", *feed_topics(settings)]


async def run_worker(settings: Settings, stages: Stages, history: HistoryWatch | None = None) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit status: 0, or 70 if the worker failed; see also ``fail``.

    ``history``: looks at the database before anything is read. Raises ``UnusableError`` if the database answers and is
    of no use, ``TopicsError``, and ``KafkaError`` if no broker answered within a minute, or one refuses us.
    """
    watchdog = Watchdog(settings.session_timeout * STALL_OF_SESSION)
    watchdog.start()
    told_to_stop = _await_signals(watchdog, settings.grace_seconds)
    worker = StreamWorker(settings, stages, history.metrics if history else None)

    def lacks() -> str:
        waits = worker.trouble if worker.ready else "its partitions are not recovered"
        return "; ".join(filter(None, (waits, history.trouble if history else "")))

    page = HealthPage(worker.metrics, lambda: watchdog.alive, lacks)
    if settings.insecure_party_secret:
        log.warning("TOUCHPOINT_PARTY_SECRET is not set: party keys can be computed by anyone who knows an address")
    if settings.metrics_port:
        await page.start(settings.metrics_host, settings.metrics_port)
    refused: list[UnusableError] = []
    following: asyncio.Task[None] | None = None
    try:
        await _start(worker, told_to_stop, history)
        if history is not None:
            following = asyncio.create_task(history.follow(refused.append))
        await _work(worker, lambda: told_to_stop.is_set() or bool(refused))
        if refused:
            watchdog.end_within(settings.grace_seconds)
        await worker.stop()
        if refused:
            raise refused[0]
        return 0
    finally:
        if following is not None:
            following.cancel()
        await page.stop()
        watchdog.stop()


def _await_signals(watchdog: Watchdog, grace: float) -> asyncio.Event:
    """Returns what SIGTERM or SIGINT sets. The process ends within `grace` seconds of it."""
    told_to_stop = asyncio.Event()

    def stop() -> None:
        watchdog.end_within(grace)  # from now on, also where it only starts or only ends
        told_to_stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    return told_to_stop


async def _work(worker: StreamWorker, done: Callable[[], bool]) -> None:
    """Return when it is done. Ends the process if the worker failed, or belongs to its group no more."""
    while not done() and worker.crash is None:
        _end_outside_group(worker)
        await asyncio.sleep(0.2)
    if worker.crash is not None:
        log.error("the worker failed, ending: %s", worker.why_crashed())
        end_process(EXIT_CONFIGURATION if isinstance(worker.crash, OtherStateError) else EXIT_FAILED)


def _end_outside_group(worker: StreamWorker) -> None:
    """End the process if the worker belongs to its group no more, and never will."""
    if problem := worker.group_problem:
        log.error("%s; ending", problem)
        end_process(EXIT_FAILED)


async def _start(worker: StreamWorker, told_to_stop: asyncio.Event, history: HistoryWatch | None) -> None:
    """Return when it is started, or when it is told to stop: without a broker a start may take for ever."""
    starting = asyncio.create_task(_started(worker, told_to_stop, history))
    stopping = asyncio.create_task(told_to_stop.wait())
    while not (starting.done() or stopping.done()):
        await asyncio.wait({starting, stopping}, timeout=0.2, return_when=asyncio.FIRST_COMPLETED)
        _end_outside_group(worker)  # another with its instance id may take its place before it is started
    stopping.cancel()
    if starting.done():
        starting.result()
    else:
        log.info("told to stop while starting")
        starting.cancel()
        await asyncio.wait({starting})


async def _started(worker: StreamWorker, told_to_stop: asyncio.Event, history: HistoryWatch | None) -> None:
    if history is not None:
        await history.look()
    deadline = time.monotonic() + 60
    while not told_to_stop.is_set():
        try:
            await worker.start()
            return
        except KafkaError as error:
            # a broker that is only just back may not know itself yet
            passing = isinstance(error, KafkaConnectionError) or (error.retriable and not worker.joining)
            if not passing or time.monotonic() > deadline:
                raise
            refused = await refusal(worker.settings)
            if refused is not None and refused.final:
                raise
            log.warning("no broker answers yet: %s", refused.cause if refused else error)
            await _either(told_to_stop, 2.0)


async def _either(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)

"""The worker as a process: signals, the watchdog, the pages, waiting for brokers and database, exit statuses."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version

from aiokafka.errors import KafkaConnectionError, KafkaError

from touchpoint.history.checks import UnusableError
from touchpoint.history.watch import HistoryWatch
from touchpoint.kafka_client import refusal
from touchpoint.settings import Settings
from touchpoint.settings.database_url import place
from touchpoint.stream.dead_letter_limit import DeadLetterLimitError
from touchpoint.stream.recovery import OwnerChangedError
from touchpoint.stream.stream_worker import AgentSpec, StreamWorker
from touchpoint.stream.terms import OtherStateError
from touchpoint.stream.watchdog import Watchdog, end_process
from touchpoint.telemetry.health import HealthPage
from touchpoint.telemetry.logs import toggle_debugging, traced

log = logging.getLogger(__name__)

EXIT_FAILED = 70
EXIT_DEAD_LETTERS = 1
EXIT_CONFIGURATION = 2
STALL_OF_SESSION = 0.8  # of the session timeout: a zombie must be gone before its partitions are somebody else's


async def run_worker(settings: Settings, agents: Sequence[AgentSpec], history: HistoryWatch | None = None) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit status: 0, or 70 if the worker failed; see also ``fail``.

    ``history``: looks at the database before anything is read. Raises ``UnusableError`` if the database answers and is
    of no use, ``TopicsError``, and ``KafkaError`` if no broker answered within a minute, or one refuses us.
    """
    watchdog = Watchdog(settings.session_timeout * STALL_OF_SESSION)
    watchdog.start()
    _introduce(settings)
    told_to_stop = _await_signals(watchdog, settings.grace_seconds)
    worker = StreamWorker(settings, agents, history.metrics if history else None, fail)

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
        log.info("stopped: what was finished is committed, the rest will be read again")
        return 0
    finally:
        if following is not None:
            following.cancel()
        await page.stop()
        watchdog.stop()


def _introduce(settings: Settings) -> None:
    """Say what starts; SIGUSR1 shows more."""
    loop, level = asyncio.get_running_loop(), settings.log_level
    loop.add_signal_handler(signal.SIGUSR1, toggle_debugging, level)
    database = place(settings.database_url.get_secret_value()) if settings.database_url else "no database"
    log.info(
        "touchpoint %s starts: group %s, instance id %s, topics %s*, brokers %s by %s, %s, settings %s",
        version("touchpoint"),
        settings.app_id,
        settings.instance_id or "none",
        settings.topic_prefix,
        ",".join(settings.brokers),
        settings.security,
        database,
        settings.config_fingerprint,
    )


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


def fail(where: str, error: BaseException) -> None:
    """End the process: what was not finished is read again after the restart."""
    if isinstance(error, DeadLetterLimitError):
        log.error("%s", error)
        end_process(EXIT_DEAD_LETTERS)
    if isinstance(error, OwnerChangedError):
        log.error("%s, ending", error)
    else:
        log.error("%s failed unexpectedly, ending: %s", where, traced(error))
    end_process(EXIT_FAILED)

"""A capture as a process: its parts put together, signals, and the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from touchpoint.capture.loop import Capture
from touchpoint.capture.sinks import KafkaSink, Printed, Sink
from touchpoint.capture.source import Source
from touchpoint.capture.state import StateFile
from touchpoint.dialects import DIALECTS, Feed
from touchpoint.dialects.translator import Translator
from touchpoint.events import Decoder
from touchpoint.settings import Settings
from touchpoint.telemetry.capture_metrics import CaptureMetrics

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kind:
    """A kind of source: its name on the command line, its dialect, the channels that it reports on, and what its
    positions look like as JSON has them."""

    name: str
    dialect: str
    channels: Iterable[str]
    is_position: Callable[[Any], bool]


@dataclass(frozen=True)
class Way:
    """Where events go, and what is kept meanwhile. `kafka`: else standard output. `heartbeat`: seconds, 0: none.
    `repeat`: what was captured before a change of the dialect's ids may be captured again.
    """

    kafka: bool
    state: Path | None
    heartbeat: float
    metrics_port: int
    repeat: bool = False


async def run(
    kind: Kind, feed: Feed, way: Way, settings: Settings, source: Callable[[Callable[[bool], None]], Source]
) -> None:
    """Capture until SIGTERM or SIGINT, and then end within the grace period with everything acknowledged remembered.

    `source` is given what to tell whether it is there. Raises SourceError, KafkaError; TimeoutError if the grace
    period was too short: what was not acknowledged is read again at the next start.
    """
    file = StateFile(way.state, kind.name, kind.is_position) if way.state else None
    metrics = CaptureMetrics(kind.name)
    page = metrics.endpoint()
    decoder = Decoder(settings.stitching_limits().channels, settings.number_plan)
    translator = Translator(DIALECTS[kind.dialect], decoder)
    sink: Sink = KafkaSink(settings, kind.dialect, kind.channels) if way.kafka else Printed()
    try:
        if way.metrics_port:
            await page.start(settings.metrics_host, way.metrics_port)
        capture = Capture(source(metrics.connected), translator, feed, sink, metrics, file, way.heartbeat, way.repeat)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, capture.stopping.set)
        await _within_grace(capture, settings.grace_seconds)
    finally:
        await page.stop()
        if file is not None:
            file.close()
    log.info("ended; all that was acknowledged is remembered")


async def _within_grace(capture: Capture, seconds: float) -> None:
    running = asyncio.create_task(capture.run())
    stopped = asyncio.create_task(capture.stopping.wait())
    await asyncio.wait([running, stopped], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait_for(running, seconds if capture.stopping.is_set() else None)

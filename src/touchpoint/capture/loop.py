"""The loop of every source: read, translate, send, and only when all is acknowledged remember how far it was."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from touchpoint.capture.outcome import outcome_of
from touchpoint.capture.sinks import Sink
from touchpoint.capture.source import Chunk, Source, SourceError
from touchpoint.capture.state import State, StateFile
from touchpoint.dialects import Feed
from touchpoint.dialects.translator import Translator
from touchpoint.telemetry.capture_metrics import CaptureMetrics

log = logging.getLogger(__name__)

STORE_EVERY = 1.0  # seconds
STORING_AT_MOST = 0.05  # of the time: a large memory is stored less often
REPORT_EVERY = 60.0  # seconds


@dataclass
class Capture:
    """One source on its way to one sink. `heartbeat`: seconds between two; 0: none. `repeat`: records are captured
    again also where the dialect's ids changed since they were.
    """

    source: Source
    translator: Translator
    feed: Feed
    sink: Sink
    metrics: CaptureMetrics
    file: StateFile | None = None
    heartbeat: float = 60.0
    repeat: bool = False
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._state = self.file.load() if self.file else State()
        if self._state.position is None:
            self._state.rules_version = self.translator.dialect.rules_version
        self.feed.memory = self._state.memory
        if self.feed.source:
            self._state.names = {self.feed.source}
        self._unstored = False
        self._ahead = False  # the memory is of a later place than the position, until its events are acknowledged
        self._store_after = self._beat_after = 0.0
        self._report_after = time.monotonic() + REPORT_EVERY
        self._sent = 0

    async def run(self) -> None:
        """Until `stopping` is set. Raises SourceError, KafkaError."""
        async with self.sink, contextlib.aclosing(self.source.chunks(self._state.position, self.stopping)) as chunks:
            try:
                async for chunk in chunks:
                    await self._take(chunk)
            finally:
                self._store()

    async def _take(self, chunk: Chunk) -> None:
        if chunk.again and not self.repeat:
            self._check_ids()
        if chunk.records:
            self._ahead = True
            outcome = outcome_of(chunk.records, self.translator, self.feed)
            await self.sink.deliver(outcome)
            self._ahead = False
            self._state.name({event["source"] for event in outcome.events})
            self.metrics.mark_received()
            self.metrics.count("records", len(chunk.records))
            self.metrics.count("events", len(outcome.events))
            self.metrics.count("unknown", outcome.unknown)
            self.metrics.count("dead_letters", len(outcome.letters))
            self._sent += len(outcome.events)
        self._unstored |= bool(chunk.records) or chunk.position != self._state.position
        self._state.position = chunk.position
        now = time.monotonic()
        if now >= self._store_after:
            self._store()
        if chunk.caught_up and self.heartbeat and now >= self._beat_after:
            await self._beat()
            self._beat_after = now + self.heartbeat
        if now >= self._report_after:
            log.info("%s events in the last minute", f"{self._sent:,}")
            self._report_after, self._sent = now + REPORT_EVERY, 0

    def _check_ids(self) -> None:
        """Raises SourceError where records of before a change of the dialect's ids would count twice."""
        for change in self.translator.dialect.ids_changed:
            if self._state.rules_version < change.rules_version:
                raise SourceError(
                    f"what was captured before is to be read again, and since release {change.release} the dialect "
                    f"gives events of {change.what} other ids: they would count twice. Begin with another --state and "
                    "--since with the day of the upgrade, or pass --yes if that may be"
                )

    async def _beat(self) -> None:
        reached = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        for name in sorted(self._state.names):
            await self.sink.heartbeat(name, reached)

    def _store(self) -> None:
        if self.file is None or self._ahead or not self._unstored:
            return
        began = time.monotonic()
        self.file.store(self._state)
        self._unstored = False
        now = time.monotonic()
        self._store_after = now + max(STORE_EVERY, (now - began) / STORING_AT_MOST)

"""Ends the process when it cannot be trusted any more, from a thread of its own.

A process that stood still for longer than its session may have lost its partitions without knowing (faust.md 3,
zombies); one that was told to end and cannot must not hold up whoever told it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

EXIT_STALLED = 70
EXIT_LATE = 1
BEAT_SECONDS = 0.2
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while the machine sleeps


def _now() -> float:
    return time.clock_gettime(_CLOCK)


def end_process(status: int) -> None:
    """End at once: no destructors, no flushing of producers."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


class Watchdog:
    """Watches the event loop's beat, and the deadline of a shutdown."""

    def __init__(self, stall_seconds: float, end: Callable[[int], None] = end_process) -> None:
        self._stall = stall_seconds
        self._end = end
        self._beat = _now()
        self._beats = True
        self._deadline: float | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch; call from the event loop."""
        self._beat = _now()
        self._loop = asyncio.get_running_loop()
        self._tick()
        self._thread.start()

    def stop(self) -> None:
        """Watch the loop no longer. A deadline stands: what ends after the worker's own end may not hang either."""
        self._beats = False
        if self._deadline is None:
            self._done.set()

    def end_within(self, seconds: float) -> None:
        """The process ends in so many seconds, whatever happens."""
        if self._deadline is None:
            self._deadline = _now() + seconds

    @property
    def alive(self) -> bool:
        """False while the loop's last beat is older than it should be."""
        return _now() - self._beat < max(2.0, self._stall / 2)

    def _tick(self) -> None:
        late = _now() - self._beat
        if late > self._stall:
            self._stalled(late)
        self._beat = _now()
        if self._beats:
            self._loop.call_later(BEAT_SECONDS, self._tick)

    def _watch(self) -> None:
        while not self._done.wait(BEAT_SECONDS):
            now = _now()
            if self._beats and now - self._beat > self._stall:
                self._stalled(now - self._beat)
            if self._deadline is not None and now > self._deadline:
                log.error("did not end within the grace period: ending now; unfinished batches will be read again")
                self._end(EXIT_LATE)

    def _stalled(self, seconds: float) -> None:
        log.error("stood still for %.1f s: partitions may belong to another worker by now, ending", seconds)
        self._end(EXIT_STALLED)

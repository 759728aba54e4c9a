"""Whether the partitions of this worker are read: metrics, a line in the log, and a reason not to be ready."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from faust.types import TP

from touchpoint.stream.transport import Consumer
from touchpoint.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

SHOW_EVERY = 1.0  # seconds
UNREAD_SECONDS = 60.0
"""For so long a partition may be assigned before a broker answers a request for its records."""


class PartitionWatch:
    """While a partition is assigned and no broker answers for it, `trouble` says so."""

    def __init__(
        self, consumer: Callable[[], Consumer], metrics: Metrics, topics: Mapping[str, str], ready: Callable[[], bool]
    ) -> None:
        """``topics``: in full -> without prefix; changelogs are none of them. ``ready``: of the worker's actors."""
        self.trouble = ""
        self._closed = next((full for full, topic in topics.items() if topic == "interactions"), "")
        self._consumer, self._metrics, self._topics, self._ready = consumer, metrics, topics, ready

    async def follow(self) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(SHOW_EVERY)
            self._note(self._unread() if self._ready() else [])

    def _unread(self) -> list[str]:
        """Shows what is known of each partition; those that no broker has answered for, the longest first."""
        consumer = self._consumer()
        for gauge, counts in (("lag_records", consumer.lags()), ("open_transaction_records", consumer.held.items())):
            for tp, count in list(counts):
                self._show(gauge, tp, count)
        oldest = consumer.tracker.oldest(self._closed)
        self._metrics.set("oldest_unstored_seconds", 0.0 if oldest is None else max(0.0, time.time() - oldest / 1000))
        unread: list[tuple[float, str]] = []
        for tp, seconds, answered in consumer.fetch_ages():
            self._show("fetch_age_seconds", tp, seconds)
            if not answered and seconds > UNREAD_SECONDS and tp.topic in self._topics:
                unread.append((seconds, f"partition {tp.partition} of {tp.topic}"))
        return [place for _, place in sorted(unread, reverse=True)]

    def _show(self, gauge: str, tp: TP, value: float) -> None:
        if tp.topic in self._topics:
            self._metrics.set(gauge, value, self._topics[tp.topic], str(tp.partition))

    def _note(self, unread: list[str]) -> None:
        before = self.trouble
        more = f" and for {len(unread) - 1} others" if len(unread) > 1 else ""
        self.trouble = f"no broker has answered for {unread[0]}{more} since it was assigned" if unread else ""
        if self.trouble and not before:
            log.warning("%s: what is in it is not read, and event time stands still", self.trouble)
        if before and not self.trouble:
            log.info("brokers answer for all partitions")

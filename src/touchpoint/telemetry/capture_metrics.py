"""What is counted of a capture: name, type, what it means and what to do about it."""

from __future__ import annotations

import time
from typing import Literal, NamedTuple

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest

from touchpoint.telemetry.endpoint import Answer, Endpoint


class Metric(NamedTuple):
    """One metric as it is documented and exported."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    labels: tuple[str, ...] = ("source",)  # the subcommand's name


METRICS = (
    Metric("touchpoint_capture_records", "counter", "Records read from the source."),
    Metric("touchpoint_capture_events", "counter", "Events made of them, and stored."),
    Metric(
        "touchpoint_capture_unknown", "counter",
        "Records that were not understood and name no media item. Vendors add record types; nothing is lost.",
    ),
    Metric(
        "touchpoint_capture_dead_letters", "counter",
        "Records that became dead letters: see their causes (`touchpoint dead-letters list`).",
    ),
    Metric(
        "touchpoint_capture_connections", "counter",
        "How often the source was reached anew. Rising: the connection or the source is in trouble.",
    ),
    Metric("touchpoint_capture_connected", "gauge", "1 while the source is there. 0 for minutes: look at its log."),
    Metric(
        "touchpoint_capture_seconds_since_record", "gauge",
        "Seconds since the source last said something. More than is usual for it at this hour: is it still told to?",
    ),
)  # fmt: skip


class Metrics:
    """Of one source. Personal data never becomes a label."""

    def __init__(self, kind: str) -> None:
        self.registry = CollectorRegistry()
        self._counters, self._gauges = dict[str, Counter](), dict[str, Gauge]()
        for name, of, help_, labels in METRICS:
            if of == "counter":
                self._counters[name] = Counter(name, help_, labels, registry=self.registry).labels(kind)
            else:
                self._gauges[name] = Gauge(name, help_, labels, registry=self.registry).labels(kind)
        self._last = time.monotonic()
        silence = self._gauges["touchpoint_capture_seconds_since_record"]
        silence.set_function(lambda: time.monotonic() - self._last)

    def count(self, name: str, amount: float = 1) -> None:
        """Add to the counter ``touchpoint_capture_<name>``."""
        self._counters[f"touchpoint_capture_{name}"].inc(amount)

    def heard(self) -> None:
        """The source said something."""
        self._last = time.monotonic()

    def connected(self, well: bool) -> None:
        """The source is there now, or is away."""
        self._gauges["touchpoint_capture_connected"].set(well)
        if well:
            self.count("connections")

    def endpoint(self) -> Endpoint:
        """What shows them at `/metrics`."""
        return Endpoint({"/metrics": lambda: Answer(generate_latest(self.registry), content_type=CONTENT_TYPE_LATEST)})

"""What a capture counts of its source, and the page that shows it."""

from __future__ import annotations

import time

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from touchpoint.telemetry.endpoint import Answer, Endpoint
from touchpoint.telemetry.metric_table import CAPTURE
from touchpoint.telemetry.metrics import Metrics


class CaptureMetrics:
    """Of one source. Personal data never becomes a label."""

    def __init__(self, kind: str) -> None:
        """``kind``: the subcommand's name."""
        self._kind = kind
        self._metrics = Metrics(table=CAPTURE)
        self.registry = self._metrics.registry
        for metric in CAPTURE:
            if metric.kind == "counter":
                self._metrics.count(metric.name.removeprefix("touchpoint_"), 0, kind)
        self._metrics.set("capture_connected", 0, kind)
        self._last = time.monotonic()

    def count(self, name: str, amount: float = 1) -> None:
        """Add to the counter ``touchpoint_capture_<name>``."""
        self._metrics.count(f"capture_{name}", amount, self._kind)

    def mark_received(self) -> None:
        """The source said something."""
        self._last = time.monotonic()

    def connected(self, well: bool) -> None:
        """The source is there now, or is away."""
        self._metrics.set("capture_connected", well, self._kind)
        if well:
            self.count("connections")

    def page(self) -> Answer:
        """What Prometheus reads."""
        self._metrics.set("capture_seconds_since_record", time.monotonic() - self._last, self._kind)
        return Answer(generate_latest(self.registry), content_type=CONTENT_TYPE_LATEST)

    def endpoint(self) -> Endpoint:
        """What shows them at `/metrics`."""
        return Endpoint({"/metrics": self.page})

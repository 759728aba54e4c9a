"""What is counted of a capture."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server


class Metrics:
    """Of one source. Personal data never becomes a label."""

    def __init__(self, kind: str) -> None:
        self.registry = CollectorRegistry()
        self.records = self._counter("records", "Records read from the source.", kind)
        self.events = self._counter("events", "Events made of them and stored.", kind)
        self.unknown = self._counter("unknown", "Records that were not understood and name no media item.", kind)
        self.dead_letters = self._counter("dead_letters", "Records that became dead letters.", kind)
        self.connections = self._counter("connections", "How often the source was reached anew.", kind)
        self._connected = self._gauge("connected", "1 while the source is there.", kind)
        self._silence = self._gauge("seconds_since_record", "Seconds since the source last said something.", kind)
        self._last = time.monotonic()
        self._silence.set_function(lambda: time.monotonic() - self._last)

    def heard(self) -> None:
        """The source said something."""
        self._last = time.monotonic()

    def connected(self, well: bool) -> None:
        """The source is there now, or is away."""
        self._connected.set(well)
        if well:
            self.connections.inc()

    def serve(self, host: str, port: int) -> Callable[[], object]:
        """Show them at `/metrics`; gives what ends that. Raises OSError if the port is taken."""
        server, _ = start_http_server(port, host, self.registry)
        return server.shutdown

    def _counter(self, name: str, help_: str, kind: str) -> Counter:
        return Counter(f"touchpoint_capture_{name}", help_, ["source"], registry=self.registry).labels(kind)

    def _gauge(self, name: str, help_: str, kind: str) -> Gauge:
        return Gauge(f"touchpoint_capture_{name}", help_, ["source"], registry=self.registry).labels(kind)

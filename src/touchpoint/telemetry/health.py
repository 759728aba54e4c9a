"""The worker's pages: metrics, liveness, readiness."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from touchpoint.telemetry.endpoint import Answer, Endpoint
from touchpoint.telemetry.metrics import Metrics


class HealthPage:
    """``/metrics``, ``/livez`` and ``/readyz`` on one port."""

    def __init__(self, metrics: Metrics, alive: Callable[[], bool], lacks: Callable[[], str]) -> None:
        """``lacks``: what the worker waits for before it is ready; empty if it is."""
        self._endpoint = Endpoint(
            {
                "/metrics": lambda: Answer(generate_latest(metrics.registry), content_type=CONTENT_TYPE_LATEST),
                "/livez": lambda: _answer(alive()),
                "/readyz": lambda: _answer(not (why := lacks()), why),
            }
        )

    async def start(self, host: str, port: int) -> None:
        """Serve. Raises ``OSError`` that names the settings if the port is taken."""
        await self._endpoint.start(host, port)

    async def stop(self) -> None:
        await self._endpoint.stop()


def _answer(well: bool, why: str = "") -> Answer:
    return Answer(b"ok\n", 200) if well else Answer(f"no\n{why}\n".encode() if why else b"no\n", 503)

"""The worker's small web page: metrics, liveness, readiness."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from touchpoint.stream.metrics import Metrics


class HealthPage:
    """``/metrics``, ``/livez`` and ``/readyz`` on one port."""

    def __init__(self, metrics: Metrics, alive: Callable[[], bool], ready: Callable[[], bool]) -> None:
        self._metrics = metrics
        self._alive = alive
        self._ready = ready
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> None:
        """Serve. Raises ``OSError`` that names the settings if the port is taken."""
        app = web.Application()
        app.router.add_get("/metrics", self._show_metrics)
        app.router.add_get("/livez", lambda _request: self._say(self._alive()))
        app.router.add_get("/readyz", lambda _request: self._say(self._ready()))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            way = "choose another TOUCHPOINT_METRICS_PORT or TOUCHPOINT_METRICS_HOST, or port 0 for none"
            raise OSError(error.errno, f"metrics cannot be served at {host}:{port}: {error.strerror}; {way}") from None

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _show_metrics(self, _request: web.Request) -> web.Response:
        body = generate_latest(self._metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _say(self, well: bool) -> web.Response:
        return web.Response(text="ok\n" if well else "no\n", status=200 if well else 503)

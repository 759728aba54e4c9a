"""The health page tells what probes ask, and says which setting is at fault when it cannot be served."""

from __future__ import annotations

import socket

import aiohttp
import pytest

from touchpoint.embedded.broker import free_port
from touchpoint.telemetry.health import HealthPage
from touchpoint.telemetry.metrics import Metrics


async def test_probes_get_200_or_503_and_prometheus_its_metrics() -> None:
    metrics, port, ready = Metrics(), free_port(), False
    page = HealthPage(metrics, lambda: True, lambda: "" if ready else "the database is away")
    await page.start("127.0.0.1", port)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
            assert (await client.get("/livez")).status == 200
            answer = await client.get("/readyz")
            assert (answer.status, await answer.text()) == (503, "no\nthe database is away\n")
            ready = True
            assert (await client.get("/readyz")).status == 200
            metrics.count("dead_letters", 3, "calls", "type", "")
            text = await (await client.get("/metrics")).text()
            assert 'touchpoint_dead_letters_total{code="type",dialect="",topic="calls"} 3.0' in text
    finally:
        await page.stop()


async def test_a_port_that_is_taken_is_named_with_its_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        page = HealthPage(Metrics(), lambda: True, str)
        with pytest.raises(OSError, match="TOUCHPOINT_METRICS_PORT"):
            await page.start("127.0.0.1", taken.getsockname()[1])
        await page.stop()

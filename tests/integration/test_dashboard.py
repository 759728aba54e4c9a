"""Each query of the dashboard, answered by a real Prometheus that scrapes a real worker with the alerts loaded."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from installation import Event, Installation, arrival
from prometheus_server import prometheus

from touchpoint.simulate import simulate
from touchpoint.simulate.produce import produce

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
CLOSES = 'touchpoint_watermark_delay_seconds{agent="party"}'
MAY_BE_EMPTY = {
    "Records of topics with a dialect": "none is declared",
    "Records of captures": "they are other processes",
}


def queries() -> Iterator[tuple[str, str]]:
    """Title and query of each panel, with the variables as Grafana would fill them."""
    board = json.loads((ROOT / "deploy/grafana/touchpoint.json").read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"].replace("$job", "touchpoint").replace("$__rate_interval", "5m")


def live() -> Event:
    """An event of now, from which on event time is that of a live stream."""
    now = datetime.now(UTC).isoformat()
    return {"specversion": "1.0", "id": "e1", "source": "/pbx", "type": "call.offered", "subject": "live", "time": now,
            "data": {"party": {"address": "tel:+441632960960"}}}  # fmt: skip


async def test_prometheus_answers_every_query_of_the_dashboard_and_takes_the_alerts(
    installation: Installation, tmp_path: Path
) -> None:
    events = [*arrival(simulate(7, START, hours=0.2, volume=200), seed=7)]
    worker = installation.worker(sources=events[0]["source"], limits__disorder="1s")
    with prometheus(tmp_path, [f"127.0.0.1:{worker.port}"], [ROOT / "deploy/alerts.yml"]) as server:

        async def holds(query: str) -> bool:
            return bool((await server.ask("query", query=query) or {"result": []})["result"])

        async def ready() -> bool:
            return await holds("touchpoint_ready == 1")

        await installation.until(ready, "a scrape of a worker that is ready")
        await produce(events, installation.client, installation.settings.topic_prefix, math.inf, finish=True)
        async with installation.producer() as producer:
            calls = f"{installation.settings.topic_prefix}calls"
            await producer.send_and_wait(calls, b"{", b"c1")
            await producer.send_and_wait(calls, orjson.dumps(live()), b"live")

        async def seen() -> bool:
            stored = "rate(touchpoint_event_to_stored_seconds_count[5m]) > 0"
            wanted = (stored, "increase(touchpoint_dead_letters_total[5m]) > 0", CLOSES)
            return all([await holds(query) for query in wanted])

        await installation.until(seen, "stored interactions, a dead letter and event time, in Prometheus")
        answers: dict[str, list[Any]] = {}
        for title, query in queries():
            answers.setdefault(title, []).append((await server.ask("query", query=query))["result"])
        empty = {title for title, found in answers.items() if not all(found)}
        assert empty <= MAY_BE_EMPTY.keys()
        [group] = (await server.ask("rules"))["groups"]
        assert {rule["health"] for rule in group["rules"]} <= {"ok", "unknown"}
        assert {rule.get("lastError") for rule in group["rules"]} <= {None}

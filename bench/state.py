"""What a worker needs that has very much open: so many media items, each of a party of its own, opened and answered.

python3 dev bench --open 1000000

One process, the real broker, PostgreSQL: throughput while the open items grow, the same once they are there, memory,
and the time until a worker that was killed is at work again. Then everything closes, and the state is looked at again.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.cpu import PROC, cpu_seconds
from bench.measure import ROOT, FailedError
from bench.services import Place, Services
from touchpoint.embedded.broker import free_port
from touchpoint.producer import Producer
from touchpoint.simulate.produce import produce

STEPS = 10
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
STALLED_AFTER = 120.0  # seconds
FEW = 100
"""Keys that are not of an item or a party: clocks."""
MINUTES = 20
"""In which everything is opened and answered: none of it is over by then."""

Say = Callable[[str], None]


def events(verb: str, first: int, last: int, of: int) -> Iterator[dict[str, Any]]:
    """One event of each media item of a range."""
    for n in range(first, last):
        at = START + timedelta(minutes=MINUTES * (n / of + (verb == "answered")))
        data: dict[str, Any] = {"party": {"address": f"tel:+8835100{n:08}"}}
        if verb == "answered":
            data |= {"resource": {"id": f"agent-{n % 997}", "kind": "agent"}}
        yield {
            "specversion": "1.0", "id": f"{verb}-{n}", "source": "/bench", "type": f"call.{verb}",
            "time": at.isoformat(timespec="milliseconds"), "subject": f"call-{n}", "data": data,
        }  # fmt: skip


class Worker:
    """One worker process, watched through its metrics."""

    def __init__(self, place: Place, log: Path) -> None:
        self._port, self._log = free_port(), log
        command = [sys.executable, "-m", "touchpoint", "worker"]
        began = time.monotonic()
        with log.open("ab") as out:
            environment = place.environment(metrics_port=self._port)
            self._process = subprocess.Popen(command, stdout=out, stderr=out, env=environment, cwd=ROOT)
        self.until(lambda metrics: metrics.get("touchpoint_ready") == 1)
        self.startup = time.monotonic() - began

    def until(self, condition: Callable[[dict[str, float]], bool]) -> dict[str, float]:
        """Wait, as long as anything moves."""
        moved, before = time.monotonic(), dict[str, float]()
        while True:
            now = self._metrics()
            if condition(now):
                return now
            records = {name: value for name, value in now.items() if name.startswith("touchpoint_records")}
            if records != before:
                moved, before = time.monotonic(), records
            if self._process.poll() is not None or time.monotonic() - moved > STALLED_AFTER:
                raise FailedError(f"the worker ended or stopped moving; it said:\n{self._log.read_text()[-3000:]}")
            time.sleep(0.1)

    def _metrics(self) -> dict[str, float]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=30) as page:
                lines = page.read().decode().splitlines()
        except OSError:
            return {}
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    @property
    def cpu(self) -> float:
        return cpu_seconds(self._process.pid)

    @property
    def mebibytes(self) -> float:
        lines = (PROC / str(self._process.pid) / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

    def end(self, sig: int = signal.SIGTERM) -> None:
        self._process.send_signal(sig)
        self._process.wait(60)


def total(metrics: dict[str, float], name: str, *labels: str) -> int:
    """The sum of a metric over all that has these labels."""
    return int(sum(v for k, v in metrics.items() if k.startswith(name) and all(label in k for label in labels)))


def keys(metrics: dict[str, float], table: str) -> int:
    """Keys that the worker holds in a table."""
    return total(metrics, "touchpoint_state_keys", f'table="{table}"')


class Measurement:
    """One worker, from nothing open to everything, and back."""

    def __init__(self, services: Services, count: int, say: Say) -> None:
        self._place, self._log, self._count, self._say = services.place("state"), services.directory / "log", count, say
        self._client = {"bootstrap_servers": services.broker}
        self._worker = Worker(self._place, self._log)
        self._read = 0

    def run(self) -> dict[str, Any]:
        """All of it; what was measured, ready for JSON."""
        try:
            share = self._count // STEPS
            steps = [
                self._step(verb, n * share, (n + 1) * share) for verb in ("offered", "answered") for n in range(STEPS)
            ]
            recovery = self._recover()
            return {"open": self._count, "steps": steps, "recovery": recovery, "left": self._close()}
        finally:
            self._worker.end(signal.SIGKILL)

    def _step(self, verb: str, first: int, last: int) -> dict[str, Any]:
        self._say(f"{verb}: {last:,} of {self._count:,}")
        cpu = self._worker.cpu
        asyncio.run(produce(events(verb, first, last, self._count), self._client, self._place.settings.topic_prefix))
        self._read += last - first
        opened = min(self._read, self._count)
        now = self._worker.until(
            lambda m: (
                total(m, "touchpoint_events_total", 'agent="media"', '"accepted"') >= self._read
                and keys(m, "parties") >= opened
            )
        )
        cpu = self._worker.cpu - cpu
        return {
            "verb": verb, "events": last - first, "cpu_seconds": cpu, "micros_an_event": cpu / (last - first) * 1e6,
            "media_items": keys(now, "media"), "parties": keys(now, "parties"), "mebibytes": self._worker.mebibytes,
        }  # fmt: skip

    def _recover(self) -> dict[str, Any]:
        self._say("killed; another worker reads the changelogs")
        self._worker.end(signal.SIGKILL)
        self._worker = Worker(self._place, self._log)
        now = self._worker.until(lambda m: keys(m, "parties") >= self._count)
        return {
            "ready_after_seconds": self._worker.startup,
            "of_which_reading_seconds": now["touchpoint_recovery_seconds"],
            "keys": keys(now, "media") + keys(now, "parties"),
            "mebibytes": self._worker.mebibytes,
        }

    def _close(self) -> dict[str, Any]:
        """Everything closes when its limit is reached; an interaction's age later nothing is remembered of it."""
        began, cpu = time.monotonic(), self._worker.cpu
        self._say("closing everything")
        asyncio.run(self._time_passes(3))
        self._worker.until(lambda m: total(m, "touchpoint_history_rows_total") >= self._count)
        seconds, cpu = time.monotonic() - began, self._worker.cpu - cpu
        self._say("forgetting everything")
        for days in (40, 80, 120):
            asyncio.run(self._time_passes(days))
        now = self._worker.until(lambda m: keys(m, "parties") + keys(m, "media") < FEW)
        left = keys(now, "media") + keys(now, "parties")
        return {"closed_in_seconds": seconds, "cpu_seconds": cpu, "keys": left, "mebibytes": self._worker.mebibytes}

    async def _time_passes(self, days: int) -> None:
        async with Producer(self._client, self._place.settings.topic_prefix) as producer:
            await producer.heartbeat("/bench", (START + timedelta(days=days)).isoformat(), id_=f"day {days}")
            await producer.flush()


PAGE = """# A worker with {open:,} open media items

{machine}

Each item is of a party of its own, and has two events. One worker process does everything; CPU and memory are its own.

| event | items known | parties known | CPU us an event | resident MiB |
|---|---|---|---|---|
{rows}

Killed and started again, it was at work after {ready:.0f} s: {reading:.0f} s of them went into reading {kept:,} keys
from the changelogs. It took {recovered:,.0f} MiB then.

Everything closed and was stored in {closing:.0f} s ({cpu:.0f} s of CPU). When an interaction's age had passed,
{left:,} keys were left, and {at_end:,.0f} MiB.
"""


def write(measured: dict[str, Any], machine: dict[str, str], results: Path) -> Path:
    """Into state.json and state.md; where the page is."""
    (results / "state.json").write_text(json.dumps({"machine": machine} | measured, indent=2) + "\n")
    cells = ("verb", "media_items", "parties", "micros_an_event", "mebibytes")
    rows = [[f"{step[c]:,.0f}" if c != "verb" else step[c] for c in cells] for step in measured["steps"]]
    recovery, left = measured["recovery"], measured["left"]
    page = PAGE.format(
        open=measured["open"],
        machine="\n".join(f"- {name}: {value}" for name, value in machine.items()),
        rows="\n".join(f"| {' | '.join(row)} |" for row in rows),
        ready=recovery["ready_after_seconds"],
        reading=recovery["of_which_reading_seconds"],
        kept=recovery["keys"],
        recovered=recovery["mebibytes"],
        closing=left["closed_in_seconds"],
        cpu=left["cpu_seconds"],
        left=left["keys"],
        at_end=left["mebibytes"],
    )
    where = results / "state.md"
    where.write_text(page)
    return where

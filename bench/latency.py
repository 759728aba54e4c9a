"""How long a row takes: from the last event of a call, acknowledged by the broker, to its row, visible in PostgreSQL.

python3 dev bench --latency 20 [--seconds 180]

Live traffic at so many calls a second, event time being the wall clock: every call is wrapped up, three in five have
an agent's wrap-up that ends before or after that. Beside them come mails, faxes, chats, activities and identifications,
so that every input has traffic. Two workers; each variant in an installation of its own.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg

from bench.cpu import busy_seconds, cpu_seconds
from bench.measure import READY_WITHIN, ROOT, FailedError
from bench.services import Place, Services
from touchpoint.embedded.broker import free_port
from touchpoint.producer import Producer

WORKERS = 2
LOOK_EVERY = 0.2  # seconds
OTHERS_A_SECOND = 4.0
"""Of each kind beside calls: enough for every partition to have one within the shortest disorder."""
WARM_UP = 0.2
"""This part of the calls, the first, is not counted: event time only begins then."""
VARIANTS: dict[str, dict[str, str]] = {
    "wait of 2 min (as 0.1.0)": {"limits__wrapped_up_wait": "2m"},
    "default": {},
    "fast": {
        "limits__disorder": "3s",
        "limits__wrapped_up_wait": "1s",
        "limits__wrapup_begins_within": "1s",
        "limits__quiet": "1s",
    },
}
PATIENCE = 420.0  # seconds after the last event, for rows that do not come
VISIBLE = """
SELECT m.media_item_id FROM touchpoint.media_item m JOIN touchpoint.interaction i USING (interaction_id)
WHERE i.recorded_at > $1::timestamptz - interval '20 seconds' AND m.media_item_id LIKE 'call-%'
"""

Json = dict[str, Any]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Timed:
    """What was measured of one variant, in seconds."""

    variant: str
    calls: int
    missing: int
    p50: float
    p90: float
    p99: float
    longest: float
    disorder: float
    worker_cpu: float  # of a core, all workers together
    busy: float  # of the whole machine


@dataclass(frozen=True)
class Step:
    """An event of a contact, so many seconds after its beginning."""

    after: float
    type: str
    data: Json


def call(dice: random.Random, number: int) -> list[Step]:
    """Offered, answered, ended, wrapped up; mostly with a wrap-up, that ends before or after that."""
    party = {"party": {"address": f"tel:+4420{number:08d}"}, "direction": "inbound"}
    agent = {"resource": {"id": f"agent-{number % 200}", "kind": "agent"}}
    answered = dice.uniform(0.5, 3)
    ended = answered + dice.uniform(2, 20)
    steps = [
        Step(0, "call.offered", party),
        Step(answered, "call.answered", agent),
        Step(ended, "call.ended", {"reason": "normal"}),
        Step(ended + dice.uniform(2, 8), "interaction.wrapped_up", {"outcome": "done"}),
    ]
    if dice.random() < 0.6:
        steps += [
            Step(ended, "call.wrapup_started", agent),
            Step(ended + dice.uniform(1, 10), "call.wrapup_ended", agent),
        ]
    return sorted(steps, key=lambda step: step.after)


def others(kind: str, dice: random.Random, number: int) -> list[Step]:
    """Something of another input."""
    party = {"party": {"address": f"mailto:customer{number}@example.com"}}
    agent = {"resource": {"id": f"agent-{dice.randrange(200)}", "kind": "agent"}}
    if kind == "email":
        return [Step(0, "email.offered", party), Step(3, "email.answered", agent), Step(9, "email.sent", agent)]
    if kind == "fax":
        return [Step(0, "fax.transmission_started", party), Step(5, "fax.transmitted", {"pages": 1})]
    if kind == "chat":
        return [Step(0, "chat.offered", party), Step(2, "chat.answered", agent), Step(9, "chat.ended", {})]
    if kind == "activity":
        return [Step(0, "activity.recorded", {"activity": f"activity-{number}", "action": "note", **party})]
    return [Step(0, "party.identified", {"id": f"C{number}"})]


def subject(kind: str, number: int) -> str | None:
    if kind == "party":
        return f"mailto:customer{number}@example.com"
    return None if kind == "activity" else f"{kind}-{number}"


def schedule(rate: float, seconds: float, seed: int) -> Iterator[tuple[float, str, int, Step]]:
    """Every event of a run: (seconds since its begin, kind, number, step), in order."""
    dice, places = random.Random(seed), count()
    waiting: list[tuple[float, int, str, int, Step]] = []
    for kind, a_second in [
        ("call", rate),
        *((k, OTHERS_A_SECOND) for k in ("email", "fax", "chat", "activity", "party")),
    ]:
        for number in range(int(a_second * seconds)):
            steps = call(dice, number) if kind == "call" else others(kind, dice, number)
            for step in steps:
                heappush(waiting, (number / a_second + step.after, next(places), kind, number, step))
    while waiting:
        at, _, kind, number, step = heappop(waiting)
        yield at, kind, number, step


class Run:
    """One variant: its workers, its traffic, and a reader of the rows."""

    def __init__(self, services: Services, place: Place, variant: str, rate: float, seconds: float, say: Say) -> None:
        self._services, self._place, self._variant = services, place, variant
        self._rate, self._seconds, self._say = rate, seconds, say
        self._told: dict[str, float] = {}  # by call: when its last event was acknowledged
        self._seen: dict[str, float] = {}  # by call: when its row was seen first
        self._workers: list[subprocess.Popen[bytes]] = []

    def run(self) -> Timed:
        """All of it."""
        try:
            ports = [self._start(n) for n in range(WORKERS)]
            self._await_ready(ports)
            return asyncio.run(self._measure())
        finally:
            for worker in self._workers:
                worker.terminate()
            for worker in self._workers:
                worker.wait(60)

    def _start(self, number: int) -> int:
        port = free_port()
        environment = self._place.environment(metrics_port=port, **VARIANTS[self._variant])
        with (self._services.directory / f"{self._place.settings.app_id}-{number}.log").open("wb") as out:
            command = [sys.executable, "-m", "touchpoint", "worker"]
            self._workers.append(subprocess.Popen(command, stdout=out, stderr=out, env=environment, cwd=ROOT))
        return port

    def _await_ready(self, ports: list[int]) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while not all(map(is_ready, ports)):
            if time.monotonic() > deadline or any(worker.poll() is not None for worker in self._workers):
                raise FailedError(f"the workers were not ready; see {self._services.directory}")
            time.sleep(0.1)

    async def _measure(self) -> Timed:
        began, busy, cpu = time.monotonic(), busy_seconds(), self._cpu()
        reading = asyncio.create_task(self._read())
        await self._produce()
        elapsed = time.monotonic() - began
        busy, cpu = (busy_seconds() - busy) / elapsed, (self._cpu() - cpu) / elapsed
        deadline = time.monotonic() + PATIENCE
        while self._told.keys() - self._seen.keys() and time.monotonic() < deadline:
            self._say(f"{len(self._seen)} of {len(self._told)} rows")
            await asyncio.sleep(1)
        reading.cancel()
        return self._timed(busy, cpu)

    def _timed(self, busy: float, cpu: float) -> Timed:
        first = int(self._rate * self._seconds * WARM_UP)
        counted = [name for name in self._told if int(name.removeprefix("call-")) >= first]
        took = sorted(self._seen[name] - self._told[name] for name in counted if name in self._seen)
        if not took:
            raise FailedError(f"{self._variant}: no row came")
        p50, p90, p99 = (took[min(len(took) - 1, int(len(took) * part))] for part in (0.5, 0.9, 0.99))
        disorder = 3.0 if "limits__disorder" in VARIANTS[self._variant] else 60.0
        missing = len(counted) - len(took)
        return Timed(self._variant, len(took), missing, p50, p90, p99, took[-1], disorder, cpu, busy)

    def _cpu(self) -> float:
        return sum(cpu_seconds(worker.pid) for worker in self._workers)

    async def _produce(self) -> None:
        began, at = time.monotonic(), 0.0
        client = {"bootstrap_servers": self._services.broker}
        async with Producer(client, self._place.settings.topic_prefix) as producer:
            events = schedule(self._rate, self._seconds, seed=1)
            for number, (at, kind, of, step) in enumerate(events):
                ahead = began + at - time.monotonic()
                if ahead > 0:
                    await asyncio.sleep(ahead)
                stored = await producer.send(event(number, kind, of, step))
                if kind == "call":
                    stored.add_done_callback(self._acknowledged(f"call-{of}"))
                if not number % 500:
                    self._say(f"{at:.0f} s of traffic, {len(self._seen)} rows")
            report = await producer.flush()
            if report.failed:
                raise FailedError(f"{len(report.failed)} events could not be stored")

    def _acknowledged(self, name: str) -> Callable[[Any], None]:
        def note(_: Any) -> None:
            self._told[name] = time.monotonic()

        return note

    async def _read(self) -> None:
        connection = await asyncpg.connect(self._place.database_url)
        try:
            while True:
                began = datetime.now(UTC)
                for row in await connection.fetch(VISIBLE, began):
                    self._seen.setdefault(row[0], time.monotonic())
                await asyncio.sleep(LOOK_EVERY)
        finally:
            await connection.close()


def event(number: int, kind: str, of: int, step: Step) -> Json:
    made: Json = {"specversion": "1.0", "id": f"e{number}", "source": f"/bench/{step.type.partition('.')[0]}"}
    made |= {"type": step.type, "time": datetime.now(UTC).isoformat(), "data": step.data}
    if (about := subject(kind, of)) is not None:
        made["subject"] = about
    return made


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def run(services: Services, rate: float, seconds: float, say: Callable[[str], Say]) -> list[Timed]:
    """Every variant, one after the other."""
    return [
        Run(services, services.place(f"latency-{n}"), variant, rate, seconds, say(variant)).run()
        for n, variant in enumerate(VARIANTS)
    ]


PAGE = """# How long a row takes

{machine}

{rate:g} calls a second for {seconds:g} s, and {others:g} a second each of mails, faxes, chats, activities and
identifications; {workers} workers. From the acknowledgement of a call's last event (`interaction.wrapped_up` or
`call.wrapup_ended`) to its row, as a reader sees it that looks every {look:g} s. The first fifth is not counted.

| limits | calls | missing | p50 s | p90 s | p99 s | longest s | p99 less the disorder s | CPU | busy of {cores} cores |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|
{rows}

*fast*: {fast}. Both limits are shorter than some sources need: an event that comes later than the disorder is late.
"""


def write(found: list[Timed], machine: dict[str, str], rate: float, seconds: float, results: Path) -> Path:
    """Into latency.json and latency.md; where the page is."""
    as_json = {"machine": machine, "rate": rate, "seconds": seconds, "variants": [vars(each) for each in found]}
    (results / "latency.json").write_text(json.dumps(as_json, indent=1) + "\n")
    rows = [
        f"| {t.variant} | {t.calls:,} | {t.missing} | {t.p50:.1f} | {t.p90:.1f} | {t.p99:.1f} | {t.longest:.1f} | "
        f"**{t.p99 - t.disorder:.1f}** | {t.worker_cpu:.2f} | {t.busy:.2f} |"
        for t in found
    ]
    page = PAGE.format(
        machine="\n".join(f"- {name}: {value}" for name, value in machine.items()), rate=rate, seconds=seconds,
        others=OTHERS_A_SECOND, workers=WORKERS, look=LOOK_EVERY, rows="\n".join(rows),
        cores=machine["machine"].rpartition(", ")[0].rpartition(", ")[2].removesuffix(" cores"),
        fast=", ".join(f"`TOUCHPOINT_{name.upper()}={value}`" for name, value in VARIANTS["fast"].items()),
    )  # fmt: skip
    where = results / "latency.md"
    where.write_text(page)
    return where

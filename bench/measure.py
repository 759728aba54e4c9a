"""One measurement of a worker process: from the backlog in Kafka to the last row in PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench.cpu import busy_seconds, cpu_seconds, peak_mebibytes
from bench.services import Place, Services
from touchpoint.embedded.broker import free_port

ROOT = Path(__file__).resolve().parents[1]
PATH = f"{ROOT}:{ROOT / 'tests' / 'support'}"
READY_WITHIN, STALLED_AFTER = 120.0, 40.0  # seconds
LOOK_EVERY = 0.1
COUNT = "SELECT count(*) FROM touchpoint.interaction_index"
HASHES = "SELECT interaction_id::text, content_hash FROM touchpoint.interaction_index"

Hashes = dict[str, str]
Say = Callable[[str], None]


class FailedError(Exception):
    """A measured process ended or stopped moving; the message has the end of its log."""


@dataclass(frozen=True)
class Result:
    """What was measured. CPU seconds are those between the same two instants as `seconds`."""

    name: str
    events: int
    seconds: float  # from the beginning of consumption to the last row
    cpu: float  # of the measured process
    startup: float = 0.0  # before that
    broker_cpu: float = 0.0
    postgres_cpu: float = 0.0
    other_cpu: float = 0.0  # of everything else on the machine, this harness included
    peak_mib: float = 0.0
    expected: int = 0  # interactions, by the offline fold
    stored: int = 0
    identical: int = 0  # with the same content_hash

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def rate_with_startup(self) -> float:
        return self.events / (self.seconds + self.startup)

    @property
    def per_cpu_second(self) -> float:
        return self.events / self.cpu


def raw(services: Services, place: Place) -> Result:
    """(a) aiokafka and the decoder, in a process of its own."""
    command = [sys.executable, "-m", "bench.raw_consume", services.broker, *place.inputs]
    environment = place.environment() | {"PYTHONPATH": PATH}
    before = _used(services)
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=ROOT) as process:
        try:
            output, _ = process.communicate(timeout=600)
        finally:
            process.kill()
    if process.returncode:
        raise FailedError(f"the raw consumer ended with status {process.returncode}")
    told = json.loads(output)
    broker = _used(services)[0] - before[0]
    return Result("raw aiokafka + validation", told["events"], told["seconds"], told["cpu"], broker_cpu=broker)


def touchpoint(services: Services, place: Place, events: int, expected: Hashes, say: Say) -> Result:
    """(c) one `touchpoint worker`."""
    port = free_port()

    def ready() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    command = [sys.executable, "-m", "touchpoint", "worker"]
    environment = place.environment(metrics_port=port)
    return _worker("Touchpoint", command, environment, ready, services, place, events, expected, say)


def plain(services: Services, place: Place, events: int, expected: Hashes, say: Say) -> Result:
    """(b) the plain Faust app."""
    started = services.directory / f"{place.settings.app_id}.started"
    command = [sys.executable, "-m", "bench.plain_faust", "worker", "--without-web", "-l", "info"]
    environment = place.environment() | {
        "PYTHONPATH": PATH,
        "BENCH_BROKER": services.broker,
        "BENCH_PREFIX": place.settings.topic_prefix,
        "BENCH_DATABASE": place.database_url,
        "BENCH_STARTED": str(started),
        "FAUST_DATADIR": str(services.directory / "plain"),
    }
    return _worker("plain Faust app", command, environment, started.exists, services, place, events, expected, say)


def _worker(  # noqa: PLR0913, PLR0917 - what a measurement is made of
    name: str, command: list[str], environment: Mapping[str, str], ready: Callable[[], bool],
    services: Services, place: Place, events: int, expected: Hashes, say: Say,
) -> Result:  # fmt: skip
    log = services.directory / f"{place.settings.app_id}.log"
    with log.open("wb") as out:
        spawned = time.monotonic()
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment, cwd=ROOT)
    try:
        while not ready():
            _check(process, log, time.monotonic() - spawned < READY_WITHIN, "was not ready")
            time.sleep(0.02)
        began, before, own = time.monotonic(), _used(services), cpu_seconds(process.pid)
        waiting = _all_stored(place, len(expected), lambda moved: _check(process, log, moved, "stopped moving"), say)
        stored = asyncio.run(waiting)
        seconds, after, cpu = time.monotonic() - began, _used(services), cpu_seconds(process.pid) - own
        broker, postgres, busy = (b - a for a, b in zip(before, after, strict=True))
        return Result(
            name, events, seconds, cpu, began - spawned, broker, postgres, busy - broker - postgres - cpu,
            peak_mebibytes(process.pid), len(expected), len(stored), len(stored.items() & expected.items()),
        )  # fmt: skip
    finally:
        _end(process)


async def _all_stored(place: Place, count: int, check: Callable[[bool], None], say: Say) -> Hashes:
    """Until so many interactions are stored; what they are."""
    connection = await asyncpg.connect(place.database_url)
    try:
        best, moved = -1, time.monotonic()
        while best < count:
            stored = await connection.fetchval(COUNT)
            if stored > best:
                best, moved = stored, time.monotonic()
                say(f"{stored} of {count} interactions")
            check(time.monotonic() - moved < STALLED_AFTER)
            await asyncio.sleep(LOOK_EVERY)
        return {row[0]: row[1] for row in await connection.fetch(HASHES)}
    finally:
        await connection.close()


def _used(services: Services) -> tuple[float, float, float]:
    """CPU seconds of broker, PostgreSQL, and the whole machine."""
    return cpu_seconds(services.broker_pid), cpu_seconds(services.postgres.pid), busy_seconds()


def _check(process: subprocess.Popen[bytes], log: Path, good: bool, what: str) -> None:
    if process.poll() is not None:
        what = f"ended with status {process.returncode}"
    elif good:
        return
    raise FailedError(f"the measured process {what}; it said:\n{log.read_text(errors='replace')[-3000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

"""A worker whose stages only count: what the runtime does to them can be checked by a linear fold.

As a script: ``python counting_worker.py BROKER OUTPUT [FIELD=VALUE ...]``, ended by a signal. What reached the history
is appended to the file OUTPUT, one value a line; what each stage was given, to OUTPUT.seen, a line a batch: process,
topic, partition, first offset, the one behind the last. What is logged goes to standard error. Three fields are for
tests alone: ``produce_seconds``, see ``app.PRODUCE_SECONDS``, ``unread_seconds``, see ``partition_watch.py``, and
``trip``, see ``trips.py``. While there is a file OUTPUT.overtaken, .interrupted or .loading, recovery goes wrong as
``recovery_faults.py`` says.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Collection, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from recovery_faults import interrupt_recovery, let_rebalances_overtake_recovery, load_coordinator
from trips import Trip

from touchpoint.bootstrap import Stages, agents
from touchpoint.settings import Settings
from touchpoint.stages.dead_letter_records import dead_letter
from touchpoint.stages.protocol import Forward, Record, Report
from touchpoint.stream import app, partition_watch
from touchpoint.stream.process import run_worker

BLOCK = b"block"  # the process stands still, once
POISON = b"poison"
REJECTED = b"rejected"


class CountingStage:
    """Counts the records of each key and sends each on. State of a key: ``count`` and the last offset by topic."""

    def __init__(self, onward: str, state: MutableMapping[bytes, bytes], seen: Path) -> None:
        self._onward = onward
        self._state = state
        self._seen = seen

    def apply(self, records: Sequence[Record], now: int) -> Sequence[Forward]:  # noqa: ARG002
        forwards = []
        first, last = records[0], records[-1]
        with self._seen.open("a") as seen:
            seen.write(f"{os.getpid()} {first.topic} {first.partition} {first.offset} {last.offset + 1}\n")
        for record in records:
            key = record.key or b""
            if record.value is None:
                continue
            if record.value == BLOCK and not self._seen.with_suffix(".blocked").exists():
                self._seen.with_suffix(".blocked").touch()
                time.sleep(60)
            if record.value == POISON:
                self._state[key] = b"half a change"
                raise ValueError("a stage that cannot bear its input")
            if record.value == REJECTED:
                forwards.append(dead_letter(record, "rejected by the stage"))
                continue
            if self._count(key, record):
                forwards.append(Forward(self._onward, record.key, record.value))
        return forwards

    def _count(self, key: bytes, record: Record) -> bool:
        count, last = decode(self._state.get(key, b"0"))
        if record.offset <= last.get(record.topic, -1):
            return False
        last[record.topic] = record.offset
        self._state[key] = encode(count + 1, last)
        return True

    def parts(self, records: Sequence[Record]) -> Sequence[Sequence[Record]]:
        return (records,)

    def tick(self, now: int, caught_up: Collection[str]) -> Sequence[Forward]:  # noqa: ARG002
        return []

    def report(self) -> Report:
        return Report()


def encode(count: int, last: dict[str, int]) -> bytes:
    return " ".join([str(count), *(f"{topic}={offset}" for topic, offset in sorted(last.items()))]).encode()


def decode(value: bytes) -> tuple[int, dict[str, int]]:
    count, *last = value.decode().split()
    return int(count), {topic: int(offset) for topic, offset in (pair.split("=") for pair in last)}


class FileWriter:
    """A history that is a file; ``.down``, ``.slow`` or ``.stuck`` while a file with that suffix is beside it."""

    retriable: tuple[type[BaseException], ...] = ()

    def __init__(self, path: Path) -> None:
        self._path = path

    async def write(self, records: Sequence[Record]) -> Sequence[Forward]:
        if self._path.with_suffix(".down").exists():
            raise ConnectionRefusedError("the history is down")
        if self._path.with_suffix(".stuck").exists():
            await asyncio.Event().wait()  # for ever, also when the file is gone
        if self._path.with_suffix(".slow").exists():
            await asyncio.sleep(0.5)
        with self._path.open("ab") as out:
            out.write(b"".join((record.value or b"") + b"\n" for record in records))
            out.flush()
            os.fsync(out.fileno())
        return []


def counting_stages(output: Path) -> Stages:
    seen = output.with_suffix(".seen")
    return Stages(
        media=lambda assignment: CountingStage("touches", assignment.state, seen),
        party=lambda assignment: CountingStage("interactions", assignment.state, seen),
        writer=FileWriter(output),
    )


def test_settings(broker: str, **fields: object) -> Settings:
    """Small and quick: four partitions, one replica, short sessions."""
    values: dict[str, object] = {
        "brokers": (broker,), "partitions": 4, "replication": 1, "min_insync": 1, "session_timeout": 6.0,
        "rebalance_timeout": 12.0, "grace_seconds": 8.0, "metrics_port": 0, "party_secret": "tests",
    }  # fmt: skip
    return Settings(**{**values, **fields})  # type: ignore[arg-type]


test_settings.__test__ = False  # type: ignore[attr-defined]


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    broker, output, *pairs = sys.argv[1:]
    fields: dict[str, Any] = dict(pair.split("=", 1) for pair in pairs)
    if channels := fields.get("channels"):
        fields["channels"] = json.loads(channels)
    if trip := fields.pop("trip", None):
        Trip(trip).set(FileWriter)
    let_rebalances_overtake_recovery(Path(output).with_suffix(".overtaken"))
    interrupt_recovery(Path(output).with_suffix(".interrupted"))
    load_coordinator(Path(output).with_suffix(".loading"))
    app.PRODUCE_SECONDS = float(fields.pop("produce_seconds", app.PRODUCE_SECONDS))
    partition_watch.UNREAD_SECONDS = float(fields.pop("unread_seconds", partition_watch.UNREAD_SECONDS))
    settings = test_settings(broker, **fields)
    return asyncio.run(run_worker(settings, agents(settings, counting_stages(Path(output)))))


if __name__ == "__main__":
    sys.exit(main())

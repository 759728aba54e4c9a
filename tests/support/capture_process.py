"""`touchpoint capture` as a process, that a test kills as it likes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from patience import LIMIT

PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("TOUCHPOINT_")}


class CaptureProcess:
    """What each run prints is in a file of its own; what all log, in `log`."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.log = folder / "capture.log"
        self._folder, self._runs = folder, 0
        self._command = [sys.executable, "-m", "touchpoint", "capture", *arguments]
        self._environment = PLAIN | {f"TOUCHPOINT_{name}": value for name, value in environment.items()}
        self._process: subprocess.Popen[bytes] | None = None

    def __del__(self) -> None:
        """After a test that failed it does not go on."""
        self.kill()

    def start(self, printing: int | None = None) -> None:
        """`printing`: a descriptor that gets what it prints, in place of the file."""
        self._runs += 1
        with self._out(self._runs).open("wb") as out, self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=printing or out, stderr=log, env=self._environment)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and its exit status."""
        return self._end(signal.SIGTERM)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, and do not wait."""
        assert self._process is not None
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Wait until it ends by itself; its exit status."""
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait, LIMIT)

    def events(self) -> list[dict[str, Any]]:
        """What was printed, by all runs; a last line that a kill cut off is none."""
        printed = [self._out(run).read_bytes().split(b"\n")[:-1] for run in range(1, self._runs + 1)]
        return [orjson.loads(line) for lines in printed for line in lines]

    async def until(self, condition: Callable[[list[dict[str, Any]]], bool], seconds: float = LIMIT) -> None:
        """Wait until it is true of the events."""
        async with asyncio.timeout(seconds):
            while not condition(self.events()):
                assert self.running, self.log.read_text()
                await asyncio.sleep(0.05)

    def _out(self, run: int) -> Path:
        return self._folder / f"events-{run}.jsonl"

    def _end(self, how: signal.Signals) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(how)  # nothing, where it has ended
        status = self._process.wait(LIMIT)
        self._process = None
        return status


def ids(events: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """What makes events the same."""
    return {(event["source"], event["id"]) for event in events}

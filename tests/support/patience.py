"""Limits on time that a busy machine does not break."""

from __future__ import annotations

import asyncio
import subprocess
import time
from pathlib import Path

LIMIT = 240.0
"""Seconds for a condition that has to come true, on a machine of any load: only a test that hangs gets there."""


def processor_delay(pid: int) -> float:
    """For how many seconds the threads of a process were ready to run and had no processor, in all.

    Linux counts it in the second field of /proc/PID/task/TID/schedstat, in nanoseconds; 0 for one that is gone.
    """
    total = 0
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            total += int((task / "schedstat").read_text().split()[1])
        except (OSError, IndexError):
            continue
    return total / 1e9


class OwnTime:
    """A clock of one process: it stands still while the process waits for a processor."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._began = time.monotonic()
        self._delay_before = self._delay = processor_delay(pid)

    def seconds(self) -> float:
        """Since it was made. Once the process has ended, what it waited until the last look counts."""
        self._delay = max(self._delay, processor_delay(self._pid))
        return time.monotonic() - self._began - (self._delay - self._delay_before)


async def own_seconds_until_the_end(process: subprocess.Popen[bytes]) -> float:
    """Wait until a process ends; for how long it took by its own time."""
    clock = OwnTime(process.pid)
    took = 0.0
    async with asyncio.timeout(LIMIT):
        while process.poll() is None:
            took = clock.seconds()
            await asyncio.sleep(0.02)  # a process that is not awaited in a thread can be looked at
    return took

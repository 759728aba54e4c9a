"""A queue_log that is written and rotated, and a capture of it that is killed meanwhile."""

# ruff: noqa: ASYNC240 - local files are what this is about

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

from capture_process import CaptureProcess
from patience import LIMIT
from vendor_feed import events

from touchpoint.dialects import Feed

SOURCE = "/pbx/killed"


def calls(first: int, count: int) -> list[str]:
    """Lines of queue_log: each call waits, rings, talks."""
    found = []
    for number in range(first, first + count):
        time, call = 1_767_603_600 + number * 20, f"{1_767_603_600 + number * 20}.{number}"
        found += [
            f"{time}|{call}|support|NONE|ENTERQUEUE||01632960{number % 1000:03}|1",
            f"{time + 5}|{call}|support|SIP/{number % 7}|RINGNOANSWER|4000",
            f"{time + 9}|{call}|support|SIP/8|CONNECT|9|{call}0|3",
            f"{time + 19}|{call}|support|SIP/8|COMPLETEAGENT|9|10|1",
        ]
    return found


class Log:
    """A queue_log that is written and rotated; `lines` is all that ever was in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[str] = []
        self._rotated = 0

    def write(self, count: int) -> None:
        new = calls(len(self.lines) // 4, count)
        self.lines += new
        with self.path.open("a") as file:
            file.write("".join(f"{line}\n" for line in new))

    def rotate(self) -> None:
        self._rotated += 1
        self.path.rename(self.path.with_name(f"queue_log-{20260100 + self._rotated}"))

    def events(self) -> list[dict[str, Any]]:
        """As a backfill has them."""
        return events("asterisk-queue-log", self.lines, Feed(SOURCE))


async def killed_again_and_again(
    process: CaptureProcess, log: Log, state: Path, dice: random.Random, kills: int
) -> None:
    for _ in range(kills):
        before = state.read_bytes() if state.exists() else b""
        process.start()
        log.write(1)
        await stored_anew(state, before)
        for _ in range(dice.randint(2, 5)):
            log.write(dice.randint(20, 300))
            await asyncio.sleep(dice.uniform(0, 0.6))
            if dice.random() < 0.4:
                log.rotate()
        process.kill()
        if dice.random() < 0.5:
            log.write(10)
            log.rotate()
        log.write(5)


async def stored_anew(state: Path, before: bytes) -> None:
    """Wait until the capture has remembered something else."""
    async with asyncio.timeout(LIMIT):
        while not state.exists() or state.read_bytes() == before:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.02)

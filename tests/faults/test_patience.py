"""A limit on a process's time does not count what a busy machine makes it wait."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from patience import own_seconds_until_the_end

SPIN = "import time\nwhile time.process_time() < 0.8: pass"
CROWD = 10


def test_a_process_among_many_takes_as_long_as_it_works() -> None:
    crowd = [subprocess.Popen([sys.executable, "-S", "-c", SPIN]) for _ in range(CROWD)]
    try:
        took = asyncio.run(own_seconds_until_the_end(crowd[0]))
    finally:
        for each in crowd:
            each.kill()
            each.wait()
    assert 0.5 < took < 1.6

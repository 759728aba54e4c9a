"""Delays between attempts at what may succeed later: a broker, a database, a server, a lock."""

from __future__ import annotations

import random
from collections.abc import Iterator


def backoff(first: float, longest: float) -> Iterator[float]:
    """Seconds to wait before each further attempt, for ever: each about twice the one before, at most ``longest``.

    A quarter is random, so that many workers that lost one server do not all come back in the same instant.
    """
    delay = first
    while True:
        yield min(longest, delay * random.uniform(0.75, 1.25))  # noqa: S311 - jitter
        delay = min(longest, delay * 2)

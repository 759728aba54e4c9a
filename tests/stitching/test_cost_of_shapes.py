"""Twice the input costs at most 2.3 times as much, whatever one party, item, thread or chain has much of."""

from __future__ import annotations

import gc
import time

import orjson
import pytest
from hostile_shapes import SHAPES, Json

from touchpoint.events import Accepted, Decoder
from touchpoint.stitching.facts import Fact
from touchpoint.stitching.limits import DEFAULT
from touchpoint.stitching.offline import fold_all

TWICE = 2.3
FEW, FOUR_TIMES = 500, 2_000
NOISE = 0.25  # seconds: other processes share this one's caches


def facts(events: list[Json]) -> list[Fact]:
    verdicts = [Decoder().decode(orjson.dumps(event)) for event in events]
    assert all(isinstance(verdict, Accepted) for verdict in verdicts)
    return [verdict.fact for verdict in verdicts if isinstance(verdict, Accepted)]


def cpu(given: list[Fact]) -> float:
    """Seconds of this process that folding takes, the least of three times."""
    taken = []
    for _ in range(3):
        gc.collect()
        began = time.process_time()
        fold_all(given, DEFAULT, b"")
        taken.append(time.process_time() - began)
    return min(taken)


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_four_times_the_input_costs_at_most_two_doublings(shape: str) -> None:
    few, many = facts(list(SHAPES[shape](FEW))), facts(list(SHAPES[shape](FOUR_TIMES)))
    assert cpu(many) < TWICE**2 * cpu(few) * len(many) / (4 * len(few)) + NOISE

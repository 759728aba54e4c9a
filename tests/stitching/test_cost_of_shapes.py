"""Twice the input costs at most 2.3 times as much, whatever one party, item, thread or chain has much of."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import orjson
import pytest
from hostile_shapes import SHAPES, Json, event

from touchpoint.events import Accepted, Decoder
from touchpoint.stitching.facts import LATEST, Fact
from touchpoint.stitching.interactions.advance import advance
from touchpoint.stitching.interactions.party_facts import PartyFacts
from touchpoint.stitching.limits import DEFAULT
from touchpoint.stitching.offline import fold_all

TWICE = 2.3
FEW, FOUR_TIMES = 500, 2_000
NOISE = 0.25  # seconds: other processes share this one's caches


def facts(events: list[Json]) -> list[Fact]:
    verdicts = [Decoder().decode(orjson.dumps(event)) for event in events]
    assert all(isinstance(verdict, Accepted) for verdict in verdicts)
    return [verdict.fact for verdict in verdicts if isinstance(verdict, Accepted)]


def least(work: Callable[[], object]) -> float:
    """Seconds of this process that something takes, the least of three times."""
    taken = []
    for _ in range(3):
        gc.collect()
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)


def cpu(given: list[Fact]) -> float:
    return least(lambda: fold_all(given, DEFAULT, b""))


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_four_times_the_input_costs_at_most_two_doublings(shape: str) -> None:
    few, many = facts(list(SHAPES[shape](FEW))), facts(list(SHAPES[shape](FOUR_TIMES)))
    assert cpu(many) < TWICE**2 * cpu(few) * len(many) / (4 * len(few)) + NOISE


def of_requests(n: int) -> PartyFacts:
    """A party whose calls are forgotten; what was asked of them is kept until they may come no more."""
    requests = facts([event(second, "interaction.close_requested", f"c{second}") for second in range(n)])
    return PartyFacts(controls={request.subject: [request] for request in requests})


def test_requests_for_calls_that_are_forgotten_cost_in_proportion() -> None:
    few, many = of_requests(1_000), of_requests(4_000)
    assert len(advance(many, LATEST, DEFAULT).unplaced) == 4_000
    least_of_few = least(lambda: advance(few, LATEST, DEFAULT))
    assert least(lambda: advance(many, LATEST, DEFAULT)) < TWICE**2 * least_of_few + NOISE

"""The schedule of faults: the same for the same seed, and with everything in it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from fault_schedule import AT_FIRST, FEWEST, LONG, MOST, Kind, schedule


def test_schedule_depends_on_its_seed_alone() -> None:
    assert schedule(7, 40) == schedule(7, 40)
    assert schedule(7, 40) != schedule(8, 40)


@pytest.mark.parametrize("brokers", [1, 3])
@pytest.mark.parametrize("seed", range(50))
def test_every_kind_of_fault_occurs_in_every_round(seed: int, brokers: int) -> None:
    plan = schedule(seed, 25, brokers=brokers)
    assert len(plan) == 25
    assert {fault.kind for fault in plan} == set(Kind)
    assert [fault.at for fault in plan] == sorted(fault.at for fault in plan)


@pytest.mark.parametrize("seed", range(50))
def test_number_of_workers_stays_within_its_bounds(seed: int) -> None:
    workers = AT_FIRST
    for fault in schedule(seed, 60):
        workers += (fault.kind is Kind.ADD) - (fault.kind is Kind.REMOVE)
        assert FEWEST <= workers <= MOST


def test_schedule_has_simultaneous_faults() -> None:
    plan = schedule(1, 50)
    gaps = [after.at - before.at for before, after in pairwise(plan)]
    assert sum(gap < 0.4 for gap in gaps) >= 10


def test_schedule_has_long_faults_where_they_are_asked_for() -> None:
    for kind, (shortest, _) in LONG.items():
        assert sum(fault.kind is kind and fault.lasts >= shortest for fault in schedule(3, 40, long=True)) == 1
        assert not any(fault.kind is kind and fault.lasts >= shortest for fault in schedule(3, 40))

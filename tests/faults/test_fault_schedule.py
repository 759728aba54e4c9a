"""The schedule of faults: the same for the same seed, and with everything in it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from fault_schedule import AT_FIRST, FEWEST, LONG, MOST, Kind, schedule


def test_the_same_seed_gives_the_same_schedule_and_another_another() -> None:
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
def test_there_are_never_fewer_or_more_workers_than_there_may_be(seed: int) -> None:
    workers = AT_FIRST
    for fault in schedule(seed, 60):
        workers += (fault.kind is Kind.ADD) - (fault.kind is Kind.REMOVE)
        assert FEWEST <= workers <= MOST


def test_some_faults_come_together() -> None:
    plan = schedule(1, 50)
    gaps = [after.at - before.at for before, after in pairwise(plan)]
    assert sum(gap < 0.4 for gap in gaps) >= 10


def test_some_last_longer_once_where_it_is_asked_for() -> None:
    for kind, (shortest, _) in LONG.items():
        assert sum(fault.kind is kind and fault.lasts >= shortest for fault in schedule(3, 40, long=True)) == 1
        assert not any(fault.kind is kind and fault.lasts >= shortest for fault in schedule(3, 40))

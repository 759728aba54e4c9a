"""Attempts are made less and less often, and not by everybody at once."""

from __future__ import annotations

from itertools import islice

from touchpoint.backoff import backoff


def test_delays_double_up_to_the_longest_with_a_random_part() -> None:
    delays = list(islice(backoff(0.1, 5.0), 200))
    for number, delay in enumerate(delays[:5]):
        assert 0.075 * 2**number <= delay <= 0.125 * 2**number
    assert max(delays) <= 5.0
    assert min(delays[10:]) >= 3.75
    assert len(set(delays[10:])) > 10

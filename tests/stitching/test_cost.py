"""What one party may do to us: whatever it sends, time grows with its events and not with their square."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from canonical_events import accepted, smallest_event

from touchpoint.stitching.facts import SECOND
from touchpoint.stitching.limits import DEFAULT
from touchpoint.stitching.offline import fold_all

CALLS = 1_500
BUDGET = 10.0  # seconds of CPU; it takes half of one


def test_a_party_that_calls_without_a_pause_and_asks_each_time_to_close_is_closed_each_time() -> None:
    """1,500 closes in one burst: each was looked for in all the rest of it, a recursion deeper than the last."""
    party = {"party": {"address": "tel:+441632960001"}}
    said: tuple[tuple[str, int, dict[str, Any]], ...] = (
        ("call.offered", 0, party),
        ("call.ended", 5, {}),
        ("interaction.close_requested", 6, {}),
    )
    facts = []
    for n in range(CALLS):
        for name, after, data in said:
            fact = accepted(smallest_event(name, id=f"{name}{n}", subject=f"c{n}", data=data))
            facts.append(msgspec.structs.replace(fact, time=fact.time + (n * 100 + after) * SECOND))
    began = time.thread_time()
    records = fold_all(facts, DEFAULT, b"").records
    assert time.thread_time() - began < BUDGET
    assert len(records) == CALLS
    assert {record["closed_by"] for record in records} == {"requested"}

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


def test_party_that_asks_to_close_after_each_call_is_closed_each_time() -> None:
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
    assert {record.closed_by for record in records} == {"requested"}


def test_a_party_of_which_each_call_names_the_one_before_is_walked_once_and_not_for_each() -> None:
    """Five hundred calls took 14 s; it takes a fifth of one."""
    facts = []
    for n in range(500):
        party = {"party": {"address": "tel:+441632960001"}, "related": {"previous": f"c{n - 1}"}}
        for name, after, data in (("call.offered", 0, party), ("call.ended", 60, {})):
            fact = accepted(smallest_event(name, id=f"{name}{n}", subject=f"c{n}", data=data))
            facts.append(msgspec.structs.replace(fact, time=fact.time + (n * 7_200 + after) * SECOND))
    began = time.thread_time()
    records = fold_all(facts, DEFAULT, b"").records
    assert time.thread_time() - began < BUDGET / 3
    assert [record.parent_interaction_id for record in records[1:]] == [
        record.interaction_id for record in records[:-1]
    ]

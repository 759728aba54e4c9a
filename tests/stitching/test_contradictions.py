"""What fuzz found: events that the contract allows, and that no order of arrival may make into something else."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from canonical_events import accepted, smallest_event

from touchpoint.stitching.facts import Fact
from touchpoint.stitching.offline import stitch

PARTY = {"id": "P1", "address": "tel:+441632960001"}


def records(facts: list[Fact]) -> list[dict[str, Any]]:
    return list(stitch(facts))


def test_an_object_of_which_nobody_says_what_was_done_with_it_is_recorded() -> None:
    data = {"activity": "a1", "action": "note", "objects": [{"type": "order", "id": "o1"}]}
    [record] = records([accepted(smallest_event("activity.recorded", data=data))])
    assert [(each["object_id"], each["object_action"]) for each in record["objects"]] == [("o1", None)]


def test_last_name_that_an_item_gives_stands_in_any_order_of_arrival() -> None:
    said = [(0, PARTY | {"name": "Mary"}), (1, PARTY), (2, PARTY | {"name": "Mary Major"}), (3, PARTY)]
    facts = [
        accepted(smallest_event("call.queued", id=f"e{at}", time=f"2026-01-05T09:00:0{at}Z", data={"party": party}))
        for at, party in said
    ]
    found = {record["party"]["name"] for order in permutations(facts) for record in records(list(order))}
    assert found == {"Mary Major"}


def test_two_items_that_use_one_id_for_what_is_not_the_same_are_one_outcome_in_any_order() -> None:
    one = accepted(smallest_event("call.queued", subject="c1", data={"party": PARTY | {"name": "Mary"}}))
    other = accepted(smallest_event("call.queued", subject="c2", data={"party": PARTY | {"name": "Maria"}}))
    assert records([one, other]) == records([other, one])

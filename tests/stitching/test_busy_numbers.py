"""A number that never rests: its calls follow each other for ever, so the interaction needs an end of its own."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchpoint.events import Accepted, Decoder
from touchpoint.stitching.facts import Fact
from touchpoint.stitching.interactions.after_close import MOST_NAMES, rememberable
from touchpoint.stitching.interactions.closed_interactions import MOST_WEIGHT, remembered
from touchpoint.stitching.interactions.party_facts import Closed, PartyKey
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.offline import stitch

SMALL = Limits(interaction_size=10)


def fact(kind: str, item: str, second: int, **data: Any) -> Fact:
    event = {
        "specversion": "1.0", "id": f"{kind}/{item}/{second}", "source": "/pbx", "type": kind, "subject": item,
        "time": f"2026-01-01T09:{second // 60:02}:{second % 60:02}Z", "data": data,
    }  # fmt: skip
    verdict = Decoder().decode(orjson.dumps(event))
    assert isinstance(verdict, Accepted)
    return verdict.fact


def calls(count: int) -> list[Fact]:
    """One a minute, each of a minute and a half."""
    facts = []
    for n in range(count):
        item, begin = f"c{n:02}", 60 * n
        facts += [
            fact("call.offered", item, begin, party={"address": "tel:+441632960001"}),
            fact("call.answered", item, begin + 10, resource={"id": "john", "kind": "agent"}),
            fact("call.ended", item, begin + 90),
        ]
    return facts


def sizes(facts: list[Fact]) -> list[tuple[int, str]]:
    records = sorted(stitch(facts, SMALL), key=lambda record: str(record["started_at"]))
    return [(len(record["media_items"]) + len(record["activities"]), record["closed_by"]) for record in records]


@given(st.randoms(use_true_random=False))
def test_full_interaction_closes_and_the_next_call_begins_another(
    rng: random.Random,
) -> None:
    facts = calls(25)
    rng.shuffle(facts)
    assert sizes(facts) == [(10, "limit"), (10, "limit"), (5, "quiet")]


def test_full_interaction_ends_with_its_last_item_and_takes_no_amendment() -> None:
    first, *_ = sorted(stitch(calls(25), SMALL), key=lambda record: str(record["started_at"]))
    assert str(first["ended_at"]).startswith("2026-01-01T09:10:30")
    assert first["amendments"] == []


def test_reference_to_a_full_interaction_makes_a_child() -> None:
    activities = [fact("activity.recorded", "c00", 100 + n, activity=f"a{n}", action="note") for n in range(12)]
    first, second = sorted(stitch([*calls(1), *activities], SMALL), key=lambda record: str(record["started_at"]))
    assert len(first["activities"]) == 9
    assert len(second["activities"]) == 3
    assert second["parent_interaction_id"] == first["interaction_id"]


def closed(number: int, facts: int) -> Closed:
    return Closed(str(number), PartyKey("default", "address", "x"), number, number, (), b"8" * 8 * facts)


MANY = MOST_WEIGHT // 8


def test_of_its_names_those_of_messages_go_first() -> None:
    names = {f"mail:{n:04}{'x' * 980}" for n in range(1_900)} | {f"c{n}" for n in range(500)} | {"thread:t", "corr:k"}
    kept = rememberable(names)
    assert {name for name in names if not name.startswith("mail:")} <= set(kept)
    assert sum(len(name) for name in kept) <= MOST_NAMES < sum(map(len, names))
    assert list(kept) == sorted(kept)
    assert rememberable({"b", "mail:a"}) == ("b", "mail:a")


@pytest.mark.parametrize(
    ("facts", "kept"),
    [([3] * 2_000, 1_000), ([MANY // 4] * 10, 3), ([1, 1, 2 * MANY], 1), ([MANY, 1], 1), ([], 0)],
)
def test_memory_of_a_full_interaction_is_bounded_and_forgets_the_oldest(facts: list[int], kept: int) -> None:
    known = [closed(number, count) for number, count in enumerate(facts)]
    assert remembered(known) == known[len(known) - kept :]


@pytest.mark.parametrize("begin", [50, 500, 1_500])
def test_item_without_a_party_takes_that_of_its_closed_parent(begin: int) -> None:
    asked = fact("interaction.close_requested", "c00", 20, outcome="done")
    fax = [fact("fax.offered", "f1", begin, related={"parent": "c00"}), fact("fax.ended", "f1", begin + 60)]
    call, child = sorted(stitch([*calls(1), asked, *fax], Limits()), key=lambda record: str(record["started_at"]))
    assert child["parent_interaction_id"] == call["interaction_id"]
    assert child["party"] == call["party"]
    assert child["party_key"] == call["party_key"]

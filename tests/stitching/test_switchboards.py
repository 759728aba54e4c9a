"""A number that many share says nothing of who they are."""

from __future__ import annotations

import orjson

from touchpoint.events import Accepted, Decoder
from touchpoint.stitching.facts import Fact
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.offline import stitch

SWITCHBOARD = "tel:+441632960001"


def call(item: str, minute: int, **party: str) -> Fact:
    event = {
        "specversion": "1.0", "id": item, "source": "/pbx", "type": "call.offered", "subject": item,
        "time": f"2026-01-01T09:{minute:02}:00Z", "data": {"party": {"address": SWITCHBOARD, **party}},
    }  # fmt: skip
    verdict = Decoder().decode(orjson.dumps(event))
    assert isinstance(verdict, Accepted)
    return verdict.fact


def test_callers_from_one_switchboard_are_not_the_same_person() -> None:
    facts = [call("known", 0, id="P1"), call("unknown", 5)]
    limits = Limits(unstitched_addresses=frozenset({SWITCHBOARD}))
    assert [record["party_id"] for record in stitch(facts, limits)] == ["P1", None]


def test_any_other_number_is_known_from_then_on() -> None:
    facts = [call("known", 0, id="P1"), call("unknown", 5)]
    assert [record["party_id"] for record in stitch(facts, Limits())] == ["P1"], "and within the gap it is one contact"

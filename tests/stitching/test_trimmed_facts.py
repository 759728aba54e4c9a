"""What is kept of an event while its interaction is open: what stitching reads, and not what else a producer says."""

from __future__ import annotations

from typing import Any

import pytest
from canonical_events import accepted, smallest_event

from touchpoint.stitching.facts import trimmed
from touchpoint.stitching.offline import stitch

NUMBER = "tel:+441632960001"


def test_unknown_fields_and_other_claims_go_and_the_rest_stays() -> None:
    data: dict[str, Any] = {"queue": "Q", "remark": "angry", "reported": {"hold_ms": 5, "caller": NUMBER}}
    fact = accepted(smallest_event("call.queued", data=data, callername="Mary"))
    assert fact.ext == {"callername": "Mary", "data": {"remark": "angry"}}
    kept = trimmed(fact)
    assert kept.data == {"queue": "Q", "reported": {"hold_ms": 5}}
    assert kept.ext == {}
    assert trimmed(kept) is kept


def test_of_an_identification_nothing_stays_but_who_it_is() -> None:
    data = {"id": "P1", "name": "Mary", "account": "acme", "reason": "she said so", "party": {"name": "Mary"}}
    fact = accepted(smallest_event("party.identified", data=data))
    assert trimmed(fact).data == {"id": "P1", "account": "acme", "name": "Mary"}


@pytest.mark.parametrize("verb", ["dialing", "connected", "failed"])
def test_number_dialed_by_an_outbound_attempt_is_in_no_record(verb: str) -> None:
    dialed = [smallest_event(f"call.{verb}", data={"dialed": NUMBER}), smallest_event("call.ended", id="e2")]
    [record] = stitch(map(accepted, dialed))
    assert record["media_items"][0]["dialed"] is None
    assert NUMBER not in str(record)


def test_the_number_of_ours_that_a_customer_dialed_is() -> None:
    [record] = stitch([accepted(smallest_event("call.offered", data={"dialed": NUMBER}))])
    assert record["media_items"][0]["dialed"] == NUMBER

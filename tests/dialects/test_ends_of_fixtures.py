"""No item of a vendor's capture ends by its age, after its end, or in an order that its channel does not know, unless
the capture tells no end of it.
"""

from __future__ import annotations

import pytest
from vendor_feed import CAPTURES, fixture, items, translated

from touchpoint.dialects import Feed, Unknown

UNEXPECTED = {"timed_out", "after_end", "illegal_order"}
UNANSWERED = {"m2@customer.example"}  # no system tells the end of a mail that nobody answers
OWN = Feed(own=frozenset({"@touchpoint.example"}))


@pytest.mark.parametrize(("dialect", "capture"), CAPTURES)
def test_items_end_as_a_supervisor_expects(dialect: str, capture: str) -> None:
    said = [each for each in translated(dialect, fixture(capture), OWN) if not isinstance(each, Unknown)]
    found = {id_: UNEXPECTED & set(item["flags"]) for id_, item in items(said).items()}
    assert found
    assert {id_: flags for id_, flags in found.items() if flags and id_ not in UNANSWERED} == {}

"""What a producer may do without end costs no more for each of it: items that each name the one before."""

from __future__ import annotations

import sys
from collections import Counter
from types import FrameType
from typing import Any

import orjson

from touchpoint.events import Accepted, Decoder
from touchpoint.stitching.facts import Fact
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.offline import fold_all


def chain(length: int) -> list[Fact]:
    """Calls of which only the first says whose it is."""
    facts = []
    for n in range(length):
        data = {"related": {"parent": f"c{n - 1}"}} if n else {"party": {"address": "tel:+441632960001"}}
        event = {
            "specversion": "1.0", "id": f"e{n}", "source": "/pbx", "type": "call.offered", "subject": f"c{n}",
            "time": f"2026-01-01T09:{n // 60:02}:{n % 60:02}Z", "data": data,
        }  # fmt: skip
        verdict = Decoder().decode(orjson.dumps(event))
        assert isinstance(verdict, Accepted)
        facts.append(verdict.fact)
    return facts


def calls_of(length: int) -> int:
    """How many functions were called to stitch a chain: a measure that no busy machine disturbs."""
    calls: Counter[str] = Counter()

    def count(_: FrameType, event: str, __: Any) -> None:
        calls[event] += 1

    facts = chain(length)
    sys.setprofile(count)
    try:
        (record,) = fold_all(facts, Limits(), b"").records
    finally:
        sys.setprofile(None)
    assert len(record.media_items) == length
    return calls["call"]


def test_a_chain_of_parents_is_followed_once_and_not_for_each_that_is_on_it() -> None:
    assert calls_of(160) < 5 * calls_of(80), "twice as long: four times the work at most, not eight times"

"""A party with much open is followed thing by thing; the definition looks at all of it before each instant."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

import msgspec
import orjson
import pytest
from canonical_events import accepted, smallest_event
from hypothesis import given, settings
from hypothesis import strategies as st
from random_traffic import crowd, world

from touchpoint.events import Accepted, Decoder
from touchpoint.stitching.facts import SECOND, Fact
from touchpoint.stitching.interactions import open_state
from touchpoint.stitching.interactions.prefix import PrefixMaximum
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.offline import fold_all

Json = dict[str, Any]
EVERYTHING = 10**9


def facts(events: list[Json]) -> list[Fact]:
    verdicts = [Decoder().decode(orjson.dumps(event)) for event in events]
    return [verdict.fact for verdict in verdicts if isinstance(verdict, Accepted)]


def one_instant(_self: object, burst: list[open_state.Placed], begin: int, _end: int) -> int:
    """How much is taken at once where nothing is taken ahead."""
    return bisect_right(burst, burst[begin].fact.time, begin, key=lambda new: new.fact.time)


@pytest.mark.parametrize("size", [3, 8, 500])
@pytest.mark.parametrize("seeds", [range(8), range(8, 16)])
def test_the_rows_are_those_of_the_definition(seeds: Iterable[int], size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All links, closes, identifications and merges in worlds that contradict themselves."""
    limits = Limits(interaction_size=size)
    for seed in [*seeds, 285, 336]:
        for events in (world(seed), crowd(seed, 4), crowd(seed, 10)):
            given_ = facts(events)
            with monkeypatch.context() as patched:
                patched.setattr(open_state, "MANY", EVERYTHING)
                patched.setattr(open_state.OpenState, "manageable", one_instant)
                defined = fold_all(given_, limits, b"")
            with monkeypatch.context() as patched:
                patched.setattr(open_state, "MANY", 1)
                followed = fold_all(given_, limits, b"")
            assert followed == defined, f"seed {seed}"


def calls(count: int, party: str) -> list[Fact]:
    """One begins each second, each is answered after half an hour and ends after an hour."""
    made = []
    for n in range(count):
        for kind, at in (("offered", n), ("answered", n + 1_800), ("ended", n + 3_600)):
            data: Json = {"party": {"address": party}} if kind == "offered" else {}
            if kind == "answered":
                data = {"resource": {"id": "ann", "kind": "agent"}}
            attributes = {"subject": f"{party}/{n}", "correlationid": f"k{n}", "data": data}
            fact = accepted(smallest_event(f"call.{kind}", id=f"{party}/{kind}/{n}", **attributes))
            made.append(msgspec.structs.replace(fact, time=fact.time + at * SECOND))
    return made


def test_oldest_open_thing_of_a_full_party_closes_and_no_other_partys() -> None:
    limits = Limits(party_open=20)
    rows = fold_all([*calls(30, "tel:+441632960001"), *calls(20, "tel:+441632960002")], limits, b"").records
    closed = {row.media_items[0].media_item_id: row for row in rows}
    assert len(rows) == 50
    limited = [f"tel:+441632960001/{n}" for n in range(10)]
    assert sorted(item for item, row in closed.items() if "party_limit" in row.flags) == limited
    assert {row.closed_by for item, row in closed.items() if item in limited} == {"limit"}
    assert {row.closed_by for item, row in closed.items() if item not in limited} == {"quiet"}
    assert [len(closed[item].amendments) for item in limited] == [2] * 10


Entries = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 10**6), st.integers(0, 50)), unique_by=lambda e: e[1])


@given(entries=Entries, gone=st.sets(st.integers(0, 400)), asked=st.integers(0, 51))
@settings(max_examples=200)
def test_the_greatest_before_a_position(entries: list[tuple[int, int, int]], gone: set[int], asked: int) -> None:
    found = PrefixMaximum()
    for entry in entries:
        found.add(*entry)
    left = [entry for n, entry in enumerate(entries) if n not in gone]
    for n, entry in enumerate(entries):
        if n in gone:
            found.discard(*entry)
    assert found.before(asked) == max((value for position, _, value in left if position < asked), default=None)

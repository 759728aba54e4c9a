"""A look at a party with much to take is cut; where it is cut changes no row, and other parties go on meanwhile."""

from __future__ import annotations

import pytest
from hostile_shapes import ADA, SHAPES, event
from random_traffic import world
from stage_cluster import Cluster, Json, arrival, offline, records_of

from touchpoint.stages.party import party_stage
from touchpoint.stitching.limits import Limits

LATER = "2026-12-30T00:00:00Z"


def without_amendments(records: dict[str, Json]) -> dict[str, Json]:
    return {identifier: record | {"amendments": None} for identifier, record in records.items()}


def rows(stream: list[Json], seed: int, restarts: float = 0.0, crashes: float = 0.0) -> dict[str, Json]:
    cluster = Cluster(2, seed, Limits())
    cluster.produce(stream)
    cluster.read()
    cluster.finish(LATER)
    cluster.run(restarts, crashes)
    return {record["interaction_id"]: record for record in records_of(cluster.closed)}


@pytest.mark.parametrize("most", [1, 2, 5])
@pytest.mark.parametrize("identity", [False, True])
def test_looks_cut_anywhere_give_what_stitch_gives(most: int, identity: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(party_stage, "MOST_PASSED", most)
    for seed in range(200, 230):
        events = world(seed, identity)
        found = rows(arrival(events, seed), seed, 0.02, 0.02)
        assert without_amendments(found) == without_amendments(offline(events)), f"seed {seed}"


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_a_cut_look_at_an_adversarial_shape_gives_the_rows_of_an_uncut_one(
    shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = list(SHAPES[shape](60))
    uncut = rows(events, 1)
    monkeypatch.setattr(party_stage, "MOST_PASSED", 7)
    assert rows(events, 1) == uncut


def test_an_innocent_call_closes_before_all_of_a_busy_party_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(party_stage, "MOST_PASSED", 20)
    monkeypatch.setattr(party_stage, "MOST_AT_ONCE", 1)  # one party in each call, whatever its size
    hers = {"party": {"address": ADA}}
    innocent = [event(5, "call.offered", "hers", hers), event(65, "call.ended", "hers")]
    cluster = Cluster(1, 1, Limits())
    cluster.produce([*SHAPES["requests_to_close"](400), *innocent])
    cluster.read()
    cluster.finish(LATER)
    cluster.run()
    closed = [record["media_items"][0]["media_item_id"] for record in records_of(cluster.closed)]
    assert len(closed) == 201
    assert closed.index("hers") < 50

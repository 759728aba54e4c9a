"""A media item of which an event could not be read says so, until it is sent again as it should be."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import orjson
import pytest
from stage_cluster import SECRET, Cluster, Json, records_of

from touchpoint.events import Accepted, DeadLetter, Decoder
from touchpoint.simulate import simulate
from touchpoint.stitching.facts import Fact
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.offline import fold_all
from touchpoint.stitching.record import Json as Record
from touchpoint.stitching.record import as_json

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
LATER = "2026-06-30T00:00:00Z"
FLAG = "unreadable_event"


def facts_of(events: Iterable[Json]) -> Iterator[Fact]:
    for event in events:
        verdict = Decoder().decode(orjson.dumps(event))
        if isinstance(verdict, Accepted):
            yield verdict.fact
        elif isinstance(verdict, DeadLetter) and verdict.about is not None:
            yield verdict.about


def folded(events: Iterable[Json]) -> dict[str, Record]:
    outcome = fold_all(facts_of(events), Limits(), SECRET)
    assert not outcome.unplaced, "a dead letter is not buried twice"
    return {record["interaction_id"]: record for record in map(as_json, outcome.records)}


def harmed(events: Iterable[Json], seed: int, share: float = 0.05) -> list[Json]:
    """Some of the events with a field of a wrong type."""
    dice = random.Random(seed)
    return [event | {"data": "harmed"} if "subject" in event and dice.random() < share else event for event in events]


def flagged(records: dict[str, Record]) -> set[str]:
    return {item["media_item_id"] for r in records.values() for item in r["media_items"] if FLAG in item["flags"]}


@pytest.fixture(scope="module")
def events() -> list[Json]:
    return list(simulate(11, START, hours=1.0, volume=120))


def test_unreadable_event_flags_its_item_alone(events: list[Json]) -> None:
    stream = harmed(events, 1)
    records = folded(stream)
    items = {item["media_item_id"] for record in records.values() for item in record["media_items"]}
    about = {event["subject"] for event in stream if event["data"] == "harmed" and "subject" in event}
    assert flagged(records) == about & items
    without = folded(event for event in stream if event["data"] != "harmed")
    assert without.keys() == records.keys()
    for identifier, record in records.items():
        assert all(FLAG in record["flags"] for item in record["media_items"] if FLAG in item["flags"])
        assert record["ended_at"] == without[identifier]["ended_at"]


def test_sent_again_as_it_should_be_it_leaves_no_trace(events: list[Json]) -> None:
    assert folded([*harmed(events, 2), *events]) == folded(events)


def test_of_unreadable_events_alone_there_is_no_item(events: list[Json]) -> None:
    assert not folded(event | {"data": "harmed"} for event in events)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_stages_flag_what_stitch_flags(events: list[Json], seed: int) -> None:
    stream = harmed(events, seed)
    cluster = Cluster(3, seed, Limits())
    cluster.produce(stream)
    cluster.finish(LATER)
    found = {record["interaction_id"]: record for record in records_of(cluster.run(0.02))}
    expected = folded(stream)
    assert found.keys() == expected.keys()
    assert {i: r["content_hash"] for i, r in found.items()} == {i: r["content_hash"] for i, r in expected.items()}
    buried = sum(event["data"] == "harmed" for event in stream)
    assert buried == len(cluster.dead)
    assert flagged(found)


@pytest.mark.parametrize("event", [
    {"type": "call.offered", "time": "yesterday", "subject": "c1", "source": "/x", "id": "1"},
    {"type": "call.offered", "time": "2026-03-02T08:00:00Z", "subject": 7, "source": "/x", "id": "1"},
    {"type": "call.offered", "time": "2026-03-02T08:00:00Z", "subject": "c" * 201, "source": "/x", "id": "1"},
    {"type": "activity.recorded", "time": "2026-03-02T08:00:00Z", "subject": "c1", "source": "/x", "id": "1"},
    {"type": ["call.offered"], "time": "2026-03-02T08:00:00Z", "subject": "c1", "source": "/x", "id": "1"},
    [1, 2],
])  # fmt: skip
def test_unreadable_event_without_an_item_flags_none(event: object) -> None:
    verdict = Decoder().decode(orjson.dumps(event))
    assert isinstance(verdict, DeadLetter)
    assert verdict.about is None

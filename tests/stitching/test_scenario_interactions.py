"""Each scenario's events become the interactions of its table, whatever the order of arrival."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any

import orjson
import pytest
from scenario_file import Scenario, scenarios

from touchpoint.stitching.facts import SECOND, Fact
from touchpoint.stitching.offline import stitch

ALL = {scenario.name: scenario for scenario in scenarios()}
Record = dict[str, Any]


def seconds(scenario: Scenario, instant: str) -> str:
    moment = datetime.fromisoformat(instant)
    return scenario.since(int(moment.timestamp()) * SECOND + moment.microsecond)


def items(record: Record) -> str:
    return ",".join(item["media_item_id"] for item in record["media_items"])


def shown(scenario: Scenario, record: Record, records: list[Record], row: dict[str, str]) -> dict[str, str]:
    """The record in the columns of the expected row."""
    parents = {each["interaction_id"]: items(each) for each in records}
    columns = {
        "items": items(record),
        "activities": ",".join(activity["action"] for activity in record["activities"]),
        "start": seconds(scenario, record["started_at"]),
        "end": seconds(scenario, record["ended_at"]),
        "late": ",".join(amendment["event_id"] for amendment in record["amendments"]),
        "parent": parents.get(record["parent_interaction_id"], record["parent_interaction_id"] or ""),
    }
    return {name: columns[name] if name in columns else str(record[name]) for name in row}


@pytest.mark.parametrize("name", [name for name, scenario in ALL.items() if scenario.interactions])
def test_the_interactions_are_those_of_the_table(name: str) -> None:
    scenario = ALL[name]
    records = sorted(stitch(scenario.facts), key=lambda record: record["started_at"])
    rows = scenario.interactions
    assert [items(record) for record in records] == [row["items"] for row in rows]
    for row, record in zip(rows, records, strict=True):
        assert shown(scenario, record, records, row) == row


@pytest.mark.parametrize("name", ALL)
def test_the_records_are_the_same_bytes_in_any_order_of_arrival(name: str) -> None:
    scenario = ALL[name]
    expected = as_bytes(scenario.facts)
    dice = random.Random(3)
    for _ in range(50):
        assert as_bytes(dice.sample(scenario.facts * 2, 2 * len(scenario.facts))) == expected


def as_bytes(facts: list[Fact]) -> bytes:
    return b"\n".join(orjson.dumps(record) for record in stitch(facts))

"""Each scenario's events, in whatever order and however often they arrive, fold to the timeline of its tables."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import islice, permutations

import msgspec
import pytest
from scenario_file import Scenario, scenarios

from touchpoint.stitching.facts import Fact, FactKey
from touchpoint.stitching.limits import Capabilities, Limits
from touchpoint.stitching.media import fold, merge_facts
from touchpoint.stitching.media.media_item import MediaItem, Segment

ALL = {scenario.name: scenario for scenario in scenarios()}
CHANNELS = {"call", "chat", "email", "fax"}
LIMITS = Limits(
    capabilities={"no-holds": Capabilities(hold=False), "no-wrapups": Capabilities(wrapup=False)}  # dialects
)


def items_of(scenario: Scenario, arrivals: Iterable[Fact]) -> dict[str, MediaItem]:
    """The scenario's media items, folded from facts as they arrive."""
    facts = [fact for fact in arrivals if fact.kind in CHANNELS]
    roots = {fact.subject: fact.data["to"] for fact in facts if fact.verb == "alias"}
    sets: dict[str, dict[FactKey, Fact]] = {}
    for fact in facts:
        merge_facts(sets.setdefault(roots.get(fact.subject, fact.subject), {}), [fact], LIMITS)
    return {item: fold(item, known.values(), LIMITS, scenario.silences) for item, known in sorted(sets.items())}


def shown(scenario: Scenario, segment: Segment, row: dict[str, str]) -> dict[str, str]:
    """The segment in the columns of the expected row."""
    columns = {
        "from": scenario.since(segment.started_at),
        "to": scenario.since(segment.ended_at),
        "reason": segment.end_reason or "",
    }
    seen = {name: columns.get(name, str(getattr(segment, name, ""))) for name in row if name not in ("more", "item")}
    wanted = dict(pair.split("=") for pair in row.get("more", "").split())
    return {name: value for name, value in seen.items() if row[name] or name != "reason"} | {
        name: str(getattr(segment, name)) for name in wanted
    }


def wanted(row: dict[str, str]) -> dict[str, str]:
    plain = {name: value for name, value in row.items() if name not in ("more", "item") and (value or name != "reason")}
    return plain | dict(pair.split("=") for pair in row.get("more", "").split())


@pytest.mark.parametrize(
    "name", [name for name, scenario in ALL.items() if scenario.segments or not scenario.interactions]
)
def test_the_timeline_is_the_one_in_the_table(name: str) -> None:
    scenario = ALL[name]
    for item_id, item in items_of(scenario, scenario.facts).items():
        rows = [row for row in scenario.segments if (row.get("item") or item_id) == item_id]
        actual = [(s.type, s.track, scenario.since(s.started_at), scenario.since(s.ended_at)) for s in item.segments]
        assert actual == [(r["type"], r["track"], r["from"], r["to"]) for r in rows]
        for row, segment in zip(rows, item.segments, strict=True):
            assert shown(scenario, segment, row) == wanted(row)


FIGURES = {
    "wait": "queue_wait_ms",
    "ring": "ring_ms",
    "talk": "talk_ms",
    "hold": "hold_ms",
    "acw": "acw_ms",
    "handle": "handle_ms",
    "answer": "speed_of_answer_ms",
    "start": "started_at",
    "end": "ended_at",
    "latest": "latest",
    "complete": "complete_at",
    "first_response": "first_response_ms",
}


def figure(scenario: Scenario, item: object, name: str) -> str:
    value = getattr(item, FIGURES.get(name, name))
    if value is None:
        return "-"
    if name == "flags":
        return " ".join(value)
    if name in ("start", "end", "latest", "complete"):
        return scenario.since(value)
    return f"{value / 1000:g}" if name in FIGURES else str(value)


@pytest.mark.parametrize("name", [name for name, scenario in ALL.items() if scenario.figures])
def test_the_figures_are_those_of_the_table(name: str) -> None:
    scenario = ALL[name]
    items = items_of(scenario, scenario.facts)
    for row in scenario.figures:
        item = items[row.pop("item", next(iter(items)))]
        assert {column: figure(scenario, item, column) for column in row} == row


@pytest.mark.parametrize("name", [name for name, scenario in ALL.items() if scenario.agents])
def test_the_agents_figures_are_those_of_the_table(name: str) -> None:
    scenario = ALL[name]
    resources = next(iter(items_of(scenario, scenario.facts).values())).resources
    assert sorted(resources) == [row["agent"] for row in scenario.agents]
    for row in scenario.agents:
        assert {c: figure(scenario, resources[row["agent"]], c) for c in row if c != "agent"} == {
            c: v for c, v in row.items() if c != "agent"
        }


def arrivals(facts: list[Fact]) -> Iterable[list[Fact]]:
    """Every order of a small scenario, two hundred of a larger one, each event twice."""
    if len(facts) <= 5:
        yield from ([*order, *order] for order in permutations(facts))
    dice = random.Random(7)
    for _ in range(200):
        yield dice.sample(facts * 2, 2 * len(facts))


@pytest.mark.parametrize("name", ALL)
def test_order_and_repetition_of_arrival_change_nothing(name: str) -> None:
    scenario = ALL[name]
    expected = msgspec.json.encode(items_of(scenario, scenario.facts))
    for order in islice(arrivals(scenario.facts), 400):
        assert msgspec.json.encode(items_of(scenario, order)) == expected

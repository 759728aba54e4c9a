"""One party that cannot be closed does not keep the others from closing, and loses nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from stage_cluster import Cluster, Json, records_of

from touchpoint.simulate import simulate
from touchpoint.stitching.interactions.advance import advance, interactions_at
from touchpoint.stitching.interactions.party_facts import PartyFacts
from touchpoint.stitching.limits import Limits

EVENTS = list(simulate(11, datetime(2026, 3, 2, 8, tzinfo=UTC), hours=0.5, volume=60))
FINISH, AFTER_IT = "2026-06-30T00:00:00Z", "2026-06-30T02:00:00Z"


class Fault:
    """Makes a function of the core fail on the facts of some media items, until it is mended."""

    def __init__(self, function: Callable[..., Any], items: set[str]) -> None:
        self._function, self.items = function, items

    def __call__(self, facts: PartyFacts, *arguments: Any) -> Any:
        if self.items & facts.items.keys():
            raise ArithmeticError(f"cannot bear {self.items}")
        return self._function(facts, *arguments)


def run(cluster: Cluster, until: str) -> dict[str, Json]:
    cluster.finish(until)
    return {record["interaction_id"]: record for record in records_of(cluster.run())}


def items_of(record: Json) -> set[str]:
    return {item["media_item_id"] for item in record["media_items"]}


def test_failing_party_is_postponed_and_the_others_close(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    healthy = Cluster(2, 1, Limits())
    healthy.produce(EVENTS)
    expected = run(healthy, FINISH)
    ill = next(record for record in expected.values() if record["media_items"])
    fault = Fault(advance, items_of(ill))
    monkeypatch.setattr("touchpoint.stages.party.party_stage.advance", fault)

    cluster = Cluster(2, 1, Limits())
    cluster.produce(EVENTS)
    found = run(cluster, FINISH)
    missing = expected.keys() - found.keys()
    assert ill["interaction_id"] in missing
    assert {expected[each]["party_key"] for each in missing} == {ill["party_key"]}, "all that is missing is one party's"
    assert not cluster.dead
    assert sum(report.verdicts["postponed"] for report in cluster.reports["party"]) >= 1
    failures = [failure for report in cluster.reports["party"] for failure in report.failures]
    assert all(said.endswith("parties failed and are tried again later") for said, _ in failures)
    assert {type(error) for _, error in failures} == {ArithmeticError}

    fault.items = set()
    cluster.restart()
    assert run(cluster, AFTER_IT) == expected


def test_a_question_that_cannot_be_answered_does_not_keep_anybody_from_closing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def ended(item: str, minute: int, address: str, **related: str) -> Json:
        data: Json = {"party": {"address": address}, "related": related}
        time = f"2026-01-05T09:{minute:02}:00Z"
        return {"specversion": "1.0", "source": "s", "id": item, "type": "call.ended", "time": time,
                "subject": item, "data": data}  # fmt: skip

    events = [ended("c1", 0, "tel:+441632960001"), ended("c2", 1, "tel:+441632960002", parent="c1")]
    results, failures = [], list[str]()
    for items in (set(), {"c1"}):
        monkeypatch.setattr("touchpoint.stages.party.parent_lookup.interactions_at", Fault(interactions_at, items))
        cluster = Cluster(2, 1, Limits())
        cluster.produce(events)
        results.append({next(iter(items_of(record))): record for record in run(cluster, FINISH).values()})
        assert not cluster.dead
        failures += [said for report in cluster.reports["party"] for said, _ in report.failures]
    healthy, ill = results
    assert healthy["c2"]["parent_interaction_id"] == healthy["c1"]["interaction_id"]
    assert ill["c1"] == healthy["c1"]
    assert ill["c2"]["parent_interaction_id"] is None
    assert set(failures) == {"questions about a party failed and are tried again later"}

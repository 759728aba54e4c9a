"""What one producer can do to one media item or one party has an end, and stops nobody else."""

from __future__ import annotations

import orjson
import pytest
from stage_cluster import Cluster, Json, records_of

from touchpoint.stages.dead_letter_records import code_of
from touchpoint.stages.media import media_stage
from touchpoint.stages.party import party_stage
from touchpoint.stages.protocol import Forward
from touchpoint.stitching.limits import DEFAULT

MARY, ADA = "tel:+441632960001", "tel:+441632960009"
END = "2026-12-01T00:00:00Z"


def event(kind: str, subject: str, second: int, address: str) -> Json:
    return {
        "specversion": "1.0", "id": f"{kind}/{subject}/{second}", "source": "test", "type": kind, "subject": subject,
        "time": f"2026-03-02T09:{second // 60:02}:{second % 60:02}Z", "data": {"party": {"address": address}},
    }  # fmt: skip


def run(events: list[Json]) -> Cluster:
    cluster = Cluster(2, 1, DEFAULT)
    for first in range(0, len(events), 10):
        cluster.produce(events[first : first + 10])
        cluster.run()
    return cluster


def largest(cluster: Cluster) -> int:
    return max(len(value) for state in cluster.states.values() for value in state.values())


def codes(cluster: Cluster) -> set[str]:
    return {code_of(Forward("dead-letters", dead.key, dead.value, dead.headers)) for dead in cluster.dead}


def items_of(cluster: Cluster) -> set[str]:
    return {item["media_item_id"] for record in records_of(cluster.closed) for item in record["media_items"]}


def test_a_mailing_that_everybody_answers_remembers_few_of_the_questions_and_answers_all() -> None:
    mailing = event("email.sent", "mailing", 0, MARY)
    replies = [event("email.offered", f"reply{n}", n, f"mailto:m{n}@example.com") for n in range(1, 400)]
    for reply in replies:
        reply["data"]["related"] = {"parent": "mailing"}
    cluster = run([mailing, *replies])
    (kept,) = [value for state in cluster.states.values() for key, value in state.items() if key.endswith(b"\0mailing")]
    assert len(kept) < 20_000
    cluster.finish(END)
    cluster.run()
    assert cluster.dead == []
    found = {record["media_items"][0]["media_item_id"]: record for record in records_of(cluster.closed)}
    assert len(found) == 400
    parents = {record["parent_interaction_id"] for item, record in found.items() if item != "mailing"}
    assert parents == {found["mailing"]["interaction_id"]}


ADAS = [event("call.offered", "hers", 5, ADA), event("call.ended", "hers", 65, ADA)]


def test_a_media_item_that_never_ends_is_buried_byte_for_byte_beyond_its_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_stage, "MOST_STATE", 10_000)
    endless = [event("call.queued", "endless", second, MARY) for second in range(600)]
    cluster = run([*endless, *ADAS])
    assert largest(cluster) < 20_000
    assert codes(cluster) == {"too_large"}
    assert {dead.value for dead in cluster.dead} < {orjson.dumps(each) for each in endless}
    cluster.finish(END)
    cluster.run()
    assert items_of(cluster) == {"endless", "hers"}


def test_events_beyond_a_partys_bound_are_dead_letters_until_it_has_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(party_stage, "MOST_STATE", 10_000)
    many = [event("call.offered", f"c{second}", second, MARY) for second in range(300)]
    cluster = run([*many, *ADAS])
    assert largest(cluster) < 20_000
    assert codes(cluster) == {"too_large"}
    cluster.finish("2026-03-03T00:00:00Z")
    cluster.run()
    assert "hers" in items_of(cluster)
    buried = len(cluster.dead)
    assert 0 < buried < 300
    assert len(items_of(cluster)) == 301 - buried
    again = event("call.offered", "again", 0, MARY) | {"time": "2026-03-03T01:00:00Z"}
    cluster.produce([again])
    cluster.finish(END)
    cluster.run()
    assert "again" in items_of(cluster)
    assert len(cluster.dead) == buried

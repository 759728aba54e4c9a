"""How long after its last event an interaction is told, on a clock of the test's own (stitching.md, 2 and 3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from stage_cluster import Cluster, Json, offline, records_of

from touchpoint.stages.media.media_clock import LINK_HOPS
from touchpoint.stages.party.party_clock import HOPS
from touchpoint.stitching.facts import MINUTE, SECOND, Micros
from touchpoint.stitching.limits import DEFAULT, Limits

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
BEGIN: Micros = int(NOON.timestamp()) * SECOND
PASSING: Micros = (LINK_HOPS + 1 + HOPS + 1) * SECOND
"""Event time passes on hop by hop, here one in each second."""


def event(kind: str, after: int, **data: object) -> Json:
    time = (NOON + timedelta(seconds=after)).isoformat()
    told = {"specversion": "1.0", "id": f"{kind}/{after}", "source": "/pbx", "type": kind, "subject": "c1"}
    return told | {"time": time, "data": {"resource": {"id": "ann"}, **data}}


CALL = [
    event("call.offered", 0, party={"address": "tel:+441632960960"}),
    event("call.answered", 10),
    event("call.ended", 90),
]
WRAPUP = [event("call.wrapup_started", 90), event("call.wrapup_ended", 130)]
WRAPPED_UP = "interaction.wrapped_up"


@pytest.mark.parametrize(
    ("rest", "closes"),
    [
        ([event(WRAPPED_UP, 95)], 100),
        ([*WRAPUP, event(WRAPPED_UP, 131)], 136),
        ([*WRAPUP, event(WRAPPED_UP, 100)], 135),
        ([WRAPUP[0], event(WRAPPED_UP, 100)], 90 + 30 * 60),
        ([event("interaction.close_requested", 90)], 210),
        ([], 90 + 10 * 60),
    ],
    ids=("wrapped up", "after its wrap-up", "before its wrap-up's end", "wrap-up open", "asked to close", "neither"),
)
def test_it_is_told_when_the_disorder_after_its_closing_instant_has_passed(rest: list[Json], closes: int) -> None:
    events = sorted([*CALL, *rest], key=lambda each: each["time"])
    at = told_at(events, DEFAULT)
    assert closes * SECOND < at - DEFAULT.disorder <= closes * SECOND + PASSING


def test_the_wait_is_a_setting() -> None:
    limits = Limits(wrapped_up_wait=SECOND, disorder=3 * SECOND)
    at = told_at([*CALL, event(WRAPPED_UP, 95)], limits)
    assert 96 * SECOND < at - 3 * SECOND <= 96 * SECOND + PASSING


def told_at(events: list[Json], limits: Limits) -> Micros:
    """When the interaction is told, since the call's begin, each event being there as soon as it happens."""
    cluster = Cluster(2, 1, limits)
    cluster.now, cluster.per_batch = BEGIN, 0
    for each in events:
        cluster.idle((int(datetime.fromisoformat(each["time"]).timestamp()) * SECOND - cluster.now) // SECOND)
        cluster.produce([each])
        cluster.read()
    while not cluster.closed and cluster.now < BEGIN + 60 * MINUTE:
        cluster.idle(1)
    assert {record["interaction_id"] for record in records_of(cluster.closed)} == offline(events, limits).keys()
    return cluster.now - BEGIN

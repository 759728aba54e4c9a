"""What the worker keeps does not grow with time: three months of a small contact centre, day by day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby

import msgspec
import pytest
from stage_cluster import Cluster, Json

from touchpoint.simulate import simulate
from touchpoint.stages.due_times import unstamped
from touchpoint.stages.media.media_clock import OURS
from touchpoint.stages.party.party_stage import PartyState
from touchpoint.stitching.limits import Limits

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
DAYS = 96
party_state = msgspec.msgpack.Decoder(PartyState).decode


def days() -> Iterator[list[Json]]:
    """Each day's events; whoever calls may have called on any day before."""
    events = simulate(9, START, hours=24.0 * DAYS, volume=5)
    return (list(day) for _, day in groupby(events, key=lambda event: event["time"][:10]))


def kept(cluster: Cluster) -> Counter[str]:
    """Bytes of state by what they are for."""
    sizes: Counter[str] = Counter()
    for (agent, _), state in cluster.states.items():
        for key, value in state.items():
            sizes["clocks" if key.startswith(OURS) else _kind(agent, key, value)] += len(key) + len(value)
    return sizes


def _kind(agent: str, key: bytes, value: bytes) -> str:
    if agent == "media":
        return "media items"
    if not key[:1].isalnum():
        return "tombstones" if key.startswith(b"+") else "questions"
    facts = party_state(unstamped(value)).facts
    if facts.items or facts.activities or facts.controls:
        return "open"
    return "identity" if facts.identity else "ways"


@pytest.mark.slow
def test_three_months_leave_no_more_state_than_two() -> None:
    cluster, by_day = Cluster(2, 9, Limits()), []
    for events in days():
        cluster.produce(events)
        cluster.run()
        by_day.append(kept(cluster))
    for what in ("media items", "tombstones", "questions", "clocks", "ways"):
        before, at_end = (max(day[what] for day in by_day[first:last]) for first, last in ((62, 79), (79, DAYS)))
        assert at_end <= 1.2 * before + 2_000, what
    assert max(day["open"] for day in by_day) < 300_000, "a handful of parties at any time"
    for months in (2, 4, 6):  # what is over, then what is remembered of it
        cluster.finish((START + timedelta(days=DAYS + 31 * months)).isoformat())
        cluster.run()
    left = kept(cluster)
    assert set(left) <= {"identity", "clocks"}, "everything else is forgotten when its time has come"

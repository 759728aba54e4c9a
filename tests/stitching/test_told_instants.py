"""Instants beside an event's own `time`: none of them keeps an interaction open for years, or dates it years back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest

from touchpoint.events import Accepted, Decoder
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.offline import stitch

Json = dict[str, Any]
PARTY = {"address": "tel:+441632960001"}
TEN_YEARS_MS = 10 * 366 * 86_400_000
AGENT = {"id": "agent-1"}


def event(type_: str, second: int, subject: str | None = "c1", **data: Any) -> Json:
    time = f"2026-03-02T09:{second // 60:02}:{second % 60:02}Z"
    made = {
        "specversion": "1.0",
        "id": f"{type_}/{second}",
        "source": "/test",
        "type": type_,
        "time": time,
        "data": data,
    }
    return made | ({"subject": subject} if subject else {})


CALL = [
    event("call.offered", 0, party=PARTY),
    event("call.queued", 5, queue="sales"),
    event("call.answered", 10, resource=AGENT),
    event("call.ended", 130),
]


def rows(events: list[Json], limits: Limits | None = None) -> list[Json]:
    facts = []
    for each in events:
        verdict = Decoder().decode(orjson.dumps(each))
        assert isinstance(verdict, Accepted), verdict
        facts.append(verdict.fact)
    return list(stitch(facts, limits or Limits(), b"test"))


@pytest.mark.parametrize("verb", ["recorded", "started", "ended"])
@pytest.mark.parametrize(
    "told",
    [
        {"ended": "2999-01-01T00:00:00Z"},
        {"ended": "2090-06-01T00:00:00Z"},
        {"ended": "2026-03-02T09:02:01Z"},
        {"started": "1970-01-01T00:00:00Z"},
        {"started": "2026-01-31T09:00:59Z"},
        {"started": "1970-01-01T00:00:00Z", "ended": "9998-12-31T00:00:00Z"},
        {"ended": "1970-01-01T00:00:00Z"},
        {"started": "2031-01-01T00:00:00Z"},
    ],
)
def test_an_activity_that_tells_an_impossible_instant_leaves_the_call_as_it_is(verb: str, told: Json) -> None:
    """B10: with `ended` 2999 the call stayed open for 30 days; with `started` 1970 it closed in the middle."""
    activity = event(f"activity.{verb}", 60, activity="a1", action="order", **told)
    ends = [] if verb != "started" else [event("activity.ended", 61, activity="a1")]
    (row,) = rows([*CALL, activity, *ends])
    (plain,) = rows([*CALL, event(f"activity.{verb}", 60, activity="a1", action="order"), *ends])
    assert "instant_ignored" in row["flags"]
    different = {"flags", "content_hash"}
    assert {k: v for k, v in row.items() if k not in different} == {
        k: v for k, v in plain.items() if k not in different
    }


def test_plausible_instants_of_an_activity_count() -> None:
    told = {"started": "2026-03-02T08:50:00Z", "ended": "2026-03-02T09:01:30Z"}
    (row,) = rows([*CALL, event("activity.recorded", 60, activity="a1", action="order", **told)])
    assert row["flags"] == []
    assert (row["activities"][0]["started_at"], row["activities"][0]["ended_at"]) == (told["started"], told["ended"])


def test_an_activity_begun_as_long_ago_as_is_believed_does_not_close_the_call() -> None:
    began = datetime.fromisoformat("2026-03-02T09:01:00Z") - timedelta(days=30)
    activity = event("activity.recorded", 60, activity="a1", action="order", started=began.isoformat())
    (row,) = rows([*CALL, activity])
    assert row["media_items"][0]["talk_ms"] == 120_000
    assert row["closed_by"] == "quiet"


@pytest.mark.parametrize(
    "reported",
    [
        {"ended_at": "2999-01-01T00:00:00Z"},
        {"started_at": "1970-01-01T00:00:00Z"},
        {"queued_at": "1970-01-01T00:00:00Z", "dequeued_at": "2090-01-01T00:00:00Z"},
        {"answered_at": "1970-01-01T00:00:00Z", "connected_ms": 5_000},
        {"acw_started_at": "2090-01-01T00:00:00Z", "acw_ended_at": "2091-01-01T00:00:00Z"},
        {"connected_ms": TEN_YEARS_MS},
        {"ended_at": "2026-03-02T09:03:20Z", "acw_ms": TEN_YEARS_MS},
        {"talk_ms": TEN_YEARS_MS, "hold_ms": TEN_YEARS_MS},
        {"transferred_at": "1971-01-01T00:00:00Z"},
    ],
)
@pytest.mark.parametrize("seen", [CALL, CALL[:3], CALL[:2], []])
def test_a_summary_that_tells_impossible_instants_or_durations_dates_nothing_elsewhere(
    seen: list[Json], reported: Json
) -> None:
    summary = event("call.summary", 200, resource=AGENT, party=PARTY, reported=reported)
    (row,) = rows([*seen, summary])
    assert row["started_at"] >= "2026-03-02T09:00:00Z"
    assert row["ended_at"] <= "2026-03-02T09:33:20Z"
    assert row["duration_ms"] <= 2_000_000


@pytest.mark.parametrize("verb", ["wrapup_ended"])
def test_a_wrap_up_of_ten_years_begins_with_its_item(verb: str) -> None:
    (row,) = rows([*CALL, event(f"call.{verb}", 200, resource=AGENT, duration_ms=86_400_000 * 7)])
    assert row["started_at"] == "2026-03-02T09:00:00Z"
    assert row["duration_ms"] <= 200_000


def test_recording_time_of_an_event_dates_nothing() -> None:
    late = CALL[3] | {"recordedtime": "9998-01-01T00:00:00Z"}
    assert rows([*CALL[:3], late]) == rows(CALL)

"""`touchpoint explain --scenario`: a real case becomes a test by pasting."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import scenario_file

from touchpoint.cli.scenario import facts_of_item, scenario_text
from touchpoint.stitching.facts import Fact
from touchpoint.stitching.limits import DEFAULT
from touchpoint.stitching.media import fold

CASES = Path(__file__).parents[1] / "field_cases" / "cases"
SCENARIOS = [each for each in scenario_file.scenarios() if not each.silences]


def of_c1(facts: list[Fact]) -> list[Fact]:
    return facts_of_item("c1", "default", facts)


@pytest.mark.parametrize("scenario", [each for each in SCENARIOS if of_c1(each.facts)], ids=lambda each: each.name)
def test_printed_scenario_folds_to_the_same_record(scenario: scenario_file.Scenario) -> None:
    facts = of_c1(scenario.facts)
    printed = scenario_file.parse("printed", scenario_text("c1", facts, DEFAULT))
    before, after = fold("c1", facts, DEFAULT), fold("c1", printed.facts, DEFAULT)
    shape = [(each.type, each.duration, each.end_reason) for each in map(Spanned, before.segments)]
    assert [(each.type, each.duration, each.end_reason) for each in map(Spanned, after.segments)] == shape
    assert (after.talk_ms, after.hold_ms, after.abandoned, after.flags) == (
        before.talk_ms, before.hold_ms, before.abandoned, before.flags,
    )  # fmt: skip


class Spanned:
    """What a segment is but for who and when."""

    def __init__(self, segment: object) -> None:
        self.type, self.end_reason = segment.type, segment.end_reason  # type: ignore[attr-defined]
        self.duration = segment.ended_at - segment.started_at  # type: ignore[attr-defined]


def touchpoint(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "touchpoint", *arguments]
    return subprocess.run(command, input=given, capture_output=True, check=False)


def test_a_case_from_the_field_prints_without_a_personal_detail() -> None:
    events = touchpoint("translate", "--dialect", "twilio-taskrouter", str(CASES / "04-twilio-chat-30min/input.jsonl"))
    done = touchpoint("explain", "WT31", "--scenario", "--events", "-", given=events.stdout)
    text = done.stdout.decode()
    assert done.returncode == 0
    assert "with_agent" in text
    assert not [word for word in ("WT31", "WKAnn", "Kim", "Sales", "FX77") if word in text]


def test_explain_scenario_without_events_says_where_to_find_them() -> None:
    done = touchpoint("explain", "c1", "--scenario")
    assert done.returncode == 2
    assert b"--events" in done.stderr
    assert touchpoint("explain", "c1", "--scenario", "--events", "-", given=b"").returncode == 1

"""The documentation's events are events: each block fenced as `json event` is decoded, each type has an example."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from canonical_events import accepted

from touchpoint.events import event_types
from touchpoint.events.catalogue import OTHERS, VERBS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```json event\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def documented_events(page: Path) -> list[bytes]:
    """Each event of a page: a block holds one event, or one a line."""
    found: list[bytes] = []
    for block in BLOCK.findall(page.read_text()):
        lines = [line for line in block.splitlines() if line.strip()]
        found += [line.encode() for line in lines] if lines[0].endswith("}") else [block.encode()]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_documented_events_are_accepted_with_no_undocumented_member(
    page: Path,
) -> None:
    for event in documented_events(page):
        fact = accepted(event)
        assert fact.ext == ({} if fact.verb != "summary" else {"data": {"vendor_call_type": 7}})


def test_every_verb_and_every_other_type_has_an_example() -> None:
    types = [json.loads(event)["type"] for event in documented_events(ROOT / "docs" / "events.md")]
    assert {name.partition(".")[2] for name in types if name not in OTHERS} == set(VERBS)
    assert set(types) & set(OTHERS) == set(OTHERS)
    assert set(types) <= set(event_types())

"""Every trap of faust.md 13 has a test that is marked with its number: `pytest -m trap` runs the proof."""

from __future__ import annotations

import re
from pathlib import Path

TRAPS = range(1, 21)
MARK = re.compile(r"mark\.trap\((\d+)\)")


def test_every_known_trap_has_a_test() -> None:
    texts = [path.read_text() for path in Path(__file__).parents[1].rglob("test_*.py")]
    assert {int(number) for text in texts for number in MARK.findall(text)} == set(TRAPS)

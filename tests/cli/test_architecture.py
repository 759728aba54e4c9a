"""The architecture page tells a stranger where to look, and what it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
INDEX = re.findall(r"^\| ([^|]+) \| (`[^|]+`) \| ([^|]+) \|$", PAGE.partition("## Where to look")[2], re.MULTILINE)


def test_the_index_answers_the_questions_of_a_stranger() -> None:
    questions = {question for question, _, _ in INDEX}
    assert len(questions) == len(INDEX) >= 24
    asked = {"a blind transfer opens routing", "an erasure is remembered", "which offsets may be committed"}
    assert asked | {"how a late event becomes an amendment"} <= questions


@pytest.mark.parametrize(
    ("files", "there"), [(files, there) for _, files, there in INDEX], ids=[q for q, _, _ in INDEX]
)
def test_the_named_file_has_what_the_index_says(files: str, there: str) -> None:
    texts = [(ROOT / "src" / "touchpoint" / name).read_text() for name in re.findall(r"`([^`]+)`", files)]
    for name in re.findall(r"`([^`]+)`", there):
        last = name.rpartition(".")[2]
        assert any(re.search(rf"^\s*(?:async )?(?:def|class) {last}\b|^{last}\b", text, re.MULTILINE) for text in texts)


def test_both_ways_are_drawn() -> None:
    assert "```mermaid\nflowchart" in PAGE  # of an event
    assert "```mermaid\nsequenceDiagram" in PAGE  # of time


def test_no_line_but_a_tables_or_a_trees_is_too_long_for_a_diff() -> None:
    prose = re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert [line for line in prose.splitlines() if len(line) > 120 and line[0] != "|"] == []

"""The reference of rules, end reasons and flags says what the code does."""

from __future__ import annotations

from pathlib import Path

from touchpoint.stitching.media import reference
from touchpoint.stitching.media.flags import MEANINGS, Flag
from touchpoint.stitching.media.rules import RULES
from touchpoint.stitching.verbs import VERBS

DOCUMENT = Path(__file__).parents[3] / "docs" / "reference" / "rules.md"


def test_the_document_is_what_the_code_generates() -> None:
    again = "python -m touchpoint.stitching.media.reference > docs/reference/rules.md"
    assert DOCUMENT.read_text(encoding="utf-8") == reference.markdown(), f"out of date: {again}"


def test_every_flag_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Flag)


def test_the_table_has_the_rows_one_to_twenty_seven_in_their_order() -> None:
    numbers = [row.number for row in RULES]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(1, 28))


def test_every_verb_that_has_a_rank_has_a_row_but_those_that_only_inform() -> None:
    assert {row.verb for row in RULES} == set(VERBS) - {"alias", "page"}

"""The tables of rules, segment types and flags are whole; the page is made from them (tests/cli)."""

from __future__ import annotations

from typing import get_args

from touchpoint.stitching.media.flags import MEANINGS, Flag
from touchpoint.stitching.media.rules import RULES
from touchpoint.stitching.segment_types import SEGMENT_TYPES, SegmentType
from touchpoint.stitching.verbs import VERBS


def test_every_segment_type_has_its_row() -> None:
    assert set(SEGMENT_TYPES) == set(get_args(SegmentType))


def test_every_flag_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Flag)


def test_the_table_has_the_rows_one_to_twenty_seven_in_their_order() -> None:
    numbers = [row.number for row in RULES]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(1, 28))


def test_every_verb_that_has_a_rank_has_a_row_but_those_that_only_inform() -> None:
    assert {row.verb for row in RULES} == set(VERBS) - {"alias", "page"}

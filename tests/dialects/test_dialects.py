"""What holds of every dialect: its declaration is read, its page is there, nothing stops it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vendor_feed import LIMITS

from touchpoint.dialects import DIALECTS, Feed, Memory
from touchpoint.stitching.limits import FULL

PAGES = Path(__file__).parents[2] / "docs" / "capture"
NAMES = sorted(DIALECTS)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner))


@pytest.mark.parametrize("name", NAMES)
def test_the_fold_reads_the_declaration_through_the_settings(name: str) -> None:
    assert LIMITS.capability(name) == DIALECTS[name].capabilities
    assert LIMITS.capability(None) == FULL


@pytest.mark.parametrize("name", NAMES)
def test_every_dialect_has_its_page_with_configuration_and_mapping(name: str) -> None:
    page = (PAGES / f"{name}.md").read_text()
    assert f"Dialect `{name}`" in page
    assert [part for part in ("## On the vendor's side", "## Mapping", "## Traps") if part not in page] == []
    assert f"touchpoint translate --dialect {name}" in page


def test_there_is_no_page_of_a_dialect_that_does_not_exist() -> None:
    assert sorted(path.stem for path in PAGES.glob("*.md") if path.stem != "README") == NAMES


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(lines=st.lists(st.binary(max_size=80), max_size=4), record=JSON)
def test_nothing_that_comes_stops_it(name: str, lines: list[bytes], record: Any) -> None:
    dialect, feed = DIALECTS[name], Feed()
    for each in [*dialect.read(lines), record]:
        dialect.translate(each, feed)


def test_the_memory_is_bounded_and_forgets_the_oldest() -> None:
    memory = Memory(2)
    for key in ("a", "b", "a", "c"):
        memory.put(key, key.upper())
    assert (len(memory), memory.get("b"), memory.pop("a"), memory.get("a", 0)) == (2, None, "A", 0)

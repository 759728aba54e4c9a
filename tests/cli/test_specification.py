"""The specification is in the repository: what code and tests cite of it exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [path for folder in ("src", "tests", "bench") for path in sorted((ROOT / folder).rglob("*.py"))]
RESULTS = {"latency.md", "state.md", "soak.md"}  # what a bench or a soak writes
DOCUMENTS = RESULTS | {path.name for glob in ("docs/**/*.md", "bench/results/*.md", "*.md") for path in ROOT.glob(glob)}


def test_every_document_that_code_names_exists() -> None:
    missing = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in SOURCES
        for name in re.findall(r"(?<![\w/.-])(?:docs/[\w/-]*?)?([a-z][\w-]*\.md)\b", path.read_text())
        if name not in DOCUMENTS and "tmp_path" not in path.read_text()
    }
    assert missing == set()


@pytest.mark.parametrize("name", ["contract", "stitching", "faust"])
def test_a_document_of_the_specification_names_what_exists(name: str) -> None:
    text = (ROOT / "docs/specification" / f"{name}.md").read_text()
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)#][^)]*)\)", text) if "://" not in link]
    assert [link for link in links if not (ROOT / "docs/specification" / link).exists()] == []
    named = set(re.findall(r"`((?:src|tests|docs)/[\w/.-]+)`", text))
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_every_section_that_code_cites_exists() -> None:
    """`stitching.md, 3` and `faust.md 1.3`: the sections are headings of that number."""
    for name in ("contract", "stitching", "faust"):
        headings = set(
            re.findall(r"^#+ ([\d.]+?)\.? ", (ROOT / f"docs/specification/{name}.md").read_text(), re.MULTILINE)
        )
        for path in SOURCES:
            for cited in re.findall(rf"{name}\.md,? (\d+(?:\.\d+)?)", path.read_text()):
                assert cited in headings or cited.partition(".")[0] in headings, f"{path}: {name}.md {cited}"

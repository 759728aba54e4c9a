"""Names of the source are told apart without their folders: in a search, a stack trace, a sentence."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import touchpoint

SOURCE = Path(touchpoint.__file__).parent


def test_no_module_name_occurs_twice() -> None:
    names = Counter(path.stem for path in SOURCE.rglob("*.py") if not path.stem.startswith("__"))
    assert {name for name, count in names.items() if count > 1} == set()


def test_no_block_of_six_lines_occurs_twice() -> None:
    """Imports and the options of commands are lists of names, and may be alike."""
    places: dict[tuple[str, ...], list[str]] = {}
    for path in SOURCE.rglob("*.py"):
        lines = list(statements(path))
        for n in range(len(lines) - 5):
            places.setdefault(tuple(text for _, text in lines[n : n + 6]), []).append(f"{path}:{lines[n][0]}")
    assert [where for block, where in places.items() if len(where) > 1 and sum(map(len, block)) > 60] == []


def statements(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that say something, without imports, signatures and lone brackets."""
    text = path.read_text()
    left_out: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            left_out |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            left_out |= set(range(node.lineno, node.body[0].lineno))
    for number, line in enumerate(text.splitlines(), 1):
        if number not in left_out and len(line.strip()) > 2 and not line.strip().startswith("#"):
            yield number, line.strip()

"""Names of the source are told apart without their folders: in a search, a stack trace, a sentence."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import touchpoint

SOURCE = Path(touchpoint.__file__).parent


def test_no_module_name_occurs_twice() -> None:
    names = Counter(path.stem for path in SOURCE.rglob("*.py") if not path.stem.startswith("__"))
    assert {name for name, count in names.items() if count > 1} == set()

"""SQL by name: each statement is one file of `history/sql`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def query(name: str) -> str:
    """The text of `history/sql/<name>.sql`. Raises FileNotFoundError for a name that has none."""
    return files("touchpoint.history").joinpath("sql", f"{name}.sql").read_text("utf-8")

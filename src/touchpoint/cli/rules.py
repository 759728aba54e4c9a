"""The rules and flags of stitching in words."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def flag_meaning(flag: str) -> str:
    """What a flag says about a media item."""
    from touchpoint.stitching.media.flags import MEANINGS, Flag

    return MEANINGS[Flag(flag)] if flag in set(Flag) else "not a flag of this version"


def rule_text(number: int) -> str:
    """What the rows of the rule table (stitching.md 2) with this number say."""
    rules: tuple[Any, ...] = import_module("touchpoint.stitching.media.rules").RULES
    said = [_row(row) for row in rules if row.number == number]
    return "; ".join(said) or "not a row of this version"


def _row(row: Any) -> str:
    what = f"{row.verb} ({row.case})" if row.case else row.verb
    closes = ", ".join(f"{kind} ({str(reason).replace('`', '')})" for kind, reason in row.closes.items())
    return ", ".join(filter(None, (what, closes and f"closes {closes}", row.opens and f"opens {row.opens}")))

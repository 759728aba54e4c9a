"""The rules and flags of stitching in words."""

from __future__ import annotations

from touchpoint.stitching.media.row import RuleRow


def flag_meaning(flag: str) -> str:
    """What a flag says about a media item."""
    from touchpoint.stitching.media.flags import MEANINGS, Flag

    return MEANINGS[Flag(flag)] if flag in set(Flag) else "not a flag of this version"


def rule_text(number: int) -> str:
    """What the rows of the rule table (stitching.md 2) with this number say."""
    from touchpoint.stitching.media.rules import RULES

    said = [_row(row) for row in RULES if row.number == number]
    return "; ".join(said) or "not a row of this version"


def _row(row: RuleRow) -> str:
    what = f"{row.verb} ({row.case})" if row.case else row.verb
    closes = ", ".join(f"{kind} ({str(reason).replace('`', '')})" for kind, reason in row.closes.items())
    opens = ", ".join(map(str, row.opens))
    return ", ".join(filter(None, (what, closes and f"closes {closes}", opens and f"opens {opens}")))

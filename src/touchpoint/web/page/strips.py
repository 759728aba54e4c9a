"""The strip of a year's contacts: a row a channel, a mark a contact. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

WIDTH = 1000.0


def strip(contacts: Sequence[tuple[datetime, str]], since: datetime, until: datetime) -> dict[str, Any] | None:
    """Rows with the marks' places; None where there is nothing to show."""
    if not contacts:
        return None
    seconds = (until - since).total_seconds()
    rows: dict[str, list[float]] = {}
    for at, channel in contacts:
        place = (at - since).total_seconds() / seconds * WIDTH
        rows.setdefault(channel, []).append(round(min(max(place, 0.0), WIDTH), 1))
    months = [instant for instant in _months(since, until) if instant >= since]
    marks = [(round((at - since).total_seconds() / seconds * WIDTH, 1), f"{at:%b}") for at in months]
    return {"rows": sorted(rows.items()), "months": marks, "width": WIDTH, "count": len(contacts)}


def _months(since: datetime, until: datetime) -> list[datetime]:
    at = since.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    found = []
    while at < until:
        found.append(at)
        at = at.replace(year=at.year + at.month // 12, month=at.month % 12 + 1)
    return found

"""Handlers of the rows that end a media item: 16 (the customer leaves), 19, 20."""

from __future__ import annotations

from touchpoint.stitching.facts import Fact
from touchpoint.stitching.media.abandonment import decide
from touchpoint.stitching.media.row import Row
from touchpoint.stitching.media.timeline import Timeline


def by_customer(line: Timeline, fact: Fact) -> bool:
    """Without `by`: the customer, if no agent is connected."""
    by = fact.data.get("by")
    return by == "customer" or (by is None and not line.humans())


def is_customer(_line: Timeline, fact: Fact) -> bool:
    return fact.data.get("role") == "customer"


def customer_disconnected(line: Timeline, fact: Fact, row: Row) -> None:
    line.abandoned = decide(line, fact.time)
    _end(line, fact, row)


def disconnected(line: Timeline, fact: Fact, row: Row) -> None:
    _end(line, fact, row)


def ended(line: Timeline, fact: Fact, row: Row) -> None:
    """After a transfer to an outside address the item ended there, if only this follows."""
    _end(line, fact, row)


def _end(line: Timeline, fact: Fact, row: Row) -> None:
    line.ender = fact
    line.end = fact.time if line.outside is None else line.outside
    reasons = {what: row.why(what, fact) for what in row.closes if what != "everything"}
    line.finish(line.end, fact, row.number, reasons, row.why("everything", fact))

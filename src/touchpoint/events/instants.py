"""RFC 3339 instants as `Micros`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from touchpoint.events.verdicts import Rejected
from touchpoint.stitching.facts import SECOND, Micros

INSTANT_PATTERN = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,32})?"
    r"([Zz]|[+-][0-2][0-9]:[0-5][0-9])$"
)
"""RFC 3339, 5.6 `date-time`: an offset is part of it."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST: Micros = 0
LATEST: Micros = 253_370_764_800 * SECOND  # 9999-01-01T00:00:00Z: a year of room below the last day of the calendar

_instant = re.compile(INSTANT_PATTERN)
_nearly = re.compile(r"[0-9]{4}-[0-9TtZz:.+ -]{1,35}")  # what else stands there may be somebody's
_from_iso = datetime.fromisoformat


def micros(text: str, field: str) -> Micros:
    """The instant that `text`, already of INSTANT_PATTERN, names. Digits below a microsecond are cut off.

    A leap second (`:60`) is the first instant of the next minute. Raises Rejected("time") for a day or an
    hour that does not exist and for years outside 1970-9998: those are faults of a clock, and one such
    event would carry the watermark away.
    """
    try:
        since = _from_iso(text) - EPOCH
    except ValueError:
        since = _unusual(text, field) - EPOCH
    instant = (since.days * 86_400 + since.seconds) * SECOND + since.microseconds
    if EARLIEST <= instant < LATEST:
        return instant
    raise Rejected("time", f"{field} is {text[:40]!r}; an event happens in the years 1970 to 9998")


def checked_micros(text: object, field: str) -> Micros:
    """`micros` of a value that no model has checked."""
    if isinstance(text, str) and _instant.match(text):
        return micros(text, field)
    raise Rejected("time", not_an_instant(field, text))


def not_an_instant(field: str, value: object) -> str:
    """The cause for a value that is not of INSTANT_PATTERN."""
    shown = type(value).__name__ if not isinstance(value, str) else repr(value) if _nearly.fullmatch(value) else "text"
    fault = "has no offset" if isinstance(value, str) and _instant.match(f"{value}Z") else "is not an instant"
    return f"{field} {fault}: {shown}; write RFC 3339 with an offset, such as 2026-01-01T09:00:00.5+01:00"


def _unusual(text: str, field: str) -> datetime:
    """Lower-case `z`, and leap seconds: rare, legal, and unknown to `datetime.fromisoformat`."""
    plain = text.upper()
    leap = plain[17:19] == "60"
    try:
        instant = _from_iso(plain[:17] + "59" + plain[19:] if leap else plain)
        return instant + timedelta(seconds=1) if leap else instant
    except (ValueError, OverflowError):
        raise Rejected("time", f"{field} is {text[:40]!r}, which is not a day and an hour that exist") from None

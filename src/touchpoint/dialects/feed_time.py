"""Stamps of a feed that has an order of its own: local hours that come twice, and clocks that are set back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from touchpoint.dialects.dialect import Event, Feed, instant, moment, seconds
from touchpoint.stitching.facts import MINUTE, Micros

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEPPED_BACK: Micros = MINUTE
"""Rows of a file are out of order by seconds at most; a greater step back in the repeated hour is its second pass."""


def stamp_micros(stamp: str, feed: Feed) -> Micros:
    """Seconds since 1970, or an ISO 8601 text, which is of the feed's zone where it has no offset.

    A local hour that comes twice is read by the feed's order: once a stamp of it steps back, it is its second pass.
    Raises FormError for anything else.
    """
    if stamp.replace(".", "").isdigit():
        return seconds(stamp)
    at = moment(stamp)
    if at.tzinfo is not None:
        return _micros(at)
    first, second = (_micros(at.replace(tzinfo=feed.zone, fold=fold)) for fold in (0, 1))
    last: Micros = feed.memory.get("local", 0)
    time = second if first < second and first < last - _STEPPED_BACK else first
    if time > last or first < second:
        feed.memory.put("local", time)
    return time


def _micros(at: datetime) -> Micros:
    return (at - _EPOCH) // timedelta(microseconds=1)


class ItemTime:
    """The time of one record of an item of an ordered feed: never before the item's record before it.

    A clock that was set back stamps what happened later with an earlier time. Such a record gets the time of the one
    before it; `recordedtime` keeps its own stamp, which the fold takes for the flag `clock_skew`.
    """

    def __init__(self, item: str, stamp: Micros, feed: Feed, unit: Micros, *, begins: bool) -> None:
        """`unit`: of the sequence's first part, which is the record's time; its second part counts within that.

        `begins`: nothing of the item comes before this record, so it has its own stamp whatever was read before.
        """
        last, place = feed.memory.get(("time", item), (0, 0))
        self.stamp, self.time = stamp, stamp if begins else max(stamp, last)
        self._second, self._unit = self.time // unit, unit
        self._place = place + 1 if last // unit == self._second else 0
        feed.memory.put(("time", item), (self.time, self._place))

    def sequence(self, number: int) -> str:
        """Of the record's event of this number."""
        return f"{self._second:017d}.{self._place:05d}.{number:03d}"

    def mark(self, event: Event) -> Event:
        """The event, with the record's own stamp where its time is another."""
        return event if self.time == self.stamp else event | {"recordedtime": instant(self.stamp)}

"""Stamps of a feed that has an order of its own: local hours that come twice, and clocks that are set back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from touchpoint.dialects.dialect import Event, Feed, FormError, instant, moment, seconds
from touchpoint.stitching.facts import MINUTE, Micros

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEPPED_BACK: Micros = MINUTE
"""Rows of a file are out of order by seconds at most; a greater step back in the repeated hour is its second pass."""


_CONTINUES: Micros = 15 * MINUTE
"""A stamp of the repeated hour that follows the one before it by no more is of the same pass: the other reading would
mean that the feed was silent for more than an hour in between."""


class Stamp(NamedTuple):
    """When a record says that something happened. `doubts` is `["time"]` where its hour comes twice, and nothing tells
    which of the two it was: the first is taken.
    """

    time: Micros
    doubts: list[str]


def stamp_of(stamp: str, feed: Feed, name: str, lasts: Micros = 0) -> Stamp:
    """Seconds since 1970, or an ISO 8601 text, which is of the feed's zone where it has no offset.

    A local hour that comes twice is read by the feed's order: once a stamp of it steps back, it is its second pass.
    `lasts`: how long after its stamp a record was written. Raises FormError for anything else, with the field's `name`.
    """
    try:
        if stamp.replace(".", "").isdigit():
            return Stamp(seconds(stamp), [])
        at = moment(stamp)
    except FormError as fault:
        raise FormError(f"{name} {fault}") from None
    if at.tzinfo is not None:
        return Stamp(_micros(at), [])
    first, second = (_micros(at.replace(tzinfo=feed.zone, fold=fold)) for fold in (0, 1))
    last: Micros = feed.memory.get("local", 0)
    written = first + lasts
    steps_back = written < last - _STEPPED_BACK
    time = second if first < second and steps_back else first
    if time + lasts > last or first < second:
        feed.memory.put("local", time + lasts)
    is_told = first >= second or steps_back or written - last <= _CONTINUES
    return Stamp(time, [] if is_told else ["time"])


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

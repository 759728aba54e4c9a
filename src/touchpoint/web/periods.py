"""The period of a report, the length of its intervals and the zone whose clock they follow."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints, field_validator, model_validator

from touchpoint.web.filters import Instant, Period, Text

MOST_INTERVALS = 1500
"""Of one report: fifteen days of quarters of an hour."""


class Length(StrEnum):
    """Of an interval, in ISO 8601. Those of a day and more are days of the zone; weeks begin on Monday."""

    QUARTER = "PT15M"
    HALF = "PT30M"
    HOUR = "PT1H"
    DAY = "P1D"
    WEEK = "P1W"
    MONTH = "P1M"

    @property
    def least(self) -> timedelta:
        """How long one is at least, but for a change of the clock."""
        return _LEAST[self]


_LEAST = {
    Length.QUARTER: timedelta(minutes=15),
    Length.HALF: timedelta(minutes=30),
    Length.HOUR: timedelta(hours=1),
    Length.DAY: timedelta(days=1),
    Length.WEEK: timedelta(days=7),
    Length.MONTH: timedelta(days=28),
}


class ReportPeriod(Period):
    """The intervals that overlap `from` to `to`, each whole."""

    since: Annotated[Instant, Field(alias="from")]
    until: Annotated[Instant, Field(alias="to")]
    length: Length = Length.QUARTER
    zone: Annotated[str, StringConstraints(max_length=64), Field(description="IANA name of a time zone")] = "UTC"

    @field_validator("zone")
    @classmethod
    def _zone(cls, name: str) -> str:
        try:
            return ZoneInfo(name).key
        except (KeyError, ValueError, OSError):
            raise ValueError("is no time zone: give an IANA name such as Europe/London") from None

    @model_validator(mode="after")
    def _bounded(self) -> ReportPeriod:
        if (self.until - self.since) / self.length.least > MOST_INTERVALS:
            raise ValueError(f"from, to and length ask for more than {MOST_INTERVALS} intervals: take longer ones")
        return self


class QueuePeriod(ReportPeriod):
    """Of all queues, or of one."""

    queue: Text | None = None


class AgentPeriod(ReportPeriod):
    """Of all agents, or of one."""

    resource: Text | None = None

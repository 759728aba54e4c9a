"""The page of reports, for supervisors: a queue and an agent by interval, as charts and as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from touchpoint.web.api.reports import report
from touchpoint.web.authentication import Supervising
from touchpoint.web.documents import with_query
from touchpoint.web.filters import Text
from touchpoint.web.page.charts import HEIGHT, WIDTH, Chart, Row, Scale, Stack, bars, stacked
from touchpoint.web.page.lanes import duration
from touchpoint.web.page.rendering import clock, page
from touchpoint.web.periods import Length, ReportPeriod
from touchpoint.web.problems import ProblemError
from touchpoint.web.service import Service
from touchpoint.web.view import Access, View

router = APIRouter(include_in_schema=False)
MOST_ROWS = 20_000
"""Of a report that the page reads: beyond them it says that something is missing."""
PARTS = (
    Stack("answered", "answered", "answered"),
    Stack("abandoned_in_queue", "abandoned", "abandoned in the queue"),
    Stack("abandoned_while_ringing", "ringing", "abandoned while an agent was being rung"),
    Stack("other", "other", "ended otherwise"),
)
OUTCOMES = {
    "answered": "answered", "level": "answered", "abandoned": "abandoned_in_queue",
    "ringing": "abandoned_while_ringing", "other": "other",
}  # fmt: skip
"""Of a wait, by how it is drawn."""
WORDS = {
    Length.QUARTER: "15 minutes", Length.HALF: "30 minutes", Length.HOUR: "an hour", Length.DAY: "a day",
    Length.WEEK: "a week", Length.MONTH: "a month",
}  # fmt: skip
COUNTS = ("offered", "answered", "abandoned", "abandoned_while_ringing", "short_abandons", "other", "answered_in_time")

HANDLED = ("connected", "transferred_out", "not_answered", "talk_ms", "hold_ms", "wrap_up_ms", "handle_ms")


class Asked(BaseModel):
    """The form: days of the zone, the last of them included; an empty field is none."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    first: Annotated[date | None, Field(alias="from")] = None
    last: Annotated[date | None, Field(alias="to")] = None
    length: Length = Length.HALF
    zone: Annotated[str, StringConstraints(max_length=64)] | None = None
    queue: Text | None = None
    resource: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _given(cls, members: Any) -> Any:
        return {name: value for name, value in members.items() if value != ""} if isinstance(members, dict) else members


@router.get("/reports")
async def reports(request: Request, viewer: Supervising, asked: Annotated[Asked, Query()]) -> Response:
    """Queues and agents of the period; charts of one of each: the one asked for, else the one with most to do."""
    service: Service = request.app.state.service
    zone = asked.zone or clock(request, viewer.tenant).viewers.key
    async with service.views.begin(viewer) as view:
        first = asked.first or asked.last or await last_day(view, zone)
        period = period_of(first, asked.last or first, asked.length, zone)
        queues = await report(view, "queue_intervals", period, None, None, None, MOST_ROWS)
        agents = await report(view, "agent_intervals", period, None, None, None, None, MOST_ROWS)
        await view.log(Access("page", "reports", f"{first} to {asked.last or first}", []))
    given = {
        "from": first.isoformat(), "to": (asked.last or first).isoformat(), "length": asked.length.value, "zone": zone,
    }  # fmt: skip
    read, agents = len(agents), [row for row in agents if not row["bot"]]
    by_queue, by_agent = totals(queues, "queue", COUNTS), totals(agents, "resource_id", HANDLED)
    queue = asked.queue or most(by_queue, "offered")
    agent = asked.resource or most(by_agent, "handle_ms")
    rows = [row for row in queues if row["queue"] == queue]
    scale = scale_of(period, queues + agents)
    members = {
        "given": given, "words": WORDS, "chosen": WORDS[asked.length],
        "queues": by_queue, "agents": by_agent, "queue": queue, "agent": agent,
        "rows": rows, "scale": scale, "width": WIDTH, "height": HEIGHT,
        "incomplete": max(len(queues), read) == MOST_ROWS,
        "count": lambda value: f"{value:.0f}", "percent": lambda value: f"{value:.0%}", "lasting": duration,
        "charts": charts_of(rows, scale), "link": Links(given),
        "worked": [row for row in agents if row["resource_id"] == agent],
        "occupancy": occupancy_of([row for row in agents if row["resource_id"] == agent], scale),
    }  # fmt: skip
    return page(request, "reports", viewer, members)


async def last_day(view: View, zone: str) -> date:
    """The day of the interaction that ended last."""
    places = await view.search({}, None, 1)
    return (places[0].ended_at if places else datetime.now(UTC)).astimezone(zone_of(zone)).date()


def zone_of(name: str) -> ZoneInfo:
    """Raises ProblemError for what is no zone."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ProblemError(422, "zone: is no time zone: give an IANA name such as Europe/London") from None


def period_of(first: date, last: date, length: Length, zone: str) -> ReportPeriod:
    """From the first midnight to that after the last day. Raises ProblemError for what is no period."""
    at = zone_of(zone)
    begin = datetime(first.year, first.month, first.day, tzinfo=at)
    try:
        end = datetime(last.year, last.month, last.day, tzinfo=at) + timedelta(days=1)
        return ReportPeriod(since=begin.astimezone(UTC), until=end.astimezone(UTC), length=length, zone=zone)
    except (ValidationError, OverflowError) as error:
        told = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "must be from 1970 to 2100"
        raise ProblemError(422, told.removeprefix("Value error, ")) from None


def scale_of(period: ReportPeriod, rows: Sequence[Row]) -> Scale:
    """Of the period, and of what its first and last interval have beyond it."""
    begin = min([period.since, *(row["interval_start"] for row in rows)])
    end = max([period.until, *(row["interval_end"] for row in rows)])
    return Scale(begin, end, ZoneInfo(period.zone))


def totals(rows: Sequence[Row], subject: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    """The sums of the period by queue or agent."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        total = found.setdefault(row[subject], dict.fromkeys(columns, 0) | {subject: row[subject]})
        for column in columns:
            total[column] += row[column]
    return [found[name] for name in sorted(found)]


def most(rows: Sequence[Mapping[str, Any]], column: str) -> str | None:
    """The queue or agent with the greatest figure."""
    best = max(rows, key=lambda row: row[column], default=None)
    return None if best is None else best.get("queue") or best["resource_id"]


def charts_of(rows: Sequence[Row], scale: Scale) -> dict[str, Chart]:
    """The charts of a queue, by what they show."""
    classes = [{**row, "abandoned_in_queue": row["abandoned"] - row["abandoned_while_ringing"]} for row in rows]
    level = [(row, row["service_level"], f"{row['service_level']:.0%} answered within 20 s") if row["offered"]
             else (row, None, "") for row in rows]  # fmt: skip
    speed = [(row, row["average_speed_of_answer_ms"], f"answered after {duration(row['average_speed_of_answer_ms'])}")
             if row["answered"] else (row, None, "") for row in rows]  # fmt: skip
    return {
        "offered": stacked(classes, PARTS, scale),
        "level": bars(level, "level", 1.0, scale),
        "speed": bars(speed, "level", 1000.0, scale),
    }


def occupancy_of(rows: Sequence[Row], scale: Scale) -> Chart:
    """The chart of an agent."""
    said = ((row, row["occupancy"], f"{row['occupancy']:.0%} occupied, {row['connected']} connections") for row in rows)
    return bars([one for one in said if one[0]["occupied_ms"]], "answered", 1.0, scale)


class Links:
    """Where a row or a bar leads to."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given

    def waits(self, row: Row, kind: str = "") -> str:
        """The interactions with the waits of an interval, or with those that ended so."""
        outcome = OUTCOMES.get(kind)
        period = {"wait_from": row["interval_start"].isoformat(), "wait_to": row["interval_end"].isoformat()}
        return with_query("/interactions", {"queue": row["queue"], **period, "wait_outcome": outcome})

    def work(self, row: Row, _: str = "") -> str:
        """The interactions that an agent handled in an interval."""
        period = {"work_from": row["interval_start"].isoformat(), "work_to": row["interval_end"].isoformat()}
        return with_query("/interactions", {"resource": row["resource_id"], **period})

    def of(self, **subject: str | None) -> str:
        """This page with another queue or agent."""
        return with_query("/reports", {**self._given, **subject})

"""Queues and agents by interval, for supervisors: of the queues and agents that they may see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import asyncpg
import orjson
from fastapi import APIRouter, Query, Request, Response

from touchpoint.web import cursors
from touchpoint.web.authentication import Supervising
from touchpoint.web.documents import answer, path, with_query
from touchpoint.web.filters import Page
from touchpoint.web.periods import AgentPeriod, QueuePeriod, ReportPeriod
from touchpoint.web.problems import wrong
from touchpoint.web.schemas import IntervalList
from touchpoint.web.service import Service
from touchpoint.web.view import Access, View
from touchpoint.web.viewer import Viewer

router = APIRouter(tags=["reports"])


class QueueQuery(QueuePeriod, Page):
    """Of all queues, or of one; which part of the list."""


class AgentQuery(AgentPeriod, Page):
    """Of all agents, or of one; which part of the list."""


@router.get("/queues/intervals", response_model=IntervalList, summary="Queues by interval")
async def queue_intervals(request: Request, viewer: Supervising, query: Annotated[QueueQuery, Query()]) -> Response:
    """The columns of the view `queue_interval`: by start and by end of the wait, and split over the intervals."""
    return await listed(request, viewer, query, ("queue_intervals", query.queue), ("queue", "interval_start"))


@router.get("/agents/intervals", response_model=IntervalList, summary="Agents by interval")
async def agent_intervals(request: Request, viewer: Supervising, query: Annotated[AgentQuery, Query()]) -> Response:
    """The columns of the view `agent_interval`: counts by start and by end, and handling split over intervals."""
    ordered = ("resource_id", "interval_start", "bot")
    return await listed(request, viewer, query, ("agent_intervals", query.resource), ordered)


async def listed(
    request: Request,
    viewer: Viewer,
    query: QueueQuery | AgentQuery,
    asked: tuple[str, str | None],
    order: Sequence[str],
) -> Response:
    """One page of a report, in the order of the columns `order`; `asked`: its query, and of whom."""
    service: Service = request.app.state.service
    name, subject = asked
    after = [None] * len(order) if query.cursor is None else place(query.cursor, order)
    async with service.views.begin(viewer) as view:
        rows = await report(view, name, query, subject, *after, query.limit + 1)
        await view.log(Access("api", name, with_query("", members(query))[1:], []))
    url = path(name.partition("_")[0] + "s", "intervals")
    shown, given = rows[: query.limit], members(query) | {"limit": query.limit}
    more = len(rows) > len(shown)
    last = [shown[-1][column] for column in order] if more else []
    following = with_query(url, given | {"cursor": cursors.encode_text(orjson.dumps(last).decode())}) if more else None
    here = given | {"cursor": query.cursor}
    return answer(request, {"items": shown, "links": {"self": with_query(url, here), "next": following}})


async def report(view: View, name: str, query: ReportPeriod, *arguments: Any) -> list[dict[str, Any]]:
    """The rows of a report's query. Raises ProblemError for a zone that the database does not know."""
    try:
        rows = await view.rows(name, query.since, query.until, query.length.value, query.zone, *arguments)
    except asyncpg.InvalidParameterValueError:
        raise wrong("zone", "is not known to the database: give an IANA name such as Europe/London") from None
    return [{column: value for column, value in row.items() if column != "tenant"} for row in rows]


def members(query: ReportPeriod) -> dict[str, Any]:
    """The period and the subject, as parameters."""
    return query.model_dump(mode="json", exclude_none=True, by_alias=True, exclude={"limit", "cursor"})


def place(cursor: str, order: Sequence[str]) -> list[Any]:
    """The columns of the last row that was sent. Raises ProblemError for a text that is no cursor of ours."""
    text = cursors.decode_text(cursor)
    try:
        name, start, *rest = orjson.loads(text)
        found = [name, datetime.fromisoformat(start), *rest]
        expected = [str, datetime, bool][: len(order)]
        if [type(one) for one in found] == expected and found[1].tzinfo is not None:
            return found
    except (ValueError, TypeError):
        pass
    raise wrong("cursor", "is not one of the next links: follow these links as they are")

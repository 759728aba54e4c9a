"""Whole lists as files, streamed by a cursor of the server's: memory does not grow with them."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable
from enum import StrEnum
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from touchpoint.web.api.lists import described
from touchpoint.web.authentication import Reading
from touchpoint.web.documents import PRIVATE
from touchpoint.web.filters import Filters
from touchpoint.web.problems import ProblemError
from touchpoint.web.service import Service
from touchpoint.web.view import EXPORTS, Access, Filter
from touchpoint.web.viewer import Viewer

router = APIRouter(tags=["export"])
BATCH = 500  # rows from the database at once


class Format(StrEnum):
    """Whole records as JSON lines or Parquet; as CSV the columns of `interaction_history`."""

    JSONL = "jsonl"
    PARQUET = "parquet"
    CSV = "csv"


Writer = Callable[[AsyncIterator[list[Any]]], AsyncIterator[bytes]]
"""From rows to the file's bytes."""
TYPES = {
    Format.JSONL: "application/jsonl",
    Format.PARQUET: "application/vnd.apache.parquet",
    Format.CSV: "text/csv; charset=utf-8",
}


class ExportQuery(Filters):
    """The filters of a list, and how its file is written."""

    format: Format


@router.get(
    "/export/interactions",
    summary="A whole list of interactions as a file",
    response_class=StreamingResponse,
    responses={200: {"content": {kind.partition(";")[0]: {} for kind in TYPES.values()}}},
)
async def export(request: Request, viewer: Reading, query: Annotated[ExportQuery, Query()]) -> StreamingResponse:
    """JSON lines and Parquet have whole records, CSV the columns of `interaction_history`; newest end first."""
    service: Service = request.app.state.service
    write: Writer = {Format.JSONL: json_lines, Format.CSV: as_csv}.get(query.format) or parquet_writer()
    if service.views.exporting >= EXPORTS:
        raise ProblemError(
            503, f"{EXPORTS} exports are running already: try again when one has ended", headers={"Retry-After": "30"}
        )
    async with service.views.begin(viewer) as view:
        await view.log(Access("export", query.format.value, described(query), []))
    name = "export_lines" if query.format is Format.CSV else "export_records"
    wanted = query.wanted(service.plan)
    headers = {
        "Content-Disposition": f'attachment; filename="interactions.{query.format.value}"',
        "Cache-Control": PRIVATE,
    }
    body = write(batches(service, viewer, name, wanted))
    return StreamingResponse(body, media_type=TYPES[query.format], headers=headers)


async def batches(service: Service, viewer: Viewer, name: str, wanted: Filter) -> AsyncIterator[list[Any]]:
    """Rows of the query, some hundred at a time."""
    async with service.views.begin(viewer, export=True) as view:
        async for rows in view.batches(name, orjson.dumps(wanted).decode(), BATCH):
            yield rows


async def json_lines(found: AsyncIterator[list[Any]]) -> AsyncIterator[bytes]:
    """Each record on a line, as `touchpoint history --format json` prints it."""
    async for rows in found:
        yield b"".join(row[0].encode() + b"\n" for row in rows)


async def as_csv(found: AsyncIterator[list[Any]]) -> AsyncIterator[bytes]:
    """RFC 4180, with a head. A text that a spreadsheet would take for a formula has a ' before it."""
    head = False
    async for rows in found:
        out = io.StringIO()
        writer = csv.writer(out)
        if not head:
            writer.writerow(rows[0].keys())
            head = True
        writer.writerows([_cell(value) for value in row.values()] for row in rows)
        yield out.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        value = " ".join(value)
    elif hasattr(value, "isoformat"):
        return value.isoformat()
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def parquet_writer() -> Writer:
    """Raises ProblemError where the extra is not installed."""
    try:
        from touchpoint.web.parquet import ParquetFile
    except ImportError:
        raise ProblemError(422, "format: parquet needs the extra: pip install 'touchpoint[web,parquet]'") from None

    async def written(found: AsyncIterator[list[Any]]) -> AsyncIterator[bytes]:
        file = ParquetFile()
        async for rows in found:
            records: Iterable[bytes] = [row[0].encode() for row in rows]
            yield await asyncio.to_thread(file.add, records)
        yield await asyncio.to_thread(file.end)

    return written

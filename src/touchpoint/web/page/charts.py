"""Charts of a report: a bar an interval, to scale, each a link. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

Row = Mapping[str, Any]

WIDTH, HEIGHT = 1000.0, 150.0
"""Of the plot, in units of the drawing."""
GAP = 0.12
"""Of an interval's width that is left free between two bars."""
STEPS = [timedelta(hours=hours) for hours in (1, 2, 3, 6, 12, 24, 48, 168, 336, 720, 2160, 8760)]
"""Between the marks of the scale: the first that gives at most MARKS."""
MARKS = 13


class Stack(msgspec.Struct, frozen=True):
    """What of a row is a part of its bar: a column, how it is drawn and said."""

    column: str
    kind: str
    words: str


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A rectangle of a chart: a part of an interval's bar. `row`: whose; `said`: in words."""

    row: Row
    kind: str
    x: float
    y: float
    width: float
    height: float
    said: str


class Chart(msgspec.Struct, frozen=True):
    """What is drawn. `top`: the value at the upper edge."""

    blocks: tuple[Block, ...]
    marks: tuple[tuple[float, str], ...]
    top: float


class Scale:
    """From instants to places, and how an instant is written in the zone."""

    def __init__(self, begin: datetime, end: datetime, zone: ZoneInfo) -> None:
        self.begin, self.end, self.zone = begin, end, zone
        self._seconds = (end - begin).total_seconds()

    def x(self, instant: datetime) -> float:
        """The place of an instant."""
        return (instant - self.begin).total_seconds() / self._seconds * WIDTH

    def when(self, row: Row) -> str:
        """The interval of a row, in words."""
        begin, end = (row[name].astimezone(self.zone) for name in ("interval_start", "interval_end"))
        if end - begin >= timedelta(hours=23):
            return f"{begin:%a %d %b %Y}"
        return f"{begin:%a %d %b %H:%M} to {end:%H:%M}"

    def marks(self) -> tuple[tuple[float, str], ...]:
        """Marks of the scale: full hours or days of the zone."""
        step = next((one for one in STEPS if (self.end - self.begin) / one <= MARKS), STEPS[-1])
        at = self.begin
        found: list[tuple[float, str]] = []
        while at < self.end and len(found) <= MARKS:
            local = at.astimezone(self.zone)
            found.append((round(self.x(at), 1), f"{local:%d %b}" if step.days else f"{local:%H:%M}"))
            at += step
        return tuple(found)


def stacked(rows: Sequence[Row], parts: Sequence[Stack], scale: Scale) -> Chart:
    """Bars of several parts above each other, each as high as its count."""
    top = float(max((sum(row[part.column] for part in parts) for row in rows), default=0) or 1)
    blocks: list[Block] = []
    for row in rows:
        below = 0.0
        for part in parts:
            value = row[part.column]
            if value:
                blocks.append(_block(row, part.kind, below, value, top, scale, f"{value} {part.words}"))
                below += value
    return Chart(tuple(blocks), scale.marks(), top)


def bars(rows: Iterable[tuple[Row, float | None, str]], kind: str, top: float, scale: Scale) -> Chart:
    """A bar for each row with a value, which is said as given."""
    found = [(row, value, said) for row, value, said in rows if value is not None]
    top = max([top, *(value for _, value, _ in found)]) or 1.0
    return Chart(tuple(_block(row, kind, 0, value, top, scale, said) for row, value, said in found), scale.marks(), top)


def _block(row: Row, kind: str, below: float, value: float, top: float, scale: Scale, said: str) -> Block:
    begin, end = scale.x(row["interval_start"]), scale.x(row["interval_end"])
    height = value / top * HEIGHT
    return Block(
        row=row, kind=kind, x=round(begin + (end - begin) * GAP / 2, 2), width=round((end - begin) * (1 - GAP), 2),
        y=round(HEIGHT - below / top * HEIGHT - height, 2), height=round(max(height, 1.0), 2),
        said=f"{scale.when(row)}: {said}",
    )  # fmt: skip

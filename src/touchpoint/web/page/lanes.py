"""An interaction as lanes to scale: the customer's, one an agent, one a media item, one for activities. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

Json = Mapping[str, Any]

WIDTH = 1000.0
"""Of the whole span, in units of the drawing."""
LEAST = 3.0
"""Units that something without a length is wide, so that it can be seen and hit."""
TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 604800)
"""Seconds between marks of the scale: the first that gives at most ten."""


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """A segment, a media item or an activity in its lane. `kind` and `provenance` say how it is drawn."""

    anchor: str
    kind: str
    provenance: str
    x: float
    width: float
    depth: int
    title: str
    text: str


class Lane(msgspec.Struct, frozen=True):
    """A row of the drawing."""

    label: str
    kind: str  # item, customer, agent, activity
    bars: tuple[Bar, ...]


class Tick(msgspec.Struct, frozen=True):
    """A mark of the scale: where, and which instant."""

    x: float
    at: datetime


class Drawing(msgspec.Struct, frozen=True):
    """What is drawn of `begin` to `end`."""

    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]
    begin: datetime
    end: datetime


def drawing(record: Json, names: Mapping[str, str | None], only: str | None = None) -> Drawing:
    """The drawing of a record, or of the span of one of its media items (`only`)."""
    items = [item for item in record["media_items"] if only in (None, item["media_item_id"])]
    activities = [one for one in record["activities"] if only in (None, one["media_item_id"])]
    instants = [_moment(row[name]) for row in _rows(items, activities) for name in ("started_at", "ended_at")]
    begin = min(instants, default=_moment(record["started_at"]))
    end = max(instants, default=_moment(record["ended_at"]))
    scale = _Scale(begin, end)
    lanes = [_item_lane(item, scale) for item in items]
    lanes.append(Lane("customer", "customer", tuple(_customer(items, scale))))
    agents = dict.fromkeys(one["resource_id"] for item in items for one in item["segments"] if one["resource_id"])
    for agent in agents:
        bars = (_segment(one, scale) for item in items for one in item["segments"] if one["resource_id"] == agent)
        lanes.append(Lane(names.get(agent) or agent, "agent", tuple(sorted(bars, key=lambda bar: bar.depth))))
    if activities:
        lanes.append(Lane("activities", "activity", tuple(_activity(one, scale) for one in activities)))
    return Drawing(tuple(lane for lane in lanes if lane.bars), tuple(_ticks(begin, end, scale)), begin, end)


class _Scale:
    def __init__(self, begin: datetime, end: datetime) -> None:
        self._begin, self._seconds = begin, max((end - begin).total_seconds(), 0.001)

    def x(self, instant: datetime) -> float:
        return round((instant - self._begin).total_seconds() / self._seconds * WIDTH, 2)

    def bar(self, row: Json) -> tuple[float, float]:
        x = self.x(_moment(row["started_at"]))
        width = max(self.x(_moment(row["ended_at"])) - x, LEAST)
        return min(x, WIDTH - LEAST), round(width, 2)


def _rows(items: Sequence[Json], activities: Sequence[Json]) -> Iterable[Json]:
    yield from items
    yield from activities
    for item in items:
        yield from item["segments"]


def _item_lane(item: Json, scale: _Scale) -> Lane:
    x, width = scale.bar(item)
    title = f"{item['direction'] or ''} {item['channel']} {item['media_item_id']}".strip()
    bar = Bar(
        anchor=f"item-{item['media_item_id']}", kind="item", provenance="observed", x=x, width=width, depth=0,
        title=title, text=item["channel"],
    )  # fmt: skip
    return Lane(title, "item", (bar,))


def _customer(items: Sequence[Json], scale: _Scale) -> Iterable[Bar]:
    """The customer's track; what lies between two media items is a gap of the interaction."""
    spans = sorted((_moment(item["started_at"]), _moment(item["ended_at"])) for item in items)
    reached = spans[0][1] if spans else None
    for begin, end in spans[1:]:
        assert reached is not None
        if begin > reached:
            x = scale.x(reached)
            yield Bar(
                anchor="between", kind="between", provenance="observed", x=x, width=round(scale.x(begin) - x, 2),
                depth=0, title="between media items", text="",
            )  # fmt: skip
        reached = max(reached, end)
    for item in items:
        for segment in item["segments"]:
            if segment["track"] == "customer":
                yield _segment(segment, scale)


def _segment(segment: Json, scale: _Scale) -> Bar:
    x, width = scale.bar(segment)
    words = segment["type"].replace("_", " ")
    parts = [words, segment["queue"], duration(segment["duration_ms"])]
    parts += [segment["end_reason"] and f"ended: {segment['end_reason'].replace('_', ' ')}", segment["provenance"]]
    return Bar(
        anchor=f"segment-{segment['segment_id']}", kind=segment["type"], provenance=segment["provenance"],
        x=x, width=width, depth=segment["depth"], title=", ".join(filter(None, parts)), text=segment["queue"] or words,
    )  # fmt: skip


def _activity(activity: Json, scale: _Scale) -> Bar:
    x, width = scale.bar(activity)
    action = activity["action"] or "activity"
    said = [action, activity["outcome"], activity["result"], activity["reason"]]
    return Bar(
        anchor=f"activity-{activity['activity_id']}", kind="activity", provenance="observed", x=x, width=width, depth=0,
        title=", ".join(filter(None, said)), text=action,
    )  # fmt: skip


def _ticks(begin: datetime, end: datetime, scale: _Scale) -> Iterable[Tick]:
    seconds = (end - begin).total_seconds()
    step = next((one for one in TICKS if seconds / one <= 10), TICKS[-1] * (int(seconds / TICKS[-1] / 10) + 1))
    first = -(-begin.timestamp() // step) * step
    for number in range(12):
        at = datetime.fromtimestamp(first + number * step, begin.tzinfo)
        if at > end:
            return
        yield Tick(scale.x(at), at)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def duration(milliseconds: float) -> str:
    """As people write it: 0:05, 12:30, 3:02:10, 2 d 4:00:00."""
    seconds = round(milliseconds / 1000)
    days, rest = divmod(seconds, 86_400)
    hours, minutes = divmod(rest // 60, 60)
    clock = f"{hours}:{minutes:02}:{rest % 60:02}" if hours or days else f"{minutes}:{rest % 60:02}"
    return f"{days} d {clock}" if days else clock

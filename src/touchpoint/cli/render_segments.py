"""An interaction in full: each segment with its offset, what made it and by which rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from touchpoint.cli.render import (
    HEAD,
    MUTED,
    WARN,
    Record,
    agent_name,
    agent_names,
    cell,
    indented,
    moment,
    party_name,
    plain,
    span,
)
from touchpoint.stitching.media.flags import flag_meaning
from touchpoint.stitching.media.rules import rule_text

_FIGURES = {
    "wait": "queue_wait_ms",
    "ring": "ring_ms",
    "talk": "talk_ms",
    "hold": "hold_ms",
    "wrap-up": "acw_ms",
    "handle": "handle_ms",
    "answered after": "speed_of_answer_ms",
    "first response": "first_response_ms",
}
_MEMBERS = ("outcome", "result", "reason", "follow_up", "campaign", "parent_interaction_id")


def render_timeline(record: Record) -> RenderableType:
    """An interaction with every segment of it: offset from its media item's start, duration, why it ended, provenance,
    the events that opened and closed it and the rows of the rule table (stitching.md 2) by which they did.
    """
    names = agent_names(record)
    parts: list[RenderableType] = [_head(record), indented(_members(record, names))]
    for item in record["media_items"]:
        parts += [Text(), _item_head(item), indented(_segments(item, names))]
    if record["activities"]:
        parts += [Text(), Text("activities", HEAD), indented(_activities(record, names))]
    if record["amendments"]:
        parts += [Text(), Text("amendments: facts that came after the close", HEAD)]
        parts.append(indented(_amendments(record)))
    parts += _legend("rules", ((f"row {row}", rule_text(row)) for row in _rules(record)))
    parts += _legend("flags", ((flag, flag_meaning(flag)) for flag in _flags(record)))
    return Group(*parts)


def _head(record: Record) -> Text:
    began, ended = moment(record["started_at"]), moment(record["ended_at"])
    return Text.assemble(
        (f"interaction {record['interaction_id']}", HEAD),
        f"  {began:%Y-%m-%d %H:%M:%S} to {ended:%H:%M:%S} UTC  {span(record['duration_ms'])}",
        f"  closed by {record['closed_by']}",
    )


def _members(record: Record, names: Mapping[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style=MUTED)
    rows = {"party": party_name(record), "tenant": record["tenant"], "account": record["account_id"]}
    rows["first agent"] = agent_name(record["resource_id"], names)
    rows |= {name.replace("_", " "): record[name] for name in _MEMBERS}
    rows["content hash"] = record["content_hash"]
    for name, value in rows.items():
        if value:
            table.add_row(name, cell(str(value)))
    return table


def _item_head(item: Record) -> Text:
    what = " ".join(filter(None, (item["direction"], item["channel"], item["media_item_id"])))
    figures = [f"{label} {span(item[key])}" for label, key in _FIGURES.items() if item[key]]
    marks = [name for name in ("transferred", "conferenced") if item[name]]
    marks += [f"abandoned {item['abandoned']}"] if item["abandoned"] else []
    marks += [f"ended {item['end_reason']}"] if item["end_reason"] else []
    return Text.assemble(
        (plain(what), "bold cyan"),
        f"  from {moment(item['started_at']):%H:%M:%S}",
        f"  dialed {plain(item['dialed'])}" if item["dialed"] else "",
        (f"  {', '.join(figures + marks)}", MUTED),
        (f"  {', '.join(item['flags'])}" if item["flags"] else "", WARN),
    )


def _segments(item: Record, names: Mapping[str, str]) -> Table:
    table = Table(box=None, header_style=MUTED, pad_edge=False)
    for name in ("at", "lasts"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("segment", no_wrap=True)
    for name in ("ends", "provenance", "opened by", "closed by"):
        table.add_column(name, overflow="fold")
    start = moment(item["started_at"])
    for segment in item["segments"]:
        offset = (moment(segment["started_at"]) - start).total_seconds() * 1000
        table.add_row(
            ("-" if offset < 0 else "+") + span(abs(offset)),
            span(segment["duration_ms"]),
            cell("  " * segment["depth"] + _segment_name(segment, names)),
            cell((segment["end_reason"] or "").replace("_", " ")),
            Text(segment["provenance"], MUTED if segment["provenance"] == "observed" else WARN),
            cell(_cause(segment["opened_by"], segment["opened_rule"])),
            cell(_cause(segment["closed_by"], segment["closed_rule"])),
        )
    return table


def _segment_name(segment: Record, names: Mapping[str, str]) -> str:
    parts = [segment["type"].replace("_", " "), segment["queue"], agent_name(segment["resource_id"], names)]
    parts.append("(conference)" if segment["conference"] else None)
    if segment["transferred_from"]:
        parts.append(f"(transferred from {agent_name(segment['transferred_from'], names)})")
    return " ".join(filter(None, parts))


def _cause(event: str | None, rule: int | None) -> str:
    return " ".join(filter(None, (event, None if rule is None else f"[row {rule}]"))) or "-"


def _activities(record: Record, names: Mapping[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    for one in record["activities"]:
        lasts = (moment(one["ended_at"]) - moment(one["started_at"])).total_seconds() * 1000
        said = " · ".join(one[key] for key in ("outcome", "result", "reason") if one[key])
        about = f"about {one['media_item_id']}" if one["media_item_id"] else ""
        who = agent_name(one["resource_id"], names)
        at, what = f"{moment(one['started_at']):%H:%M:%S}", one["action"] or "activity"
        touched = [
            " ".join(filter(None, (thing["object_type"], thing["object_id"], thing["object_action"])))
            for thing in record["objects"]
            if thing["activity_id"] == one["activity_id"]
        ]
        row = (at, span(lasts), what, one["activity_id"], who, about, said, ", ".join(touched))
        table.add_row(*map(cell, row))
    return table


def _amendments(record: Record) -> Table:
    table = Table.grid(padding=(0, 2))
    for one in record["amendments"]:
        where = f"stored with {one['interaction_id']}" if "interaction_id" in one else ""
        table.add_row(
            str(one["seq"]), cell(one["kind"]), cell(one["event_id"]), cell(_payload(one["payload"])), cell(where)
        )
    return table


def _payload(payload: Any) -> str:
    pairs = payload.items() if isinstance(payload, dict) else []
    return ", ".join(f"{key}={value}" for key, value in pairs) if pairs else str(payload or "")


def _rules(record: Record) -> list[int]:
    segments = (segment for item in record["media_items"] for segment in item["segments"])
    rows = {row for segment in segments for row in (segment["opened_rule"], segment["closed_rule"])}
    return sorted(row for row in rows if row is not None)


def _flags(record: Record) -> list[str]:
    return sorted({*record["flags"], *(flag for item in record["media_items"] for flag in item["flags"])})


def _legend(title: str, rows: Iterable[tuple[str, str]]) -> list[RenderableType]:
    table = Table.grid(padding=(0, 2))
    table.add_column(style=MUTED, no_wrap=True)
    for name, meaning in rows:
        table.add_row(cell(name), cell(meaning))
    return [Text(), Text(title, HEAD), indented(table)] if table.row_count else []

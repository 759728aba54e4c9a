"""Closed interactions for people: a table, an interaction as an agent reads it, a timeline that explains each segment.

All work from a record as `touchpoint stitch` prints it; where it has the member `identity`, agents are shown by name.
Instants are shown in UTC. Colours appear on a terminal only.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from touchpoint.stitching.segment_types import SEGMENT_TYPES

Record = Mapping[str, Any]

PIPED_WIDTH = 200
MUTED, HEAD, GOOD, WARN = "dim", "bold", "green", "yellow"
_LABELS: Mapping[str, str] = {type_: row.label for type_, row in SEGMENT_TYPES.items() if row.label is not None}
"""What an agent reads of a media item; ringing, holds and consultations are told apart."""
_ABANDONED = {
    "in_ivr": "hung up in the menu",
    "in_queue": "hung up in the queue",
    "while_ringing": "hung up while ringing",
    "on_hold": "hung up on hold",
}
_OUTCOME = ("outcome", "result", "reason", "follow_up")


def console() -> Console:
    """Standard output: coloured and as wide as the terminal, or plain and wide where it is piped."""
    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=PIPED_WIDTH, no_color=True)


def render_table(records: Iterable[Record]) -> None:
    """Prints interactions as a table to standard output, one line each."""
    console().print(interaction_table(records))


def interaction_table(records: Iterable[Record]) -> Table:
    """Interactions as a table, one line each, in the order given."""
    table = Table(box=None, header_style=HEAD, pad_edge=False)
    for name in ("started (UTC)", "channels", "direction", "party", "first agent"):
        table.add_column(name, no_wrap=name != "party")
    for name in ("wait", "talk"):
        table.add_column(name, justify="right")
    for name in ("result", "interaction"):
        table.add_column(name)
    for record in records:
        names = agent_names(record)
        items = record["media_items"]
        table.add_row(
            f"{moment(record['started_at']):%Y-%m-%d %H:%M:%S}",
            cell(", ".join(record["channels"] or [one["action"] or "activity" for one in record["activities"]])),
            cell(record["direction"] or ""),
            cell(party_name(record)),
            cell(agent_name(record["resource_id"], names)),
            span(sum(item["queue_wait_ms"] for item in items)),
            span(sum(item["talk_ms"] for item in items)),
            _result(record),
            Text(str(record["interaction_id"])[:8], MUTED),
        )
    return table


def render_interaction(record: Record) -> RenderableType:
    """An interaction as an agent wants to read it: a header, the outcome, media items and activities in time order."""
    names = agent_names(record)
    head = Text.assemble(
        (f"{moment(record['started_at']):%a %d %b %Y %H:%M}", HEAD),
        "  ",
        (plain(f"{record['direction'] or ''} {', '.join(record['channels']) or 'activity'}".strip()), "bold cyan"),
        "  ",
        (plain(party_name(record)), HEAD),
        (f"  {span(record['duration_ms'])}  {record['interaction_id']}", MUTED),
    )
    lines: list[RenderableType] = [head]
    outcome = _outcome(record)
    if outcome:
        lines.append(indented(Text(outcome, GOOD)))
    table = Table.grid(padding=(0, 2))
    for column in (MUTED, "cyan", None):
        table.add_column(style=column, no_wrap=column is not None)
    for _, _, row in sorted(_lines(record, names)):
        table.add_row(*map(cell, row))
    lines.append(indented(table))
    if record["amendments"]:
        lines.append(indented(Text(_amended(record), WARN)))
    return Group(*lines)


def _lines(record: Record, names: Mapping[str, str]) -> Iterable[tuple[datetime, int, tuple[str, str, str]]]:
    place = 0
    for item in record["media_items"]:
        at = moment(item["started_at"])
        what = " ".join(filter(None, (item["direction"], item["channel"])))
        yield at, place, (f"{at:%H:%M:%S}", what, item_story(item, names))
        place += 1
    for activity in record["activities"]:
        at = moment(activity["started_at"])
        yield at, place, (f"{at:%H:%M:%S}", activity["action"] or "activity", _activity(record, activity, names))
        place += 1


def item_story(item: Record, names: Mapping[str, str]) -> str:
    """A media item in a line: `Sales 0:12 → John Doe 2:30 · held 0:20 · wrap-up 0:30`."""
    stations = [_station(segment, names) for segment in item["segments"] if segment["type"] in _LABELS]
    asides = [" → ".join(stations)] if stations else []
    if item["abandoned"]:
        asides.append(_ABANDONED.get(item["abandoned"], f"abandoned {item['abandoned']}"))
    for label, key in (("held", "hold_ms"), ("wrap-up", "acw_ms")):
        if item[key]:
            asides.append(f"{label} {span(item[key])}")
    if item["pages"] is not None:
        asides.append(f"{item['pages']} page{'s' * (item['pages'] != 1)}")
    if item["messages_customer"] or item["messages_agent"]:
        asides.append(f"{item['messages_customer']} messages from the customer, {item['messages_agent']} from agents")
    if item["channel"] == "fax" and item["end_reason"]:
        asides.append(item["end_reason"])
    return " · ".join(asides) or (item["end_reason"] or "nothing is known of it")


def _station(segment: Record, names: Mapping[str, str]) -> str:
    kind, took = segment["type"], span(segment["duration_ms"])
    if kind == "with_agent":
        left = {"transferred": " (transferred)", "parked": " (parked)"}.get(segment["end_reason"] or "", "")
        return f"{agent_name(segment['resource_id'], names)} {took}{left}"
    if kind == "queue":
        return f"{segment['queue'] or 'queue'} {took}"
    if kind == "transmission":
        return f"transmission {took}" + (" failed" if segment["end_reason"] == "failed" else "")
    return f"{_LABELS[kind]} {took}"


def _activity(record: Record, activity: Record, names: Mapping[str, str]) -> str:
    touched = [
        " ".join(filter(None, (one["object_type"].replace("_", " "), one["object_id"], one["object_action"])))
        for one in record["objects"]
        if one["activity_id"] == activity["activity_id"]
    ]
    took = (moment(activity["ended_at"]) - moment(activity["started_at"])).total_seconds() * 1000
    who = agent_name(activity["resource_id"], names)
    parts = [f"{who} {span(took)}".strip() if took else who, *touched, *(activity[key] for key in _OUTCOME[:3])]
    return " · ".join(part for part in parts if part)


def agent_names(record: Record) -> dict[str, str]:
    """resource_id -> name, as far as the record has identity."""
    return {agent: name for agent, name in record.get("identity", {}).get("agents", []) if name}


def party_name(record: Record) -> str:
    """Who: the name and the address, or what is known of them, or the opaque key."""
    party = record.get("party") or {}
    address = party.get("address")
    known = [party.get("name") or record["party_id"], address and address.removeprefix("tel:").removeprefix("mailto:")]
    return " ".join(filter(None, known)) or f"party {record['party_key'][:8]}"


def span(milliseconds: float) -> str:
    """A duration as people write it: 0:12, 2:30, 1:02:03."""
    seconds = round(milliseconds / 1000)
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"


def indented(part: RenderableType) -> Padding:
    """A part of what stands above it."""
    return Padding(part, (0, 0, 0, 2), expand=False)


def cell(text: str) -> Text:
    """Text for a table, as it is: neither markup nor what could steer a terminal."""
    return Text(plain(text))


def plain(text: str) -> str:
    """The text without what could steer a terminal: a producer may send anything as a name."""
    return "".join(" " if unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp") else letter for letter in text)


def agent_name(resource: str | None, names: Mapping[str, str]) -> str:
    """An agent as people call them: the name where it is known, else the id."""
    return "" if resource is None else names.get(resource, resource)


def moment(instant: str) -> datetime:
    """An instant of a record."""
    return datetime.fromisoformat(instant)


def _outcome(record: Record) -> str:
    return plain(" · ".join(f"{key.replace('_', ' ')}: {record[key]}" for key in _OUTCOME if record[key]))


def _result(record: Record) -> Text:
    abandoned = next((item["abandoned"] for item in record["media_items"] if item["abandoned"]), None)
    if abandoned and not record["resource_id"]:
        return Text(f"abandoned {abandoned.replace('_', ' ')}", WARN)
    said = " · ".join(str(record[key]) for key in ("outcome", "result", "reason") if record[key])
    return Text(plain(said), GOOD)


def _amended(record: Record) -> str:
    kinds = ", ".join(sorted({one["kind"].replace("_", " ") for one in record["amendments"]}))
    return f"amended after the close ({len(record['amendments'])}): {plain(kinds)}"

"""Every place of a closed record that holds text of a producer's choice is in the operators' list."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from touchpoint.events import Accepted, Decoder
from touchpoint.stitching.limits import DEFAULT
from touchpoint.stitching.offline import stitch

Json = dict[str, Any]
PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
MARK = "zq"
TABLES = {
    "media_items": "media_item", "segments": "segment", "activities": "activity", "objects": "interaction_object",
    "resources": "interaction_resource", "amendments": "amendment",
}  # fmt: skip


def planted(kind: str, at: str, item: str, data: Json, **more: Any) -> Json:
    """An event with a mark in every text that it may have, ids among them."""
    every: Json = {
        "party": {"id": "zq-party", "name": "zq-name", "address": "chat:zq-address", "zq-more": "zq"},
        "queue": "zq-queue", "campaign": "zq-campaign", "reason": "zq-reason", "related": {"thread": "zq-thread"},
        "resource": {"id": "zq-agent", "name": "zq-agent-name", "kind": "agent"}, "ext": {"zq-ext": "zq-ext"},
        "reported": {"zq-claim": "zq-claim"}, "zq-field": "zq-value",
    }  # fmt: skip
    return {
        "specversion": "1.0", "id": f"zq-{kind}-{at}", "source": "zq-source", "type": kind, "subject": item,
        "time": f"2026-03-02T{at}Z", "data": every | data, "zqattribute": "zq", "sequence": "zq",
        "correlationid": "zq-correlation", "tenant": "zq-tenant", "recordedtime": f"2026-03-02T{at}Z", **more,
    }  # fmt: skip


OTHER = {"resource": {"id": "zq-other", "name": "zq-other-name", "kind": "agent"}}
WRAPPED = {"outcome": "zq-outcome", "result": "zq-result"}
EVENTS = [
    planted("call.offered", "08:00:00", "zq-item", {"direction": "inbound", "dialed": "zq-dialed"}),
    planted("call.ivr_entered", "08:00:00", "zq-item", {"flow": "zq-flow"}),
    planted("call.ivr_exited", "08:00:01", "zq-item", {"flow": "zq-flow"}),
    planted("call.queued", "08:00:01", "zq-item", {"priority": 1}),
    planted("call.dequeued", "08:00:05", "zq-item", {"reason": "answered"}),
    planted("call.answered", "08:00:05", "zq-item", {}),
    planted("call.transferred", "08:01:00", "zq-item", {"kind": "attended", "to": OTHER}),
    planted("call.answered", "08:01:01", "zq-item", OTHER),
    planted("call.ended", "08:02:00", "zq-item", OTHER),
    planted("call.wrapup_started", "08:02:00", "zq-item", OTHER),
    planted("call.wrapup_ended", "08:02:10", "zq-item", OTHER | WRAPPED),
    planted("activity.recorded", "08:01:00", "zq-item", WRAPPED | {
        "activity": "zq-activity", "action": "zq-action", "objects": [{"type": "zq-type", "id": "zq-object"}],
    }),
    planted("interaction.wrapped_up", "08:02:20", "zq-item", WRAPPED | {"follow_up": "zq-follow-up"}),
    planted("call.held", "20:00:00", "zq-item", {"dialed": "zq-dialed"}),
    planted("party.identified", "07:00:00", "chat:zq-address", {"id": "zq-party", "account": "zq-account"}),
]  # fmt: skip


def rows() -> list[Json]:
    verdicts = [Decoder().decode(orjson.dumps(event)) for event in EVENTS]
    assert all(isinstance(verdict, Accepted) for verdict in verdicts), verdicts
    facts = [verdict.fact for verdict in verdicts if isinstance(verdict, Accepted)]
    records = list(stitch(facts, DEFAULT, b"secret"))
    assert len(records) == 1
    return records


def marked(row: Json, table: str = "interaction") -> Iterator[tuple[str, str]]:
    """(table, column) of each text with a mark; `party` is for the identity tables."""
    for column, value in row.items():
        if column in TABLES:
            for member in value:
                yield from marked(member, TABLES[column])
        elif column != "party" and MARK in orjson.dumps(value).decode():
            yield table, column


def listed() -> Iterator[tuple[str, str]]:
    section = PAGE.read_text().split("## Personal data")[1]
    for tables, columns in re.findall(r"^\| ((?:`\w+` ?)+|every) \| ((?:`\w+` ?)+) \|", section, re.MULTILINE):
        for table in re.findall(r"\w+", tables):
            for column in re.findall(r"`(\w+)`", columns):
                yield table, column


def test_the_operators_page_lists_every_column_with_text_of_producers() -> None:
    found = {place for row in rows() for place in marked(row)}
    said = {("interaction" if table == "every" else table, column) for table, column in listed()}
    assert found == said


def test_closed_rows_hold_neither_name_nor_address_of_the_party() -> None:
    for row in rows():
        del row["party"]
        text = orjson.dumps(row).decode()
        assert not [name for name in ("zq-name", "zq-address", "zq-agent-name", "zq-other-name") if name in text]
        assert "zq-value" not in text, "what the contract does not know"

"""Closed interactions as the `interactions` topic carries them, made for tests of the history."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def identifier(*parts: object) -> str:
    return str(uuid5(NAMESPACE_URL, "/".join(map(str, parts))))


def instant(start: datetime, seconds: float) -> str:
    return (start + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def segment(start: datetime, item: str, kind: str, begin: float, end: float, **other: Any) -> dict[str, Any]:
    """A segment from `begin` to `end`, in seconds after `start`."""
    return {
        "segment_id": identifier("segment", item, kind, begin, other.get("resource_id")),
        "type": kind,
        "track": other.get("resource_id") or "customer",
        "depth": 0,
        "parent_segment_id": None,
        "started_at": instant(start, begin),
        "ended_at": instant(start, end),
        "duration_ms": round((end - begin) * 1000),
        "queue": None,
        "resource_id": None,
        "end_reason": None,
        "conference": False,
        "transferred_from": None,
        "provenance": "observed",
        "opened_by": f"e-{begin:g}",
        "closed_by": f"e-{end:g}",
        "opened_rule": None,
        "closed_rule": None,
    } | other


def media_item(start: datetime, name: str, segments: list[dict[str, Any]], **other: Any) -> dict[str, Any]:
    return {
        "media_item_id": name,
        "channel": "call",
        "direction": "inbound",
        "party_address_id": None,
        "dialed": "tel:+441632960000",
        "campaign": None,
        "thread_id": None,
        "started_at": min((s["started_at"] for s in segments), default=instant(start, 0)),
        "ended_at": max((s["ended_at"] for s in segments if s["type"] != "wrap_up"), default=instant(start, 0)),
        "queue_wait_ms": sum(s["duration_ms"] for s in segments if s["type"] == "queue"),
        "ring_ms": 0,
        "talk_ms": sum(s["duration_ms"] for s in segments if s["type"] == "with_agent"),
        "hold_ms": 0,
        "acw_ms": None,
        "handle_ms": sum(s["duration_ms"] for s in segments if s["type"] == "with_agent"),
        "speed_of_answer_ms": None,
        "abandoned": None,
        "transferred": False,
        "conferenced": False,
        "end_reason": None,
        "pages": None,
        "messages_customer": 0,
        "messages_agent": 0,
        "first_response_ms": None,
        "flags": [],
        "segments": segments,
    } | other


def interaction(name: str, media_items: list[dict[str, Any]], start: datetime = START, **other: Any) -> dict[str, Any]:
    """A record with its content hash."""
    parts = [*media_items, *other.get("activities", [])]
    record = {
        "interaction_id": identifier("interaction", name),
        "tenant": "default",
        "party_key": hashlib.sha256(name.encode()).hexdigest(),
        "party_id": None,
        "account_id": None,
        "channel": media_items[0]["channel"] if media_items else None,
        "channels": list(dict.fromkeys(item["channel"] for item in media_items)),
        "direction": media_items[0]["direction"] if media_items else None,
        "started_at": min((part["started_at"] for part in parts), default=instant(start, 0)),
        "ended_at": max((part["ended_at"] for part in parts), default=instant(start, 0)),
        "duration_ms": 0,
        "resource_id": None,
        "outcome": None,
        "result": None,
        "reason": None,
        "follow_up": None,
        "campaign": None,
        "parent_interaction_id": None,
        "closed_by": "quiet",
        "flags": [],
        "record_version": 1,
        "rules_version": 2,
        "dialects": [],
        "party": {"address": None, "id": None, "name": None},
        "media_items": media_items,
        "activities": [],
        "objects": [],
        "resources": [],
        "amendments": [],
    } | other
    return record | {"content_hash": hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()}


def call(
    name: str, start: datetime = START, *, address: str = "tel:+441632960960", agent: str = "john"
) -> dict[str, Any]:
    """An answered call: 12 s in the queue, 150 s with an agent, 20 s of it held, 30 s of wrap-up."""
    segments = [
        segment(start, name, "queue", 0, 12, queue="Sales", end_reason="answered", opened_rule=4, closed_rule=8),
        segment(start, name, "with_agent", 12, 162, resource_id=agent, opened_rule=8, closed_rule=20),
        segment(start, name, "hold", 60, 80, resource_id=agent, depth=1, opened_rule=9, closed_rule=9),
        segment(start, name, "wrap_up", 162, 192, resource_id=agent, opened_rule=21, closed_rule=22),
    ]
    segments[2]["parent_segment_id"] = segments[1]["segment_id"]
    figures = {"talk_ms": 130_000, "hold_ms": 20_000, "acw_ms": 30_000, "handle_ms": 180_000}
    item = media_item(
        start, name, segments, party_address_id=identifier("address", address), speed_of_answer_ms=12_000, **figures
    )
    return interaction(
        name,
        [item],
        start,
        ended_at=instant(start, 192),
        duration_ms=192_000,
        resource_id=agent,
        resources=[{"resource_id": agent, **figures}],
        party={"address": address, "id": None, "name": None},
    )


def carried(record: dict[str, Any], *, agents: dict[str, str] | None = None) -> dict[str, Any]:
    """The record with the identity that the topic carries beside it."""
    address = record["party"]["address"]
    addresses = [[identifier("address", address), address]] if address else []
    return record | {"identity": {"addresses": addresses, "agents": sorted(map(list, (agents or {}).items()))}}


def event(data: dict[str, Any], kind: str = "interaction.closed", time: str = "2026-01-05T10:00:00Z") -> bytes:
    """A CloudEvent, structured, as bytes."""
    envelope = {"specversion": "1.0", "id": identifier(json.dumps(data)), "source": "/test", "type": kind, "time": time}
    return json.dumps(envelope | {"data": data}).encode()


def closed(record: dict[str, Any], *, agents: dict[str, str] | None = None) -> bytes:
    return event(carried(record, agents=agents))


def amended(record: dict[str, Any], event_id: str, seq: int = 1, **payload: Any) -> bytes:
    data = {key: record[key] for key in ("interaction_id", "tenant", "ended_at")}
    return event(
        data | {"seq": seq, "kind": "late_event", "payload": payload, "event_id": event_id}, "interaction.amended"
    )


def a_quote() -> dict[str, Any]:
    """The activity of the seed's case."""
    return {
        "activity_id": "a1",
        "media_item_id": "seed",
        "action": "quote",
        "resource_id": "john",
        "started_at": instant(START, 100),
        "ended_at": instant(START, 140),
        "outcome": None,
        "result": None,
        "reason": None,
    }


def seed_case() -> dict[str, Any]:
    """G16: a call, during which the agent obtains a quote, then a fax with it."""
    first = call("seed")
    fax_at = START + timedelta(seconds=240)
    pages = segment(fax_at, "seed-fax", "transmission", 0, 45, resource_id=None, end_reason="ok")
    fax = media_item(
        fax_at,
        "seed-fax",
        [pages],
        channel="fax",
        direction="outbound",
        pages=3,
        end_reason="complete",
        party_address_id=identifier("address", "tel:+441632960960"),
    )
    touched = {"activity_id": "a1", "object_type": "opportunity", "object_id": "o1", "object_action": "created"}
    party = {"address": "tel:+441632960960", "id": "P-17", "name": "Mary Jones"}
    return interaction(
        "seed",
        first["media_items"] + [fax],
        resource_id="john",
        resources=first["resources"],
        activities=[a_quote()],
        objects=[touched],
        party=party,
        party_id="P-17",
        account_id="ACME",
        outcome="quote sent",
        result="interested",
        reason="new business",
        follow_up="call back",
        duration_ms=285_000,
    )

"""An interaction as a vCon: https://datatracker.ietf.org/doc/draft-ietf-vcon-vcon-core/ (04), with the contact centre
extension https://datatracker.ietf.org/doc/draft-ietf-vcon-cc-extension/ (02).

Pure. We keep no content: a media item that was connected is a dialog of type `recording` or `text` without body and
url, as of one whose content was redacted; one that was not, a dialog `incomplete`. Our record is an attachment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

Json = dict[str, Any]

EXTENSION = "cc"
_SCHEMES = {"tel": "tel", "fax": "tel", "mailto": "mailto", "sip": "sip", "sips": "sip"}
_DISPOSITIONS = {"busy": "busy", "congestion": "congestion", "no_answer": "no-answer", "failed": "failed"}
_HISTORY = {"with_agent": ("join", "drop"), "monitor": ("join", "drop"), "hold": ("hold", "unhold")}


def vcon(whole: Mapping[str, Any]) -> Json:
    """The vCon of what the API sends of an interaction."""
    record = whole["record"]
    parties, places = _parties(record, dict(whole["identity"]["agents"]))
    dialog: list[Json] = []
    for item in record["media_items"]:
        original = len(dialog)
        dialog.append(_dialog(record, item, places))
        dialog += _transfers(item, places, original)
    return {
        "uuid": str(uuid5(NAMESPACE_URL, f"touchpoint:{record['interaction_id']}:{record['content_hash']}")),
        "extensions": [EXTENSION],
        "created_at": record["ended_at"],
        "subject": " ".join(filter(None, (record["direction"], ", ".join(record["channels"])))),
        "parties": parties,
        "dialog": dialog,
        "attachments": [_attachment(record)] if dialog else [],
    }


def _parties(record: Json, names: Mapping[str, str | None]) -> tuple[list[Json], dict[str | None, int]]:
    """The customer first, then each agent; and the index of each by its resource id (None: the customer)."""
    address = record["party"]["address"] or ""
    scheme, _, rest = address.partition(":")
    customer: Json = {"uuid": record["party_key"], "role": "customer"}
    if scheme in _SCHEMES:
        customer[_SCHEMES[scheme]] = rest if scheme == "mailto" else f"{_SCHEMES[scheme]}:{rest}"
    if record["party"]["name"]:
        customer |= {"name": record["party"]["name"], "validation": "none"}
    places: dict[str | None, int] = {None: 0}
    parties = [customer]
    segments = [segment for item in record["media_items"] for segment in item["segments"]]
    for resource in (one["resource_id"] for one in (*segments, *record["activities"]) if one["resource_id"]):
        if resource not in places:
            places[resource] = len(parties)
            named = {"name": names[resource], "validation": "none"} if names.get(resource) else {}
            parties.append({"uuid": resource, "role": "agent", **named})
    return parties, places


def _dialog(record: Json, item: Json, places: Mapping[str | None, int]) -> Json:
    connected = [one for one in item["segments"] if one["type"] in ("with_agent", "monitor")]
    agents = list(dict.fromkeys(places[one["resource_id"]] for one in connected if one["resource_id"] in places))
    first = [0] if item["direction"] != "outbound" else []
    dialog: Json = {
        "type": "text" if item["channel"] in ("email", "chat", "sms", "message", "social") else "recording",
        "start": item["started_at"],
        "duration": _seconds(item),
        "parties": [*first, *agents] if first else [*agents, 0],
        "application": item["channel"],
        "interaction_type": item["direction"] or item["channel"],
        "interaction_id": record["interaction_id"],
        "message_id": item["media_item_id"],
        "party_history": _history(item, places),
    }
    if not connected and item["channel"] in ("call", "video"):
        del dialog["duration"]
        dialog |= {"type": "incomplete", "disposition": _disposition(item)}
    if item["campaign"]:
        dialog["campaign"] = item["campaign"]
    queues = list(dict.fromkeys(one["queue"] for one in item["segments"] if one["queue"]))
    return dialog | ({"skill": queues} if queues else {})


def _seconds(item: Json) -> float:
    from datetime import datetime

    return (datetime.fromisoformat(item["ended_at"]) - datetime.fromisoformat(item["started_at"])).total_seconds()


def _disposition(item: Json) -> str:
    reasons = [item["end_reason"], *(segment["end_reason"] for segment in item["segments"])]
    return next((_DISPOSITIONS[reason] for reason in reasons if reason in _DISPOSITIONS), "hung-up")


def _history(item: Json, places: Mapping[str | None, int]) -> list[Json]:
    events = []
    for segment in item["segments"]:
        if segment["type"] not in _HISTORY or segment["resource_id"] not in places:
            continue
        for at, event in zip((segment["started_at"], segment["ended_at"]), _HISTORY[segment["type"]], strict=True):
            events.append({"party": places[segment["resource_id"]], "time": at, "event": event})
    return sorted(events, key=lambda one: (one["time"], one["event"] == "drop"))


def _transfers(item: Json, places: Mapping[str | None, int], original: int) -> list[Json]:
    """A dialog of type `transfer` for each segment that somebody transferred the customer to."""
    return [
        {
            "type": "transfer",
            "start": segment["started_at"],
            "parties": [0],
            "transferee": 0,
            "transferor": places[segment["transferred_from"]],
            **({"transfer_target": places[segment["resource_id"]]} if segment["resource_id"] in places else {}),
            "original": original,
            "target_dialog": original,
        }
        for segment in item["segments"]
        if segment["transferred_from"] in places and segment["transferred_from"] is not None
    ]


def _attachment(record: Json) -> Json:
    """Our record whole but for its people, who are parties."""
    body = {name: value for name, value in record.items() if name != "party"}
    return {
        "purpose": "touchpoint interaction record",
        "start": record["ended_at"],
        "party": 0,
        "dialog": 0,
        "mediatype": "application/json",
        "encoding": "json",
        "body": body,
    }

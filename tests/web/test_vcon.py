"""vCons, against the shape that draft-ietf-vcon-vcon-core-04 and draft-ietf-vcon-cc-extension-02 give.

The schema here is our own writing of what the drafts demand of what we send: their own file is not ours to copy.
"""

from __future__ import annotations

from typing import Any

import jsonschema_rs
from history_records import START, call, interaction, media_item, seed_case, segment

from touchpoint.web.vcon import vcon

INDEX = {"type": "integer", "minimum": 0}
DATE = {"type": "string", "format": "date-time"}
PARTY = {
    "type": "object",
    "properties": {
        name: {"type": "string"} for name in "tel sip mailto name validation uuid role contact_list".split()
    },
    "additionalProperties": False,
}
EVENTS = ["join", "drop", "hold", "unhold", "mute", "unmute", "keydown", "keyup"]
DIALOG = {
    "type": "object",
    "required": ["type", "start"],
    "properties": {
        "type": {"enum": ["recording", "text", "transfer", "incomplete", "recording-set"]},
        "start": DATE,
        "duration": {"type": "number", "minimum": 0},
        "parties": {"type": "array", "items": INDEX},
        "application": {"type": "string"},
        "message_id": {"type": "string"},
        "disposition": {"enum": ["no-answer", "congestion", "failed", "busy", "hung-up", "voicemail-no-message"]},
        "party_history": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["party", "time", "event"],
                "properties": {"party": INDEX, "time": DATE, "event": {"enum": EVENTS}},
                "additionalProperties": False,
            },
        },
        **dict.fromkeys(("transferee", "transferor", "transfer_target", "original", "target_dialog"), INDEX),
        **{name: {"type": "string"} for name in ("interaction_type", "interaction_id", "campaign")},
        "skill": {"type": "array", "items": {"type": "string"}},
    },
    "additionalProperties": False,
    "if": {"properties": {"type": {"const": "incomplete"}}},
    "then": {"required": ["disposition"]},
    "else": {"not": {"required": ["disposition"]}},
}
ATTACHMENT = {
    "type": "object",
    "required": ["start", "party", "dialog", "body", "encoding", "mediatype"],
    "properties": {"start": DATE, "party": INDEX, "dialog": INDEX, "encoding": {"enum": ["base64url", "json", "none"]}},
}
SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "required": ["uuid", "created_at", "parties", "dialog", "attachments"],
    "properties": {
        "uuid": {"type": "string", "format": "uuid"},
        "extensions": {"type": "array", "items": {"type": "string"}},
        "created_at": DATE,
        "subject": {"type": "string"},
        "parties": {"type": "array", "items": PARTY},
        "dialog": {"type": "array", "items": DIALOG},
        "attachments": {"type": "array", "items": ATTACHMENT},
    },
    "additionalProperties": False,
}
VALIDATOR = jsonschema_rs.Draft7Validator(SCHEMA, validate_formats=True)


def made(record: dict[str, Any], agents: dict[str, str] | None = None) -> dict[str, Any]:
    """The vCon of a record, valid and with no index that leads nowhere."""
    made = vcon({"record": record, "identity": {"agents": list((agents or {}).items())}})
    assert [str(error) for error in VALIDATOR.iter_errors(made)] == []
    for dialog in made["dialog"]:
        named = [*dialog["parties"], *(one["party"] for one in dialog.get("party_history", []))]
        named += [dialog[name] for name in ("transferee", "transferor", "transfer_target") if name in dialog]
        assert all(place < len(made["parties"]) for place in named)
        assert all(dialog[name] < len(made["dialog"]) for name in ("original", "target_dialog") if name in dialog)
    return made


def test_a_media_item_is_a_dialog_and_the_record_an_attachment() -> None:
    record = seed_case()
    whole = made(record, {"john": "John Doe"})
    customer, agent = whole["parties"]
    assert (customer["tel"], customer["name"], customer["role"]) == ("tel:+441632960960", "Mary Jones", "customer")
    assert (agent["name"], agent["uuid"], agent["role"]) == ("John Doe", "john", "agent")
    spoken, fax = whole["dialog"]
    assert (spoken["type"], spoken["parties"], spoken["skill"]) == ("recording", [0, 1], ["Sales"])
    assert [one["event"] for one in spoken["party_history"]] == ["join", "hold", "unhold", "drop"]
    assert (fax["application"], fax["message_id"]) == ("fax", "seed-fax")
    [attached] = whole["attachments"]
    assert attached["body"]["media_items"] == record["media_items"]
    assert "party" not in attached["body"]


def test_who_gave_up_waiting_is_an_incomplete_dialog() -> None:
    waited = [segment(START, "w", "queue", 0, 40, queue="Sales", end_reason="abandoned")]
    [dialog] = made(interaction("w", [media_item(START, "w", waited)]))["dialog"]
    assert (dialog["type"], dialog["disposition"]) == ("incomplete", "hung-up")


def test_a_transfer_is_a_dialog_of_its_own() -> None:
    record = call("t")
    second = segment(START, "t", "with_agent", 162, 300, resource_id="rhonda", transferred_from="john")
    record["media_items"][0]["segments"].append(second)
    whole = made(record)
    [transfer] = [dialog for dialog in whole["dialog"] if dialog["type"] == "transfer"]
    assert (transfer["transferor"], transfer["transfer_target"], transfer["original"]) == (1, 2, 0)


def test_the_same_record_is_the_same_vcon() -> None:
    assert made(call("a"))["uuid"] == made(call("a"))["uuid"] != made(call("b"))["uuid"]


def test_an_interaction_without_media_items_has_no_dialog() -> None:
    assert made(interaction("none", []))["dialog"] == []

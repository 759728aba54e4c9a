"""JSON Schema and AsyncAPI say what the decoder does, and every reference in them leads somewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from touchpoint.events import Accepted, Decoder, event_types
from touchpoint.events.json_schema import asyncapi, json_schema
from touchpoint.simulate import simulate
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.offline import stitch

UUID = "3b241101-e2bb-4255-8caf-4136c566a962"
AT = "2026-01-01T00:00:00Z"
START = datetime(2026, 1, 1, tzinfo=UTC)


def references(tree: Any) -> Iterator[str]:
    """Every $ref in a document."""
    if isinstance(tree, dict):
        if "$ref" in tree:
            yield tree["$ref"]
        for value in tree.values():
            yield from references(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from references(value)


def lookup(document: dict[str, Any], reference: str) -> Any:
    """What a reference inside the document leads to; KeyError if nowhere."""
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def test_the_schema_has_every_event_under_its_type_and_the_closed_interaction() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for name in (*event_types(), "interaction.closed", "interaction.amended"):
        assert schema["$defs"][name]["properties"]["type"]["const"] == name
        assert {"$ref": f"#/$defs/{name}"} in schema["oneOf"]


@pytest.mark.parametrize("document", [json_schema(), asyncapi("tp."), *map(json_schema, event_types()[::7])])
def test_every_reference_leads_somewhere_and_the_document_is_json(document: dict[str, Any]) -> None:
    assert json.loads(json.dumps(document)) == document
    for reference in references(document):
        assert lookup(document, reference)


def test_schema_of_a_type_states_required_members_values_and_limits() -> None:
    schema = json_schema("call.answered")
    assert schema["$id"] == "urn:touchpoint:call.answered:1"
    assert set(schema["required"]) == {"specversion", "id", "source", "type", "time", "subject", "data"}
    assert schema["properties"]["id"] == {"maxLength": 200, "minLength": 1, "title": "Id", "type": "string"}
    assert schema["$defs"]["ToAgent"]["required"] == ["resource"]
    assert schema["$defs"]["Resource"]["properties"]["kind"]["anyOf"][0]["enum"] == ["agent", "bot", "system"]
    assert schema["additionalProperties"] is True
    assert "from" in json_schema("party.merged")["$defs"]["Merged"]["required"]


def test_the_pattern_of_a_time_is_one_that_any_schema_tool_understands() -> None:
    pattern = json_schema("call.ended")["properties"]["time"]["pattern"]
    assert re.search(pattern, "2026-01-05T09:00:00.5+01:00")
    assert not re.search(pattern, "2026-01-05T09:00:00")


def test_an_unknown_type_has_no_schema_and_configured_channels_have_theirs() -> None:
    with pytest.raises(ValueError, match=r"'call.foo' is not an event type"):
        json_schema("call.foo")
    with pytest.raises(ValueError, match=r"'sms.message' is not an event type"):
        json_schema("sms.message")
    assert json_schema("sms.message", ["sms"])["properties"]["type"]["const"] == "sms.message"


def test_asyncapi_has_the_contract_s_topics_with_their_keys_and_messages() -> None:
    document = asyncapi("tp.", {"sms": "texts"})
    assert document["asyncapi"] == "3.0.0"
    topics = {name: channel["address"] for name, channel in document["channels"].items()}
    names = "calls emails faxes chats texts activities parties interactions dead-letters".split()
    assert topics == {name: f"tp.{name}" for name in names}
    sent = {name for name, operation in document["operations"].items() if operation["action"] == "send"}
    assert sent == {"interactions", "dead-letters"}
    messages = document["components"]["messages"]
    assert "sms.message" in document["channels"]["texts"]["messages"]
    assert "source.heartbeat" in document["channels"]["calls"]["messages"]
    keys = {name: message["bindings"]["kafka"]["key"]["description"] for name, message in messages.items()}
    assert keys["call.offered"] == keys["interaction.wrapped_up"] == "media item id"
    assert (keys["party.merged"], keys["interaction.closed"]) == ("party address", "party key")


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    """What `stitch` prints of half an hour of every channel."""
    verdicts = [Decoder().decode(json.dumps(event).encode()) for event in simulate(3, START, 0.5, 300)]
    return list(stitch([each.fact for each in verdicts if isinstance(each, Accepted)], Limits(), b"test"))


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    schema = json_schema("interaction.closed")
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def published(record: dict[str, Any]) -> dict[str, Any]:
    envelope = {"specversion": "1.0", "id": "i", "source": "touchpoint", "type": "interaction.closed", "time": AT}
    return envelope | {"datacontenttype": "application/json", "data": record}


def test_records_as_stitch_prints_them_and_as_the_topic_carries_them_fit_the_schema(
    records: list[dict[str, Any]], schema: Draft202012Validator
) -> None:
    assert {channel for record in records for channel in record["channels"]} == {"call", "chat", "email", "fax"}
    for record in records:
        schema.validate(published(record))
    identity = {"addresses": [[UUID, "tel:+441632960960"]], "agents": [["john", "John Doe"]]}
    schema.validate(published(records[0] | {"identity": identity}))


@pytest.mark.parametrize(
    "fault",
    [
        {"duration_ms": -1},
        {"started_at": "2026-01-01T00:00:00+00:00"},
        {"ended_at": "2026-01-01T00:00:00.5Z"},
        {"closed_by": "whim"},
        {"interaction_id": "1"},
        {"recorded": 1},
        {"flags": None},
        {"direction": "sideways"},
    ],
)
def test_a_record_that_is_not_as_the_contract_says_does_not_fit_the_schema(
    records: list[dict[str, Any]], schema: Draft202012Validator, fault: dict[str, Any]
) -> None:
    assert schema.is_valid(published(records[0]))
    assert not schema.is_valid(published(records[0] | fault))

"""The contract for machines: JSON Schema and AsyncAPI, generated from the models that the decoder uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

import msgspec
from pydantic.json_schema import models_json_schema

from touchpoint.events.catalogue import CHANNELS, check_channels, event_model, event_types
from touchpoint.events.decoder import MAJOR
from touchpoint.events.outgoing import AMENDED, CLOSED, InteractionAmended, InteractionClosed, Outgoing

DIALECT = "https://json-schema.org/draft/2020-12/schema"
OUTGOING: Mapping[str, type[Outgoing]] = {CLOSED: InteractionClosed, AMENDED: InteractionAmended}
DEAD = "dead-letter"
TOPICS: Mapping[str, str] = {"call": "calls", "email": "emails", "fax": "faxes", "chat": "chats"}


def schema_types(channels: Iterable[str] = CHANNELS) -> tuple[str, ...]:
    """Every type that has a schema: the events that come in, and those that go out."""
    return (*event_types(channels), *OUTGOING)


def json_schema(name: str | None = None, channels: Iterable[str] = CHANNELS) -> dict[str, Any]:
    """JSON Schema 2020-12 of one event type, or of them all: then each stands in `$defs` under its type.

    Raises ValueError for a type that is not in the contract.
    """
    known = schema_types(channels)
    if name is not None:
        if name not in known:
            raise ValueError(f"{name!r} is not an event type; `touchpoint schema` prints them all")
        return {"$schema": DIALECT, "$id": _uri(name), **_schema(name)}
    definitions = _definitions(known)
    return {
        "$schema": DIALECT,
        "$id": _uri("events"),
        "title": "Touchpoint events",
        "oneOf": [{"$ref": f"#/$defs/{known_name}"} for known_name in known],
        "discriminator": {"propertyName": "type", "mapping": {n: f"#/$defs/{n}" for n in known}},
        "$defs": definitions,
    }


def asyncapi(prefix: str = "touchpoint.", channels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The AsyncAPI 3.0 document: topics, keys, messages. `channels`: the topic of each further channel."""
    topics = {**TOPICS, **(channels or {})}
    names = schema_types(topics)
    carried = _carried(topics)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Touchpoint",
            "version": version("touchpoint"),
            "description": "A contact centre's events in, its closed interactions out: CloudEvents 1.0 over Kafka.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {topic: _channel(prefix, topic, carried[topic]) for topic in carried},
        "operations": {topic: _operation(topic) for topic in carried},
        "components": {
            "messages": {name: _message(name) for name in names} | {DEAD: _DEAD_LETTER},
            "schemas": _definitions(names, "#/components/schemas/{name}"),
        },
    }


def _carried(topics: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """By topic: the types on it."""
    types = event_types(check_channels(topics))
    beat = _of(types, "source")
    return {
        **{topic: _of(types, channel) + beat for channel, topic in topics.items()},
        "activities": _of(types, "activity") + _of(types, "interaction") + beat,
        "parties": _of(types, "party") + beat,
        "interactions": tuple(OUTGOING),
        "dead-letters": (DEAD,),
    }


def _of(types: Iterable[str], kind: str) -> tuple[str, ...]:
    return tuple(name for name in types if name.startswith(f"{kind}."))


def _channel(prefix: str, topic: str, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "address": f"{prefix}{topic}",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {"kafka": {"topic": f"{prefix}{topic}", "bindingVersion": "0.5.0"}},
    }


def _operation(topic: str) -> dict[str, Any]:
    return {
        "action": "send" if topic in ("interactions", "dead-letters") else "receive",
        "channel": {"$ref": f"#/channels/{topic}"},
    }


def _message(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "title": name,
        "summary": ((OUTGOING.get(name) or event_model(name)).__doc__ or "").strip(),
        "contentType": "application/cloudevents+json",
        "payload": {"$ref": f"#/components/schemas/{name}"},
        "bindings": _key(_KEYS.get(name.partition(".")[0], "media item id") if name not in OUTGOING else "party key"),
    }


def _key(meaning: str) -> dict[str, Any]:
    return {"kafka": {"key": {"type": "string", "description": meaning}, "bindingVersion": "0.5.0"}}


_KEYS: Mapping[str, str] = {
    "activity": "media item id, else party",
    "party": "party address",
    "source": "any; one record to every partition of the topic",
}
_DEAD_LETTER: Mapping[str, Any] = {
    "name": DEAD,
    "title": DEAD,
    "summary": "what could not be accepted, bytes unchanged; cause, origin and version in headers",
    "contentType": "application/octet-stream",
    "bindings": _key("the original key"),
}


def _schema(name: str) -> dict[str, Any]:
    """Of one type, with all that it refers to in `$defs`."""
    if name not in OUTGOING:
        return event_model(name).model_json_schema(mode="validation")
    definitions = _outgoing((name,), "#/$defs/{name}")
    schema: dict[str, Any] = definitions.pop(name)
    return schema | {"$defs": definitions}


def _definitions(names: Iterable[str], template: str = "#/$defs/{name}") -> dict[str, Any]:
    """All definitions, those of events under their type."""
    models = {name: event_model(name) for name in names if name not in OUTGOING}
    refs, document = models_json_schema(
        [(model, "validation") for model in models.values()], ref_template=template.replace("{name}", "{model}")
    )
    definitions: dict[str, Any] = document["$defs"]
    for name, model in models.items():
        # an event's class is named as its type; nothing refers to it
        definitions[name] = definitions.pop(refs[model, "validation"]["$ref"].rpartition("/")[2])
    return dict(sorted((definitions | _outgoing([n for n in names if n in OUTGOING], template)).items()))


def _outgoing(names: Iterable[str], template: str) -> dict[str, Any]:
    """What the record's structs say of themselves, each envelope under its type."""
    classes = {name: OUTGOING[name] for name in names}
    _, definitions = msgspec.json.schema_components(classes.values(), ref_template=template)
    for name, class_ in classes.items():
        envelope = definitions.pop(class_.__name__)
        members = envelope["properties"] | {"type": {"const": name, "type": "string"}}
        # what has a default is written all the same
        definitions[name] = envelope | {"title": name, "properties": members, "required": list(members)}
    return definitions


def _uri(name: str) -> str:
    return f"urn:touchpoint:{name}:{MAJOR}"

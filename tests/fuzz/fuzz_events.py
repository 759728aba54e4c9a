"""Valid events of every type that the contract has, drawn from its own models: what a new field is, is known here too.

Few names, so that what is said meets: the agents, queues, items and parties of a world are the same in all its events.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from touchpoint.events.catalogue import event_model, event_types

Json = dict[str, Any]
Draw = Callable[[random.Random], Any]

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
CHANNELS = ("call", "chat", "email", "fax", "sms")
TYPES = event_types(["sms"])
VERBS = {channel: [name for name in TYPES if name.startswith(f"{channel}.")] for channel in CHANNELS}
OTHERS = [name for name in TYPES if name.partition(".")[0] not in CHANNELS]

ADDRESSES = ("tel:+441632960001", "01632 960002", "fax:+441632960001", "mailto:C@example.com", "sip:d@example.com",
             "chat:web/7", "anonymous", "")  # fmt: skip
NAMED: dict[str, tuple[Any, ...]] = {
    "address": ADDRESSES, "dialed": (*ADDRESSES, "line 7"), "queue": ("Q", "R", "S"), "media_item": ("c1", "c2", "c3"),
    "parent": ("c1", "c2", "c3"), "previous": ("c1", "c2", "c3"), "resumes": ("c1", "c2", "c3"), "thread": ("<m1@a>",),
    "activity": ("a1", "a2"), "from": ("P1", "P2"), "into": ("P2", "P3"), "account": ("acme",), "pages": (0, 3, 7),
    "total_pages": (3, 7), "attempt": (1, 2), "length": (0, 40), "duration_ms": (0, 20_000, 10**9),
    "connected_ms": (0, 40_000), "hold_ms": (0, 5_000), "message_id": ("<m1@a>", "<m2@a>"),
    "in_reply_to": ("<m1@a>",), "references": ([], ["<m1@a>", "<m2@a>"]), "priority": (1, "high"),
    "ext": ({}, {"x": [1, {"y": None}]}), "request": ("R-1",), "campaign": ("spring",),
}  # fmt: skip
IDS = {"Party": ("P1", "P2", "P3"), "Resource": ("A", "B", "C", "robot"), "Identified": ("P1", "P2", "P3")}
CLAIMS = ("queued_at", "dequeued_at", "answered_at", "acw_started_at", "acw_ms", "talk_ms", "queue_wait_ms")
NEEDED = ("id", "type", "role", "activity", "action", "from", "into")
AS_A_PLAIN_RESOURCE = 0.1
NOTHING: Any = object()


def instant(seconds: float) -> str:
    """So long after the beginning of every world."""
    return (START + timedelta(seconds=seconds)).isoformat()


def valid_data(dice: random.Random, name: str) -> Json | None:
    """Data as the contract allows it for a type of event."""
    made = _maker(name)(dice)
    return made if made or dice.random() < 0.5 else None


def event(dice: random.Random, name: str, number: int, subject: str | None, seconds: float) -> Json:
    """A valid event of a type, so many seconds after the beginning."""
    made: Json = {
        "specversion": "1.0", "id": f"e{number}", "source": dice.choice("xy"), "type": name, "time": instant(seconds),
    }  # fmt: skip
    if subject is not None:
        made["subject"] = subject
    for attribute, odds, values in (
        ("sequence", 0.2, "123"),
        ("correlationid", 0.05, "kl"),
        ("tenant", 0.03, ("default", "other")),
        ("dialect", 0.1, ("asterisk-queue-log", "twilio-taskrouter", "nobody's")),
        ("recordedtime", 0.05, (instant(seconds + 1), instant(0))),
        ("dataschema", 0.02, ("urn:touchpoint:x:1", "https://example.com/events/1.4")),
        ("odd", 0.02, (None, 7, {"a": [1]})),
    ):
        if dice.random() < odds:
            made[attribute] = dice.choice(values)
    data = valid_data(dice, name)
    if data is not None:
        made["data"] = data
    return made


@cache
def _maker(name: str) -> Draw:
    return _of(event_model(name).model_fields["data"].annotation, "data", "")


def _of(annotation: Any, field: str, owner: str) -> Draw:
    """How to draw a value of a field."""
    values = IDS.get(owner) if field == "id" else NAMED.get(field)
    if values is not None:
        return lambda dice: dice.choice(values)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _of(parts[0], field, owner)
    if origin in (Union, UnionType):
        inner = [_of(part, field, owner) for part in parts if part is not NoneType]
        return lambda dice: dice.choice(inner)(dice)
    if origin is Literal:
        return lambda dice: dice.choice(parts)
    if origin is list:
        element = _of(parts[0], field, owner)
        return lambda dice: [element(dice) for _ in range(dice.randint(0, 2))]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _object(annotation)
    if field.endswith("_at") or field in ("started", "ended", "until"):
        return lambda dice: instant(dice.randint(-60, 900))
    if annotation is int:
        return lambda dice: dice.randint(0, 9)
    if field == "to":  # of an alias
        return lambda dice: dice.choice(("c1", "c2", "c3"))
    return lambda dice: f"{field} {dice.randint(0, 3)}"


def _object(model: type[BaseModel]) -> Draw:
    fields = {
        info.alias or name: _of(info.annotation, info.alias or name, model.__name__)
        for name, info in model.model_fields.items()
    }
    needed = {info.alias or name for name, info in model.model_fields.items() if info.is_required()}

    def draw(dice: random.Random) -> Json:
        odds = dice.choice((0.1, 0.5, 0.9))
        made = {
            name: value(dice)
            for name, value in fields.items()
            if name in needed or dice.random() < (0.9 if name == "resource" else 0.05 if name == "related" else odds)
        }
        if model.__name__ == "Reported":
            claims = dice.sample(CLAIMS, dice.randint(0, 3))
            made |= {name: instant(dice.randint(0, 600)) if name.endswith("_at") else 9_000 for name in claims}
        if model.__name__ == "Target" and "resource" in made and dice.random() < AS_A_PLAIN_RESOURCE:
            return made["resource"]  # type: ignore[no-any-return]
        return made

    return draw

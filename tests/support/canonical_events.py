"""Canonical events for tests: the smallest valid one of every type."""

from __future__ import annotations

import json
from typing import Any

from touchpoint.events import Accepted, DeadLetter, Decoder
from touchpoint.stitching.facts import Fact

NEEDED_DATA: dict[str, dict[str, Any]] = {
    "alerting": {"resource": {"id": "john"}},
    "answered": {"resource": {"id": "john"}},
    "message": {"role": "customer"},
    "alias": {"to": "c2"},
    "activity.recorded": {"activity": "a1", "action": "quote"},
    "source.flushed": {"until": "2026-01-05T09:00:00Z"},
    "activity.started": {"activity": "a1", "action": "quote"},
    "activity.ended": {"activity": "a1"},
    "party.identified": {"id": "p1"},
    "party.merged": {"from": "p1", "into": "p2"},
}

DECODER = Decoder(channels=["sms"])


def smallest_event(name: str, **attributes: Any) -> dict[str, Any]:
    """The smallest valid event of a type; attributes are set, those given as None are left out."""
    kind, _, verb = name.partition(".")
    subject = "tel:+441632960960" if kind == "party" else "c1"
    data = NEEDED_DATA.get(name, NEEDED_DATA.get(verb))
    event: dict[str, Any] = {"specversion": "1.0", "id": "e1", "source": "/pbx", "type": name}
    event |= {"time": "2026-01-05T09:00:00Z", "subject": subject, "data": data, **attributes}
    return {name: value for name, value in event.items() if value is not None}


def as_record(event: Any) -> bytes:
    """The event as a structured record."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()


def accepted(event: Any, decoder: Decoder = DECODER) -> Fact:
    """The fact of an event that must be accepted."""
    verdict = decoder.decode(event if isinstance(event, bytes) else as_record(event))
    assert isinstance(verdict, Accepted), verdict
    return verdict.fact


def refused(record: Any, decoder: Decoder = DECODER) -> DeadLetter:
    """The dead letter of a record that must be refused, by a rule and not by a fault of the decoder."""
    verdict = decoder.decode(record if isinstance(record, bytes) else as_record(record))
    assert isinstance(verdict, DeadLetter), verdict
    assert verdict.code != "internal", verdict
    return verdict

"""The events that the party stage writes to the topic `interactions` (docs/architecture.md, The record)."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from touchpoint.stages.dead_letter_records import orphan
from touchpoint.stages.messages import Erasure
from touchpoint.stages.party.erasure import erased, without_identity
from touchpoint.stages.protocol import Forward
from touchpoint.stitching.facts import Micros
from touchpoint.stitching.interactions.advance import Advance, ClosedInteraction
from touchpoint.stitching.interactions.late import Amendment
from touchpoint.stitching.interactions.model import PartyKey
from touchpoint.stitching.record import Json, amendment, identity, instant, party_key, record


def outcome_events(step: Advance, key: PartyKey, erased_until: Micros | None, secret: bytes) -> Iterator[Forward]:
    """What followed from the passing of time for one party: closed interactions, amendments, and dead letters of facts
    whose media item never came.

    ``erased_until``: what began by then is published without identity; None: nothing of it was erased.
    """
    for closed in step.closed:
        yield _closed(closed, erased_until, secret)
    for late in step.amendments:
        yield _amended(late, party_key(secret, key), secret)
    for fact in step.orphans:
        yield orphan(fact)


def erased_event(key: PartyKey, erasure: Erasure, secret: bytes) -> Forward:
    """`party.erased`: that a person under this key is to be forgotten."""
    hashed = party_key(secret, key)
    data = erased(key, erasure, secret)
    return _event("party.erased", f"{erasure.request}/{hashed}", instant(erasure.time), hashed, data)


def _closed(closed: ClosedInteraction, erased_until: Micros | None, secret: bytes) -> Forward:
    row = record(closed, secret)
    if erased_until is not None and min(e.started_at for e in closed.entities) <= erased_until:
        data = without_identity(row, closed, secret)
    else:
        data = {**row, "identity": identity(closed, secret)}
    return _event("interaction.closed", row["interaction_id"], instant(closed.instant), row["party_key"], data)


def _amended(late: Amendment, key: str, secret: bytes) -> Forward:
    data = {
        "interaction_id": late.interaction_id,
        "tenant": late.tenant,
        "ended_at": instant(late.ended_at),
        **amendment(late, secret),
    }
    return _event("interaction.amended", f"{late.interaction_id}/{late.seq}", instant(late.time), key, data)


def _event(kind: str, event_id: str, time: str, key: str, data: Json) -> Forward:
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": "touchpoint",
        "type": kind,
        "time": time,
        "datacontenttype": "application/json",
        "data": data,
    }
    return Forward("interactions", key.encode(), orjson.dumps(event))

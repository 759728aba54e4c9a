"""The events that the party stage writes to the topic `interactions` (docs/architecture.md, The record)."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from touchpoint.events.outgoing import InteractionAmended, InteractionClosed, Outgoing, PartyErased
from touchpoint.stages.dead_letter_records import orphan
from touchpoint.stages.messages import Erasure
from touchpoint.stages.party.erasure import erased, without_identity
from touchpoint.stages.protocol import Forward
from touchpoint.stitching.facts import Micros
from touchpoint.stitching.interactions.after_close import Amendment
from touchpoint.stitching.interactions.party_facts import PartyKey
from touchpoint.stitching.interactions.walk import Advance, ClosedInteraction
from touchpoint.stitching.record_builder import (
    build_identity,
    build_published_amendment,
    build_record,
    instant,
    party_key,
)


def outcome_events(step: Advance, key: PartyKey, erased_until: Micros | None, secret: bytes) -> Iterator[Forward]:
    """What followed from the passing of time for one party: closed interactions, amendments, and dead letters of facts
    whose media item never came.

    ``erased_until``: what began by then is published without identity; None: nothing of it was erased.
    """
    for closed in step.closed:
        yield _closed(closed, erased_until, secret)
    for late in step.amendments:
        yield _amended(late, party_key(secret, key), secret)
    for fact in step.unplaced:
        yield orphan(fact)


def erased_event(key: PartyKey, erasure: Erasure, secret: bytes) -> Forward:
    """`party.erased`: that a person under this key is to be forgotten."""
    hashed = party_key(secret, key)
    data = erased(key, erasure, secret)
    return _forward(PartyErased(id=f"{erasure.request}/{hashed}", time=instant(erasure.time), data=data), hashed)


def _closed(closed: ClosedInteraction, erased_until: Micros | None, secret: bytes) -> Forward:
    record = build_record(closed, secret)
    if erased_until is not None and min(e.started_at for e in closed.entities) <= erased_until:
        record = without_identity(record, closed, secret)
    else:
        record = msgspec.structs.replace(record, identity=build_identity(closed, secret))
    event = InteractionClosed(id=closed.interaction_id, time=instant(closed.instant), data=record)
    return _forward(event, record.party_key)


def _amended(late: Amendment, key: str, secret: bytes) -> Forward:
    data = build_published_amendment(late, secret)
    return _forward(InteractionAmended(id=f"{late.interaction_id}/{late.seq}", time=instant(late.time), data=data), key)


def _forward(event: Outgoing, key: str) -> Forward:
    return Forward("interactions", key.encode(), msgspec.json.encode(event))

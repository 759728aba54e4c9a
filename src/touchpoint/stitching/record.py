"""The historical record of a closed interaction, as `stitch` prints it and Postgres keeps it (contract.md, 5 and 6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

from touchpoint.stitching.facts import SECOND, Fact, Micros
from touchpoint.stitching.ids import opaque, uuid5
from touchpoint.stitching.interactions.advance import ClosedInteraction
from touchpoint.stitching.interactions.entities import Entity
from touchpoint.stitching.interactions.late import Amendment
from touchpoint.stitching.interactions.model import PartyKey
from touchpoint.stitching.media.model import MediaItem, Segment
from touchpoint.stitching.rules_version import RULES_VERSION

Json = dict[str, Any]
_UNHASHED = frozenset({"recorded_at", "party_key", "party", "content_hash", "rules_version", "dialects"})
_VERSION_BITS = 0xF << 76 | 0x3 << 62
_VERSION_8 = 0x8 << 76 | 0x2 << 62  # RFC 9562; the `version` of `uuid.UUID` knows of 8 from Python 3.14 on only
_ALONE = "anon:"
_OUTCOME = ("outcome", "result", "reason", "follow_up")


def record(closed: ClosedInteraction, secret: bytes) -> Json:
    """The JSON object of one closed interaction."""
    items = [e for e in closed.entities if e.item is not None]
    first = items[0].item if items else None
    started = min(e.started_at for e in closed.entities)
    ended = max(e.latest for e in closed.entities)
    key = closed.key
    row: Json = {
        "interaction_id": closed.interaction_id,
        "tenant": key.tenant,
        "party_key": party_key(secret, key),
        "party_id": key.value if key.kind == "id" else None,
        "account_id": closed.account,
        "channel": first.channel if first else None,
        "channels": sorted({e.item.channel for e in items if e.item is not None}),
        "direction": first.direction if first else None,
        "started_at": instant(started),
        "ended_at": instant(ended),
        "duration_ms": (ended - started) // 1000,
        "resource_id": _first_agent(closed.entities),
        **_outcome(closed.entities),
        "campaign": first.campaign if first else None,
        "parent_interaction_id": closed.parent,
        "closed_by": closed.closed_by,
        "flags": _flags(closed),
        "media_items": [_media_item(e, e.item, secret) for e in items if e.item is not None],
        "activities": [_activity(e) for e in closed.entities if e.activity is not None],
        "objects": list(_objects(closed.entities)),
        "resources": _resources(items),
        "amendments": [],
    }
    row["content_hash"] = content_hash(row)
    row["rules_version"], row["dialects"] = RULES_VERSION, list(closed.dialects)
    row["party"] = _party(closed)
    return row


def party_key(secret: bytes, key: PartyKey) -> str:
    """The opaque key of a party, the same for a party's id and for an address that is all that is known of one."""
    if key.kind == "anon":
        return opaque(secret, key.tenant, f"{_ALONE}{key.value}")
    if key.value.startswith(_ALONE):  # with a NUL, which no id has, it is no name of an item without a party
        return opaque(secret, key.tenant, f"\0{key.value}")
    return opaque(secret, key.tenant, key.value)


def content_hash(row: Json) -> str:
    """SHA-256 of the record's canonical JSON without what ``_UNHASHED`` names (stitching.md, 3)."""
    content = row.copy()
    for name in _UNHASHED:
        content.pop(name, None)
    return sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def amendment(late: Amendment, secret: bytes) -> Json:
    """The JSON object of a fact that came after the close; an address that was identified stands there by its id."""
    payload: Json = {"time": instant(late.time), "data": late.payload}
    if late.address is not None:
        payload["party_address_id"] = address_id(secret, late.tenant, late.address)
    return {"seq": late.seq, "kind": late.kind, "payload": payload, "event_id": late.event_id}


def identity(closed: ClosedInteraction, secret: bytes) -> Json:
    """Names and addresses for the identity tables; never part of the record."""
    addresses = {e.claim.address for e in closed.entities if e.claim.address}
    resources = (fact.data["resource"] for e in closed.entities for fact in e.facts if "resource" in fact.data)
    agents = {r["id"]: r["name"] for r in resources if r.get("name")}
    tenant = closed.key.tenant
    return {
        "addresses": [[address_id(secret, tenant, address), address] for address in sorted(addresses)],
        "agents": [list(pair) for pair in sorted(agents.items())],
    }


def address_id(secret: bytes, tenant: str, address: str) -> str:
    """The opaque id of an address: a UUID of its HMAC."""
    digest = int(opaque(secret, "address", tenant, address)[:32], 16)
    return str(UUID(int=digest & ~_VERSION_BITS | _VERSION_8))


@lru_cache(maxsize=65_536)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


def instant(time: Micros) -> str:
    """RFC 3339 in UTC; microseconds only where there are any."""
    seconds, micros = divmod(time, SECOND)
    return f"{_second(seconds)}.{micros:06d}Z" if micros else f"{_second(seconds)}Z"


def _flags(closed: ClosedInteraction) -> list[str]:
    flags = set(closed.flags)
    for entity in closed.entities:
        for thing in (entity.item, entity.activity):
            if thing is not None:
                flags.update(thing.flags)
    return sorted(flags)


def _party(closed: ClosedInteraction) -> Json:
    claims = [e.claim for e in closed.entities]
    key = closed.key
    own_address = key.value if key.kind == "address" else None
    return {
        "address": own_address or next((c.address for c in claims if c.address), None),
        "id": key.value if key.kind == "id" else None,
        "name": closed.name or next((c.name for c in claims if c.name), None),
    }


def _first_agent(entities: Iterable[Entity]) -> str | None:
    """Agent of the earliest with_agent, else of a transmission or activity, ties by id; never a bot."""
    connected: list[tuple[Micros, str]] = []
    other: list[tuple[Micros, str]] = []
    for entity in entities:
        if entity.item is not None:
            for resource_id, figures in entity.item.resources.items():
                if not figures.bot:
                    (connected if figures.connected else other).append((figures.first_at, resource_id))
        elif entity.activity is not None and entity.activity.resource_id is not None:
            other.append((entity.started_at, entity.activity.resource_id))
    return min(connected or other)[1] if connected or other else None


def _outcome(entities: Iterable[Entity]) -> Json:
    """As one group: of the last wrapped_up, else of the last wrapup_ended that carries any."""
    wrapped: list[Fact] = []
    wrapups: list[Fact] = []
    for entity in entities:
        wrapped += [fact for fact in entity.controls if fact.verb == "wrapped_up"]
        wrapups += [f for f in entity.facts if f.verb == "wrapup_ended" and not f.data.keys().isdisjoint(_OUTCOME)]
    last = max(wrapped or wrapups, key=lambda f: (f.time, f.source, f.id), default=None)
    return {name: last.data.get(name) if last else None for name in _OUTCOME}


def _media_item(entity: Entity, item: MediaItem, secret: bytes) -> Json:
    address = entity.claim.address
    return {
        "media_item_id": item.media_item_id,
        "channel": item.channel,
        "direction": item.direction,
        "party_address_id": address_id(secret, entity.tenant, address) if address else None,
        # what an outbound item dialed is the party's own number, which stands in the identity tables alone
        "dialed": None if item.direction == "outbound" else item.dialed,
        "campaign": item.campaign,
        "thread_id": item.thread_id,
        "started_at": instant(item.started_at),
        "ended_at": instant(item.ended_at),
        "queue_wait_ms": item.queue_wait_ms,
        "ring_ms": item.ring_ms,
        "talk_ms": item.talk_ms,
        "hold_ms": item.hold_ms,
        "acw_ms": item.acw_ms,
        "handle_ms": item.handle_ms,
        "speed_of_answer_ms": item.speed_of_answer_ms,
        "abandoned": item.abandoned,
        "transferred": item.transferred,
        "conferenced": item.conferenced,
        "end_reason": item.end_reason,
        "pages": item.pages,
        "messages_customer": item.messages_customer,
        "messages_agent": item.messages_agent,
        "first_response_ms": item.first_response_ms,
        "flags": list(item.flags),
        "segments": _segments(entity.tenant, item),
    }


def _segments(tenant: str, item: MediaItem) -> list[Json]:
    ids = [uuid5("segment", tenant, item.media_item_id, str(n)) for n in range(len(item.segments))]
    return [_segment(segment, ids, n) for n, segment in enumerate(item.segments)]


def _segment(segment: Segment, ids: list[str], index: int) -> Json:
    return {
        "segment_id": ids[index],
        "type": segment.type,
        "track": segment.track,
        "depth": segment.depth,
        "parent_segment_id": None if segment.parent is None else ids[segment.parent],
        "started_at": instant(segment.started_at),
        "ended_at": instant(segment.ended_at),
        "duration_ms": (segment.ended_at - segment.started_at) // 1000,
        "queue": segment.queue,
        "resource_id": segment.resource_id,
        "end_reason": segment.end_reason,
        "conference": segment.conference,
        "transferred_from": segment.transferred_from,
        "provenance": segment.provenance,
        "opened_by": segment.opened_by,
        "closed_by": segment.closed_by,
        "opened_rule": segment.opened_rule,
        "closed_rule": segment.closed_rule,
    }


def _activity(entity: Entity) -> Json:
    activity = entity.activity
    assert activity is not None
    return {
        "activity_id": activity.activity_id,
        "media_item_id": activity.media_item,
        "action": activity.action,
        "resource_id": activity.resource_id,
        "started_at": instant(activity.started_at),
        "ended_at": instant(activity.ended_at),
        "outcome": activity.outcome,
        "result": activity.result,
        "reason": activity.reason,
    }


def _objects(entities: Iterable[Entity]) -> Iterator[Json]:
    for entity in entities:
        if entity.activity is not None:
            for object_type, object_id, action in entity.activity.objects:
                yield {
                    "activity_id": entity.id,
                    "object_type": object_type,
                    "object_id": object_id,
                    "object_action": action,
                }


def _resources(items: Iterable[Entity]) -> list[Json]:
    """Agents' own figures, added up over the interaction; after-contact work that nobody told stays unknown."""
    rows: dict[str, Json] = {}
    for entity in items:
        assert entity.item is not None
        for resource_id, own in entity.item.resources.items():
            if own.bot:
                continue
            row = rows.setdefault(
                resource_id, {"resource_id": resource_id, "talk_ms": 0, "hold_ms": 0, "acw_ms": None, "handle_ms": 0}
            )
            row["talk_ms"] += own.talk_ms
            row["hold_ms"] += own.hold_ms
            row["handle_ms"] += own.handle_ms
            if own.acw_ms is not None:
                row["acw_ms"] = (row["acw_ms"] or 0) + own.acw_ms
    return [rows[resource_id] for resource_id in sorted(rows)]

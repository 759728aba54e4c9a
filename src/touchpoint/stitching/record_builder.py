"""From a closed interaction to its record, with the parts that go beside it: amendments and identity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from touchpoint.stitching.facts import Fact, Micros
from touchpoint.stitching.ids import opaque, uuid5, uuid_of
from touchpoint.stitching.interactions.after_close import Amendment
from touchpoint.stitching.interactions.entities import Entity
from touchpoint.stitching.interactions.party_facts import Activity, PartyKey
from touchpoint.stitching.interactions.walk import ClosedInteraction
from touchpoint.stitching.media.media_item import MediaItem, ResourceFigures, Segment
from touchpoint.stitching.record import (
    RECORD_VERSION,
    ActivityRecord,
    AmendmentRecord,
    IdentityRecord,
    InteractionAmendment,
    InteractionRecord,
    MediaItemMembers,
    MediaItemRecord,
    ObjectRecord,
    PartyRecord,
    ResourceRecord,
    SegmentMembers,
    SegmentRecord,
    content_hash,
)
from touchpoint.stitching.rules_version import RULES_VERSION

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VERSION_BITS = 0xF << 76 | 0x3 << 62
_VERSION_8 = 0x8 << 76 | 0x2 << 62  # RFC 9562; the `version` of `uuid.UUID` knows of 8 from Python 3.14 on only
_ALONE = "anon:"
_OUTCOME = ("outcome", "result", "reason", "follow_up")
# hot path: the members that the fold has already come first in both, so they are handed over as they stand
_ITEM_MEMBERS, _SEGMENT_MEMBERS = len(MediaItemMembers.__struct_fields__), len(SegmentMembers.__struct_fields__)
_values = msgspec.structs.astuple


def build_record(closed: ClosedInteraction, secret: bytes) -> InteractionRecord:
    """The record of one closed interaction. `secret`: of the installation, for opaque keys."""
    items = [e for e in closed.entities if e.item is not None]
    first = items[0].item if items else None
    started = min(e.started_at for e in closed.entities)
    ended = max(e.latest for e in closed.entities)
    key = closed.key
    record = InteractionRecord(
        interaction_id=UUID(closed.interaction_id),
        tenant=key.tenant,
        party_key=party_key(secret, key),
        party_id=key.value if key.kind == "id" else None,
        account_id=closed.account,
        channel=first.channel if first else None,
        channels=sorted({e.item.channel for e in items if e.item is not None}),
        direction=first.direction if first else None,
        started_at=instant(started),
        ended_at=instant(ended),
        duration_ms=(ended - started) // 1000,
        resource_id=_first_agent(closed.entities),
        **_outcome(closed.entities),
        campaign=first.campaign if first else None,
        parent_interaction_id=None if closed.parent is None else UUID(closed.parent),
        closed_by=closed.closed_by,
        flags=_flags(closed),
        media_items=[_media_item(e, e.item, secret) for e in items if e.item is not None],
        activities=[_activity(e.activity) for e in closed.entities if e.activity is not None],
        objects=list(_objects(closed.entities)),
        resources=_resources(items),
        amendments=[],
        content_hash="",
        record_version=RECORD_VERSION,
        rules_version=RULES_VERSION,
        dialects=list(closed.dialects),
        party=_party(closed),
    )
    return msgspec.structs.replace(record, content_hash=content_hash(record))


def party_key(secret: bytes, key: PartyKey) -> str:
    """The opaque key of a party, the same for a party's id and for an address that is all that is known of one."""
    if key.kind == "anon":
        return opaque(secret, key.tenant, f"{_ALONE}{key.value}")
    if key.value.startswith(_ALONE):  # with a NUL, which no id has, it is no name of an item without a party
        return opaque(secret, key.tenant, f"\0{key.value}")
    return opaque(secret, key.tenant, key.value)


def build_amendment(late: Amendment, secret: bytes) -> AmendmentRecord:
    """The record of a fact that came after the close, as the interaction's record holds it."""
    return AmendmentRecord(seq=late.seq, kind=late.kind, payload=_payload(late, secret), event_id=late.event_id)


def build_published_amendment(late: Amendment, secret: bytes) -> InteractionAmendment:
    """The same with the interaction that it belongs to, of which the record is published already."""
    return InteractionAmendment(
        interaction_id=UUID(late.interaction_id),
        tenant=late.tenant,
        ended_at=instant(late.ended_at),
        seq=late.seq,
        kind=late.kind,
        payload=_payload(late, secret),
        event_id=late.event_id,
    )


def _payload(late: Amendment, secret: bytes) -> msgspec.Raw:
    """An address that was identified stands there by its id."""
    payload: dict[str, Any] = {"time": instant(late.time), "data": late.payload}
    if late.address is not None:
        payload["party_address_id"] = address_id(secret, late.tenant, late.address)
    return msgspec.Raw(msgspec.json.encode(payload))


def build_identity(closed: ClosedInteraction, secret: bytes) -> IdentityRecord:
    """Names and addresses for the identity tables; never part of what is hashed."""
    addresses = {e.claim.address for e in closed.entities if e.claim.address}
    resources = (fact.data["resource"] for e in closed.entities for fact in e.facts if "resource" in fact.data)
    agents = {r["id"]: r["name"] for r in resources if r.get("name")}
    tenant = closed.key.tenant
    return IdentityRecord(
        addresses=[(address_id(secret, tenant, address), address) for address in sorted(addresses)],
        agents=sorted(agents.items()),
    )


def address_id(secret: bytes, tenant: str, address: str) -> UUID:
    """The opaque id of an address: a UUID of its HMAC."""
    digest = int(opaque(secret, "address", tenant, address)[:32], 16)
    return uuid_of(digest & ~_VERSION_BITS | _VERSION_8)


@lru_cache(4096)  # hot path: where one segment ends the next begins
def instant(time: Micros) -> datetime:
    """In UTC, exact to the microsecond."""
    return _EPOCH + timedelta(microseconds=time)


def _flags(closed: ClosedInteraction) -> list[str]:
    flags = set(closed.flags)
    for entity in closed.entities:
        for thing in (entity.item, entity.activity):
            if thing is not None:
                flags.update(thing.flags)
    return sorted(flags)


def _party(closed: ClosedInteraction) -> PartyRecord:
    claims = [e.claim for e in closed.entities]
    key = closed.key
    own_address = key.value if key.kind == "address" else None
    return PartyRecord(
        address=own_address or next((c.address for c in claims if c.address), None),
        id=key.value if key.kind == "id" else None,
        name=closed.name or next((c.name for c in claims if c.name), None),
    )


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


def _outcome(entities: Iterable[Entity]) -> dict[str, Any]:
    """As one group: of the last wrapped_up, else of the last wrapup_ended that carries any."""
    wrapped: list[Fact] = []
    wrapups: list[Fact] = []
    for entity in entities:
        wrapped += [fact for fact in entity.controls if fact.verb == "wrapped_up"]
        wrapups += [f for f in entity.facts if f.verb == "wrapup_ended" and not f.data.keys().isdisjoint(_OUTCOME)]
    last = max(wrapped or wrapups, key=lambda f: (f.time, f.source, f.id), default=None)
    return {name: last.data.get(name) if last else None for name in _OUTCOME}


def _media_item(entity: Entity, item: MediaItem, secret: bytes) -> MediaItemRecord:
    address = entity.claim.address
    return MediaItemRecord(
        *_values(item)[:_ITEM_MEMBERS],
        party_address_id=address_id(secret, entity.tenant, address) if address else None,
        # what an outbound item dialed is the party's own number, which stands in the identity tables alone
        dialed=None if item.direction == "outbound" else item.dialed,
        started_at=instant(item.started_at),
        ended_at=instant(item.ended_at),
        segments=_segments(entity.tenant, item),
    )


def _segments(tenant: str, item: MediaItem) -> list[SegmentRecord]:
    ids = [uuid5("segment", tenant, item.media_item_id, str(n)) for n in range(len(item.segments))]
    return [_segment(segment, ids, n) for n, segment in enumerate(item.segments)]


def _segment(segment: Segment, ids: list[UUID], index: int) -> SegmentRecord:
    return SegmentRecord(
        *_values(segment)[:_SEGMENT_MEMBERS],
        segment_id=ids[index],
        parent_segment_id=None if segment.parent is None else ids[segment.parent],
        started_at=instant(segment.started_at),
        ended_at=instant(segment.ended_at),
        duration_ms=(segment.ended_at - segment.started_at) // 1000,
    )


def _activity(activity: Activity) -> ActivityRecord:
    return ActivityRecord(
        activity_id=activity.activity_id,
        media_item_id=activity.media_item,
        action=activity.action,
        resource_id=activity.resource_id,
        started_at=instant(activity.started_at),
        ended_at=instant(activity.ended_at),
        outcome=activity.outcome,
        result=activity.result,
        reason=activity.reason,
    )


def _objects(entities: Iterable[Entity]) -> Iterator[ObjectRecord]:
    for entity in entities:
        if entity.activity is not None:
            for object_type, object_id, action in entity.activity.objects:
                yield ObjectRecord(
                    activity_id=entity.id, object_type=object_type, object_id=object_id, object_action=action
                )


def _resources(items: Iterable[Entity]) -> list[ResourceRecord]:
    """Agents' own figures, added up over the interaction; after-contact work that nobody told stays unknown."""
    figures: dict[str, list[ResourceFigures]] = {}
    for entity in items:
        assert entity.item is not None
        for resource_id, own in entity.item.resources.items():
            if not own.bot:
                figures.setdefault(resource_id, []).append(own)
    return [_resource(resource_id, figures[resource_id]) for resource_id in sorted(figures)]


def _resource(resource_id: str, figures: list[ResourceFigures]) -> ResourceRecord:
    acw = [own.acw_ms for own in figures if own.acw_ms is not None]
    return ResourceRecord(
        resource_id=resource_id,
        talk_ms=sum(own.talk_ms for own in figures),
        hold_ms=sum(own.hold_ms for own in figures),
        acw_ms=sum(acw) if acw else None,
        handle_ms=sum(own.handle_ms for own in figures),
    )

"""The record of a closed interaction, written once: its JSON, JSON Schema, database columns and hash derive from it.

`touchpoint stitch` prints an `InteractionRecord` a line, the topic `interactions` carries it, PostgreSQL keeps its
members as columns (docs/reference/record.md).

**A new member** is one line here, with the record version that brings it and a default:
``Annotated[Ms | None, since(2)] = None``. Where it has its default it is left out of the JSON, and so of the hash; a
member of version 1 has no default and always is there, null or not. So a new member changes no hash that is stored.
Where it stands in a ``...Members`` struct, the fold has it under the same name and nothing copies it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache, lru_cache
from hashlib import sha256
from operator import attrgetter
from typing import Annotated, Any, TypeVar, get_type_hints
from uuid import UUID

import msgspec
from msgspec import Meta

from touchpoint.stitching.segment_types import SEGMENT_TYPES

Json = dict[str, Any]

FIRST_VERSION = 1
"""Of a record that does not say its version."""
RECORD_VERSION = 1
"""The greatest version that a member below is ``since``."""
_SINCE = "since"

_BESIDE = ("party_key", "party", "identity", "content_hash", "record_version", "rules_version", "dialects")
"""Not hashed: what depends on the installation's secret or names a person, and what says how the record was made."""


def since(version: int) -> Meta:
    """Marks a member that a later version of the record brought."""
    return Meta(extra={_SINCE: version})


def _one_of(values: str) -> Meta:
    """For the schema. Not checked when read: a value that only a later release knows must not keep a record out."""
    return Meta(extra_json_schema={"enum": values.split()})


def _meaning(text: str) -> Meta:
    return Meta(description=text)


_INSTANT = r"^[0-9-]{10}T[0-9:]{8}([.][0-9]{6})?Z$"
Instant = Annotated[datetime, Meta(tz=True, extra_json_schema={"pattern": _INSTANT})]
"""RFC 3339 in UTC with `Z`; microseconds only where there are any."""
Hash = Annotated[str, Meta(extra_json_schema={"pattern": "^[0-9a-f]{32,128}$"})]
Ms = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Integer = Annotated[int, Meta(ge=0, lt=2**31)]
Small = Annotated[int, Meta(ge=0, lt=2**15)]
Direction = Annotated[str, _one_of("inbound outbound internal")]


class Part(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """A part of the record. A member that it does not name is refused when it is read, and never dropped silently."""


class SegmentMembers(Part, frozen=True):
    """What the fold says of a segment, as the record shows it."""

    type: Annotated[str, _one_of(" ".join(SEGMENT_TYPES))]
    track: Annotated[str, _meaning("`customer`, or the resource id")]
    depth: Small
    queue: str | None
    resource_id: str | None
    end_reason: str | None
    conference: bool
    transferred_from: str | None
    provenance: Annotated[str, _one_of("observed derived aggregate inferred")]
    opened_by: Annotated[str | None, _meaning("event id")]
    closed_by: Annotated[str | None, _meaning("event id")]
    opened_rule: Annotated[Small | None, _meaning("row of the rule table; null: a general rule")]
    closed_rule: Annotated[Small | None, _meaning("row of the rule table; null: a general rule")]


class SegmentRecord(SegmentMembers, frozen=True, kw_only=True):
    """One lifecycle segment of a media item, in timeline order (contract.md 4)."""

    segment_id: UUID
    parent_segment_id: Annotated[UUID | None, _meaning("the `with_agent` that it is within")]
    started_at: Instant
    ended_at: Instant
    duration_ms: Ms


class MediaItemMembers(Part, frozen=True):
    """What the fold says of a media item, as the record shows it."""

    media_item_id: str
    channel: str
    direction: Direction | None
    campaign: str | None
    thread_id: str | None
    queue_wait_ms: Ms
    ring_ms: Ms
    talk_ms: Ms
    hold_ms: Ms
    acw_ms: Annotated[Ms | None, _meaning("null: not known, which is not zero")]
    handle_ms: Ms
    speed_of_answer_ms: Ms | None
    abandoned: Annotated[str, _one_of("in_ivr in_queue while_ringing on_hold")] | None
    transferred: bool
    conferenced: bool
    end_reason: str | None
    pages: Integer | None
    messages_customer: Integer
    messages_agent: Integer
    first_response_ms: Ms | None
    flags: Sequence[str]


class MediaItemRecord(MediaItemMembers, frozen=True, kw_only=True):
    """One call, email, fax, chat or item of a configured channel."""

    party_address_id: Annotated[UUID | None, _meaning("opaque; the address is in the identity tables")]
    dialed: Annotated[str | None, _meaning("null of what is outbound: that is the party's own address")]
    started_at: Instant
    ended_at: Annotated[Instant, _meaning("without wrap-ups")]
    segments: list[SegmentRecord]


class ActivityRecord(Part, frozen=True, kw_only=True):
    """One business activity."""

    activity_id: str
    media_item_id: str | None
    action: str | None
    resource_id: str | None
    started_at: Instant
    ended_at: Instant
    outcome: str | None
    result: str | None
    reason: str | None


class ObjectRecord(Part, frozen=True, kw_only=True):
    """One business object that an activity touched."""

    activity_id: str | None
    object_type: str
    object_id: str
    object_action: Annotated[str, _one_of("created updated viewed reopened closed")] | None


class ResourceRecord(Part, frozen=True, kw_only=True):
    """One agent's own figures; those of several agents may add up to more than the item's."""

    resource_id: str
    talk_ms: Ms
    hold_ms: Ms
    acw_ms: Ms | None
    handle_ms: Ms


class AmendmentRecord(Part, frozen=True, kw_only=True):
    """A fact that came after the close."""

    seq: Annotated[int, Meta(ge=1, lt=2**31)]
    kind: Annotated[str, _meaning("the event's type")]
    payload: Annotated[msgspec.Raw, _meaning("time and data of the event, without personal data")]
    event_id: str


class InteractionAmendment(AmendmentRecord, frozen=True, kw_only=True):
    """An amendment of an interaction that has been published already."""

    interaction_id: UUID
    tenant: str
    ended_at: Annotated[Instant, _meaning("of the interaction")]


class PartyRecord(Part, frozen=True, kw_only=True, omit_defaults=False):
    """The party as it was known when the interaction closed."""

    address: str | None = None
    id: str | None = None
    name: str | None = None


class IdentityRecord(Part, frozen=True, kw_only=True):
    """Names and addresses on their way to the identity tables."""

    addresses: Annotated[list[tuple[UUID, str]], _meaning("`party_address_id` and the address")]
    agents: Annotated[list[tuple[str, str | None]], _meaning("resource id and name")]
    erased: Annotated[bool, _meaning("its party asked to be forgotten before it closed")] = False


NO_IDENTITY = IdentityRecord(addresses=[], agents=[])


class InteractionRecord(Part, frozen=True, kw_only=True):
    """One closed interaction."""

    interaction_id: UUID
    tenant: str
    party_key: Annotated[Hash, _meaning("opaque")]
    party_id: str | None
    account_id: str | None
    channel: Annotated[str | None, _meaning("of the first media item; null for activities only")]
    channels: list[str]
    direction: Direction | None
    started_at: Instant
    ended_at: Instant
    duration_ms: Ms
    resource_id: Annotated[str | None, _meaning("the first agent")]
    outcome: str | None
    result: str | None
    reason: str | None
    follow_up: str | None
    campaign: str | None
    parent_interaction_id: UUID | None
    closed_by: Annotated[str, _one_of("quiet requested limit")]
    flags: list[str]
    content_hash: Annotated[
        Hash, _meaning(f"SHA-256 of the canonical JSON without {', '.join(_BESIDE)}, and no amendments")
    ]
    record_version: Annotated[int | None, _meaning("of the members; absent: 1")] = None
    rules_version: Annotated[int | None, _meaning("of the stitching rules; absent: of release 0.1.0")] = None
    dialects: Annotated[
        list[str] | None, _meaning("that made its events, each with its version if that is not 1: `mailbox/2`")
    ] = None
    party: PartyRecord
    media_items: list[MediaItemRecord]
    activities: list[ActivityRecord]
    objects: list[ObjectRecord]
    resources: list[ResourceRecord]
    amendments: list[AmendmentRecord]
    identity: Annotated[IdentityRecord | None, _meaning("in the topic `interactions` alone")] = None


_PartT = TypeVar("_PartT", bound=Part)
_canonical = msgspec.json.Encoder(order="sorted")


def content_hash(record: InteractionRecord) -> str:
    """SHA-256 of the record's canonical JSON, members sorted, without those of ``_BESIDE`` and before any amendment
    (stitching.md 3).
    """
    content, values = _content()
    return sha256(_canonical.encode(content([], *values(record)))).hexdigest()


@lru_cache(1)
def _content() -> tuple[Callable[..., msgspec.Struct], Callable[[InteractionRecord], tuple[Any, ...]]]:
    """The record's hashed part as a struct, `amendments` first, and what reads its other members from a record."""
    fields = [f for f in msgspec.structs.fields(InteractionRecord) if f.name not in (*_BESIDE, "amendments")]
    fields.sort(key=lambda field: not field.required)
    members: list[Any] = [(f.name, Any) if f.required else (f.name, Any, f.default) for f in fields]
    content = msgspec.defstruct("Content", [("amendments", Any), *members], omit_defaults=True, gc=False)
    return content, attrgetter(*(field.name for field in fields))


def at_version(record: InteractionRecord, version: int) -> InteractionRecord:
    """The record, with its hash, as that version would have written it: without members that came later."""
    if version >= RECORD_VERSION:
        return record
    earlier = _without_later(record, version)
    return msgspec.structs.replace(earlier, record_version=version, content_hash=content_hash(earlier))


def _without_later(part: _PartT, version: int) -> _PartT:
    changes: dict[str, Any] = {}
    for field in msgspec.structs.fields(type(part)):
        value = getattr(part, field.name)
        if member_version(type(part), field.name) > version:
            changes[field.name] = field.default
        elif isinstance(value, list) and value and isinstance(value[0], Part):
            changes[field.name] = [_without_later(each, version) for each in value]
        elif isinstance(value, Part):
            changes[field.name] = _without_later(value, version)
    return msgspec.structs.replace(part, **changes)


@cache
def member_version(part: type[Part], member: str) -> int:
    """The version of the record that brought a member."""
    hint = get_type_hints(part, include_extras=True)[member]
    marks = (mark.extra for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, Meta) and mark.extra)
    return next((extra[_SINCE] for extra in marks if _SINCE in extra), FIRST_VERSION)


def as_json(record: Part | Json) -> Json:
    """The record as the object that its JSON is."""
    found: Json = msgspec.json.decode(msgspec.json.encode(record))
    return found


def from_json(document: Json) -> InteractionRecord:
    """The record that such an object is. Raises msgspec.ValidationError for a member that is not known here."""
    return msgspec.json.decode(msgspec.json.encode(document), type=InteractionRecord)

"""The outgoing record, `interaction.closed`, as pydantic models: for JSON Schema, for consumers, and for tests.

Nothing validates with these while it runs: the record is built by the stitching core (docs/architecture.md).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from touchpoint.stitching.media.segment_types import SegmentType

Instant = Annotated[
    str, Field(pattern=r"^[0-9-]{10}T[0-9:]{8}([.][0-9]{6})?Z$", json_schema_extra={"format": "date-time"})
]
"""RFC 3339 UTC with `Z`; microseconds only where there are any."""
Uuid = Annotated[
    str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", json_schema_extra={"format": "uuid"})
]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{32,128}$")]
Ms = Annotated[int, Field(ge=0)]


class Row(BaseModel):
    """Strict and closed: a member that the contract does not name is a fault of ours."""

    model_config = ConfigDict(strict=True, extra="forbid")


class SegmentRow(Row):
    """One lifecycle segment (contract.md 4)."""

    segment_id: Uuid
    type: SegmentType
    track: str = Field(description="customer, or the resource id")
    depth: Literal[0, 1]
    parent_segment_id: Uuid | None
    started_at: Instant
    ended_at: Instant
    duration_ms: Ms
    queue: str | None
    resource_id: str | None
    end_reason: str | None
    conference: bool
    transferred_from: str | None
    provenance: Literal["observed", "derived", "aggregate", "inferred"]
    opened_by: str | None = Field(description="event id")
    closed_by: str | None = Field(description="event id")
    opened_rule: int | None = Field(description="row of the rule table; null: a general rule")
    closed_rule: int | None


class MediaItemRow(Row):
    """One call, email, fax, chat or item of a configured channel."""

    media_item_id: str
    channel: str
    direction: Literal["inbound", "outbound", "internal"] | None
    party_address_id: Uuid | None
    dialed: str | None
    campaign: str | None
    thread_id: str | None
    started_at: Instant
    ended_at: Instant
    queue_wait_ms: Ms
    ring_ms: Ms
    talk_ms: Ms
    hold_ms: Ms
    acw_ms: Ms | None = Field(description="null: not known, which is not zero")
    handle_ms: Ms
    speed_of_answer_ms: Ms | None
    abandoned: Literal["in_ivr", "in_queue", "while_ringing", "on_hold"] | None
    transferred: bool
    conferenced: bool
    end_reason: str | None
    pages: Ms | None
    messages_customer: Ms
    messages_agent: Ms
    first_response_ms: Ms | None
    flags: list[str]
    segments: list[SegmentRow]


class ActivityRow(Row):
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


class ObjectRow(Row):
    """One business object that an activity touched."""

    activity_id: str
    object_type: str
    object_id: str
    object_action: Literal["created", "updated", "viewed", "reopened", "closed"] | None


class ResourceRow(Row):
    """One agent's own figures; those of several agents may add up to more than the item's."""

    resource_id: str
    talk_ms: Ms
    hold_ms: Ms
    acw_ms: Ms | None
    handle_ms: Ms


class AmendmentRow(Row):
    """A fact that came after the close."""

    seq: Annotated[int, Field(ge=1)]
    kind: str
    payload: dict[str, Any]
    event_id: str | None


class KnownParty(Row):
    """The party as known when the interaction closed."""

    address: str | None
    id: str | None
    name: str | None


class Identity(Row):
    """Names and numbers on their way to the identity tables; no part of the hashed record."""

    addresses: list[tuple[Uuid, str]] = Field(description="party_address_id and the address", strict=False)
    agents: list[tuple[str, str | None]] = Field(description="resource id and name", strict=False)


class InteractionRecord(Row):
    """One closed interaction: a line of `touchpoint stitch`, and `data` of `interaction.closed`."""

    interaction_id: Uuid
    tenant: str
    party_key: Hash = Field(description="opaque")
    party_id: str | None
    account_id: str | None
    channel: str | None = Field(description="of the first media item; null for activities only")
    channels: list[str]
    direction: Literal["inbound", "outbound", "internal"] | None
    started_at: Instant
    ended_at: Instant
    duration_ms: Ms
    resource_id: str | None = Field(description="the first agent")
    outcome: str | None
    result: str | None
    reason: str | None
    follow_up: str | None
    campaign: str | None
    parent_interaction_id: Uuid | None
    closed_by: Literal["quiet", "requested", "limit"]
    flags: list[str]
    content_hash: Hash = Field(
        description="SHA-256 of the canonical JSON without recorded_at, party_key, party, rules_version and dialects"
    )
    rules_version: Annotated[int, Field(ge=1)] = Field(description="of the stitching rules that made the record")
    dialects: list[str] = Field(description="that made its events, each with its version if that is not 1: mailbox/2")
    party: KnownParty
    media_items: list[MediaItemRow]
    activities: list[ActivityRow]
    objects: list[ObjectRow]
    resources: list[ResourceRow]
    amendments: list[AmendmentRow]


class ClosedData(InteractionRecord):
    """The record as the topic carries it."""

    identity: Identity


class AmendmentData(Row):
    """An amendment of an interaction that has been published already."""

    interaction_id: Uuid
    tenant: str
    ended_at: Instant
    seq: Annotated[int, Field(ge=1)]
    kind: str
    payload: dict[str, Any]
    event_id: str | None


class Outgoing(BaseModel):
    """The envelope of what Touchpoint publishes: CloudEvents 1.0, structured."""

    model_config = ConfigDict(strict=True)

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    time: Instant
    subject: str | None = None


class InteractionClosed(Outgoing):
    """An interaction is closed; nothing of it changes any more."""

    model_config = ConfigDict(title="interaction.closed")

    type: Literal["interaction.closed"]
    data: ClosedData


class InteractionAmended(Outgoing):
    """Something about a closed interaction came late."""

    model_config = ConfigDict(title="interaction.amended")

    type: Literal["interaction.amended"]
    data: AmendmentData

"""What the `interactions` topic carries, as typed rows: a struct's fields are the columns of its table, in order.

`decode` turns one CloudEvent into what is to be stored, or raises `MalformedError` with a cause in plain words.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
Small = Annotated[int, msgspec.Meta(ge=-(2**15), lt=2**15)]
Integer = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]
Long = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
FIRST_YEAR, LAST_YEAR = 1970, 2100  # as touchpoint.ensure_partitions
_FIRST_MONTH, _BEHIND_LAST_MONTH = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC), datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)
_FIRST, _LAST = datetime(1, 1, 3, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)  # in any zone still a year


class MalformedError(Exception):
    """A record that can never be stored; the message says why."""


class Row(msgspec.Struct):
    """One row of a table. Members that are rows of other tables come last."""


class Segment(Row, kw_only=True, gc=False):
    segment_id: UUID
    type: str
    track: str
    depth: Small
    parent_segment_id: UUID | None = None
    started_at: Instant
    ended_at: Instant
    duration_ms: Long
    queue: str | None = None
    resource_id: str | None = None
    end_reason: str | None = None
    conference: bool = False
    transferred_from: str | None = None
    provenance: str
    opened_by: str | None = None
    closed_by: str | None = None
    opened_rule: Small | None = None
    closed_rule: Small | None = None


class MediaItem(Row, kw_only=True, gc=False):
    media_item_id: str
    channel: str
    direction: str | None = None
    party_address_id: UUID | None = None
    dialed: str | None = None
    campaign: str | None = None
    thread_id: str | None = None
    started_at: Instant
    ended_at: Instant
    queue_wait_ms: Long
    ring_ms: Long
    talk_ms: Long
    hold_ms: Long
    acw_ms: Long | None = None
    handle_ms: Long
    speed_of_answer_ms: Long | None = None
    abandoned: str | None = None
    transferred: bool = False
    conferenced: bool = False
    end_reason: str | None = None
    pages: Integer | None = None
    messages_customer: Integer = 0
    messages_agent: Integer = 0
    first_response_ms: Long | None = None
    flags: list[str] = []
    segments: list[Segment] = []


class Activity(Row, kw_only=True, gc=False):
    activity_id: str
    media_item_id: str | None = None
    action: str | None = None
    resource_id: str | None = None
    started_at: Instant
    ended_at: Instant
    outcome: str | None = None
    result: str | None = None
    reason: str | None = None


class TouchedObject(Row, kw_only=True, gc=False):
    activity_id: str | None = None
    object_type: str
    object_id: str
    object_action: str | None = None


class Resource(Row, kw_only=True, gc=False):
    resource_id: str
    talk_ms: Long
    hold_ms: Long
    acw_ms: Long | None = None
    handle_ms: Long


class Amendment(Row, kw_only=True, gc=False):
    seq: Integer
    kind: str
    payload: msgspec.Raw
    event_id: str


class Party(msgspec.Struct, gc=False):
    address: str | None = None
    id: str | None = None
    name: str | None = None


class Identity(msgspec.Struct, gc=False):
    """Names and addresses: (party_address_id, address) and (resource_id, name)."""

    addresses: list[tuple[UUID, str]] = []
    agents: list[tuple[str, str | None]] = []
    erased: bool = False  # its party asked to be forgotten before it closed


class Interaction(Row, kw_only=True, gc=False):
    interaction_id: UUID
    tenant: str
    party_key: str
    party_id: str | None = None
    account_id: str | None = None
    channel: str | None = None
    channels: list[str] = []
    direction: str | None = None
    started_at: Instant
    ended_at: Instant
    duration_ms: Long
    resource_id: str | None = None
    outcome: str | None = None
    result: str | None = None
    reason: str | None = None
    follow_up: str | None = None
    campaign: str | None = None
    parent_interaction_id: UUID | None = None
    closed_by: str
    flags: list[str] = []
    content_hash: str
    rules_version: int | None = None  # of what release 0.1.0 wrote it is not known, nor its dialects
    dialects: list[str] | None = None
    media_items: list[MediaItem] = []
    activities: list[Activity] = []
    objects: list[TouchedObject] = []
    resources: list[Resource] = []
    amendments: list[Amendment] = []
    party: Party = msgspec.field(default_factory=Party)
    identity: Identity = msgspec.field(default_factory=Identity)


class Amended(Amendment, kw_only=True, gc=False):
    interaction_id: UUID
    tenant: str
    ended_at: Instant  # of the interaction


class Erasure(msgspec.Struct, gc=False):
    """Which request an erasure follows, and for which opaque key."""

    request: str
    party_key: str


class PartyChange(msgspec.Struct, kw_only=True, gc=False):
    """`party.known` or `party.erased`: identity only. `time` is that of the event."""

    tenant: str = "default"
    account_id: str | None = None
    party: Party = msgspec.field(default_factory=Party)
    identity: Identity = msgspec.field(default_factory=Identity)
    erasure: Erasure | None = None
    time: Instant | None = None
    erased: bool = False


class _Envelope(msgspec.Struct, gc=False):
    type: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    time: Instant | None = None


Stored = Interaction | Amended | PartyChange

_envelope = msgspec.json.Decoder(_Envelope)
_data: dict[str, msgspec.json.Decoder[Any]] = {
    "interaction.closed": msgspec.json.Decoder(Interaction),
    "interaction.amended": msgspec.json.Decoder(Amended),
    "party.known": msgspec.json.Decoder(PartyChange),
    "party.erased": msgspec.json.Decoder(PartyChange),
}


def decode(value: bytes) -> Stored | None:
    """What one record of the `interactions` topic says is to be stored; None for a type that the history does not keep.

    Raises MalformedError.
    """
    try:
        envelope = _envelope.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MalformedError(f"not a CloudEvent: {error}") from None
    except RecursionError:
        raise MalformedError("not a CloudEvent: nested too deeply") from None
    decoder = _data.get(envelope.type)
    if decoder is None:
        return None
    try:
        stored: Stored = decoder.decode(envelope.data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MalformedError(f"{envelope.type}: data: {error}") from None
    _check_instants(stored, envelope)
    if isinstance(stored, PartyChange):
        stored.time = envelope.time
        stored.erased = envelope.type == "party.erased"
    elif not _FIRST_MONTH <= stored.ended_at < _BEHIND_LAST_MONTH:
        raise MalformedError(
            f"{envelope.type}: ended_at {stored.ended_at.isoformat()} of interaction {stored.interaction_id} "
            f"is outside of {FIRST_YEAR} to {LAST_YEAR}"
        )
    return stored


def _check_instants(stored: Stored, envelope: _Envelope) -> None:
    """The driver converts instants to UTC, where the first and the last day of the calendar have no year."""
    instants = [envelope.time] if envelope.time is not None else []
    if isinstance(stored, Interaction):
        segments = [row for item in stored.media_items for row in item.segments]
        for part in ([stored], stored.media_items, segments, stored.activities):
            instants += [row.started_at for row in part]
            instants += [row.ended_at for row in part]
    if instants and not (min(instants) >= _FIRST and max(instants) <= _LAST):
        wrong = next(instant for instant in instants if not _FIRST <= instant <= _LAST)
        raise MalformedError(f"{envelope.type}: {wrong.isoformat()} is outside of the years 1 to 9999")

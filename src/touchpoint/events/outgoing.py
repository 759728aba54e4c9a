"""What Touchpoint publishes to the topic `interactions`: CloudEvents 1.0, with the record or a part of it."""

from __future__ import annotations

from typing import Literal

import msgspec

from touchpoint.stitching.record import (
    NO_IDENTITY,
    Hash,
    IdentityRecord,
    Instant,
    InteractionAmendment,
    InteractionRecord,
    PartyRecord,
)

CLOSED, AMENDED = "interaction.closed", "interaction.amended"
KNOWN, ERASED = "party.known", "party.erased"


class Outgoing(msgspec.Struct, tag_field="type", kw_only=True):
    """The envelope."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str = "touchpoint"
    time: Instant
    datacontenttype: str = "application/json"


class InteractionClosed(Outgoing, tag=CLOSED):
    """An interaction is closed; nothing of it changes any more."""

    data: InteractionRecord


class InteractionAmended(Outgoing, tag=AMENDED):
    """Something about a closed interaction came late."""

    data: InteractionAmendment


class ErasureRecord(msgspec.Struct, forbid_unknown_fields=True):
    """Which request an erasure follows, and for which opaque key."""

    request: str
    party_key: Hash


class PartyData(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Identity only: what is known of a party, or is to be forgotten of it."""

    tenant: str = "default"
    account_id: str | None = None
    party: PartyRecord = PartyRecord()
    identity: IdentityRecord = NO_IDENTITY
    erasure: ErasureRecord | None = None


class PartyErased(Outgoing, tag=ERASED):
    """A person asked to be forgotten."""

    data: PartyData

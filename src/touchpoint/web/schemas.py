"""The shapes of answers, for OpenAPI. A record's own members are those of the contract: see `touchpoint schema`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict


class Amendment(BaseModel):
    """A fact that came after the close. `stored_with`: the interaction that it is stored with."""

    seq: int
    kind: str
    payload: dict[str, Any]
    event_id: str
    stored_with: str
    recorded_at: datetime


class Identity(BaseModel):
    """(party_address_id, address) and (resource_id, name); empty where the role does not see them."""

    addresses: list[tuple[str, str]]
    agents: list[tuple[str, str | None]]


class InteractionLinks(BaseModel):
    """Where else to look."""

    model_config = ConfigDict(extra="allow")

    self: str
    explain: str
    vcon: str
    party: str
    parent: str | None
    children: str


class InteractionDocument(BaseModel):
    """`record`: what `touchpoint stitch` prints of it, masked by role; it never changes."""

    record: dict[str, Any]
    amendments: list[Amendment]
    identity: Identity
    links: InteractionLinks


class ListLinks(BaseModel):
    """`next`: the rest of the list, if there is any."""

    self: str
    next: str | None


class InteractionList(BaseModel):
    """A page of interactions."""

    items: list[InteractionDocument]
    links: ListLinks


class PartyDocument(BaseModel):
    """A party as it is known now. After an erasure only its key is left."""

    key: str
    id: str | None
    name: str | None
    account_id: str | None
    addresses: list[str]
    last_contact: datetime
    links: dict[str, str]


class PartyList(BaseModel):
    """A page of parties."""

    items: list[PartyDocument]
    links: ListLinks


class Explanation(BaseModel):
    """Each segment with the rules that opened and closed it, and what the flags mean."""

    interaction_id: str
    segments: list[dict[str, Any]]
    rules: dict[str, str]
    flags: dict[str, str]
    links: dict[str, str]


class MediaItemDocument(BaseModel):
    """A media item as its interaction's record has it."""

    media_item: dict[str, Any]
    interaction_id: str
    links: dict[str, str]


class IntervalList(BaseModel):
    """Rows of a report."""

    items: list[dict[str, Any]]
    links: ListLinks


class VconDocument(BaseModel):
    """A vCon (draft-ietf-vcon-vcon-core) with the contact centre's extension."""

    model_config = ConfigDict(extra="allow")

    uuid: str
    created_at: datetime
    parties: list[dict[str, Any]]
    dialog: list[dict[str, Any]]

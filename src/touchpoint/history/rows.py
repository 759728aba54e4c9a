"""From interactions to rows of each closed table, ready for COPY."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec

from touchpoint.history.records import Activity, Interaction, MediaItem, Resource, Row, Segment, TouchedObject

TableRow = tuple[Any, ...]

_NESTED = frozenset("segments media_items activities objects resources amendments party identity".split())
_OWNER = ("interaction_id", "interaction_ended_at")


def _columns(row: type[Row]) -> tuple[str, ...]:
    return tuple(name for name in row.__struct_fields__ if name not in _NESTED)


COLUMNS: dict[str, tuple[str, ...]] = {
    "interaction": (*_columns(Interaction), "party_address_id"),
    "media_item": (*_OWNER, "tenant", "position", *_columns(MediaItem)),
    "segment": (*_OWNER, "media_item_id", "position", *_columns(Segment)),
    "activity": (*_OWNER, "position", *_columns(Activity)),
    "interaction_object": (*_OWNER, "position", *_columns(TouchedObject)),
    "interaction_resource": (*_OWNER, "position", *_columns(Resource)),
}
_INTERACTION_WIDTH = len(_columns(Interaction))
_ITEM_WIDTH = len(_columns(MediaItem))


def table_rows(interactions: Iterable[Interaction]) -> dict[str, list[TableRow]]:
    """The rows of every closed table but `amendment`, by table, in the order of `COLUMNS`."""
    rows: dict[str, list[TableRow]] = {table: [] for table in COLUMNS}
    astuple = msgspec.structs.astuple
    for interaction in interactions:
        owner = (interaction.interaction_id, interaction.ended_at)
        rows["interaction"].append((*astuple(interaction)[:_INTERACTION_WIDTH], _address_id(interaction)))
        for place, item in enumerate(interaction.media_items):
            rows["media_item"].append((*owner, interaction.tenant, place, *astuple(item)[:_ITEM_WIDTH]))
            item_owner = (*owner, item.media_item_id)
            rows["segment"] += [(*item_owner, at, *astuple(segment)) for at, segment in enumerate(item.segments)]
        rows["activity"] += [(*owner, at, *astuple(row)) for at, row in enumerate(interaction.activities)]
        rows["interaction_object"] += [(*owner, at, *astuple(row)) for at, row in enumerate(interaction.objects)]
        rows["interaction_resource"] += [(*owner, at, *astuple(row)) for at, row in enumerate(interaction.resources)]
    return rows


def _address_id(interaction: Interaction) -> UUID | None:
    """The id that stands for the party's address in the closed record."""
    address = interaction.party.address
    return next((known_id for known_id, known in interaction.identity.addresses if known == address), None)

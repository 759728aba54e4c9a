"""From interactions to rows of each closed table, ready for COPY."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from touchpoint.history.records import Activity, Interaction, MediaItem, Resource, Row, Segment, TouchedObject

TableRow = tuple[Any, ...]

_NESTED = frozenset("segments media_items activities objects resources amendments party identity".split())
_OWNER = ("interaction_id", "interaction_ended_at")


def _columns(row: type[Row]) -> tuple[str, ...]:
    return tuple(name for name in row.__struct_fields__ if name not in _NESTED)


COLUMNS: dict[str, tuple[str, ...]] = {
    "interaction": _columns(Interaction),
    "media_item": (*_OWNER, "tenant", "position", *_columns(MediaItem)),
    "segment": (*_OWNER, "media_item_id", "position", *_columns(Segment)),
    "activity": (*_OWNER, "position", *_columns(Activity)),
    "interaction_object": (*_OWNER, "position", *_columns(TouchedObject)),
    "interaction_resource": (*_OWNER, "position", *_columns(Resource)),
}
_INTERACTION_WIDTH = len(COLUMNS["interaction"])
_ITEM_WIDTH = len(_columns(MediaItem))


def table_rows(interactions: Iterable[Interaction]) -> dict[str, list[TableRow]]:
    """The rows of every closed table but `amendment`, by table, in the order of `COLUMNS`."""
    rows: dict[str, list[TableRow]] = {table: [] for table in COLUMNS}
    astuple = msgspec.structs.astuple
    for interaction in interactions:
        owner = (interaction.interaction_id, interaction.ended_at)
        rows["interaction"].append(astuple(interaction)[:_INTERACTION_WIDTH])
        for place, item in enumerate(interaction.media_items):
            rows["media_item"].append((*owner, interaction.tenant, place, *astuple(item)[:_ITEM_WIDTH]))
            item_owner = (*owner, item.media_item_id)
            rows["segment"] += [(*item_owner, at, *astuple(segment)) for at, segment in enumerate(item.segments)]
        rows["activity"] += [(*owner, at, *astuple(row)) for at, row in enumerate(interaction.activities)]
        rows["interaction_object"] += [(*owner, at, *astuple(row)) for at, row in enumerate(interaction.objects)]
        rows["interaction_resource"] += [(*owner, at, *astuple(row)) for at, row in enumerate(interaction.resources)]
    return rows

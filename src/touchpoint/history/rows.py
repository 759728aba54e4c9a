"""From records to rows of each closed table, ready for COPY. A struct's members are the columns of its table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec
from msgspec import inspect

from touchpoint.stitching.record import (
    ActivityRecord,
    InteractionRecord,
    MediaItemRecord,
    ObjectRecord,
    Part,
    ResourceRecord,
    SegmentRecord,
)

TableRow = tuple[Any, ...]

_OWNER = ("interaction_id", "interaction_ended_at")


def plain_members(part: type[Part]) -> dict[str, inspect.Type]:
    """The members of a part of the record that are columns of its table, with their types: all but other parts."""
    described = inspect.type_info(part)
    assert isinstance(described, inspect.StructType)
    members = {field.encode_name: _bare(field.type) for field in described.fields}
    return {name: type_ for name, type_ in members.items() if not _is_part(type_)}


def _bare(type_: inspect.Type) -> inspect.Type:
    """Without constraints and null."""
    if isinstance(type_, inspect.Metadata):
        return _bare(type_.type)
    if isinstance(type_, inspect.UnionType):
        return _bare(next(each for each in type_.types if not isinstance(each, inspect.NoneType)))
    return type_


def _is_part(type_: inspect.Type) -> bool:
    if isinstance(type_, inspect.ListType):
        return _is_part(_bare(type_.item_type))
    return isinstance(type_, inspect.StructType)


def _columns(part: type[Part]) -> tuple[str, ...]:
    """Of a part's table. They come first among its members, so that a row's values are a slice."""
    names = tuple(plain_members(part))
    assert names == part.__struct_fields__[: len(names)], f"{part.__name__}: parts and lists of them come last"
    return names


_INTERACTION, _ITEM = _columns(InteractionRecord), _columns(MediaItemRecord)
COLUMNS: dict[str, tuple[str, ...]] = {
    "interaction": (*_INTERACTION, "party_address_id"),
    "media_item": (*_OWNER, "tenant", "position", *_ITEM),
    "segment": (*_OWNER, "media_item_id", "position", *_columns(SegmentRecord)),
    "activity": (*_OWNER, "position", *_columns(ActivityRecord)),
    "interaction_object": (*_OWNER, "position", *_columns(ObjectRecord)),
    "interaction_resource": (*_OWNER, "position", *_columns(ResourceRecord)),
}
_INTERACTION_WIDTH, _ITEM_WIDTH = len(_INTERACTION), len(_ITEM)


def table_rows(interactions: Iterable[InteractionRecord]) -> dict[str, list[TableRow]]:
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


def _address_id(interaction: InteractionRecord) -> UUID | None:
    """The id that stands for the party's address in the closed record."""
    if interaction.identity is None:
        return None
    address = interaction.party.address
    return next((known_id for known_id, known in interaction.identity.addresses if known == address), None)

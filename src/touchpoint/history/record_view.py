"""The view `interaction_record`, made from the record's structs: the record put together again from its rows.

`touchpoint migrate` makes it again with the last migration that it applies, so a migration that adds a column says
`ALTER TABLE` and no more.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import inspect

from touchpoint.history.rows import plain_members
from touchpoint.stitching.record import (
    FIRST_VERSION,
    ActivityRecord,
    AmendmentRecord,
    InteractionRecord,
    MediaItemRecord,
    ObjectRecord,
    Part,
    ResourceRecord,
    SegmentRecord,
    member_version,
)

_OF_INTERACTION = "{alias}.interaction_id = i.interaction_id AND {alias}.interaction_ended_at = i.ended_at"
_OF_ITEM = (
    "s.interaction_id = m.interaction_id AND s.interaction_ended_at = m.interaction_ended_at"
    " AND s.media_item_id = m.media_item_id"
)
_PARTY = "json_build_object('address', a.address, 'id', i.party_id, 'name', coalesce(p.name, a.name))"
_IDENTITY = """json_build_object(
    'addresses', (
        SELECT coalesce(json_agg(json_build_array(known.party_address_id, known.address) ORDER BY known.address), '[]')
        FROM touchpoint.party_address AS known WHERE known.party_address_id IN (
            SELECT i.party_address_id UNION SELECT m.party_address_id FROM touchpoint.media_item AS m
            WHERE m.interaction_id = i.interaction_id AND m.interaction_ended_at = i.ended_at)),
    'agents', (
        SELECT coalesce(json_agg(json_build_array(agent.resource_id, agent.name) ORDER BY agent.resource_id), '[]')
        FROM touchpoint.resource AS agent
        WHERE agent.tenant = i.tenant AND agent.name IS NOT NULL AND agent.resource_id IN (
            SELECT s.resource_id FROM touchpoint.segment AS s
            WHERE s.interaction_id = i.interaction_id AND s.interaction_ended_at = i.ended_at
            UNION SELECT v.resource_id FROM touchpoint.activity AS v
            WHERE v.interaction_id = i.interaction_id AND v.interaction_ended_at = i.ended_at)))"""


def record_view() -> str:
    """The statement that makes the view, or replaces it; who may read it stays as it is."""
    segments = _list("segment", "s", SegmentRecord, _OF_ITEM)
    lists = {
        "media_items": _list("media_item", "m", MediaItemRecord, segments=segments),
        "activities": _list("activity", "v", ActivityRecord),
        "objects": _list("interaction_object", "o", ObjectRecord),
        "resources": _list("interaction_resource", "r", ResourceRecord),
        "amendments": _list("amendment", "x", AmendmentRecord, order="x.seq, x.event_id"),
    }
    record = _object("i", InteractionRecord, party=_PARTY, **lists, identity=_IDENTITY)
    # S608: names of ours alone, no value
    return f"""CREATE OR REPLACE VIEW touchpoint.interaction_record AS
SELECT i.interaction_id, i.ended_at, i.tenant, {record} AS record
FROM touchpoint.interaction AS i
LEFT JOIN touchpoint.party AS p ON p.tenant = i.tenant AND p.party_id = i.party_id
LEFT JOIN touchpoint.party_address AS a ON a.party_address_id = i.party_address_id"""  # noqa: S608


def _list(table: str, alias: str, part: type[Part], where: str = _OF_INTERACTION, order: str = "", **parts: str) -> str:
    """The rows of a table that belong to what is outside of it, as a JSON array."""
    rows, order = _object(alias, part, **parts), order or f"{alias}.position"
    return f"""(SELECT coalesce(json_agg({rows} ORDER BY {order}), '[]')
    FROM touchpoint.{table} AS {alias} WHERE {where.format(alias=alias)})"""  # noqa: S608


def _object(alias: str, part: type[Part], **parts: str) -> str:
    """A row as a JSON object in the order of the struct's members; `parts`: those that are no columns. Members that a
    later version brought come last, and only where they are set.
    """
    columns = plain_members(part)
    first, later = dict[str, str](), dict[str, str]()
    for name in part.__struct_fields__:
        members = first if member_version(part, name) == FIRST_VERSION else later
        members[name] = parts[name] if name in parts else _value(f"{alias}.{name}", columns[name])
    if not later:
        return _json(first)
    # PostgreSQL 15 has no ABSENT ON NULL: the two objects are joined as texts
    added = f"coalesce(',' || nullif(substr(json_strip_nulls({_json(later)})::text, 2), '}}'), '}}')"
    return f"(left({_json(first)}::text, -1) || {added})::json"


def _json(members: Mapping[str, str]) -> str:
    return f"json_build_object({', '.join(f'{name!r}, {value}' for name, value in members.items())})"


def _value(column: str, type_: inspect.Type) -> str:
    return f"touchpoint.rfc3339({column})" if isinstance(type_, inspect.DateTimeType) else column

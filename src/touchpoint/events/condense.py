"""From a validated event's data to the plain, normalised data of a fact (stitching.md 1). Hot path.

What is absent, null, empty text or an empty list is left out; addresses are URIs, instants `Micros`, in the
order of the contract's fields whatever the order of the producer's: equal content gives equal bytes.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from touchpoint.events.addresses import dialed_address, party_address
from touchpoint.events.fields import MAX_DURATION_MS, Reported, Shape
from touchpoint.events.instants import checked_micros, micros
from touchpoint.events.numbers import NumberPlan
from touchpoint.events.verdicts import Rejected
from touchpoint.events.wire import check, kind_of
from touchpoint.stitching.facts import Fact

Fields = dict[str, Any]


def condense(shape: Shape, rest: Fields, plan: NumberPlan) -> Fields:
    """The fields of a model that are there. Fields it does not know go to `rest`. Raises Rejected."""
    if shape.__pydantic_extra__:
        rest.update(shape.__pydantic_extra__)
    fields: Fields = {}
    for name, value in shape.__dict__.items():
        if not value and type(value) is not int:
            continue
        plain = _special(name, value, rest, plan) if name in _SPECIAL else value
        if plain is not None:
            fields[name] = plain
    return fields


def message(fact: Fact) -> Fact:
    """A chat message as the compact fact that an item may hold two thousand of (stitching.md 1).

    The id becomes a hash of source and id, equal for equal events; of the data who wrote it stays.
    """
    data: Fields = {name: value for name, value in fact.data.items() if name in ("party", "resource", "role")}
    return Fact(
        time=fact.time,
        kind=fact.kind,
        verb=fact.verb,
        source=fact.source,
        id=message_id(fact.source, fact.id),
        subject=fact.subject,
        tenant=fact.tenant,
        sequence=fact.sequence,  # orders the messages of one second
        correlation=fact.correlation,  # links the chat; it may stand nowhere else
        dialect=fact.dialect,
        data=data,
    )


def message_id(source: str, id_: str) -> str:
    """The id of a chat message's fact."""
    return blake2b(f"{source}\x00{id_}".encode(), digest_size=8).hexdigest()


_SPECIAL = frozenset("party resource related to dialed objects started ended until reported ext".split())


def _special(name: str, value: Any, rest: Fields, plan: NumberPlan) -> Any:
    match name:
        case "resource" | "related":
            return _nested(name, value, rest, plan)
        case "party":
            return _party(value, rest, plan)
        case "dialed":
            return dialed_address(value, plan)
        case "to":
            return _to(value, rest, plan)
        case "started" | "ended" | "until":
            return micros(value, f"data.{name}")
        case "reported":
            return _reported(value)
        case "objects":
            return _objects(value, rest, plan)
        case _:
            rest[name] = value
            return None


def _nested(name: str, shape: Shape, rest: Fields, plan: NumberPlan) -> Fields | None:
    unknown: Fields = {}
    fields = condense(shape, unknown, plan)
    if unknown:
        rest[name] = unknown
    return fields or None


def _party(shape: Shape, rest: Fields, plan: NumberPlan) -> Fields | None:
    fields = _nested("party", shape, rest, plan)
    if fields is None or "address" not in fields:
        return fields
    fields["address"] = party_address(fields["address"], plan)
    if fields["address"] is None:
        del fields["address"]
    return fields or None


def _to(target: Shape | str, rest: Fields, plan: NumberPlan) -> Fields | str | None:
    if isinstance(target, str):  # of an alias: a media item id
        return target
    fields = _nested("to", target, rest, plan)
    if fields is not None and "address" in fields:
        fields["address"] = dialed_address(fields["address"], plan)
    return fields


def _reported(shape: Reported) -> Fields | None:
    """The source's claims: known and unknown alike stay in `reported`."""
    claims: Fields = {**shape.__dict__, **(shape.__pydantic_extra__ or {})}
    check(claims, "data.reported")
    return {name: _claim(name, value) for name, value in sorted(claims.items()) if value is not None} or None


def _claim(name: str, value: Any) -> Any:
    field = f"data.reported.{name}"
    if name.endswith("_at"):
        return checked_micros(value, field)
    if name.endswith("_ms"):
        if type(value) is not int:
            raise Rejected("value", f"{field} must be a whole number of milliseconds, not {kind_of(value)}")
        if not 0 <= value <= MAX_DURATION_MS:
            raise Rejected("value", f"{field} must be 0 to {MAX_DURATION_MS:,} milliseconds")
    return value


def _objects(shapes: list[Shape], rest: Fields, plan: NumberPlan) -> list[Fields]:
    unknown: list[Fields] = [{} for _ in shapes]
    objects = [condense(shape, more, plan) for shape, more in zip(shapes, unknown, strict=True)]
    if any(unknown):
        rest["objects"] = unknown
    return objects

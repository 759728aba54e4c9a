"""Why an event is not valid, in words for who sent it. Values are quoted only where the contract lists them."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from pydantic_core import ErrorDetails, ValidationError

from touchpoint.events.instants import not_an_instant
from touchpoint.events.verdicts import Rejected
from touchpoint.events.wire import kind_of

_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "dict_type": "an object",
    "list_type": "a list",
}
_word = re.compile(r"[A-Za-z_.-]{1,40}")  # may be quoted; a number or an address may not
_UNION_TAGS = frozenset(
    ["int", "str", "constrained-int", "constrained-str"]
)  # pydantic's names for the sides of a union


def invalid(event: dict[str, Any], error: ValidationError) -> Rejected:
    """The first thing that is wrong with an event of a known type."""
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"] if part not in _UNION_TAGS)
    return _special(first, field, str(event.get("type"))) or Rejected("value", _wrong(first, field))


def not_an_event(event: dict[str, Any]) -> Rejected:
    """An object without a type: most often another record altogether."""
    absent = [name for name in ("specversion", "id", "source", "type", "time") if event.get(name) is None]
    if event.get("type") is None:
        return Rejected("missing", f"this is not a CloudEvent: it has no {', '.join(absent)}")
    return Rejected("value", f"type must be text, not {kind_of(event['type'])}")


@lru_cache(maxsize=1_024)
def unknown_type(name: str, types: tuple[str, ...]) -> str:
    """The cause for a type that is not in the contract, with the nearest that is."""
    kind, _, verb = name.partition(".")
    kinds = dict.fromkeys(known.partition(".")[0] for known in types)
    if kind not in kinds:
        return f"{name[:80]!r} is not an event type; it begins with one of {', '.join(kinds)}"
    on = [known.partition(".")[0] for known in types if known.partition(".")[2] == verb]
    if on:
        return f"{name[:80]!r} is not an event type; {verb} is known on {', '.join(on)}"
    near = get_close_matches(name[:80], [known for known in types if known.startswith(f"{kind}.")], n=1)
    return f"{name[:80]!r} is not an event type" + (f"; did you mean {near[0]}?" if near else "")


def _special(error: ErrorDetails, field: str, name: str) -> Rejected | None:
    """The kinds of error that have a code of their own."""
    kind, limits = error["type"], error.get("ctx", {})
    if kind == "missing" or error["input"] is None:
        return Rejected("missing", f"{field} is missing; {name[:80]} needs it")
    if kind == "string_too_long":
        return Rejected("too_large", f"{field} has {len(error['input'])} characters; at most {limits['max_length']}")
    if kind == "too_long":
        return Rejected("too_large", f"{field} has {limits['actual_length']} elements; at most {limits['max_length']}")
    if kind == "string_pattern_mismatch":
        return Rejected("time", not_an_instant(field, error["input"]))
    return None


def _wrong(error: ErrorDetails, field: str) -> str:
    kind, value, limits = error["type"], error["input"], error.get("ctx", {})
    if kind == "string_too_short":
        return f"{field} is empty"
    if kind == "literal_error":
        shown = repr(value) if isinstance(value, str) and _word.fullmatch(value) else kind_of(value)
        return f"{field} is {shown}; allowed: {_listed(limits['expected'])}"
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = f"at least {limits['ge']:,}" if "ge" in limits else f"at most {limits['le']:,}"
        return f"{field} must be {bound}"
    wanted = _WANTED.get(kind)
    return f"{field} must be {wanted}, not {kind_of(value)}" if wanted else f"{field}: {error['msg']}"


def _listed(expected: str) -> str:
    """pydantic's `'a', 'b' or 'c'` as `a, b, c`."""
    return expected.replace(" or ", ", ").replace("'", "")

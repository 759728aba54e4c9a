"""The page of rules, end reasons and flags, made from the rule table; `make.py` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import cast

from touchpoint.stitching.media.flags import MEANINGS
from touchpoint.stitching.media.row import CUSTOMER_TRACK, EVERYTHING, SPECIAL, Reason, RuleRow, Target
from touchpoint.stitching.media.rules import RULES
from touchpoint.stitching.segment_types import CLOSED_BY_END, NESTED, SEGMENT_TYPES, SegmentType
from touchpoint.stitching.verbs import GIVEN_REASONS

GENERAL: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("awaiting_customer", ("with_agent", *NESTED), "a chat: no message for 5 min, the customer not the last to write"),
    ("quiet", ("routing",), "completion (b): every agent ended, nothing but routing open and no event for 30 s"),
    ("transmitted", CLOSED_BY_END, "a fax that was transmitted, with nothing newer"),
    ("timed_out", CLOSED_BY_END, "completion (c): the item's age since its last event"),
    ("reported", ("hold",), "a hold known only as a total"),
    ("unfinished", ("wrap_up",), "a wrap-up that never ended: its start is its end"),
    ("stated", ("wrap_up",), "a wrap-up whose end was not told, but its length at its start"),
)
"""What closes segments without a row of the table: end reason, segments, when."""

HEAD = """# Rules, end reasons and flags

Generated from the code by `docs/reference/make.py`; a test keeps it so.
"""
TRACKS = """
## The tracks as state diagrams

Made from the rule table: an arrow is an event, with its row. Conditions are in the table. The end of the item,
{ends}, closes everything but {outlives} on both tracks; it is not drawn.

The customer track. `customer track` is whatever is open on it, or nothing. An arrow to `with agent` leaves the track
empty for as long as an agent is connected; one from there comes when no agent remains.
"""
AGENT_TRACK = """
An agent's track. What is inside `with agent` closes with it; `not with the item` is neither alerting nor connected.
"""
ROWS = """
## The rule table

| # | event | closes (end reason) | opens | exactly |
|---|---|---|---|---|
"""
END_REASONS = """
## Every end reason

What is inside a with_agent (hold, consult, drafting) closes with its reason. No row: a general rule.

| row | event | segment | end reason |
|---|---|---|---|
"""
FLAGS = """
## Every flag

| flag | meaning |
|---|---|
"""
IDLE = "nobody writes (chat)"
ANY = "customer_track"
OUTSIDE = "not_with_item"


def closings(row: RuleRow) -> Iterator[tuple[SegmentType, str]]:
    """(segment, end reason) for all that a row closes; reasons that the event gives are spelled out."""
    for target, reason in row.closes.items():
        for spelled in _reasons(row, reason):
            yield from ((segment, spelled) for segment in _meant(target, row))


def _meant(target: Target, row: RuleRow) -> tuple[SegmentType, ...]:
    """The segment types that a word of the table's third column stands for."""
    if target in (CUSTOMER_TRACK, EVERYTHING):
        return tuple(type_ for type_ in SPECIAL[target] if type_ not in row.closes)
    types = SPECIAL.get(target) or (cast("SegmentType", target),)
    return ("with_agent", *NESTED, "awaiting_customer") if types == ("with_agent",) else types


def _reasons(row: RuleRow, reason: Reason) -> tuple[str, ...]:
    if isinstance(reason, str):
        return (reason,)
    return (*(reason.form.format(given) for given in GIVEN_REASONS[row.verb]), reason.default)


@cache
def documented() -> frozenset[tuple[int | None, str, str | None]]:
    """Every (row, segment, end reason) that a fold may give; without a row: a general rule."""
    by_row = {(row.number, segment, reason) for row in RULES for segment, reason in closings(row)}
    general = {(None, segment, reason) for reason, segments, _ in GENERAL for segment in segments}
    return frozenset(by_row | general | {(None, "gap", None)})


def rules_page() -> str:
    """The text of rules.md."""
    ends = ", ".join(dict.fromkeys(f"`{row.verb}` ({row.number})" for row in RULES if EVERYTHING in row.closes))
    outlives = ", ".join(f"`{type_}`" for type_, kind in SEGMENT_TYPES.items() if kind.outlives_item)
    return "".join([
        HEAD, TRACKS.format(ends=ends, outlives=outlives), _diagram(_customer_track()), AGENT_TRACK,
        _diagram(_agent_track()), ROWS, *map(_table_row, RULES), END_REASONS, *_end_reason_rows(), FLAGS,
        *(f"| `{flag}` | {meaning} |\n" for flag, meaning in MEANINGS.items()),
    ])  # fmt: skip


def _table_row(row: RuleRow) -> str:
    case = f" ({row.case})" if row.case else ""
    closes = ", ".join(f"{target} ({reason})" for target, reason in row.closes.items())
    opens = ", ".join(map(str, row.opens))
    return f"| {row.number} | {row.verb}{case} | {closes or '-'} | {opens or '-'} | {row.notes} |\n"


def _end_reason_rows() -> Iterator[str]:
    segments: dict[tuple[int, str, str], dict[str, None]] = {}
    for row in RULES:
        for segment, reason in closings(row):
            segments.setdefault((row.number, row.verb, reason), {})[segment] = None
    for (number, verb, reason), types in segments.items():
        yield f"| {number} | {verb} | {', '.join(types)} | `{reason}` |\n"
    for reason, closed, meaning in GENERAL:
        yield f"| - | {meaning} | {', '.join(closed)} | `{reason}` |\n"


# state diagrams

Arrow = tuple[str, str]


def _diagram(lines: Iterator[str]) -> str:
    return "\n```mermaid\nstateDiagram-v2\n" + "".join(f"    {line}\n" for line in lines) + "```\n"


def _customer_track() -> Iterator[str]:
    events: dict[Arrow, dict[str, None]] = {}
    for row in RULES:
        for arrow in _customer_arrows(row):
            events.setdefault(arrow, {})[f"{row.verb} ({row.number})"] = None
    yield f"{ANY} : customer track"
    yield "with_agent : with agent"
    yield from _drawn(events)
    yield f"with_agent --> awaiting_customer : {IDLE}"


def _customer_arrows(row: RuleRow) -> Iterator[Arrow]:
    """From what a row closes of the customer, to what it opens; `[*]`: nothing was, or nothing is, open."""
    tracks = (*SPECIAL[CUSTOMER_TRACK], "with_agent")
    if EVERYTHING in row.closes:
        return
    opened = [opening for opening in row.opens if opening.type in tracks]
    named = [type_ for target in row.closes for type_ in _named(target) if type_ in tracks]
    if CUSTOMER_TRACK in row.closes:
        yield from ((ANY, opening.type) for opening in opened if not opening.if_closed)
        opened = [opening for opening in opened if opening.if_closed or "with_agent" in named]
        named = [type_ for type_ in named if type_ == "with_agent" or opened]
    after: list[str] = [opening.type for opening in opened] or ["[*]"]
    yield from ((type_, to) for type_ in named for to in after if type_ != to)
    if not row.closes:
        yield from (("[*]", opening.type) for opening in opened)


def _named(target: Target) -> tuple[SegmentType, ...]:
    """The segment types of a target that stands for particular ones."""
    return () if target in (CUSTOMER_TRACK, EVERYTHING) else SPECIAL.get(target) or (cast("SegmentType", target),)


def _agent_track() -> Iterator[str]:
    events: dict[Arrow, dict[str, None]] = {}
    inside: dict[Arrow, dict[str, None]] = {}
    for row in RULES:
        event = f"{row.verb} ({row.number})"
        for source, to in _agent_arrows(row):
            nested = (source in NESTED or to in NESTED) and {source, to} & {"[*]"}
            (inside if nested else events).setdefault((source, to), {})[event] = None
    yield f"{OUTSIDE} : not with the item"
    yield "with_agent : with agent"
    yield f"[*] --> {OUTSIDE}"
    yield "state with_agent {"
    yield from (f"    {line}" for line in _drawn(inside))
    yield "}"
    yield from _drawn(events)
    yield f"with_agent --> {OUTSIDE} : {IDLE}"


def _agent_arrows(row: RuleRow) -> Iterator[Arrow]:
    own = tuple(type_ for type_, kind in SEGMENT_TYPES.items() if kind.track == "agent")
    opened = [opening.type for opening in row.opens if opening.type in own]
    closed = list(dict.fromkeys(type_ for target in row.closes for type_ in _named(target) if type_ in own))
    if EVERYTHING in row.closes:
        return
    for to in opened:
        if to in NESTED:
            yield ("[*]", to)
        else:
            yield from ((source, to) for source in closed if source not in (to, *NESTED))
            yield (OUTSIDE, to)
    for source in closed:
        if source in NESTED:
            yield (source, "[*]")
        elif not [to for to in opened if to not in NESTED]:
            yield (source, OUTSIDE)


def _drawn(events: dict[Arrow, dict[str, None]]) -> Iterator[str]:
    for (source, to), names in events.items():
        yield f"{source} --> {to} : {', '.join(names)}"

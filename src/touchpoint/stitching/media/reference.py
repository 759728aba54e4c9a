"""The reference of rules, end reasons and flags: `docs/reference/rules.md`, written from the code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import cast

from touchpoint.stitching.media.flags import MEANINGS
from touchpoint.stitching.media.row import CUSTOMER_TRACK, EVERYTHING, SPECIAL, Reason, RuleRow, Target
from touchpoint.stitching.media.rules import RULES
from touchpoint.stitching.segment_types import CLOSED_BY_END, NESTED, SegmentType
from touchpoint.stitching.verbs import Verb

GIVEN: Mapping[Verb, tuple[str, ...]] = {
    "dequeued": tuple("answered abandoned timeout empty key overflow withdrawn transferred callback".split()),
    "alert_ended": ("no_answer", "rejected", "busy", "canceled", "rescinded", "failed", "bridge_failed"),
    "disconnected": ("agent", "system", "network"),
}
"""What the contract lets an event give as its reason, by verb."""

GENERAL: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("awaiting_customer", ("with_agent", *NESTED), "a chat: no message for 5 min, the customer not the last to write"),
    ("quiet", ("routing",), "completion (b): every agent ended, nothing but routing open and no event for 30 s"),
    ("transmitted", CLOSED_BY_END, "a fax that was transmitted, with nothing newer"),
    ("timed_out", CLOSED_BY_END, "completion (c): the item's age since its last event"),
    ("reported", ("hold",), "a hold known only as a total"),
    ("unfinished", ("wrap_up",), "a wrap-up that never ended: its start is its end"),
    ("stated", ("wrap_up",), "a wrap-up whose end was not told, but its length at its start"),
)  # fmt: skip


def closings(row: RuleRow) -> Iterator[tuple[str, str]]:
    """(segment, end reason) for all that a row closes; reasons that the event gives are spelled out."""
    for what, reason in row.closes.items():
        for each in reasons(row, reason):
            yield from ((segment, each) for segment in _meant(what, row))


def _meant(target: Target, row: RuleRow) -> tuple[SegmentType, ...]:
    """The segment types that a word of the table's third column stands for."""
    if target in (CUSTOMER_TRACK, EVERYTHING):
        return tuple(type_ for type_ in SPECIAL[target] if type_ not in row.closes)
    types = SPECIAL.get(target) or (cast("SegmentType", target),)
    return ("with_agent", *NESTED, "awaiting_customer") if types == ("with_agent",) else types


def reasons(row: RuleRow, reason: Reason) -> tuple[str, ...]:
    if isinstance(reason, str):
        return (reason,)
    return (*(reason.form.format(given) for given in GIVEN[row.verb]), reason.default)


@cache
def documented() -> frozenset[tuple[int | None, str, str | None]]:
    """Every (row, segment, end reason) that a fold may give; without a row: a general rule."""
    by_row = {(row.number, segment, reason) for row in RULES for segment, reason in closings(row)}
    general = {(None, segment, reason) for reason, segments, _ in GENERAL for segment in segments}
    return frozenset(by_row | general | {(None, "gap", None)})


def markdown() -> str:
    """The text of docs/reference/rules.md."""
    return "\n".join([*_table_of_rows(), *_table_of_reasons(), *_table_of_flags()]) + "\n"


def _table_of_rows() -> Iterator[str]:
    yield "# Rules, end reasons and flags"
    yield ""
    yield "Generated from the code by `python -m touchpoint.stitching.media.reference`; a test keeps it so."
    yield ""
    yield "## The rule table"
    yield ""
    yield "| # | event | closes (end reason) | opens | exactly |"
    yield "|---|---|---|---|---|"
    for row in RULES:
        case = f" ({row.case})" if row.case else ""
        closes = ", ".join(f"{what} ({reason})" for what, reason in row.closes.items())
        opens = ", ".join(map(str, row.opens))
        yield f"| {row.number} | {row.verb}{case} | {closes or '-'} | {opens or '-'} | {row.notes} |"
    yield ""


def _table_of_reasons() -> Iterator[str]:
    yield "## Every end reason"
    yield ""
    yield "What is inside a with_agent (hold, consult, drafting) closes with its reason. No row: a general rule."
    yield ""
    yield "| row | event | segment | end reason |"
    yield "|---|---|---|---|"
    lines: dict[tuple[int, str, str], dict[str, None]] = {}
    for row in RULES:
        for segment, reason in closings(row):
            lines.setdefault((row.number, row.verb, reason), {})[segment] = None
    for (number, verb, reason), segments in lines.items():
        yield f"| {number} | {verb} | {', '.join(segments)} | `{reason}` |"
    for reason, types, meaning in GENERAL:
        yield f"| - | {meaning} | {', '.join(types)} | `{reason}` |"
    yield ""


def _table_of_flags() -> Iterator[str]:
    yield "## Every flag"
    yield ""
    yield "| flag | meaning |"
    yield "|---|---|"
    for flag, meaning in MEANINGS.items():
        yield f"| `{flag}` | {meaning} |"


if __name__ == "__main__":
    print(markdown(), end="")

"""What a row of the rule table is: data, which execution.py executes (stitching.md, 2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import msgspec

from touchpoint.stitching import segment_types
from touchpoint.stitching.facts import Fact
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.media.timeline import Timeline
from touchpoint.stitching.segment_types import SegmentType
from touchpoint.stitching.verbs import Verb

Special = Literal[
    "customer track", "everything", "other alerting", "inferred hold", "unanswered queue", "with_agent of the draft",
    "reported hold",
]  # fmt: skip
Target = SegmentType | Special
CUSTOMER_TRACK: Special = "customer track"
EVERYTHING: Special = "everything"
SPECIAL: Mapping[Target, tuple[SegmentType, ...]] = {
    CUSTOMER_TRACK: segment_types.CUSTOMER_TRACK,
    EVERYTHING: segment_types.CLOSED_BY_END,
    "other alerting": ("alerting",),
    "inferred hold": ("hold",),
    "unanswered queue": ("queue",),
    "with_agent of the draft": ("with_agent",),
    "reported hold": ("hold",),
}
"""What a row closes that is no segment type: whatever is open of these, or one of them in particular."""


class ReasonFromEvent(NamedTuple):
    """An end reason that the event itself gives in a field of its data; `default` where it gives none."""

    default: str
    field: str = "reason"
    form: str = "{}"

    def of(self, fact: Fact) -> str:
        """The reason that an event gives."""
        given = fact.data.get(self.field)
        return self.form.format(given) if given else self.default

    def __str__(self) -> str:
        return f"`{self.form.format(f'<{self.field}>')}`, else `{self.default}`"


Reason = str | ReasonFromEvent


class Open(msgspec.Struct, frozen=True, gc=False):
    """A segment that a row opens, and when it does not."""

    type: SegmentType
    if_first: bool = False  # only as the item's first segment
    if_closed: bool = False  # only if the event closed something
    unless_reason: tuple[str, ...] = ()  # not for these reasons of the event
    apart: bool = False  # a consult that is not inside a with_agent
    note: str = ""  # what else decides, in words

    def __str__(self) -> str:
        conditions = (
            "only as the first segment" if self.if_first else "",
            "if something closed" if self.if_closed else "",
            f"unless {' or '.join(self.unless_reason)}" if self.unless_reason else "",
            self.note,
        )
        words = ", ".join(filter(None, conditions))
        return f"{self.type} ({words})" if words else self.type


Condition = Callable[[Timeline, Fact], bool]
Handler = Callable[[Timeline, Fact, "RuleRow"], None]


class RuleRow(msgspec.Struct, frozen=True, gc=False):
    """One line of the rule table (stitching.md, 2): what a verb, or one case of it, closes and opens."""

    number: int
    verb: Verb
    case: str = ""  # which of the verb's events, in words; "" for all
    when: Condition | None = None  # the same as a condition; None for all that no other row takes
    closes: Mapping[Target, Reason] = {}  # with the end reason; what is inside a with_agent closes with its reason
    opens: tuple[Open, ...] = ()
    notes: str = ""
    flag_if_none: Flag | None = None  # if nothing that it closes is open
    handler: Handler | None = None  # for what data cannot say

    def end_reason(self, target: Target, fact: Fact) -> str:
        """The end reason of a segment that this row closes."""
        reason = self.closes[target]
        return reason if type(reason) is str else reason.of(fact)  # type: ignore[union-attr]

    def displacement_reason(self, type_: SegmentType, fact: Fact) -> str:
        """The end reason of a segment of the customer track that makes room for what this row opens."""
        return self.end_reason(type_ if type_ in self.closes else CUSTOMER_TRACK, fact)

"""An open or closed segment while the fold is at work."""

from __future__ import annotations

from touchpoint.stitching.facts import Fact, Micros
from touchpoint.stitching.media.segment_types import SegmentType

CUSTOMER = "customer"
OPEN: Micros = 1 << 62
"""The end of a segment that is still open."""


class Span:
    """A lifecycle segment in the making."""

    __slots__ = (
        "agent",
        "closed_by",
        "closed_rule",
        "conference",
        "depth",
        "drafting",
        "end",
        "had_hold",
        "hold",
        "opened_by",
        "opened_rule",
        "parent",
        "partner",
        "provenance",
        "queue",
        "reason",
        "start",
        "stated_end",
        "track",
        "transferred_from",
        "type",
    )

    def __init__(
        self,
        type_: SegmentType,
        start: Micros,
        fact: Fact | None,
        rule: int | None,
        agent: str | None = None,
        parent: Span | None = None,
    ) -> None:
        self.type: SegmentType = type_
        self.track = CUSTOMER
        self.depth = 0 if parent is None else 1
        self.parent = parent
        self.start = start
        self.end = OPEN
        self.queue: str | None = None
        self.agent = agent
        self.reason: str | None = None
        self.conference = False
        self.transferred_from: str | None = None
        self.provenance: str = "observed" if fact is None else fact.data.get("provenance", "observed")
        self.opened_by = None if fact is None else fact.id
        self.closed_by: str | None = None
        self.opened_rule = rule
        self.closed_rule: int | None = None
        self.partner: str | None = None  # of a consult: the agent at the other end
        self.hold: Span | None = None  # of a with_agent: its open hold
        self.drafting: Span | None = None  # of a with_agent: its open drafting
        self.stated_end: Micros | None = None  # of a wrap_up whose start says how long it lasts
        self.had_hold = False  # of a with_agent: a hold was observed or inferred in it

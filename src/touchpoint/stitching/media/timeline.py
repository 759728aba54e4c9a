"""The state under the rule table: the segments of a media item while its facts are read in order.

What an event does is in rules.py, and how a row of it is executed in row.py; here is what holds whatever the row.
"""

from __future__ import annotations

from collections.abc import Mapping

from touchpoint.stitching.facts import EARLIEST, LATEST, SECOND, Fact, Micros
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.segment_types import CLOSED_BY_END, OWN_TRACK, WITHIN_AGENT, SegmentType

CUSTOMER = "customer"
_BY_AGENT = (*OWN_TRACK, *WITHIN_AGENT)
NO_REASONS: Mapping[SegmentType, str] = {}
SAME_MOMENT: Micros = 2 * SECOND
"""What different reporters of one moment may be apart: releases around a transfer, cancelled alertings, conferences."""


class OpenSegment:
    """A lifecycle segment in the making; `end` is LATEST while it is open."""

    __slots__ = (
        "agent",
        "closed_by",
        "closed_rule",
        "conference",
        "depth",
        "end",
        "had_hold",
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
        self, type_: SegmentType, start: Micros, fact: Fact | None, rule: int | None, agent: str | None = None,
        parent: OpenSegment | None = None,
    ) -> None:  # fmt: skip
        self.type: SegmentType = type_
        self.track = CUSTOMER
        self.depth = 0 if parent is None else 1
        self.parent = parent
        self.start = start
        self.end = LATEST
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
        self.stated_end: Micros | None = None  # of a wrap_up whose start says how long it lasts
        self.had_hold = False  # of a with_agent: a hold was observed or inferred in it


class Timeline:
    """The segments of one media item while its facts are read in order.

    Invariants: at most one open segment on the customer track; routing never opens while an agent is connected;
    with_agent, monitor and wrap_up of one track never overlap.
    """

    __slots__ = (
        "abandoned",
        "alert_withdrawn_at",
        "alerting",
        "answered_consults",
        "awaiting",
        "bots",
        "by_agent",
        "channel",
        "concurrent_answers",
        "connected",
        "consults",
        "customer",
        "customer_wrote_last",
        "draft_opened",
        "end",
        "ending_event",
        "ever_connected",
        "flags",
        "holds",
        "limits",
        "monitors",
        "profile",
        "segments",
        "start",
        "transfer_source",
        "transfer_times",
        "transferred",
        "transferred_out_at",
        "transferred_to",
        "unfinished_wrapups",
        "wrapup_window",
        "wrapups",
    )

    def __init__(self, channel: str, start: Micros, limits: Limits, flags: set[Flag]) -> None:
        self.channel, self.start, self.limits, self.flags = channel, start, limits, flags
        self.profile = limits.channel(channel).like
        self.segments: list[OpenSegment] = []
        # what is open
        self.customer: OpenSegment | None = None
        self.by_agent: dict[SegmentType, dict[str, OpenSegment]] = {type_: {} for type_ in _BY_AGENT}
        self.connected = self.by_agent["with_agent"]
        self.alerting = self.by_agent["alerting"]
        self.monitors = self.by_agent["monitor"]
        self.wrapups = self.by_agent["wrap_up"]
        self.holds = self.by_agent["hold"]
        self.consults: list[OpenSegment] = []  # of both sides
        self.awaiting: dict[str, bool] = {}  # who had the chat while awaiting_customer runs; in a conference?
        # what has been
        self.ever_connected: set[str] = set()  # agents, bots not
        self.bots: set[str] = set()  # known from the start, as are the transfers
        self.concurrent_answers: list[OpenSegment] = []  # answered while another agent was connected
        self.draft_opened: set[str] = set()  # connected by their draft
        self.answered_consults: dict[str, tuple[Micros, str]] = {}  # whose answered consult ended when, with whom
        self.transferred = False
        self.transferred_to: set[str] = set()
        self.transfer_source: str | None = None  # who transferred to what has not begun yet
        self.transferred_out_at: Micros | None = None  # to an outside address, and only an end may follow
        self.transfer_times: dict[str | None, list[Micros]] = {}  # by agent
        self.alert_withdrawn_at = EARLIEST  # when an alerting last ended canceled or rescinded
        self.abandoned: str | None = None
        self.end: Micros | None = None
        self.ending_event: Fact | None = None
        self.unfinished_wrapups: set[str] = set()  # of agents whose wrap-up never ended
        self.wrapup_window: Micros = limits.wrapup_begins_within
        self.customer_wrote_last = False

    # opening and closing

    def add(
        self,
        type_: SegmentType,
        fact: Fact,
        rule: int | None,
        agent: str | None = None,
        parent: OpenSegment | None = None,
    ) -> OpenSegment:
        """A new segment at the fact's time, on the agent's track if there is one."""
        segment = OpenSegment(type_, fact.time, fact, rule, agent, parent)
        if agent is not None:
            segment.track = agent
        self.segments.append(segment)
        return segment

    def close(self, segment: OpenSegment, at: Micros, reason: str, fact: Fact | None, rule: int | None) -> None:
        """Sets a segment's end."""
        if at < segment.start:
            at = segment.start
            self.flags.add(Flag.CLOCK_SKEW)
        segment.end, segment.reason, segment.closed_rule = at, reason, rule
        if fact is not None:
            segment.closed_by = fact.id

    # customer track

    def is_open(self, type_: SegmentType) -> bool:
        """Whether the open segment of the customer track is of that type."""
        return self.customer is not None and self.customer.type == type_

    def open_routing(self, fact: Fact, rule: int | None) -> None:
        """Routing opens only on an empty track and never while an agent is connected."""
        if self.customer is None and not self.connected and self.end is None:
            self.customer = self.add("routing", fact, rule)

    def close_customer(self, fact: Fact, rule: int | None, reason: str) -> None:
        """Closes what is open on the customer track."""
        segment = self.customer
        if segment is not None:
            self.customer = None
            self.close(segment, fact.time, reason, fact, rule)
            if self.awaiting:
                self.awaiting.clear()

    # agents

    def agent(self, fact: Fact) -> str | None:
        """The event's agent; without one, the only agent connected (or who has the chat)."""
        resource = fact.data.get("resource")
        if resource is not None:
            return resource["id"]  # type: ignore[no-any-return]
        present = self.connected or self.awaiting
        return next(iter(present)) if len(present) == 1 else None

    def human_segments(self) -> list[OpenSegment]:
        """The open with_agent of agents; a bot is none."""
        if not self.bots:
            return list(self.connected.values())
        return [segment for agent, segment in self.connected.items() if agent not in self.bots]

    def release_agent(self, agent: str, fact: Fact, rule: int | None, reason: str) -> bool:
        """Closes an agent's with_agent with its children; one who had an awaiting chat no longer has it."""
        segment = self.connected.pop(agent, None)
        if segment is not None:
            self.close_children(segment, fact.time, reason, fact, rule)
            self.close(segment, fact.time, reason, fact, rule)
            return True
        if self.awaiting.pop(agent, None) is None:
            return False
        if not self.awaiting:
            self.close_customer(fact, rule, reason)
        return True

    def close_children(self, parent: OpenSegment, at: Micros, reason: str, fact: Fact | None, rule: int | None) -> None:
        """Closes what is open inside a with_agent, and the other side of its consults."""
        for type_ in WITHIN_AGENT:
            child = self.by_agent[type_].pop(parent.track, None)
            if child is not None:
                self.close(child, at, reason, fact, rule)
        if self.consults:
            for consult in list(self.consults):
                if consult.parent is parent or (consult.parent is None and consult.partner == parent.track):
                    self._end_consult(consult, at, reason, fact, rule)

    def mark_conference(self) -> None:
        """Marks a conference of all who are connected, if they are more than one."""
        joined: list[OpenSegment] = []
        others = False
        for agent in reversed(self.connected):  # who connected before one that is marked is marked as well
            if agent not in self.bots:
                if others := self.connected[agent].conference:
                    break
                joined.append(self.connected[agent])
        if others or len(joined) > 1:
            for segment in joined:
                segment.conference = True

    # consults

    def close_consults(
        self, agent: str, fact: Fact, rule: int, reason: str, *, asked: bool = False, partner: str | None = None
    ) -> None:
        """Closes both sides of an agent's consults, and the hold that was inferred from them.

        `asked`: only those in which the agent is the one who was asked. `partner`: only those with that agent.
        """
        for consult in list(self.consults):
            concerned = consult.partner == agent if consult.parent is not None else consult.track == agent
            if not asked and not concerned:
                concerned = consult.track == agent if consult.parent is not None else consult.partner == agent
            if concerned and (partner is None or partner in (consult.track, consult.partner)):
                self._end_consult(consult, fact.time, reason, fact, rule)
                self._end_inferred_hold(consult.parent, fact, rule, reason)

    def _end_consult(self, consult: OpenSegment, at: Micros, reason: str, fact: Fact | None, rule: int | None) -> None:
        self.consults.remove(consult)
        self.close(consult, at, reason, fact, rule)
        if consult.parent is None:
            self.answered_consults[consult.track] = (at, consult.partner or "")

    def _end_inferred_hold(self, parent: OpenSegment | None, fact: Fact, rule: int, reason: str) -> None:
        hold = None if parent is None else self.holds.get(parent.track)
        if hold is None or hold.provenance != "inferred":
            return
        if not any(consult.parent is parent for consult in self.consults):
            self.close(hold, fact.time, reason, fact, rule)
            del self.holds[hold.track]

    # the end

    def close_all(
        self, at: Micros, fact: Fact | None, rule: int | None, reason: str,
        reasons: Mapping[SegmentType, str] = NO_REASONS,
    ) -> None:  # fmt: skip
        """Closes everything but wrap_up; `reasons`: by type, others than `reason`."""
        for type_, open_ in self.by_agent.items():
            if open_ and type_ in CLOSED_BY_END:
                for segment in open_.values():
                    self.close(segment, at, reasons.get(type_, reason), fact, rule)
                open_.clear()
        for consult in self.consults:
            self.close(consult, at, reasons.get(consult.type, reason), fact, rule)
        if self.customer is not None:
            self.close(self.customer, at, reasons.get(self.customer.type, reason), fact, rule)
        self.customer = None
        self.consults.clear()
        self.awaiting.clear()

    # chat

    def await_customer(self, last: Fact, now: Micros) -> None:
        """No event for long with an agent connected, and the customer not the last to write: awaiting the customer.

        Not while they wait in a queue as well: then it is not the customer who is awaited.
        """
        idle = now - last.time >= self.limits.chat_idle and not self.customer_wrote_last
        if not idle or not self.connected or self.customer is not None:
            return
        self.awaiting = {agent: segment.conference for agent, segment in self.connected.items()}
        for segment in self.connected.values():
            self.close_children(segment, last.time, "awaiting_customer", last, None)
            self.close(segment, last.time, "awaiting_customer", last, None)
        self.connected.clear()
        self.customer = self.add("awaiting_customer", last, None)
        self.customer.provenance = "derived"

"""The machine under the rule table: what is open, and the general rules of stitching.md 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from touchpoint.stitching.facts import SECOND, Fact, Micros
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.media.segment_types import SegmentType
from touchpoint.stitching.media.span import Span

if TYPE_CHECKING:
    from touchpoint.stitching.media.row import Row

NEVER: Micros = -1 << 62
NEAR: Micros = 2 * SECOND
"""What different reporters of one moment may be apart: releases around a transfer, cancelled alertings, conferences."""


class Timeline:
    """The segments of one media item while its facts are read in order.

    Invariants: at most one open segment on the customer track; routing never opens while an agent is connected;
    with_agent, monitor and wrap_up of one track never overlap.
    """

    __slots__ = (
        "abandoned",
        "alert_canceled",
        "alerting",
        "away",
        "bots",
        "channel",
        "connected",
        "consulted",
        "consults",
        "customer",
        "customer_wrote_last",
        "doubled",
        "draft_opened",
        "end",
        "ender",
        "flags",
        "last_queue",
        "like",
        "limits",
        "monitors",
        "outside",
        "pending",
        "seen",
        "spans",
        "start",
        "transferred",
        "transferred_to",
        "transfers",
        "unfinished",
        "wrapup_window",
        "wrapups",
    )

    def __init__(self, channel: str, start: Micros, limits: Limits, flags: set[Flag]) -> None:
        self.channel, self.start, self.limits, self.flags = channel, start, limits, flags
        self.like = limits.channel(channel).like
        self.spans: list[Span] = []
        # what is open
        self.customer: Span | None = None
        self.connected: dict[str, Span] = {}  # with_agent, by agent
        self.alerting: dict[str, Span] = {}
        self.monitors: dict[str, Span] = {}
        self.wrapups: dict[str, Span] = {}
        self.consults: list[Span] = []  # of both sides
        self.away: dict[str, bool] = {}  # who had the chat while awaiting_customer runs; in a conference?
        # what has been
        self.seen: set[str] = set()  # agents who were ever connected, bots not
        self.bots: set[str] = set()  # known from the start, as are transfers
        self.doubled: list[Span] = []  # answered while another agent was connected
        self.draft_opened: set[str] = set()  # connected by their draft
        self.consulted: dict[str, tuple[Micros, str]] = {}  # whose answered consult ended when, with whom
        self.transferred = False
        self.transferred_to: set[str] = set()
        self.pending: str | None = None  # who transferred to what has not begun yet
        self.outside: Micros | None = None  # transferred to an outside address, and only an end may follow
        self.transfers: dict[str | None, list[Micros]] = {}  # when, by agent
        self.alert_canceled = NEVER  # when an alerting last ended canceled or rescinded
        self.last_queue: Span | None = None  # since an agent was connected or a voicemail began
        self.abandoned: str | None = None
        self.end: Micros | None = None
        self.ender: Fact | None = None
        self.unfinished: set[str] = set()  # agents whose wrap-up never ended
        self.wrapup_window: Micros = limits.wrapup_begins_within
        self.customer_wrote_last = False

    # opening and closing

    def add(
        self, type_: SegmentType, fact: Fact, rule: int | None, agent: str | None = None, parent: Span | None = None
    ) -> Span:
        """A new segment at the fact's time, on the agent's track if there is one."""
        span = Span(type_, fact.time, fact, rule, agent, parent)
        if agent is not None:
            span.track = agent
        self.spans.append(span)
        return span

    def close(self, span: Span, at: Micros, reason: str, fact: Fact | None, rule: int | None) -> None:
        """Sets a segment's end."""
        if at < span.start:
            at = span.start
            self.flags.add(Flag.CLOCK_SKEW)
        span.end, span.reason, span.closed_rule = at, reason, rule
        if fact is not None:
            span.closed_by = fact.id

    # customer track

    def is_open(self, type_: SegmentType) -> bool:
        return self.customer is not None and self.customer.type == type_

    def open_customer(self, type_: SegmentType, fact: Fact, row: Row) -> Span | None:
        """Opens a segment on the customer track and closes the open one; while an agent is connected, only a queue."""
        if self.connected and not (type_ == "queue" or (type_ == "transmission" and self.like == "fax")):
            self.flags.add(Flag.ILLEGAL_ORDER)
            return None
        self.close_customer(fact, row.number, row.why("customer track", fact))
        span = self.customer = self.add(type_, fact, row.number)
        return span

    def open_routing(self, fact: Fact, rule: int | None) -> None:
        """Routing opens only on an empty track and never while an agent is connected."""
        if self.customer is None and not self.connected and self.end is None:
            self.customer = self.add("routing", fact, rule)

    def close_customer(self, fact: Fact, rule: int | None, reason: str) -> None:
        span = self.customer
        if span is not None:
            self.customer = None
            self.close(span, fact.time, reason, fact, rule)
            if self.away:
                self.away.clear()

    def close_open(self, type_: SegmentType, fact: Fact, row: Row) -> bool:
        """Closes the customer's segment if it is of that type."""
        if self.customer is None or self.customer.type != type_:
            return False
        self.close_customer(fact, row.number, row.why(type_, fact))
        return True

    # agents

    def agent(self, fact: Fact) -> str | None:
        """The event's agent; without one, the only agent connected (or who has the chat)."""
        resource = fact.data.get("resource")
        if resource is not None:
            return resource["id"]  # type: ignore[no-any-return]
        here = self.connected or self.away
        return next(iter(here)) if len(here) == 1 else None

    def connect(self, agent: str, fact: Fact, row: Row) -> Span | None:
        """Connects an agent: closes their alerting, consult, monitor and wrap-up, and the customer track."""
        if agent in self.connected:
            return None
        for open_ in (self.alerting, self.monitors, self.wrapups):
            span = open_.pop(agent, None)
            if span is not None:
                self.close(span, fact.time, row.why(span.type, fact), fact, row.number)
        if self.consults:
            self.close_consults(agent, fact, row.number, row.why("consult", fact), asked=True)
        if self.customer is not None:
            self.close_customer(fact, row.number, row.why("customer track", fact))
        span = self.add("with_agent", fact, row.number, agent)
        self._note(agent, span)
        self.connected[agent] = span
        if self.draft_opened:
            self.draft_opened.discard(agent)
        return span

    def _note(self, agent: str, span: Span) -> None:
        if agent not in self.bots:
            self.seen.add(agent)
            self.last_queue = None
            self.alert_canceled = NEVER
        if self.pending is not None:
            span.transferred_from, self.pending = self.pending, None

    def part(self, agent: str, fact: Fact, row: Row) -> bool:
        """Closes an agent's with_agent with its children; one who had an awaiting chat no longer has it."""
        span = self.connected.pop(agent, None)
        if span is not None:
            reason = row.why("with_agent", fact)
            self.close_children(span, fact.time, reason, fact, row.number)
            self.close(span, fact.time, reason, fact, row.number)
            return True
        if self.away.pop(agent, None) is None:
            return False
        if not self.away:
            self.close_customer(fact, row.number, row.why("with_agent", fact))
        return True

    def close_children(
        self, span: Span, at: Micros, reason: str, fact: Fact | None, rule: int | None, hold: str | None = None
    ) -> None:
        """Closes what is open inside a with_agent, and the other side of its consults. `hold`: the hold's reason."""
        if span.hold is not None:
            self.close(span.hold, at, hold or reason, fact, rule)
            span.hold = None
        if span.drafting is not None:
            self.close(span.drafting, at, reason, fact, rule)
            span.drafting = None
        if self.consults:
            for consult in list(self.consults):
                if consult.parent is span or (consult.parent is None and consult.partner == span.track):
                    self._end_consult(consult, at, reason, fact, rule)

    def close_consults(
        self, agent: str, fact: Fact, rule: int, reason: str, *, asked: bool = False, with_: str | None = None
    ) -> None:
        """Closes both sides of an agent's consults, and the hold that was inferred from them.

        `asked`: only those in which the agent is the one who was asked. `with_`: only those with that agent.
        """
        for consult in list(self.consults):
            ours = consult.partner == agent if consult.parent is not None else consult.track == agent
            if not asked and not ours:
                ours = consult.track == agent if consult.parent is not None else consult.partner == agent
            if ours and (with_ is None or with_ in (consult.track, consult.partner)):
                self._end_consult(consult, fact.time, reason, fact, rule)
                self._end_inferred_hold(consult.parent, fact, rule, reason)

    def _end_consult(self, consult: Span, at: Micros, reason: str, fact: Fact | None, rule: int | None) -> None:
        self.consults.remove(consult)
        self.close(consult, at, reason, fact, rule)
        if consult.parent is None:
            self.consulted[consult.track] = (at, consult.partner or "")

    def _end_inferred_hold(self, span: Span | None, fact: Fact, rule: int, reason: str) -> None:
        if span is None or span.hold is None or span.hold.provenance != "inferred":
            return
        if not any(c.parent is span for c in self.consults):
            self.close(span.hold, fact.time, reason, fact, rule)
            span.hold = None

    def humans(self) -> list[Span]:
        """The open with_agent of agents; a bot is none."""
        if not self.bots:
            return list(self.connected.values())
        return [span for agent, span in self.connected.items() if agent not in self.bots]

    def confer(self) -> None:
        """Marks a conference of all who are connected, if they are more than one."""
        humans = self.humans()
        if len(humans) > 1:
            for span in humans:
                span.conference = True

    # the end

    def finish(self, at: Micros, fact: Fact | None, rule: int | None, reasons: dict[str, str], other: str) -> None:
        """Closes everything but wrap_up; `reasons` by type, `other` for the rest."""
        hold = reasons.get("hold", other)
        for span in self.connected.values():
            self.close_children(span, at, other, fact, rule, hold)
            self.close(span, at, other, fact, rule)
        for span in (*self.alerting.values(), *self.monitors.values(), *self.consults):
            self.close(span, at, reasons.get(span.type, other), fact, rule)
        if self.customer is not None:
            self.close(self.customer, at, reasons.get(self.customer.type, other), fact, rule)
        self.customer = None
        self.consults.clear()
        self.away.clear()
        for open_ in (self.connected, self.alerting, self.monitors):
            open_.clear()

    # chat

    def go_idle(self, last: Fact, now: Micros) -> None:
        """No event for long with an agent connected, and the customer not the last to write: awaiting the customer.

        Not while they wait in a queue as well: then it is not the customer who is awaited.
        """
        idle = now - last.time >= self.limits.chat_idle and not self.customer_wrote_last
        if not idle or not self.connected or self.customer is not None:
            return
        self.away = {agent: span.conference for agent, span in self.connected.items()}
        for span in self.connected.values():
            self.close_children(span, last.time, "awaiting_customer", last, None)
            self.close(span, last.time, "awaiting_customer", last, None)
        self.connected.clear()
        self.customer = self.add("awaiting_customer", last, None)
        self.customer.provenance = "derived"

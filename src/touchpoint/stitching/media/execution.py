"""The generic handler: executes what a row of the rule table closes and opens (stitching.md, 2).

A row either ends something, after which routing may follow, or opens something, which closes what was there:

- It opens nothing, or routing only: whatever it closes is closed if it is open, in the order of the row.
- It opens anything else: that is opened if the general rules allow it, and then closes what the row names on its track.

The event's agent is the one that it names. Without one, what nests in a with_agent is that of the only agent who is
connected; for the rest see `SegmentRow.unnamed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

from touchpoint.stitching.facts import EARLIEST, Fact
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.media.row import EVERYTHING, SPECIAL, Handler, Open, RuleRow
from touchpoint.stitching.media.timeline import NO_REASONS, OpenSegment, Timeline
from touchpoint.stitching.segment_types import CLOSED_BY_END, OWN_TRACK, SEGMENT_TYPES, SegmentRow, SegmentType

Closer = Callable[[Timeline, Fact, RuleRow, SegmentType], bool]

_WITHDRAWN = frozenset({"canceled", "rescinded"})
_DISPLACED_BY_AGENT: tuple[SegmentType, ...] = tuple(type_ for type_ in OWN_TRACK if type_ != "with_agent")


def generic_handler(row: RuleRow) -> Handler:
    """What executes a row that has no handler of its own; chosen once, when the table is read."""
    if row.opens and row.opens[0].type != "routing":
        return _opener(row.opens[0].type)
    if EVERYTHING in row.closes:
        return end_item
    # in the order of the row: a drafting closes with its own reason, before what it is inside of
    named = (cast("SegmentType", target) for target in row.closes if target not in SPECIAL)
    closers = tuple((type_, _closer(type_)) for type_ in named)

    opening = row.opens[0] if row.opens else None

    def close_and_route(timeline: Timeline, fact: Fact, row: RuleRow) -> None:
        closed = False
        for type_, close in closers:
            if close(timeline, fact, row, type_):
                closed = True
        if not closed and row.flag_if_none is not None:
            timeline.flags.add(row.flag_if_none)
        if opening is not None and (closed or not opening.if_closed) and _opens_routing(opening, timeline, fact):
            timeline.open_routing(fact, row.number)

    return close_and_route


def _opens_routing(opening: Open, timeline: Timeline, fact: Fact) -> bool:
    if opening.if_first and timeline.segments:
        return False
    return not opening.unless_reason or fact.data.get("reason") not in opening.unless_reason


# closing


def _closer(type_: SegmentType) -> Closer:
    if SEGMENT_TYPES[type_].track == "customer":
        return _close_on_customer_track
    return _close_with_agent if type_ == "with_agent" else _close_on_agent_track


def _close_with_agent(timeline: Timeline, fact: Fact, row: RuleRow, type_: SegmentType) -> bool:
    agent = timeline.agent(fact)
    return agent is not None and timeline.release_agent(agent, fact, row.number, row.end_reason(type_, fact))


def _close_on_agent_track(timeline: Timeline, fact: Fact, row: RuleRow, type_: SegmentType) -> bool:
    agent = _agent_of_closing(timeline, fact, type_)
    segment = timeline.by_agent[type_].pop(agent or "", None)
    if segment is None:
        return False
    timeline.close(segment, fact.time, row.end_reason(type_, fact), fact, row.number)
    if type_ == "alerting" and segment.reason in _WITHDRAWN:
        timeline.alert_withdrawn_at = fact.time
    return True


def _close_on_customer_track(timeline: Timeline, fact: Fact, row: RuleRow, type_: SegmentType) -> bool:
    segment = timeline.customer
    if segment is None or segment.type != type_:
        return False
    kind = SEGMENT_TYPES[type_]
    if not _is_meant(segment, fact, kind):
        return False
    if kind.agent_from == "either" and segment.agent is None and "resource" in fact.data:
        segment.agent = fact.data["resource"]["id"]
    timeline.close_customer(fact, row.number, row.end_reason(type_, fact))
    return True


def _is_meant(segment: OpenSegment, fact: Fact, kind: SegmentRow) -> bool:
    """An event that names another queue than the open one does not speak of it."""
    return not kind.has_queue or fact.data.get("queue") in (None, segment.queue)


def _agent_of_closing(timeline: Timeline, fact: Fact, type_: SegmentType) -> str | None:
    resource = fact.data.get("resource")
    if resource is not None:
        return resource["id"]  # type: ignore[no-any-return]
    unnamed = SEGMENT_TYPES[type_].unnamed
    if unnamed == "only_connected":
        return timeline.agent(fact)
    open_ = timeline.by_agent[type_]
    return next(iter(open_)) if unnamed == "only_open" and len(open_) == 1 else None


def is_open_for(timeline: Timeline, fact: Fact, type_: SegmentType) -> bool:
    """Whether a segment of a type is open that the event would close."""
    kind = SEGMENT_TYPES[type_]
    if kind.track == "customer":
        segment = timeline.customer
        return segment is not None and segment.type == type_ and _is_meant(segment, fact, kind)
    resource = fact.data.get("resource")
    agent = timeline.agent(fact) if kind.unnamed == "only_connected" else None if resource is None else resource["id"]
    if agent is None:
        return False
    if kind.paired:
        return any(agent in (consult.track, consult.partner) for consult in timeline.consults)
    return agent in timeline.by_agent[type_] or (type_ == "with_agent" and agent in timeline.awaiting)


def close_of_agent(timeline: Timeline, agent: str, fact: Fact, row: RuleRow, types: Iterable[SegmentType]) -> None:
    """Closes what is open of these types on an agent's track."""
    for type_ in types:
        segment = timeline.by_agent[type_].pop(agent, None)
        if segment is not None:
            timeline.close(segment, fact.time, row.end_reason(type_, fact), fact, row.number)


def end_item(timeline: Timeline, fact: Fact, row: RuleRow) -> None:
    """The item ends: now, or when it was transferred to an outside address, if nothing but this followed."""
    timeline.ending_event = fact
    timeline.end = fact.time if timeline.transferred_out_at is None else timeline.transferred_out_at
    reasons = NO_REASONS
    if len(row.closes) > 1:
        reasons = {type_: row.end_reason(type_, fact) for type_ in CLOSED_BY_END if type_ in row.closes}
    timeline.close_all(timeline.end, fact, row.number, row.end_reason(EVERYTHING, fact), reasons)


# opening


def open_on_customer_track(timeline: Timeline, fact: Fact, row: RuleRow, queue: str | None = None) -> None:
    """Opens a segment on the customer track and closes the open one; while an agent is connected not every type opens.

    `queue`: of a queue, where it is not the event's own. One that is open already is not opened again. The first after
    a transfer carries who transferred.
    """
    type_, segment = row.opens[0].type, timeline.customer
    kind = SEGMENT_TYPES[type_]
    if kind.has_queue:
        queue = fact.data.get("queue") if queue is None else queue
        if segment is not None and segment.type == type_ and queue in (None, segment.queue):
            return
    if timeline.connected and kind.beside_agent not in ("always", timeline.profile):
        timeline.flags.add(Flag.ILLEGAL_ORDER)
        return
    if segment is not None:
        timeline.close_customer(fact, row.number, row.displacement_reason(segment.type, fact))
    segment = timeline.customer = timeline.add(type_, fact, row.number)
    if kind.has_queue:
        segment.queue = queue
        if timeline.transfer_source is not None:
            segment.transferred_from, timeline.transfer_source = timeline.transfer_source, None
    elif kind.agent_from != "nobody" and "resource" in fact.data:
        segment.agent = fact.data["resource"]["id"]


def _open_on_own_track(timeline: Timeline, fact: Fact, row: RuleRow) -> None:
    """Opens a segment on the track of the agent whom the event names."""
    resource = fact.data.get("resource")
    if resource is None:
        return
    agent, type_ = resource["id"], row.opens[0].type
    open_ = timeline.by_agent[type_]
    if agent in open_ or (agent in timeline.connected and SEGMENT_TYPES[type_].alone):
        return
    if row.closes:
        close_of_agent(timeline, agent, fact, row, row.closes)  # type: ignore[arg-type]
    open_[agent] = timeline.add(type_, fact, row.number, agent)


def _open_within_agent(timeline: Timeline, fact: Fact, row: RuleRow) -> None:
    """Opens a segment inside the with_agent of the event's agent."""
    agent = timeline.agent(fact)
    parent = timeline.connected.get(agent or "")
    if parent is None:
        timeline.flags.add(Flag.ILLEGAL_ORDER)
    else:
        open_within(timeline, fact, row, row.opens[0].type, parent)


def open_within(timeline: Timeline, fact: Fact, row: RuleRow, type_: SegmentType, parent: OpenSegment) -> None:
    """Opens a segment inside a with_agent, unless one of its type is open there."""
    open_ = timeline.by_agent[type_]
    if parent.track not in open_:
        open_[parent.track] = timeline.add(type_, fact, row.number, parent.track, parent)
        if type_ == "hold":
            parent.had_hold = True


def _open_with_agent(timeline: Timeline, fact: Fact, row: RuleRow) -> None:
    """Connects the agent whom the event names, perhaps beside another."""
    resource = fact.data.get("resource")
    if resource is None:
        timeline.flags.add(Flag.ILLEGAL_ORDER)
        return
    agent = resource["id"]
    if agent in timeline.connected:
        return
    if timeline.alerting and "other alerting" in row.closes:
        for other in [each for each in timeline.alerting if each != agent]:
            reason = row.end_reason("other alerting", fact)
            timeline.close(timeline.alerting.pop(other), fact.time, reason, fact, row.number)
    beside = bool(timeline.connected)
    segment = connect(timeline, agent, fact, row)
    if beside and segment is not None:
        timeline.concurrent_answers.append(segment)


def connect(timeline: Timeline, agent: str, fact: Fact, row: RuleRow) -> OpenSegment | None:
    """Connects an agent: closes what else is on their track, their consult, and the customer track."""
    if agent in timeline.connected:
        return None
    close_of_agent(timeline, agent, fact, row, _DISPLACED_BY_AGENT)
    if timeline.consults:
        timeline.close_consults(agent, fact, row.number, row.end_reason("consult", fact), asked=True)
    if timeline.customer is not None:
        timeline.close_customer(fact, row.number, row.displacement_reason(timeline.customer.type, fact))
    segment = timeline.connected[agent] = timeline.add("with_agent", fact, row.number, agent)
    if agent not in timeline.bots:
        timeline.ever_connected.add(agent)
        timeline.alert_withdrawn_at = EARLIEST
    if timeline.transfer_source is not None:
        segment.transferred_from, timeline.transfer_source = timeline.transfer_source, None
    if timeline.draft_opened:
        timeline.draft_opened.discard(agent)
    return segment


def _opener(type_: SegmentType) -> Handler:
    if SEGMENT_TYPES[type_].track == "customer":
        return open_on_customer_track
    if type_ == "with_agent":
        return _open_with_agent
    return _open_on_own_track if type_ in OWN_TRACK else _open_within_agent

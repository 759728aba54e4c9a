"""THE RULE TABLE (stitching.md, 2), row by row. All that an event does to a media item is here or in a general rule.

A row is data: its number, the event, which of them; what it closes, with the end reason; what it opens; what else
holds. The generic handler (execution.py) executes it. Where data cannot say it, as for consults, transfers and
releases, the row names a handler of its own (handlers.py, consults.py) and is still what the documents are made from.
The segment types are in segment_types.py, the order of the events of one instant in verbs.py, and the general rules
(one segment on the customer track, tracks of agents) in execution.py and timeline.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from touchpoint.stitching.facts import Fact
from touchpoint.stitching.media import consults, handlers
from touchpoint.stitching.media.execution import generic_handler, is_open_for
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.media.row import (
    CUSTOMER_TRACK,
    EVERYTHING,
    Handler,
    Open,
    Reason,
    ReasonFromEvent,
    RuleRow,
    Target,
)
from touchpoint.stitching.media.timeline import Timeline
from touchpoint.stitching.segment_types import OWN_TRACK, SEGMENT_TYPES, SegmentType
from touchpoint.stitching.verbs import FactVerb

ROUTING = Open("routing")
ROUTING_AFTER = Open("routing", if_closed=True)
CONNECTED: Mapping[Target, Reason] = {
    **{type_: "answered" for type_ in OWN_TRACK if type_ != "with_agent"},
    "consult": "answered", "inferred hold": "answered", CUSTOMER_TRACK: "answered",
}  # fmt: skip
LEFT: Mapping[Target, Reason] = {"alerting": "left", "with_agent": "left", "consult": "left", "monitor": "left"}
RELEASED: Mapping[Target, Reason] = {
    "with_agent": "agent_released", "consult": "agent_released", "monitor": "agent_released",
}  # fmt: skip
GIVEN_UP: Mapping[Target, Reason] = {
    "queue": "abandoned", "alerting": "customer_abandoned", "hold": "abandoned_on_hold",
    EVERYTHING: "customer_disconnected",
}  # fmt: skip
HANDED_OVER: Mapping[Target, Reason] = {"with_agent": "transferred", "unanswered queue": "transferred"}
BY: Mapping[Target, Reason] = {EVERYTHING: ReasonFromEvent("disconnected", "by", "{}_disconnected")}

# fmt: off
RULES: tuple[RuleRow, ...] = (
    RuleRow(1, "offered", opens=(Open("routing", if_first=True),)),
    RuleRow(2, "dialing", closes={CUSTOMER_TRACK: "dialing"}, opens=(Open("dialing"),)),
    RuleRow(2, "connected", "resource is an agent", handlers.is_agent,
        closes={"dialing": "connected", **CONNECTED}, opens=(Open("with_agent"),),
        notes="an agent's own outbound call is with_agent from `connected`, not from `dialing`"),
    RuleRow(2, "connected", closes={"dialing": "connected"}, opens=(ROUTING,)),
    RuleRow(2, "failed", closes={"dialing": "failed"}, opens=(ROUTING_AFTER,)),
    RuleRow(3, "ivr_entered", closes={CUSTOMER_TRACK: "ivr_entered"}, opens=(Open("ivr"),)),
    RuleRow(3, "ivr_exited", closes={"ivr": "ivr_exited"}, opens=(ROUTING_AFTER,)),
    RuleRow(4, "queued", closes={"queue": "overflow", CUSTOMER_TRACK: "queued"}, opens=(Open("queue"),),
        notes="repeated for the open queue: ignored; while an agent is connected: a transfer under way"),
    RuleRow(5, "dequeued", closes={"queue": ReasonFromEvent("dequeued")},
        opens=(Open("routing", if_closed=True, unless_reason=("answered", "abandoned")),),
        notes="ignored if it names another queue than the open one"),
    RuleRow(6, "alerting", opens=(Open("alerting"),), notes="the customer's queue stays open; ring-all overlaps"),
    RuleRow(7, "alert_ended", closes={"alerting": ReasonFromEvent("alert_ended")}),
    RuleRow(8, "answered", closes={**CONNECTED, "other alerting": "answered_elsewhere"}, opens=(Open("with_agent"),),
        notes="ignored if A is connected; without resource: flag illegal_order"),
    RuleRow(9, "held", opens=(Open("hold"),),
        notes="without resource: the only connected agent; a second held is ignored; of an agent who is not connected: "
        "flag illegal_order"),
    RuleRow(9, "retrieved", closes={"hold": "retrieved"}, flag_if_none=Flag.UNPAIRED_HOLD),
    RuleRow(10, "consult_started", opens=(Open("consult"), Open("hold", note="inferred, if the dialect declares that "
        "its source never reports holds")), handler=consults.consult_started),
    RuleRow(11, "consult_answered", closes={"alerting": "answered"},
        opens=(Open("consult", apart=True, note="on the track of the agent who was asked"),),
        handler=consults.consult_answered),
    RuleRow(11, "consult_ended", closes={"consult": "consult_ended", "inferred hold": "consult_ended"},
        notes="a failed consult leaves A with the customer; both sides close, and the inferred hold",
        handler=consults.consult_ended),
    RuleRow(12, "transferred", closes=HANDED_OVER,
        opens=(Open("routing", note="unless X or another agent is connected or X's queue is open"),),
        notes="X's with_agent or queue if open, else the first that begins, carries transferred_from; to an outside "
        "address the item ends there if only `ended` follows; the queue closes if A never answered",
        handler=consults.transferred_blind),
    RuleRow(13, "transferred", "attended, B has answered", consults.to_an_agent_who_answered,
        closes={**CONNECTED, **HANDED_OVER, "consult": "transferred", "inferred hold": "transferred"},
        opens=(Open("with_agent", note="of B, at the transfer"),), handler=consults.transferred_to_agent),
    RuleRow(14, "transferred", "attended, to a queue", consults.attended_to_queue,
        closes={"queue": "overflow", CUSTOMER_TRACK: "queued", **HANDED_OVER},
        opens=(Open("queue", note="at the transfer"),), handler=consults.transferred_to_queue),
    RuleRow(15, "joined", "mode monitor or coach", handlers.listens, closes={"wrap_up": "joined"},
        opens=(Open("monitor"),), notes="never handling; ignored if B is connected"),
    RuleRow(15, "joined", "role agent or supervisor", handlers.is_agent_or_supervisor,
        closes={**CONNECTED, "consult": "joined", "inferred hold": "joined"}, opens=(Open("with_agent"),),
        notes="conference if another agent is connected, and theirs too; barge is the same", handler=handlers.joined),
    RuleRow(15, "joined", notes="customer and external open nothing"),
    RuleRow(16, "left", "role customer", handlers.is_customer, closes=GIVEN_UP,
        notes="as disconnected by the customer", handler=handlers.customer_disconnected),
    RuleRow(16, "left", closes={**LEFT, "inferred hold": "left"},
        opens=(Open("routing", if_closed=True, note="if no agent remains"),), notes="role external: nothing",
        handler=handlers.left),
    RuleRow(17, "parked", closes={"with_agent": "parked", CUSTOMER_TRACK: "parked"}, opens=(Open("parked"),),
        notes="without resource: of every agent who is connected", handler=handlers.parked),
    RuleRow(17, "unparked", closes={"parked": "unparked"}, opens=(ROUTING_AFTER,)),
    RuleRow(18, "released", closes={**RELEASED, "alerting": "failed", "inferred hold": "agent_released"},
        opens=(Open("routing", if_closed=True, note="if no agent remains"),),
        notes="ignored within 2 s either side of a `transferred` by A; B's release closes both sides of a consult",
        handler=handlers.released),
    RuleRow(19, "disconnected", "by the customer", handlers.by_customer, closes=GIVEN_UP,
        notes="without `by`: the customer if no agent is connected; not wrap_up",
        handler=handlers.customer_disconnected),
    RuleRow(19, "disconnected", closes=BY, notes="not wrap_up"),
    RuleRow(20, "ended", closes={EVERYTHING: "ended"},
        notes="not wrap_up; the item ends at the first of 19 and 20; later events but wrap-up and summary open "
        "nothing: flag after_end if they would have"),
    RuleRow(21, "wrapup_started", closes={**RELEASED, "inferred hold": "agent_released"},
        opens=(Open("wrap_up"), Open("routing", if_closed=True, note="if no agent remains")),
        notes="up to 2 min after the end, later: flag after_end; a duration ends it if nothing else does",
        handler=handlers.wrapup_started),
    RuleRow(22, "wrapup_ended", closes={"wrap_up": "wrapup_ended"},
        notes="if none was open and a duration is given: a start at time - duration, derived, never before the item's "
        "start or the end of the agent's connection"),
    RuleRow(23, "summary", closes={"reported hold": "reported"},
        notes="opens what is missing, aggregate; never overwrites what was observed; a difference over 2 s: flag "
        "reported_mismatch", handler=handlers.inform),
    RuleRow(24, "voicemail_started", closes={CUSTOMER_TRACK: "voicemail_started"}, opens=(Open("voicemail"),),
        notes="never an abandonment"),
    RuleRow(24, "voicemail_ended", closes={"voicemail": "voicemail_ended"}, opens=(ROUTING_AFTER,)),
    RuleRow(25, "transmission_started", closes={CUSTOMER_TRACK: "transmission_started"}, opens=(Open("transmission"),),
        notes="on a fax also while an agent is connected"),
    RuleRow(25, "transmission_failed", closes={"transmission": "failed"}, opens=(ROUTING_AFTER,)),
    RuleRow(25, "transmitted", closes={"transmission": "ok"},
        notes="pages from the final result, whose complete, partial or failed is the item's end reason"),
    RuleRow(26, "draft_started", closes=CONNECTED,
        opens=(Open("with_agent", note="if not connected"), Open("drafting")), handler=handlers.draft_started),
    RuleRow(26, "draft_discarded", closes={"drafting": "discarded", "with_agent of the draft": "discarded"},
        notes="with_agent only if the draft opened it", handler=handlers.draft_discarded),
    RuleRow(26, "sent", "reply", handlers.is_reply, closes={"drafting": "sent", "with_agent": "replied"},
        notes="also where no kind is given"),
    RuleRow(26, "sent", "new", handlers.is_new, closes={"drafting": "sent", "with_agent": "sent"}),
    RuleRow(26, "sent", "forward", handlers.is_forward, closes={"drafting": "forwarded"},
        notes="does not end with_agent"),
    RuleRow(26, "sent", notes="auto_reply opens nothing"),
    RuleRow(27, "message", closes={"awaiting_customer": "message", **CONNECTED},
        opens=(Open("with_agent", if_closed=True, note="of the agents who had it"),),
        notes="only while awaiting_customer runs", handler=handlers.message),
)
# fmt: on

ROWS: Mapping[FactVerb, tuple[RuleRow, ...]] = {
    row.verb: tuple(sorted((r for r in RULES if r.verb == row.verb), key=lambda r: r.when is None)) for row in RULES
}
"""By verb; the row for all that no other row takes is the last."""
CONSULT_ANSWERED = ROWS["consult_answered"][0]
_HANDLED: Mapping[FactVerb, tuple[tuple[RuleRow, Handler], ...]] = {
    verb: tuple((row, row.handler or generic_handler(row)) for row in rows) for verb, rows in ROWS.items()
}


def apply_rule(timeline: Timeline, fact: Fact) -> RuleRow | None:
    """Does to the timeline what the table says of an event; by which row: None for a verb that it does not know."""
    for row, handler in _HANDLED.get(fact.verb, ()):
        if row.when is None or row.when(timeline, fact):
            handler(timeline, fact, row)
            return row
    return None


# what the table says of an event before it is applied


def _ends_only(row: RuleRow) -> bool:
    """It closes something of one agent or of the customer track, and opens at most routing, if it closed something."""
    ends = bool(row.closes) and EVERYTHING not in row.closes
    return ends and all(opening.type == "routing" and opening.if_closed for opening in row.opens)


def _begins(row: RuleRow) -> bool:
    """It opens something that does not need to be within something that is open."""
    return any(
        not opening.if_closed
        and not opening.if_first
        and (opening.apart or SEGMENT_TYPES[opening.type].nests_in is None)
        for opening in row.opens
    )


def _ended(rows: Iterable[RuleRow]) -> tuple[SegmentType, ...]:
    closes = {target for row in rows if _ends_only(row) for target in row.closes}
    return tuple(type_ for type_ in SEGMENT_TYPES if type_ in closes)


ENDED_BY: Mapping[FactVerb, tuple[SegmentType, ...]] = {
    **{verb: ended for verb, rows in ROWS.items() if (ended := _ended(rows))},
    "transferred": ("with_agent",),  # it ends and begins; how far it goes ahead of others, `arrange` says
}
"""What each verb ends that goes before what opens in one instant."""


def closes_what_is_open(timeline: Timeline, fact: Fact) -> bool:
    """Whether an event closes something that is open now."""
    return any(is_open_for(timeline, fact, type_) for type_ in ENDED_BY.get(fact.verb, ()))


def would_open(timeline: Timeline, fact: Fact) -> bool:
    """Whether an event that came after the item's end would have opened a segment."""
    if fact.verb in ENDED_BY:
        return False
    rows = ROWS.get(fact.verb, ())
    row = next((each for each in rows if each.when is None or each.when(timeline, fact)), None)
    return row is not None and _begins(row)


# in words


def rule_text(number: int) -> str:
    """What the rows of the table with this number say."""
    return "; ".join(_row_text(row) for row in RULES if row.number == number) or "not a row of this version"


def _row_text(row: RuleRow) -> str:
    event = f"{row.verb} ({row.case})" if row.case else row.verb
    closes = ", ".join(f"{target} ({str(reason).replace('`', '')})" for target, reason in row.closes.items())
    opens = ", ".join(map(str, row.opens))
    return ", ".join(filter(None, (event, closes and f"closes {closes}", opens and f"opens {opens}")))

"""THE RULE TABLE (stitching.md, 2), row by row. All that an event does to a media item is here or in a general rule.

A line is: row, event, which of them; what it closes, with the end reason; what it opens; what is exact; handler.
The general rules (one segment on the customer track, tracks of agents) are in `timeline.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from touchpoint.stitching.facts import Fact
from touchpoint.stitching.media import agents, consults, customer, endings
from touchpoint.stitching.media.row import Given, Reason, Row
from touchpoint.stitching.media.timeline import Timeline
from touchpoint.stitching.verbs import FactVerb

TRACK = "customer track"
NONE: Mapping[str, Reason] = {}
CONNECTS: Mapping[str, Reason] = {
    "alerting": "answered", "consult": "answered", "inferred hold": "answered", "monitor": "answered",
    "wrap_up": "answered", TRACK: "answered",
}  # fmt: skip
LEAVES: Mapping[str, Reason] = {"alerting": "left", "with_agent": "left", "consult": "left", "monitor": "left"}
RELEASES: Mapping[str, Reason] = {
    "with_agent": "agent_released", "consult": "agent_released", "monitor": "agent_released",
}  # fmt: skip
GIVES_UP: Mapping[str, Reason] = {
    "queue": "abandoned", "alerting": "customer_abandoned", "hold": "abandoned_on_hold",
    "everything": "customer_disconnected",
}  # fmt: skip
HANDS_OVER: Mapping[str, Reason] = {"with_agent": "transferred", "unanswered queue": "transferred"}
BY: Mapping[str, Reason] = {"everything": Given("disconnected", "by", "{}_disconnected")}

# fmt: off
RULES: tuple[Row, ...] = (
    Row(1, "offered", "", None, NONE, "routing",
        "only as the first segment", customer.offered),
    Row(2, "dialing", "", None, {TRACK: "dialing"}, "dialing",
        "", customer.dialing),
    Row(2, "connected", "resource is an agent", customer.is_agent, {"dialing": "connected", **CONNECTS}, "with_agent",
        "an agent's own outbound call is with_agent from `connected`, not from `dialing`", customer.agent_connected),
    Row(2, "connected", "", None, {"dialing": "connected"}, "routing",
        "", customer.connected),
    Row(2, "failed", "", None, {"dialing": "failed"}, "routing",
        "", customer.failed),
    Row(3, "ivr_entered", "", None, {TRACK: "ivr_entered"}, "ivr",
        "", customer.ivr_entered),
    Row(3, "ivr_exited", "", None, {"ivr": "ivr_exited"}, "routing",
        "", customer.ivr_exited),
    Row(4, "queued", "", None, {"queue": "overflow", TRACK: "queued"}, "queue(Q)",
        "repeated for the open queue: ignored; while an agent is connected: a transfer under way", customer.queued),
    Row(5, "dequeued", "", None, {"queue": Given("dequeued")}, "routing, unless answered or abandoned",
        "ignored if it names another queue than the open one", customer.dequeued),
    Row(6, "alerting", "", None, NONE, "alerting(A)",
        "the customer's queue stays open; ring-all overlaps", agents.alerting),
    Row(7, "alert_ended", "", None, {"alerting": Given("alert_ended")}, "-",
        "", agents.alert_ended),
    Row(8, "answered", "", None, {**CONNECTS, "other alerting": "answered_elsewhere"}, "with_agent(A)",
        "ignored if A is connected", agents.answered),
    Row(9, "held", "", None, NONE, "hold in with_agent(A)",
        "without resource: the only connected agent; a second held is ignored", agents.held),
    Row(9, "retrieved", "", None, {"hold": "retrieved"}, "-",
        "alone: flag unpaired_hold", agents.retrieved),
    Row(10, "consult_started", "", None, NONE, "consult in with_agent(A)",
        "and a hold, inferred, if the dialect declares that its source never reports holds", consults.consult_started),
    Row(11, "consult_answered", "", None, {"alerting": "answered"}, "consult(B), depth 0 on B's track",
        "", consults.consult_answered),
    Row(11, "consult_ended", "", None, {"consult": "consult_ended", "inferred hold": "consult_ended"}, "-",
        "a failed consult leaves A with the customer; both sides close, and the inferred hold", consults.consult_ended),
    Row(12, "transferred", "", None, HANDS_OVER, "routing, unless X or another agent is connected or X's queue is open",
        "X's with_agent or queue if open, else the first that begins, carries transferred_from; "
        "to an outside address the item ends there if only `ended` follows; the queue closes if A never answered",
        consults.transferred_blind),
    Row(13, "transferred", "attended, B has answered", consults.to_an_agent_who_answered,
        {**CONNECTS, **HANDS_OVER, "consult": "transferred", "inferred hold": "transferred"},
        "with_agent(B) at the transfer", "", consults.transferred_to_agent),
    Row(14, "transferred", "attended, to a queue", consults.attended_to_queue,
        {"queue": "overflow", TRACK: "queued", **HANDS_OVER}, "queue(Q) at the transfer",
        "", consults.transferred_to_queue),
    Row(15, "joined", "mode monitor or coach", agents.listens, {"wrap_up": "joined"}, "monitor(B)",
        "never handling; ignored if B is connected", agents.joined_to_listen),
    Row(15, "joined", "role agent or supervisor", agents.is_agent_or_supervisor,
        {**CONNECTS, "consult": "joined", "inferred hold": "joined"}, "with_agent(B)",
        "conference if another agent is connected, and theirs too; barge is the same", agents.joined),
    Row(15, "joined", "", None, NONE, "-",
        "customer and external open nothing", agents.nothing),
    Row(16, "left", "role customer", endings.is_customer, GIVES_UP, "-",
        "as disconnected by the customer", endings.customer_disconnected),
    Row(16, "left", "", None, {**LEAVES, "inferred hold": "left"}, "routing if no agent remains",
        "role external: nothing", agents.left),
    Row(17, "parked", "", None, {"with_agent": "parked", TRACK: "parked"}, "parked",
        "", customer.parked),
    Row(17, "unparked", "", None, {"parked": "unparked"}, "routing",
        "", customer.unparked),
    Row(18, "released", "", None, {**RELEASES, "alerting": "failed", "inferred hold": "agent_released"},
        "routing if no agent remains",
        "ignored within 2 s either side of a `transferred` by A; B's release closes both sides of a consult",
        agents.released),
    Row(19, "disconnected", "by the customer", endings.by_customer, GIVES_UP, "-",
        "without `by`: the customer if no agent is connected; not wrap_up", endings.customer_disconnected),
    Row(19, "disconnected", "", None, BY, "-",
        "not wrap_up", endings.disconnected),
    Row(20, "ended", "", None, {"everything": "ended"}, "-",
        "not wrap_up; the item ends at the first of 19 and 20; later events but wrap-up and summary open nothing: "
        "flag after_end if they would have", endings.ended),
    Row(21, "wrapup_started", "", None, {**RELEASES, "inferred hold": "agent_released"}, "wrap_up(A)",
        "with routing if no agent remains; up to 2 min after the end, later: flag after_end; "
        "a duration ends it if nothing else does", agents.wrapup_started),
    Row(22, "wrapup_ended", "", None, {"wrap_up": "wrapup_ended"}, "-",
        "if none was open and a duration is given: a start at time - duration, derived, never before the item's start "
        "or the end of the agent's connection",
        agents.wrapup_ended),
    Row(23, "summary", "", None, {"hold": "reported"}, "missing segments, aggregate",
        "never overwrites what was observed; a difference over 2 s: flag reported_mismatch", agents.nothing),
    Row(24, "voicemail_started", "", None, {TRACK: "voicemail_started"}, "voicemail",
        "never an abandonment", customer.voicemail_started),
    Row(24, "voicemail_ended", "", None, {"voicemail": "voicemail_ended"}, "routing",
        "", customer.voicemail_ended),
    Row(25, "transmission_started", "", None, {TRACK: "transmission_started"}, "transmission",
        "on a fax also while an agent is connected", customer.transmission_started),
    Row(25, "transmission_failed", "", None, {"transmission": "failed"}, "routing",
        "", customer.transmission_failed),
    Row(25, "transmitted", "", None, {"transmission": "ok"}, "-",
        "pages from the final result, whose complete, partial or failed is the item's end reason",
        customer.transmitted),
    Row(26, "draft_started", "", None, CONNECTS, "with_agent(A) if not connected, drafting in it",
        "", agents.draft_started),
    Row(26, "draft_discarded", "", None, {"drafting": "discarded", "with_agent": "discarded"}, "-",
        "with_agent only if the draft opened it", agents.draft_discarded),
    Row(26, "sent", "reply", agents.is_reply, {"drafting": "sent", "with_agent": "replied"}, "-",
        "also where no kind is given", agents.sent),
    Row(26, "sent", "new", agents.is_new, {"drafting": "sent", "with_agent": "sent"}, "-",
        "", agents.sent),
    Row(26, "sent", "forward", agents.is_forward, {"drafting": "forwarded"}, "-",
        "does not end with_agent", agents.forwarded),
    Row(26, "sent", "", None, NONE, "-",
        "auto_reply opens nothing", agents.nothing),
    Row(27, "message", "", None, {"awaiting_customer": "message", **CONNECTS}, "with_agent of the agents who had it",
        "only while awaiting_customer runs", agents.message),
)
# fmt: on

_BY_VERB: dict[FactVerb, tuple[Row, ...]] = {
    row.verb: tuple(sorted((r for r in RULES if r.verb == row.verb), key=lambda r: r.when is None)) for row in RULES
}
_ONLY: dict[FactVerb, Row] = {verb: rows[0] for verb, rows in _BY_VERB.items() if len(rows) == 1}


def row_of(line: Timeline, fact: Fact) -> Row | None:
    """The row that applies to an event in the present state; None for a verb that the table does not know."""
    row = _ONLY.get(fact.verb)
    if row is not None:
        return row
    for candidate in _BY_VERB.get(fact.verb, ()):
        if candidate.when is None or candidate.when(line, fact):
            return candidate
    return None


ANSWERED = _ONLY["answered"]
CONSULT_ANSWERED = _ONLY["consult_answered"]

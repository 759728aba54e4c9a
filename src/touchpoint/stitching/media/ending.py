"""When a media item is over, how, and what its timeline then lacks (stitching.md 2: Completion, Abandoned)."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from touchpoint.stitching.facts import EARLIEST, LATEST, SECOND, Fact, Micros
from touchpoint.stitching.limits import Limits, Silences
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.media.timeline import SAME_MOMENT, OpenSegment, Timeline
from touchpoint.stitching.segment_types import COVERING, GAP
from touchpoint.stitching.verbs import AFTERWARDS, Verb

QUIET = "quiet"  # end reason of routing that nothing followed
TIMED_OUT = "timed_out"
TEARDOWN: Micros = 250_000
"""Systems tell the end of a call some milliseconds after the agent's hang-up: nobody waited in between."""


class Completion(NamedTuple):
    ended_at: Micros
    latest: Micros  # with wrap-ups
    settled_at: Micros  # its end and the wrap-ups that began are certain
    complete_at: Micros
    final: bool


def conclude(timeline: Timeline, facts: list[Fact], silences: Silences) -> Completion:
    """Ends the item as if no further fact came, and closes what is still open. `facts` are in order and not empty."""
    if timeline.end is not None:
        assert timeline.ending_event is not None
        settled, final = timeline.ending_event.time, timeline.ending_event.data.get("provenance") is None
    else:
        settled, final = _without_end(timeline, facts, silences), False
    assert timeline.end is not None
    _drop_late_wrapups(timeline)
    settled = max(settled, _close_wrapups(timeline))
    latest = timeline.end
    for span in timeline.segments:
        if span.type == "wrap_up":
            latest = max(latest, span.end)
    settled = max(settled, latest)
    return Completion(timeline.end, latest, settled, max(settled, timeline.end + timeline.wrapup_window), final)


def _without_end(timeline: Timeline, facts: list[Fact], silences: Silences) -> Micros:
    """By (b) or (c); the instant at which it has become so."""
    main = [fact for fact in facts if fact.verb not in AFTERWARDS] or facts
    last = next((fact for fact in reversed(facts) if fact.verb != "summary"), facts[-1])
    if timeline.profile == "fax" and last.verb == "transmitted":  # with nothing newer: complete
        timeline.end = last.time
        timeline.close_all(timeline.end, last, None, "transmitted")
        return last.time + timeline.limits.quiet
    timeline.end = _quiet_end(timeline, facts)
    if timeline.end is not None:
        if timeline.customer is not None and timeline.customer.start >= timeline.end:
            timeline.segments.remove(timeline.customer)
            timeline.customer = None
        timeline.close_all(timeline.end, None, None, QUIET)
        return main[-1].time + timeline.limits.quiet
    timeline.end = last.time
    age = _age(timeline, facts, last)
    timeline.flags.add(Flag.TIMED_OUT)
    timeline.close_all(timeline.end, None, None, TIMED_OUT)
    return later(last.time, age, silences.get((last.tenant, last.source), ()))


def _age(timeline: Timeline, facts: list[Fact], last: Fact) -> Micros:
    """How long it is waited for: longer while the item is in somebody's hands and its source will tell the end.

    A fax whose transmission failed is in those of its server, which tries again
    (HylaFAX: until the kill time of the job, sendfax(1) -k).
    """
    channel = timeline.limits.channel(timeline.channel)
    tried_again = timeline.profile == "fax" and last.verb == "transmission_failed"
    engaged = timeline.connected or timeline.is_open("queue") or tried_again
    if engaged and any(timeline.limits.capability(fact.dialect).ends for fact in facts):
        return max(channel.age, channel.engaged_age)
    return channel.age


def _quiet_end(timeline: Timeline, facts: list[Fact]) -> Micros | None:
    """(b): every agent ended, nothing but routing open: the latest end of a closed segment but routing and wrap_up."""
    if timeline.connected or timeline.alerting or timeline.monitors or timeline.consults:
        return None
    routing = timeline.is_open("routing")
    if timeline.customer is not None and not routing:
        return None
    ends = [s.end for s in timeline.segments if s.end != LATEST and s.type not in ("routing", "wrap_up")]
    if timeline.profile == "email":
        sent = [f.time for f in facts if f.verb == "sent" and f.data.get("kind", "reply") in ("reply", "new")]
        return max(ends + sent) if sent else None
    had_agent = any(span.type == "with_agent" for span in timeline.segments)
    if routing and not had_agent and not _only_queues(timeline, facts):
        return None  # "every agent ended" needs an agent: who had none yet is still being routed
    return max(ends, default=None)


def _only_queues(timeline: Timeline, facts: list[Fact]) -> bool:
    """Whether the item left a queue, and no source of it would tell what became of it."""
    left = any(span.type == "queue" for span in timeline.segments)
    return left and not any(timeline.limits.capability(fact.dialect).outside for fact in facts)


def _drop_late_wrapups(timeline: Timeline) -> None:
    """A wrap-up begins within 2 minutes of the end or not at all, also where the end was found out later."""
    assert timeline.end is not None
    limit = timeline.end + timeline.wrapup_window
    late = [span for span in timeline.segments if span.type == "wrap_up" and span.start > limit]
    for span in late:
        timeline.flags.add(Flag.AFTER_END)
        timeline.segments.remove(span)
        timeline.wrapups.pop(span.track, None)


def _close_wrapups(timeline: Timeline) -> Micros:
    """An open wrap-up lasts as long as its start states, else it gets its start as its end; it delays completion."""
    settled = timeline.start
    for agent, span in timeline.wrapups.items():
        if span.stated_end is not None:
            timeline.close(span, span.stated_end, "stated", None, None)
            continue
        settled = max(settled, span.start + timeline.limits.wrapup_at_most)
        timeline.close(span, span.start, "unfinished", None, None)
        timeline.flags.add(Flag.WRAPUP_UNFINISHED)
        timeline.unfinished_wrapups.add(agent)
    return settled


def later(start: Micros, span: Micros, silent: tuple[tuple[Micros, Micros], ...]) -> Micros:
    """`span` after `start`, not counting the time in which the source was silent."""
    due = start + span
    counted = start
    for begin, end in sorted(silent):
        if begin >= due:
            break
        due += max(end - max(begin, counted), 0)
        counted = max(end, counted)
    return due


def is_dropped(routing: OpenSegment, end: Micros, spans: Collection[OpenSegment]) -> bool:
    """Routing of zero length, routing after the end, and what a system takes to tell the end after its agent's hang-up.

    `spans`: all of the item.
    """
    start = routing.start
    if routing.end == start or start >= end:
        return True
    if routing.end != end or end - start >= TEARDOWN:
        return False
    return any(span.type == "with_agent" and span.end == start for span in spans)


def window(facts: list[Fact], limits: Limits) -> Micros:
    """How long after the end a wrap-up may begin: not at all where no source of the item reports any."""
    if any(limits.capability(fact.dialect).wrapup for fact in facts):
        return limits.wrapup_begins_within
    return 0


def end_reason(timeline: Timeline, facts: list[Fact]) -> str | None:
    """As `ended` gives it, else `disconnected`, else who disconnected; without either that of the last segment."""
    if timeline.ending_event is None:
        if Flag.TIMED_OUT in timeline.flags:
            return "timed_out"
        if timeline.profile == "email" and (kinds := [f.data.get("kind", "reply") for f in facts if f.verb == "sent"]):
            return "sent" if kinds[-1] == "new" else "replied"
        last = [s for s in timeline.segments if s.type not in ("routing", "wrap_up") and s.end == timeline.end]
        return max(last, key=_closed).reason if last else None
    verbs: tuple[Verb, ...] = ("ended", "disconnected")
    for verb in verbs:
        given = next((f.data["reason"] for f in facts if f.verb == verb and "reason" in f.data), None)
        if given is not None:
            return given  # type: ignore[no-any-return]
    disconnected = next((f for f in facts if f.verb == "disconnected"), None)
    if disconnected is not None and "by" in disconnected.data:
        return f"{disconnected.data['by']}_disconnected"
    return "customer_disconnected" if timeline.ending_event.verb == "left" else timeline.ending_event.verb


def _closed(span: OpenSegment) -> tuple[int, str]:
    return (-span.depth, span.track)


# who gave up


def decide(timeline: Timeline, now: Micros) -> str | None:
    """Where the customer was when they disconnected, by what was open just before."""
    agents = timeline.human_segments()
    if agents:
        return "on_hold" if all(span.track in timeline.holds for span in agents) else None
    if timeline.is_open("ivr"):
        had_queue = any(span.type == "queue" for span in timeline.segments)
        if not had_queue and not timeline.ever_connected:
            return "in_ivr"
    if timeline.alerting or now - timeline.alert_withdrawn_at <= SAME_MOMENT:
        return _gave_up(timeline, now, "while_ringing")
    if timeline.is_open("queue") or _abandoned_queue(timeline) is not None:
        return _gave_up(timeline, now, "in_queue")
    return None


def decide_without_disconnect(timeline: Timeline) -> str | None:
    """An item whose last queue closed `abandoned` and that ended with no agent since."""
    queue = _abandoned_queue(timeline)
    return None if queue is None else _gave_up(timeline, queue.end, "in_queue")


def _abandoned_queue(timeline: Timeline) -> OpenSegment | None:
    """The last queue, if it closed `abandoned`, and neither agent nor voicemail has been there since."""
    for segment in reversed(timeline.segments):
        if segment.type == "queue":
            break
        if segment.type == "voicemail" or (segment.type == "with_agent" and segment.agent not in timeline.bots):
            return None
    else:
        return None
    agents = (each for each in timeline.segments if each.type == "with_agent" and each.agent not in timeline.bots)
    return segment if segment.reason == "abandoned" and all(each.end <= segment.end for each in agents) else None


def _gave_up(timeline: Timeline, now: Micros, where: str) -> str:
    waits = _waits_since_agent(timeline)
    if waits:
        begun = waits[0].start
        over = max(min(span.end, now) for span in waits)
        if over - begun < timeline.limits.short_abandon:
            timeline.flags.add(Flag.SHORT_ABANDON)
    return where


def _waits_since_agent(timeline: Timeline) -> list[OpenSegment]:
    """The queues and alertings since an agent was last connected."""
    waits: list[OpenSegment] = []
    for span in timeline.segments:
        if span.type == "with_agent":
            waits = [w for w in waits if w.end == LATEST]
        elif span.type in ("queue", "alerting"):
            waits.append(span)
    return waits


# conferences that nobody told of


def overlaps(timeline: Timeline) -> None:
    """Agents connected beside another without transfer or join: a conference, inferred, if for more than 2 s."""
    beside = {id(span) for span in timeline.concurrent_answers if span.transferred_from is None}
    agents = [span for span in timeline.segments if span.type == "with_agent" and span.agent not in timeline.bots]
    reached = EARLIEST
    for span in agents:
        if id(span) in beside and min(reached, span.end) - span.start > SAME_MOMENT:
            _infer_conference(span)
        reached = max(reached, span.end)
    following = LATEST
    for span in reversed(agents):
        if span.end - following > SAME_MOMENT:
            _infer_conference(span)
        if id(span) in beside and span.end - span.start > SAME_MOMENT:
            following = span.start


def _infer_conference(span: OpenSegment) -> None:
    if not span.conference:
        span.conference, span.provenance = True, "inferred"


# gaps


def gaps(spans: list[OpenSegment], start: Micros, end: Micros, facts: list[Fact]) -> list[OpenSegment]:
    """Segments for the holes over 1 s, or 3 s where every stamp of the item is a whole second. `spans` in order."""
    holes = _holes(spans, start, end)
    if not holes:
        return []
    tolerance = SECOND if any(fact.time % SECOND for fact in facts) else 3 * SECOND
    return [_gap(begin, until) for begin, until in holes if until - begin > tolerance]


def _holes(spans: list[OpenSegment], start: Micros, end: Micros) -> list[tuple[Micros, Micros]]:
    reached = start
    holes = []
    for span in spans:
        if span.type in COVERING:
            if span.start > reached:
                holes.append((reached, span.start))
            reached = max(reached, span.end)
    if reached < end:
        holes.append((reached, end))
    return holes


def _gap(start: Micros, end: Micros) -> OpenSegment:
    span = OpenSegment(GAP, start, None, None)
    span.end = end
    span.provenance = "derived"
    return span

"""When a media item is over (stitching.md 2): its end, and the instant at which that is settled."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from touchpoint.stitching.facts import Fact, Micros
from touchpoint.stitching.limits import Limits, Silences
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.media.span import OPEN, Span
from touchpoint.stitching.media.timeline import Timeline
from touchpoint.stitching.verbs import AFTERWARDS

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


def conclude(line: Timeline, facts: list[Fact], silences: Silences) -> Completion:
    """Ends the item as if no further fact came, and closes what is still open. `facts` are in order and not empty."""
    if line.end is not None:
        assert line.ender is not None
        settled, final = line.ender.time, line.ender.data.get("provenance") is None
    else:
        settled, final = _without_end(line, facts, silences), False
    assert line.end is not None
    _drop_late_wrapups(line)
    settled = max(settled, _close_wrapups(line))
    latest = line.end
    for span in line.spans:
        if span.type == "wrap_up":
            latest = max(latest, span.end)
    settled = max(settled, latest)
    return Completion(line.end, latest, settled, max(settled, line.end + line.wrapup_window), final)


def _without_end(line: Timeline, facts: list[Fact], silences: Silences) -> Micros:
    """By (b) or (c); the instant at which it has become so."""
    main = [fact for fact in facts if fact.verb not in AFTERWARDS] or facts
    last = next((fact for fact in reversed(facts) if fact.verb != "summary"), facts[-1])
    if line.like == "fax" and last.verb == "transmitted":  # with nothing newer: complete
        line.end = last.time
        line.finish(line.end, last, None, {}, "transmitted")
        return last.time + line.limits.quiet
    line.end = _quiet_end(line, facts)
    if line.end is not None:
        if line.customer is not None and line.customer.start >= line.end:
            line.spans.remove(line.customer)
            line.customer = None
        line.finish(line.end, None, None, {}, QUIET)
        return main[-1].time + line.limits.quiet
    line.end = last.time
    age = _age(line, facts, last)
    line.flags.add(Flag.TIMED_OUT)
    line.finish(line.end, None, None, {}, TIMED_OUT)
    return later(last.time, age, silences.get((last.tenant, last.source), ()))


def _age(line: Timeline, facts: list[Fact], last: Fact) -> Micros:
    """How long it is waited for: longer while the item is in somebody's hands and its source will tell the end.

    A fax whose transmission failed is in those of its server, which tries again
    (HylaFAX: until the kill time of the job, sendfax(1) -k).
    """
    channel = line.limits.channel(line.channel)
    tried_again = line.like == "fax" and last.verb == "transmission_failed"
    engaged = line.connected or line.is_open("queue") or tried_again
    if engaged and any(line.limits.capability(fact.dialect).ends for fact in facts):
        return max(channel.age, channel.engaged_age)
    return channel.age


def _quiet_end(line: Timeline, facts: list[Fact]) -> Micros | None:
    """(b): every agent ended, nothing but routing open: the latest end of a closed segment but routing and wrap_up."""
    if line.connected or line.alerting or line.monitors or line.consults:
        return None
    routing = line.is_open("routing")
    if line.customer is not None and not routing:
        return None
    ends = [s.end for s in line.spans if s.end != OPEN and s.type not in ("routing", "wrap_up")]
    if line.like == "email":
        sent = [f.time for f in facts if f.verb == "sent" and f.data.get("kind", "reply") in ("reply", "new")]
        return max(ends + sent) if sent else None
    if routing and not any(span.type == "with_agent" for span in line.spans) and not _only_queues(line, facts):
        return None  # "every agent ended" needs an agent: who had none yet is still being routed
    return max(ends, default=None)


def _only_queues(line: Timeline, facts: list[Fact]) -> bool:
    """Whether the item left a queue, and no source of it would tell what became of it."""
    left = any(span.type == "queue" for span in line.spans)
    return left and not any(line.limits.capability(fact.dialect).outside for fact in facts)


def _drop_late_wrapups(line: Timeline) -> None:
    """A wrap-up begins within 2 minutes of the end or not at all, also where the end was found out later."""
    assert line.end is not None
    limit = line.end + line.wrapup_window
    late = [span for span in line.spans if span.type == "wrap_up" and span.start > limit]
    for span in late:
        line.flags.add(Flag.AFTER_END)
        line.spans.remove(span)
        line.wrapups.pop(span.track, None)


def _close_wrapups(line: Timeline) -> Micros:
    """An open wrap-up lasts as long as its start states, else it gets its start as its end; it delays completion."""
    settled = line.start
    for agent, span in line.wrapups.items():
        if span.stated_end is not None:
            line.close(span, span.stated_end, "stated", None, None)
            continue
        settled = max(settled, span.start + line.limits.wrapup_at_most)
        line.close(span, span.start, "unfinished", None, None)
        line.flags.add(Flag.WRAPUP_UNFINISHED)
        line.unfinished.add(agent)
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


def is_dropped(routing: Span, end: Micros, spans: Collection[Span]) -> bool:
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

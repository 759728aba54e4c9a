"""Who gave up, and where (stitching.md 2, Abandoned)."""

from __future__ import annotations

from touchpoint.stitching.facts import Micros
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.media.span import OPEN, Span
from touchpoint.stitching.media.timeline import NEAR, Timeline


def decide(line: Timeline, now: Micros) -> str | None:
    """Where the customer was when they disconnected, by what was open just before."""
    agents = line.humans()
    if agents:
        return "on_hold" if all(span.hold is not None for span in agents) else None
    if line.is_open("ivr"):
        had_queue = any(span.type == "queue" for span in line.spans)
        if not had_queue and not line.seen:
            return "in_ivr"
    if line.alerting or now - line.alert_canceled <= NEAR:
        return _gave_up(line, now, "while_ringing")
    if line.is_open("queue") or _queue_was_abandoned(line):
        return _gave_up(line, now, "in_queue")
    return None


def decide_without_disconnect(line: Timeline) -> str | None:
    """An item whose last queue closed `abandoned` and that ended with no agent since."""
    if not _queue_was_abandoned(line):
        return None
    assert line.last_queue is not None
    return _gave_up(line, line.last_queue.end, "in_queue")


def _queue_was_abandoned(line: Timeline) -> bool:
    """The last queue closed `abandoned`, and no agent has been there since."""
    queue = line.last_queue
    if queue is None or queue.reason != "abandoned":
        return False
    agents = (span for span in line.spans if span.type == "with_agent" and span.agent not in line.bots)
    return all(span.end <= queue.end for span in agents)


def _gave_up(line: Timeline, now: Micros, where: str) -> str:
    waits = _waits_since_agent(line)
    if waits:
        begun = waits[0].start
        over = max(min(span.end, now) for span in waits)
        if over - begun < line.limits.short_abandon:
            line.flags.add(Flag.SHORT_ABANDON)
    return where


def _waits_since_agent(line: Timeline) -> list[Span]:
    """The queues and alertings since an agent was last connected."""
    waits: list[Span] = []
    for span in line.spans:
        if span.type == "with_agent":
            waits = [w for w in waits if w.end == OPEN]
        elif span.type in ("queue", "alerting"):
            waits.append(span)
    return waits

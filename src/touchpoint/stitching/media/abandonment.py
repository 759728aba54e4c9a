"""Who gave up, and where (stitching.md 2, Abandoned)."""

from __future__ import annotations

from touchpoint.stitching.facts import LATEST, Micros
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.media.timeline import SAME_MOMENT, OpenSegment, Timeline


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

"""The invariant of the timeline: customer track and agents cover the item from start to end (stitching.md, 2)."""

from __future__ import annotations

from touchpoint.stitching.facts import SECOND, Fact, Micros
from touchpoint.stitching.media.timeline import OpenSegment
from touchpoint.stitching.segment_types import COVERING, GAP


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

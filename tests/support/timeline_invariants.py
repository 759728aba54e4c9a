"""What holds of every media item that a fold gives, whatever its facts were."""

from __future__ import annotations

from itertools import pairwise

from rule_reference import documented

from touchpoint.stitching.facts import SECOND, Fact
from touchpoint.stitching.media.media_item import MediaItem, Segment
from touchpoint.stitching.segment_types import CUSTOMER_TRACK

CUSTOMER = {*CUSTOMER_TRACK, "gap"}


def overlap(segments: list[Segment]) -> bool:
    inner = sorted(segments, key=lambda s: (s.started_at, s.ended_at))
    return any(b.started_at < a.ended_at for a, b in pairwise(inner))


def check(item: MediaItem, facts: list[Fact]) -> None:
    """Raises AssertionError if the item of these facts is none that a fold may give."""
    segments = item.segments
    assert item.started_at <= item.ended_at <= item.latest <= item.settled_at <= item.complete_at
    assert list(segments) == sorted(segments, key=lambda s: s.started_at)
    for segment in segments:
        assert segment.started_at <= segment.ended_at
        assert segment.end_reason is not None or segment.type == "gap"
        assert (segment.closed_rule, segment.type, segment.end_reason) in documented(), segment
        if segment.parent is not None:
            parent = segments[segment.parent]
            assert parent.type == "with_agent"
            assert parent.track == segment.track
            assert parent.started_at <= segment.started_at
            assert segment.ended_at <= parent.ended_at
        if segment.type == "routing":
            assert segment.ended_at > segment.started_at
        if segment.type != "wrap_up":
            assert item.started_at <= segment.started_at
            assert segment.ended_at <= item.ended_at
    customer = [s for s in segments if s.type in CUSTOMER]
    assert {s.track for s in customer} <= {"customer"}
    assert not overlap(customer)
    for track in {s.track for s in segments} - {"customer"}:
        assert not overlap([s for s in segments if s.track == track and s.type in ("with_agent", "monitor", "wrap_up")])
        assert not overlap([s for s in segments if s.track == track and s.type == "hold"])
    check_cover(item, facts)
    check_figures(item)


def check_cover(item: MediaItem, facts: list[Fact]) -> None:
    """Customer track and with_agent leave no hole over 1 s, 3 s with whole seconds; routing is never under an agent."""
    tolerance = SECOND if any(fact.time % SECOND for fact in facts) else 3 * SECOND
    reached = item.started_at
    for segment in item.segments:
        if segment.type in CUSTOMER | {"with_agent"}:
            assert segment.started_at - reached <= tolerance
            reached = max(reached, segment.ended_at)
    assert item.ended_at - reached <= tolerance
    agents = [s for s in item.segments if s.type == "with_agent"]
    for routing in (s for s in item.segments if s.type == "routing"):
        assert all(a.ended_at <= routing.started_at or a.started_at >= routing.ended_at for a in agents)


def union_ms(segments: list[Segment]) -> float:
    total, reached = 0, min((s.started_at for s in segments), default=0)  # of the first second of 1970, before that
    for segment in sorted(segments, key=lambda s: s.started_at):
        total += max(segment.ended_at - max(segment.started_at, reached), 0)
        reached = max(reached, segment.ended_at)
    return total / 1000


def check_figures(item: MediaItem) -> None:
    bots = {name for name, own in item.resources.items() if own.bot}
    known = [s for s in item.segments if s.type == "with_agent" and s.resource_id not in bots]
    agents = [s for s in known if s.resource_id]
    if agents == known:
        assert abs(item.talk_ms + item.hold_ms - union_ms(agents)) <= 2
    figures = [item.queue_wait_ms, item.ring_ms, item.talk_ms, item.hold_ms, item.handle_ms]
    assert min(figures) >= 0
    assert item.speed_of_answer_ms is None or item.speed_of_answer_ms >= 0
    people = [own for own in item.resources.values() if not own.bot]
    assert abs(item.handle_ms - sum(own.handle_ms for own in people)) <= len(people)
    for own in item.resources.values():
        assert min(own.talk_ms, own.hold_ms, own.handle_ms) >= 0
        assert abs(own.handle_ms - own.talk_ms - own.hold_ms - (own.acw_ms or 0)) <= 2

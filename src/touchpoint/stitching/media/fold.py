"""The fold of one media item: the set of its facts in, segments, durations and flags out (stitching.md, 2)."""

from __future__ import annotations

from collections.abc import Collection
from operator import attrgetter

from touchpoint.stitching.facts import SECOND, UNREADABLE, Fact, Micros
from touchpoint.stitching.limits import Limits, Silences
from touchpoint.stitching.media.abandonment import decide_without_disconnect
from touchpoint.stitching.media.claims import believed
from touchpoint.stitching.media.completion import conclude, is_dropped, window
from touchpoint.stitching.media.derived import agent_of
from touchpoint.stitching.media.doubts import doubtful
from touchpoint.stitching.media.durations import measure
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.media.gaps import gaps
from touchpoint.stitching.media.merging import is_truncated, within_limit
from touchpoint.stitching.media.model import MediaItem, Segment
from touchpoint.stitching.media.order import ordered
from touchpoint.stitching.media.play import play
from touchpoint.stitching.media.prepass import complete, start_of
from touchpoint.stitching.media.reports import add_hold_totals, contradicts
from touchpoint.stitching.media.results import (
    RESULTS,
    SENDINGS,
    end_reason,
    identity,
    messages,
    overlaps,
    result,
    senders,
)
from touchpoint.stitching.media.timeline import OpenSegment, Timeline
from touchpoint.stitching.verbs import STARTS, WRAPUPS, Verbs

_OF_ALIASES: Verbs = WRAPUPS | {"alerting", "alert_ended", "answered"}
_NO_SILENCES: Silences = {}
_start = attrgetter("start")


def fold(
    item_id: str, facts: Collection[Fact], limits: Limits, silences: Silences = _NO_SILENCES, truncated: bool = False
) -> MediaItem:
    """The media item that its facts make, read as if no further fact ever came. Raises ValueError if there is none.
    Of unreadable ones alone no item is made.

    `facts` is a set (`merge_facts`); their order does not matter. Facts of another subject are those of aliased items.
    `silences`, by source, do not count towards the item's age. `truncated`: the caller knows of facts that were lost.
    """
    if not facts:
        raise ValueError(f"media item {item_id!r} cannot be folded: it needs at least one fact")
    flags: set[Flag] = set()
    # hot path: one pass
    if odd := [f for f in facts if f.recorded is not None or f.verb == UNREADABLE or "doubts" in f.data]:
        flags |= doubtful(odd, facts, item_id, limits)
        if any(fact.verb == UNREADABLE for fact in odd):
            facts = _readable(facts, flags)
        if any(fact.recorded is not None and fact.time - fact.recorded >= SECOND for fact in odd):
            flags.add(Flag.CLOCK_SKEW)  # recorded before it happened: a clock was set back
    if truncated or is_truncated(facts, limits):
        flags.add(Flag.TRUNCATED)
        facts = within_limit(facts, limits)
    own = ordered([f for f in facts if f.subject == item_id or f.verb in _OF_ALIASES] or facts)
    reports = [f for f in own if "reported" in f.data]
    if reports:
        own = list(believed(own, limits, flags))
        reports = [f for f in own if "reported" in f.data]
    steps = complete(own, limits, flags)
    start = start_of(steps)
    if steps[0].verb not in STARTS:
        flags.add(Flag.MISSING_START)
    channel = next((f.kind for f in own if f.subject == item_id), own[0].kind)
    timeline = Timeline(channel, start, limits, flags)
    timeline.wrapup_window = window(own, limits)
    play(timeline, item_id, steps)
    return _item(timeline, item_id, own, steps, reports, silences)


def _readable(facts: Collection[Fact], flags: set[Flag]) -> list[Fact]:
    """The facts that tell something; flagged if one is missing that was never sent again as it should be."""
    known = {(f"{fact.source}#{UNREADABLE}", fact.id) for fact in facts}
    if any(fact.verb == UNREADABLE and (fact.source, fact.id) not in known for fact in facts):
        flags.add(Flag.UNREADABLE_EVENT)
    return [fact for fact in facts if fact.verb != UNREADABLE]


def _item(
    timeline: Timeline, item_id: str, own: list[Fact], steps: list[Fact], reports: list[Fact], silences: Silences
) -> MediaItem:
    done = conclude(timeline, steps, silences)
    spans = _closed(timeline, own, reports, done.ended_at)
    if timeline.abandoned is None:
        timeline.abandoned = decide_without_disconnect(timeline)
    figures, resources = measure(spans, timeline.bots, timeline.unfinished_wrapups)
    summaries = {agent_of(f): f for f in reports if f.verb == "summary"} if reports else {}
    if any(contradicts(f, done, timeline.start, figures, resources) for f in summaries.values()):
        timeline.flags.add(Flag.REPORTED_MISMATCH)
    pages, sending = result(steps) if timeline.profile == "fax" else (None, None)
    if timeline.profile == "fax":
        resources = senders(steps, timeline.bots, RESULTS) | resources
    elif timeline.profile == "email":
        resources = senders(steps, timeline.bots, SENDINGS) | resources
    direction, dialed, campaign, thread_id = identity(own, item_id, timeline.profile)
    customer, agent, first_response = messages(own) if timeline.profile not in ("call", "fax") else (0, 0, None)
    return MediaItem(
        media_item_id=item_id,
        channel=timeline.channel,
        direction=direction,
        dialed=dialed,
        campaign=campaign,
        thread_id=thread_id,
        started_at=timeline.start,
        ended_at=done.ended_at,
        latest=done.latest,
        settled_at=done.settled_at,
        complete_at=done.complete_at,
        final=done.final,
        **figures,
        abandoned=timeline.abandoned,
        transferred=timeline.transferred,
        conferenced=any(span.conference for span in spans),
        end_reason=sending or end_reason(timeline, steps),
        pages=pages,
        messages_customer=customer,
        messages_agent=agent,
        first_response_ms=first_response,
        flags=tuple(sorted(timeline.flags)) if timeline.flags else (),
        segments=_segments(spans),
        resources=resources,
    )


def _closed(timeline: Timeline, own: list[Fact], reports: list[Fact], end: Micros) -> list[OpenSegment]:
    """The segments of a concluded timeline in order, with holds known only as totals and with gaps."""
    if timeline.concurrent_answers:
        overlaps(timeline)
    if reports:
        add_hold_totals(timeline, reports)
    every = timeline.segments
    spans = [span for span in every if span.type != "routing" or not is_dropped(span, end, every)]
    spans.sort(key=_start)
    holes = gaps(spans, timeline.start, end, own)
    if holes:
        timeline.flags.add(Flag.TIMELINE_GAP)
        spans = sorted(spans + holes, key=_start)
    return spans


def _segments(spans: list[OpenSegment]) -> tuple[Segment, ...]:
    """Hot path: by position, in the order of SegmentMembers, which takes a quarter of the time that names take."""
    places: dict[int, int] = {}
    if [span for span in spans if span.parent is not None]:
        places = {id(span): n for n, span in enumerate(spans)}
    return tuple(
        [
            Segment(
                span.type,
                span.track,
                span.depth,
                span.queue,
                span.agent,
                span.reason,
                span.conference,
                span.transferred_from,
                span.provenance,
                span.opened_by,
                span.closed_by,
                span.opened_rule,
                span.closed_rule,
                parent=None if span.parent is None else places[id(span.parent)],
                started_at=span.start,
                ended_at=span.end,
            )
            for span in spans
        ]
    )

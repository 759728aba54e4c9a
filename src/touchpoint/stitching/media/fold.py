"""The fold of one media item: the set of its facts in, segments, durations and flags out (stitching.md, 2).

The facts are put in order (fact_set.py) and completed (inferred.py), read instant by instant through the rule table
(rules.py), which fills a timeline (timeline.py); the item is ended (ending.py) and measured (figures.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from operator import attrgetter

from touchpoint.stitching.facts import SECOND, UNREADABLE, Fact, Micros, agent_of
from touchpoint.stitching.limits import Limits, Profile, Silences
from touchpoint.stitching.media.consults import alias_answered
from touchpoint.stitching.media.ending import (
    conclude,
    decide_without_disconnect,
    end_reason,
    gaps,
    is_dropped,
    overlaps,
    window,
)
from touchpoint.stitching.media.fact_set import arrange, is_truncated, ordered, within_limit
from touchpoint.stitching.media.figures import RESULTS, measure, messages, result, senders
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.media.handlers import repeats_transfer
from touchpoint.stitching.media.inferred import complete, start_of
from touchpoint.stitching.media.media_item import MediaItem, ResourceFigures, Segment
from touchpoint.stitching.media.reported import add_hold_totals, believed, contradicts, doubtful
from touchpoint.stitching.media.rules import CONSULT_ANSWERED, apply_rule, closes_what_is_open, would_open
from touchpoint.stitching.media.timeline import OpenSegment, Timeline
from touchpoint.stitching.verbs import AFTERWARDS, STARTS, WRAPUPS, Verb, Verbs

_OF_ALIASES: Verbs = WRAPUPS | {"alerting", "alert_ended", "answered"}
_SENDINGS: Mapping[Profile, tuple[Verb, ...]] = {"fax": RESULTS, "email": ("sent",)}
_NO_SILENCES: Silences = {}
_start = attrgetter("start")
_OPENS_ALONE: Verbs = frozenset({"offered", "dialing", "connected", "transmission_started"})
_AFTER_TRANSFER_OUT: Verbs = AFTERWARDS | {"ended"}
ATTEMPTS: tuple[Verb, ...] = ("dialing", "connected", "failed")
"""Outbound, whatever the item says of its direction: what they dialed is the party's own number."""


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
        resources=_senders(timeline, steps) | resources,
    )


def _senders(timeline: Timeline, steps: list[Fact]) -> dict[str, ResourceFigures]:
    """Who sent a fax or a mail without ever being connected to it."""
    verbs = _SENDINGS.get(timeline.profile)
    return senders(steps, timeline.bots, verbs) if verbs is not None else {}


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


# reading the facts


def play(timeline: Timeline, item_id: str, facts: list[Fact]) -> None:
    """Applies ordered facts to an empty timeline."""
    _know_beforehand(timeline, facts)
    n, count = _first(timeline, item_id, facts), len(facts)
    # silence tells something only of a source that tells messages: most vendors' feeds never do
    idles = timeline.profile == "chat" and any(fact.verb == "message" for fact in facts)
    while n < count:
        time = facts[n].time
        after = n + 1
        while after < count and facts[after].time == time:
            after += 1
        if idles and n:
            timeline.await_customer(facts[n - 1], time)
        if after - n == 1 or time == facts[0].time:  # nothing was open before the first instant
            for fact in facts[n:after]:
                _step(timeline, item_id, fact)
        else:
            for fact in arrange(facts[n:after], lambda fact: closes_what_is_open(timeline, fact)):
                _step(timeline, item_id, fact)
        n = after


def _know_beforehand(timeline: Timeline, facts: list[Fact]) -> None:
    """Who is no agent, and when there are transfers: a release may come before the transfer that it repeats."""
    for fact in facts:
        resource = fact.data.get("resource")
        if resource is not None and resource.get("kind", "agent") != "agent":
            timeline.bots.add(resource["id"])
        if fact.verb == "transferred":
            timeline.transfer_times.setdefault(agent_of(fact), []).append(fact.time)
            other = fact.data.get("to", {}).get("resource")
            if other is not None and other.get("kind", "agent") != "agent":
                timeline.bots.add(other["id"])


def _first(timeline: Timeline, item_id: str, facts: list[Fact]) -> int:
    """Opens a derived routing if the first event opens neither customer track nor agent; how many it has read."""
    first = facts[0]
    if first.verb in _OPENS_ALONE:
        return 0
    routing = timeline.customer = timeline.add("routing", first, None)
    routing.start, routing.provenance = timeline.start, "derived"
    _step(timeline, item_id, first)
    if timeline.connected or timeline.customer not in (routing, None):
        timeline.segments.remove(routing)
    return 1


def _step(timeline: Timeline, item_id: str, fact: Fact) -> None:
    if timeline.end is not None and fact.verb not in AFTERWARDS:
        if would_open(timeline, fact):
            timeline.flags.add(Flag.AFTER_END)
        return
    if timeline.transferred_out_at is not None and not _says_nothing_new(timeline, fact):
        timeline.transferred_out_at = None
    of_alias = fact.subject != item_id and fact.verb == "answered"
    if not of_alias or not alias_answered(timeline, fact, CONSULT_ANSWERED):
        apply_rule(timeline, fact)


def _says_nothing_new(timeline: Timeline, fact: Fact) -> bool:
    """After a transfer to an outside address: the end, and what the agent does afterwards."""
    return fact.verb in _AFTER_TRANSFER_OUT or (fact.verb == "released" and repeats_transfer(timeline, fact))


# what the item says of itself


def identity(facts: list[Fact], item_id: str, like: Profile) -> tuple[str | None, str | None, str | None, str | None]:
    """Direction, dialed, campaign and thread: the first that any of its own events names."""
    direction = dialed = campaign = thread = None
    for fact in facts:
        if fact.subject != item_id:
            continue
        data = fact.data
        direction = direction or data.get("direction")
        if fact.verb not in ATTEMPTS:
            dialed = dialed or data.get("dialed")
        campaign = campaign or data.get("campaign")
        thread = thread or (_thread(fact) if like == "email" else None)
    return direction, dialed, campaign, _vendors_thread(facts) or thread


def _thread(fact: Fact) -> str | None:
    """The message that the thread began with, as far as the mail itself tells."""
    references = fact.data.get("references")
    if references:
        return references[0]  # type: ignore[no-any-return]
    return fact.data.get("in_reply_to") or fact.data.get("message_id")


def _vendors_thread(facts: Iterable[Fact]) -> str | None:
    return next((f.data["related"]["thread"] for f in facts if f.data.get("related", {}).get("thread")), None)

"""What a source claims at the end: hold totals fill in, figures are compared (stitching.md 2, row 23)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from touchpoint.stitching.facts import SECOND, Fact, Micros
from touchpoint.stitching.media.completion import Completion
from touchpoint.stitching.media.derived import agent_of
from touchpoint.stitching.media.durations import Figures
from touchpoint.stitching.media.model import ResourceFigures
from touchpoint.stitching.media.timeline import OpenSegment, Timeline
from touchpoint.stitching.verbs import RELEASES, Verbs

_Reported = Literal["talk_ms", "hold_ms", "acw_ms", "queue_wait_ms"]
_TOLERANCE_MS = 2_000
_TELL_HOLDS: Verbs = RELEASES | {"summary"}
_OF_AGENT: tuple[_Reported, ...] = ("talk_ms", "hold_ms", "acw_ms")
_OF_ITEM: tuple[_Reported, ...] = (*_OF_AGENT, "queue_wait_ms")


def add_hold_totals(timeline: Timeline, facts: list[Fact]) -> None:
    """A hold known only as a total is one hold, `aggregate`, at the end of the agent's connection."""
    for fact in reversed(facts):  # of several summaries the last says most
        length = fact.data.get("reported", {}).get("hold_ms")
        agent = agent_of(fact)
        if not length or agent is None or fact.verb not in _TELL_HOLDS:
            continue
        own = [s for s in timeline.segments if s.type == "with_agent" and s.agent == agent and s.start <= fact.time]
        # a summary speaks of all the agent's connections, any other event of its own
        if not own or any(s.had_hold for s in (own if fact.verb == "summary" else own[-1:])):
            continue
        span = own[-1]
        span.had_hold = True
        timeline.segments.append(_total(span, fact, length * 1000))


def _total(parent: OpenSegment, fact: Fact, length: Micros) -> OpenSegment:
    rule = 23 if fact.verb == "summary" else None
    hold = OpenSegment("hold", max(parent.start, parent.end - length), fact, rule, parent.agent, parent)
    hold.track, hold.provenance = parent.track, "aggregate"
    hold.end, hold.reason, hold.closed_by, hold.closed_rule = parent.end, "reported", fact.id, rule
    return hold


def contradicts(
    summary: Fact, end: Completion, start: Micros, figures: Figures, agents: dict[str, ResourceFigures]
) -> bool:
    """Whether a summary differs from what was observed by more than 2 s."""
    told: dict[str, Any] = summary.data.get("reported", {})
    instants = (("started_at", start), ("ended_at", end.ended_at))
    if any(name in told and abs(told[name] - seen) > 2 * SECOND for name, seen in instants):
        return True
    agent = agent_of(summary)
    if agent is None:
        return _differs(told, {name: figures[name] for name in _OF_ITEM})
    own = agents.get(agent)
    return own is not None and (
        _differs(told, {name: getattr(own, name) for name in _OF_AGENT})
        or ("connected_ms" in told and abs(told["connected_ms"] - own.talk_ms - own.hold_ms) > _TOLERANCE_MS)
    )


def _differs(told: dict[str, Any], seen: Mapping[str, int | None]) -> bool:
    pairs = ((told[name], value) for name, value in seen.items() if name in told)
    return any(there is not None and abs(claim - there) > _TOLERANCE_MS for claim, there in pairs)

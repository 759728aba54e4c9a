"""What a source says beside its events: instants, doubts, totals and figures (stitching.md 2 and 4)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from touchpoint.stitching.facts import SECOND, Fact, Micros, agent_of
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.media.ending import Completion
from touchpoint.stitching.media.figures import Figures
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.media.media_item import ResourceFigures
from touchpoint.stitching.media.timeline import OpenSegment, Timeline
from touchpoint.stitching.verbs import RELEASES, Verbs

_Reported = Literal["talk_ms", "hold_ms", "acw_ms", "queue_wait_ms"]
_TOLERANCE_MS = 2_000
_TELL_HOLDS: Verbs = RELEASES | {"summary"}
_OF_AGENT: tuple[_Reported, ...] = ("talk_ms", "hold_ms", "acw_ms")
_OF_ITEM: tuple[_Reported, ...] = (*_OF_AGENT, "queue_wait_ms")


# instants


def is_believed(instant: Micros, earliest: Micros, latest: Micros, limits: Limits) -> bool:
    """Whether an instant reported by events between ``earliest`` and ``latest`` counts.

    The contract's clock checks look at an event's `time` alone. So that no other instant keeps an interaction open for
    years, or begins it years ago, it may not be later than the event plus the disorder, nor earlier by more than an
    interaction's age.
    """
    return earliest - limits.interaction_age <= instant <= latest + limits.disorder


def believed(facts: Sequence[Fact], limits: Limits, flags: set[Flag]) -> Sequence[Fact]:
    """The facts without the instants in `reported` that do not count. The same object if all count."""
    if not any("reported" in fact.data and _ignored(fact, limits) for fact in facts):
        return facts
    flags.add(Flag.INSTANT_IGNORED)
    return [_without(fact, _ignored(fact, limits)) if "reported" in fact.data else fact for fact in facts]


def _ignored(fact: Fact, limits: Limits) -> set[str]:
    return {
        name
        for name, value in fact.data["reported"].items()
        if name.endswith("_at") and not is_believed(value, fact.time, fact.time, limits)
    }


def _without(fact: Fact, names: set[str]) -> Fact:
    if not names:
        return fact
    kept = {name: value for name, value in fact.data["reported"].items() if name not in names}
    return msgspec.structs.replace(fact, data=fact.data | {"reported": kept})


def derived_in_time(derived: Iterable[Fact], facts: Sequence[Fact], limits: Limits, flags: set[Flag]) -> list[Fact]:
    """Of events that were read out of others, those whose instants count: a duration may be ten years as well.

    `facts` are in order.
    """
    earliest, latest = facts[0].time, facts[-1].time
    found = list(derived)
    kept = [fact for fact in found if is_believed(fact.time, earliest, latest, limits)]
    if len(kept) < len(found):
        flags.add(Flag.INSTANT_IGNORED)
    return kept


# doubts


def doubtful(odd: Collection[Fact], facts: Collection[Fact], item_id: str, limits: Limits) -> set[Flag]:
    """The flags of the doubts in ``odd``. A doubt about the party counts only where no event of the item names one."""
    named = {doubt for fact in odd if fact.subject == item_id for doubt in fact.data.get("doubts", ())}
    found = {Flag.AMBIGUOUS_TIME} if "time" in named else set()
    if "party" in named and not any(_names_party(fact, item_id, limits) for fact in facts):
        found.add(Flag.PARTY_UNKNOWN)
    return found


def _names_party(fact: Fact, item_id: str, limits: Limits) -> bool:
    party = fact.data.get("party") if fact.subject == item_id else None
    if party is None:
        return False
    address = party.get("address")
    return "id" in party or (address is not None and address not in limits.own_addresses)


# totals and figures


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
    reported: dict[str, Any] = summary.data.get("reported", {})
    instants = (("started_at", start), ("ended_at", end.ended_at))
    if any(name in reported and abs(reported[name] - seen) > 2 * SECOND for name, seen in instants):
        return True
    agent = agent_of(summary)
    if agent is None:
        return _differs(reported, {name: figures[name] for name in _OF_ITEM})
    own = agents.get(agent)
    return own is not None and (
        _differs(reported, {name: getattr(own, name) for name in _OF_AGENT})
        or ("connected_ms" in reported and abs(reported["connected_ms"] - own.talk_ms - own.hold_ms) > _TOLERANCE_MS)
    )


def _differs(reported: dict[str, Any], seen: Mapping[str, int | None]) -> bool:
    pairs = ((reported[name], value) for name, value in seen.items() if name in reported)
    return any(there is not None and abs(claim - there) > _TOLERANCE_MS for claim, there in pairs)

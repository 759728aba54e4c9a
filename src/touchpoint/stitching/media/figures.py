"""The figures of an item and of its agents, from its closed segments and its events (stitching.md 2, Durations)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypedDict

from touchpoint.stitching.facts import LATEST, Fact, Micros
from touchpoint.stitching.media.media_item import ResourceFigures
from touchpoint.stitching.media.timeline import OpenSegment
from touchpoint.stitching.segment_types import SEGMENT_TYPES, Figure, SegmentType
from touchpoint.stitching.verbs import Verb

Spans = list[tuple[Micros, Micros]]
_COUNTS_AS: Mapping[SegmentType, Figure | None] = {type_: row.counts_as for type_, row in SEGMENT_TYPES.items()}


class Own:
    """What adds up for one agent."""

    __slots__ = ("acw", "connected", "first", "holds", "other")

    def __init__(self) -> None:
        self.connected: list[OpenSegment] = []
        self.holds: Spans = []
        self.acw: Micros | None = None
        self.first: Micros = LATEST  # of a with_agent
        self.other: Micros = LATEST  # of a transmission or wrap-up


class Figures(TypedDict):
    """Members of the item, milliseconds."""

    queue_wait_ms: int
    ring_ms: int
    talk_ms: int
    hold_ms: int
    acw_ms: int | None
    handle_ms: int
    speed_of_answer_ms: int | None


def measure(
    spans: list[OpenSegment], bots: set[str], unfinished: set[str]
) -> tuple[Figures, dict[str, ResourceFigures]]:
    """Adds up closed segments in order of their start. Bots have figures of their own, but none in the item's."""
    wait = ring = 0
    first_queue: Micros | None = None
    answers: list[Micros] = []
    agents: dict[str, Own] = {}
    for span in spans:
        length, figure = span.end - span.start, _COUNTS_AS[span.type]
        if figure == "queue_wait":
            wait += length
            if first_queue is None:
                first_queue = span.start
        elif figure == "ring":
            if span.reason == "answered":
                ring += length
        elif figure is not None and span.agent is not None:
            _add(agents, span, figure, length)
            if figure == "connected" and span.agent not in bots:
                answers.append(span.start)
    for agent in unfinished:
        agents[agent].acw = None  # missing is not zero
    humans = [own for agent, own in agents.items() if agent not in bots]
    talk, hold = _shared(humans)
    acw = [own.acw for own in humans if own.acw is not None]
    handle = sum(s.end - s.start for own in humans for s in own.connected) + sum(acw)
    speed = None if first_queue is None else next((t - first_queue for t in answers if t >= first_queue), None)
    figures = Figures(
        queue_wait_ms=wait // 1000,
        ring_ms=ring // 1000,
        talk_ms=talk // 1000,
        hold_ms=hold // 1000,
        acw_ms=sum(acw) // 1000 if acw and not unfinished else None,
        handle_ms=handle // 1000,
        speed_of_answer_ms=None if speed is None else speed // 1000,
    )
    return figures, {agent: _own_figures(own, agent in bots) for agent, own in agents.items()}


def _add(agents: dict[str, Own], span: OpenSegment, figure: Figure, length: Micros) -> None:
    agent = span.agent
    assert agent is not None
    own = agents.get(agent)
    if own is None:
        own = agents[agent] = Own()
    if figure == "connected":
        own.connected.append(span)
        own.first = min(own.first, span.start)
    elif figure == "hold":
        own.holds.append((span.start, span.end))
    elif figure == "wrap_up":
        own.acw = (own.acw or 0) + length
        own.other = min(own.other, span.start)
    elif figure == "presence":
        own.other = min(own.other, span.start)


def union(spans: Spans) -> Micros:
    """The measure of a union of spans."""
    total, reached = 0, None
    for start, end in sorted(spans):
        if reached is None or start > reached:
            total += end - start
            reached = end
        elif end > reached:
            total += end - reached
            reached = end
    return total


def _shared(agents: list[Own]) -> tuple[Micros, Micros]:
    """Talk and hold as the customer had them: on hold when every connected agent holds."""
    if not any(own.connected for own in agents):
        return 0, 0
    if len(agents) == 1:
        own = agents[0]
        connected = sum(s.end - s.start for s in own.connected)
        hold = union(own.holds) if own.holds else 0
        return connected - hold, hold
    if not any(own.holds for own in agents):
        return union([(s.start, s.end) for own in agents for s in own.connected]), 0
    return _sweep(agents)


def _sweep(agents: list[Own]) -> tuple[Micros, Micros]:
    changes: list[tuple[Micros, int, int]] = []
    for own in agents:
        for span in own.connected:
            changes += [(span.start, 1, 0), (span.end, -1, 0)]
        for start, end in own.holds:
            changes += [(start, 0, 1), (end, 0, -1)]
    talk = hold = 0
    connected = holding = 0
    previous = 0
    for time, more, held in sorted(changes):
        if connected > 0:
            if holding >= connected:
                hold += time - previous
            else:
                talk += time - previous
        connected, holding, previous = connected + more, holding + held, time
    return talk, hold


def _own_figures(own: Own, bot: bool) -> ResourceFigures:
    connected = sum(s.end - s.start for s in own.connected)
    hold = union(own.holds) if own.holds else 0
    return ResourceFigures(
        talk_ms=(connected - hold) // 1000,
        hold_ms=hold // 1000,
        acw_ms=None if own.acw is None else own.acw // 1000,
        handle_ms=(connected + (own.acw or 0)) // 1000,
        first_at=own.first if own.connected else own.other,
        connected=bool(own.connected),
        bot=bot,
    )


# of messages, mails and faxes


RESULTS: tuple[Verb, ...] = ("transmitted", "transmission_failed")


def messages(facts: list[Fact]) -> tuple[int, int, int | None]:
    """Messages of the customer and of agents, and how long the customer waited for the first answer, in ms."""
    asked = None
    answered = None
    customer = agent = 0
    for fact in facts:
        if fact.verb != "message":
            continue
        if fact.data.get("role") == "customer":
            customer += 1
            asked = fact.time if asked is None else asked
        elif fact.data.get("role") == "agent":
            agent += 1
            if answered is None and asked is not None:
                answered = fact.time
    return customer, agent, None if answered is None or asked is None else (answered - asked) // 1000


def result(facts: list[Fact]) -> tuple[int | None, str | None]:
    """Pages and complete, partial or failed, of a fax's final result."""
    final = next((f for f in reversed(facts) if f.verb in RESULTS), None)
    if final is None:
        return None, None
    pages, total = final.data.get("pages"), final.data.get("total_pages")
    if final.verb == "transmitted":
        return pages, "partial" if pages is not None and total is not None and pages < total else "complete"
    return pages, "partial" if pages else "failed"


def senders(facts: list[Fact], bots: set[str], verbs: Collection[Verb]) -> dict[str, ResourceFigures]:
    """Who sent or received a fax by its results, or sent a mail, even if they were never connected."""
    found: dict[str, ResourceFigures] = {}
    for fact in facts:
        resource = fact.data.get("resource")
        if resource is not None and fact.verb in verbs and resource["id"] not in found:
            bot = resource["id"] in bots
            found[resource["id"]] = ResourceFigures(0, 0, None, 0, fact.time, connected=False, bot=bot)
    return found

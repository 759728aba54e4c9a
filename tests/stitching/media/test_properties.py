"""Whatever events come in whatever order, the fold gives a timeline that keeps its invariants, and never raises."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchpoint.stitching.facts import SECOND, Fact, FactKey
from touchpoint.stitching.limits import Capabilities, Limits
from touchpoint.stitching.media import fold, merge_facts
from touchpoint.stitching.media.model import MediaItem, Segment
from touchpoint.stitching.media.order import RANK
from touchpoint.stitching.media.reference import documented

SEEDS = 10_000
LIMITS = Limits(capabilities={"no-holds": Capabilities(hold=False), "plain": Capabilities(hold=False, wrapup=False)})
VERBS = [verb for verb in RANK if verb != "*"] + ["surprise"]
REASONS = {
    "dequeued": "answered abandoned timeout empty key overflow withdrawn transferred callback".split(),
    "alert_ended": ["no_answer", "rejected", "busy", "canceled", "rescinded", "failed", "bridge_failed"],
}
BUSY = """
    queued alerting answered answered held retrieved consult_started consult_answered consult_ended transferred
    transferred joined left released disconnected wrapup_started wrapup_ended message draft_started sent
    transmission_started transmitted parked unparked
""".split()
AGENTS = ["A", "B", "C", "robot"]
CUSTOMER = {"ivr", "routing", "queue", "dialing", "parked", "voicemail", "transmission", "awaiting_customer", "gap"}


def random_data(dice: random.Random, verb: str) -> dict[str, Any]:
    """Data as the contract allows it for the verb, each field there or not."""
    data: dict[str, Any] = {}
    if dice.random() < 0.85:
        agent = dice.choice(AGENTS)
        data["resource"] = {"id": agent, "kind": "bot" if agent == "robot" else "agent"}
    if dice.random() < 0.5:
        data["queue"] = dice.choice(["Q1", "Q2"])
    choices: dict[str, list[Any]] = {
        "reason": REASONS.get(verb, ["whatever"]),
        "by": ["customer", "agent", "system", "network"],
        "role": ["agent", "customer", "supervisor", "external", "bot"],
        "mode": ["normal", "monitor", "coach", "barge"],
        "kind": ["blind", "attended"] if verb == "transferred" else ["reply", "forward", "auto_reply", "new"],
        "pages": [0, 3, 7],
        "total_pages": [7],
        "duration_ms": [0, 20_000, 10**9],
    }
    for name, values in choices.items():
        if dice.random() < 0.5:
            data[name] = dice.choice(values)
    if dice.random() < 0.6:
        to = [{"resource": {"id": dice.choice(AGENTS)}}, {"queue": "Q2"}, {"address": "tel:+1"}]
        data["to"] = "c2" if verb == "alias" else dice.choice(to)
    if dice.random() < 0.2:
        start = 1_000 * SECOND
        claims = {
            "started_at": start - 5 * SECOND, "ended_at": start + 300 * SECOND, "connected_ms": 40_000,
            "hold_ms": 5_000,
            "queued_at": start, "dequeued_at": start + 9 * SECOND, "answered_at": start + 9 * SECOND, "acw_ms": 7_000,
            "acw_started_at": start + 290 * SECOND, "talk_ms": 30_000, "queue_wait_ms": 9_000,
        }  # fmt: skip
        data["reported"] = {name: value for name, value in claims.items() if dice.random() < 0.5}
    return data


def random_facts(dice: random.Random, most: int = 18) -> list[Fact]:
    kind = dice.choice(["call", "chat", "email", "fax"])
    unit = dice.choice([SECOND, SECOND, 1_000, 60 * SECOND])
    verbs = dice.choice([VERBS, BUSY, BUSY])
    facts = []
    for n in range(dice.randint(1, most)):
        verb = dice.choice(verbs)
        facts.append(
            Fact(
                time=1_000 * SECOND + dice.randint(0, dice.choice([3, 60, 400])) * unit,
                kind=kind,
                verb=verb,
                source=dice.choice("xy"),
                id=f"e{n}",
                subject=dice.choice(["c1", "c1", "c1", "c1", "k1"]),
                sequence=dice.choice([None, None, f"{dice.randint(0, 9)}"]),
                dialect=dice.choice([None, None, "no-holds", "plain"]),
                data=random_data(dice, verb),
            )
        )
    return facts


def folded(facts: list[Fact]) -> MediaItem:
    known: dict[FactKey, Fact] = {}
    merge_facts(known, facts, LIMITS)
    return fold("c1", known.values(), LIMITS)


def overlap(segments: list[Segment]) -> bool:
    inner = sorted(segments, key=lambda s: (s.started_at, s.ended_at))
    return any(b.started_at < a.ended_at for a, b in pairwise(inner))


def check(item: MediaItem, facts: list[Fact]) -> None:
    segments = item.segments
    assert item.started_at <= item.ended_at <= item.latest <= item.complete_at
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
    total, reached = 0, 0
    for segment in sorted(segments, key=lambda s: s.started_at):
        total += max(segment.ended_at - max(segment.started_at, reached), 0)
        reached = max(reached, segment.ended_at)
    return total / 1000


def check_figures(item: MediaItem) -> None:
    agents = [s for s in item.segments if s.type == "with_agent" and s.resource_id != "robot" and s.resource_id]
    known = [s for s in item.segments if s.type == "with_agent" and s.resource_id != "robot"]
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


@pytest.mark.slow
def test_ten_thousand_random_sequences_keep_every_invariant_in_any_order() -> None:
    for seed in range(SEEDS):
        dice = random.Random(seed)
        facts = random_facts(dice)
        item = folded(facts)
        try:
            check(item, facts)
            assert folded(dice.sample(facts * 2, 2 * len(facts))) == item
        except AssertionError as broken:
            raise AssertionError(f"seed {seed}: {broken}\n{msgspec.json.encode(facts).decode()}") from broken


@given(st.randoms(use_true_random=False))
@settings(max_examples=200)
def test_any_sequence_folds_to_one_timeline_that_keeps_the_invariants(dice: random.Random) -> None:
    facts = random_facts(dice, most=8)
    item = folded(facts)
    check(item, facts)
    dice.shuffle(facts)
    assert msgspec.json.encode(folded(facts + facts[:3])) == msgspec.json.encode(item)

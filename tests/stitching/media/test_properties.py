"""Whatever events come in whatever order, the fold gives a timeline that keeps its invariants, and never raises."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from timeline_invariants import check

from touchpoint.stitching.facts import SECOND, Fact, FactKey
from touchpoint.stitching.limits import Capabilities, Limits
from touchpoint.stitching.media import fold, merge_facts
from touchpoint.stitching.media.media_item import MediaItem
from touchpoint.stitching.verbs import VERBS

SEEDS = 10_000
LIMITS = Limits(capabilities={"no-holds": Capabilities(hold=False), "plain": Capabilities(hold=False, wrapup=False)})
ALL: list[Any] = [*VERBS, "surprise"]
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
    verbs = dice.choice([ALL, BUSY, BUSY])
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

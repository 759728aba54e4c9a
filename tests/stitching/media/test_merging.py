"""The set of an item's facts: repetition and order change nothing, and it does not grow without bound."""

from __future__ import annotations

import random

import pytest

from touchpoint.stitching.facts import SECOND, Fact, FactKey
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.media import fold, is_truncated, merge_facts

SMALL = Limits(item_facts=10)


def message(n: int, verb: str = "message", **given: object) -> Fact:
    return Fact(
        time=(1_000 + n) * SECOND, kind="chat", verb=verb, source="s", id=f"{verb}{n}", subject="h1", **given,  # type: ignore[arg-type]
    )  # fmt: skip


def merged(facts: list[Fact], limits: Limits = SMALL, batch: int = 3) -> dict[FactKey, Fact]:
    known: dict[FactKey, Fact] = {}
    for n in range(0, len(facts), batch):
        merge_facts(known, facts[n : n + batch], limits)
    return known


def test_a_fact_that_is_known_changes_nothing() -> None:
    known: dict[FactKey, Fact] = {}
    assert merge_facts(known, [message(1)], SMALL)
    assert not merge_facts(known, [message(1), message(1)], SMALL)


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_contents_the_later_recorded_wins_then_the_greater(turned: bool) -> None:
    early, late = message(1, recorded=5, data={"role": "customer"}), message(1, recorded=9, data={"role": "agent"})
    unrecorded, greater = message(1, data={"role": "z"}), message(1, recorded=9, data={"role": "bot"})
    facts = [early, unrecorded, late, greater]
    assert list(merged(facts[::-1] if turned else facts).values()) == [greater]


def test_beyond_the_limit_the_first_facts_stay_and_those_that_end_it() -> None:
    facts = [message(n) for n in range(40)] + [message(50, "ended"), message(51, "wrapup_started")]
    known = merged(random.Random(1).sample(facts, len(facts)))
    assert sorted(f.time // SECOND - 1_000 for f in known.values()) == [*range(11), 50, 51]


def test_order_and_repetition_do_not_change_what_stays() -> None:
    dice = random.Random(5)
    facts = [message(n, dice.choice(["message", "ended", "summary", "queued"])) for n in range(60)]
    expected = merged(facts)
    for _ in range(50):
        assert merged(dice.sample(facts * 2, len(facts) * 2), batch=dice.randint(1, 20)) == expected


def test_a_fact_beyond_the_limit_does_not_count_as_a_change() -> None:
    known = merged([message(n) for n in range(20)])
    assert not merge_facts(known, [message(30)], SMALL)
    assert merge_facts(known, [message(0, "queued")], SMALL)


def test_an_item_at_its_limit_is_whole_and_one_beyond_is_truncated() -> None:
    at_limit, beyond = merged([message(n) for n in range(10)]), merged([message(n) for n in range(11)])
    assert not is_truncated(at_limit.values(), SMALL)
    assert "truncated" not in fold("h1", at_limit.values(), SMALL).flags
    assert is_truncated(beyond.values(), SMALL)
    item = fold("h1", beyond.values(), SMALL)
    assert "truncated" in item.flags
    assert item.ended_at == 1_009 * SECOND


def test_a_caller_that_knows_of_lost_facts_can_say_so() -> None:
    assert fold("h1", [message(1)], SMALL, truncated=True).flags == ("missing_start", "timed_out", "truncated")


def test_a_fold_of_nothing_says_what_is_missing() -> None:
    with pytest.raises(ValueError, match="'h1' cannot be folded: it needs at least one fact"):
        fold("h1", [], SMALL)

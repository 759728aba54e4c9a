"""The order of facts is total, and within one instant what closes goes before what opens."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from touchpoint.stitching.facts import Fact
from touchpoint.stitching.media.fact_set import arrange, ordered


def fact(verb: Any, time: int = 0, source: str = "s", sequence: str | None = None, id_: str | None = None) -> Fact:
    return Fact(time=time, kind="call", verb=verb, source=source, id=id_ or verb, subject="c1", sequence=sequence)


def verbs(facts: list[Fact]) -> list[str]:
    return [each.verb for each in facts]


def test_time_goes_before_rank_and_rank_before_source_and_id() -> None:
    facts = [
        fact("ended", 1), fact("offered", 2), fact("answered", 2, "b"), fact("answered", 2, "a", id_="2"),
        fact("answered", 2, "a", id_="1"), fact("queued", 2),
    ]  # fmt: skip
    seen = [(f.verb, f.source, f.id) for f in ordered(facts)]
    assert seen == [
        ("ended", "s", "ended"), ("offered", "s", "offered"), ("queued", "s", "queued"),
        ("answered", "a", "1"), ("answered", "a", "2"), ("answered", "b", "answered"),
    ]  # fmt: skip


def test_sequences_of_one_source_rearrange_it_within_the_places_it_holds() -> None:
    facts = [
        fact("ended", source="x", sequence="1"),
        fact("queued", source="x", sequence="2"),
        fact("answered", source="y"),
    ]
    for order in permutations(facts):
        assert verbs(ordered(order)) == ["ended", "answered", "queued"]


def test_a_sequence_orders_nothing_across_instants() -> None:
    assert verbs(ordered([fact("queued", 1, sequence="9"), fact("offered", 2, sequence="1")])) == ["queued", "offered"]


def test_a_verb_that_nobody_ranked_stands_after_message() -> None:
    facts = [fact("consult_started"), fact("surprise"), fact("message")]
    assert verbs(ordered(facts)) == ["message", "surprise", "consult_started"]


def arranged(*names: str, closing: set[str]) -> list[str]:
    return verbs(arrange(ordered([fact(name) for name in names]), lambda each: each.verb in closing))


def test_closing_event_goes_before_an_opening_one_of_the_same_instant() -> None:
    assert arranged("queued", "dequeued", closing={"dequeued"}) == ["dequeued", "queued"]


def test_closing_event_stays_after_its_opening_in_the_same_instant() -> None:
    assert arranged("queued", "dequeued", closing=set()) == ["queued", "dequeued"]


def test_disconnected_and_ended_keep_their_place() -> None:
    names = ("answered", "released", "disconnected", "ended", "wrapup_started")
    assert arranged(*names, closing={"released"}) == ["released", "answered", "disconnected", "ended", "wrapup_started"]


def test_a_transfer_moves_before_answered_queued_and_joined() -> None:
    assert arranged("queued", "answered", "joined", "transferred", closing={"transferred"})[0] == "transferred"


def test_a_transfer_never_moves_before_consult_answered() -> None:
    assert arranged("consult_answered", "transferred", closing={"transferred"}) == ["consult_answered", "transferred"]
    assert arranged("answered", "consult_answered", "transferred", closing={"transferred"}) == [
        "answered", "consult_answered", "transferred",
    ]  # fmt: skip


def test_a_transfer_stays_behind_what_only_rings() -> None:
    assert arranged("alerting", "transferred", closing={"transferred"}) == ["alerting", "transferred"]


def test_sequenced_events_are_not_moved() -> None:
    facts = ordered([fact("queued", sequence="1"), fact("dequeued", sequence="2"), fact("answered")])
    assert arrange(facts, lambda each: each.verb == "dequeued") == facts

"""What an installation configures, the fold obeys."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from touchpoint.stitching.facts import MINUTE, SECOND, Fact
from touchpoint.stitching.limits import CHANNELS, Capabilities, ChannelLimits, Limits
from touchpoint.stitching.media import fold
from touchpoint.stitching.media.ending import later
from touchpoint.stitching.verbs import FactVerb

A: Any = {"resource": {"id": "A"}}


def fact(seconds: int, verb: FactVerb, kind: str = "call", **data: object) -> Fact:
    return Fact(time=seconds * SECOND, kind=kind, verb=verb, source="s", id=f"{seconds}{verb}", subject="c1", data=data)


def test_the_age_is_that_of_the_channel() -> None:
    limits = Limits(channels={**CHANNELS, "sms": ChannelLimits(MINUTE, 7 * MINUTE, MINUTE, "chat", 7 * MINUTE)})
    item = fold("c1", [fact(0, "offered", "sms"), fact(5, "answered", "sms", **A)], limits)
    assert item.complete_at == 5 * SECOND + 7 * MINUTE


@pytest.mark.parametrize(("channel", "hours"), [("call", 4), ("chat", 24), ("fax", 2), ("email", 30 * 24)])
def test_the_ages_are_those_of_the_rules(channel: str, hours: int) -> None:
    item = fold("c1", [fact(0, "offered", channel), fact(5, "alerting", channel, **A)], Limits())
    assert item.complete_at == 5 * SECOND + hours * 60 * MINUTE


@pytest.mark.parametrize(("channel", "hours"), [("call", 24), ("chat", 7 * 24), ("fax", 24), ("email", 30 * 24)])
@pytest.mark.parametrize("verb", ["answered", "queued"])
def test_queued_or_connected_items_live_longer(channel: str, hours: int, verb: FactVerb) -> None:
    known: Any = {**A, "queue": "Q"}
    item = fold("c1", [fact(0, "offered", channel), fact(5, verb, channel, **known)], Limits())
    assert item.complete_at == 5 * SECOND + hours * 60 * MINUTE


def test_a_source_that_tells_no_ends_is_not_waited_for_any_longer() -> None:
    limits = Limits(capabilities={"deaf": Capabilities(ends=False)})
    facts = [msgspec.structs.replace(each, dialect="deaf") for each in (fact(0, "offered"), fact(5, "answered", **A))]
    assert fold("c1", facts, limits).complete_at == 5 * SECOND + 4 * 60 * MINUTE


def test_a_chat_of_which_no_message_was_told_is_never_idle() -> None:
    facts = [fact(0, "answered", "chat", **A), fact(1800, "ended", "chat")]
    assert fold("c1", facts, Limits()).talk_ms == 1_800_000


def test_a_channel_behaves_like_the_one_that_it_is_like() -> None:
    facts = [fact(0, "offered", "letter"), fact(5, "answered", "letter", **A), fact(9, "sent", "letter", **A)]
    assert fold("c1", facts, Limits(channels={**CHANNELS, "letter": CHANNELS["email"]})).flags == ()
    assert fold("c1", facts, Limits(channels={**CHANNELS, "letter": CHANNELS["fax"]})).ended_at == 9 * SECOND


def test_a_channel_without_limits_of_its_own_still_folds() -> None:
    assert fold("c1", [fact(0, "offered", "pigeon")], Limits()).channel == "pigeon"


def test_the_short_abandon_is_configurable() -> None:
    facts = [fact(0, "offered"), fact(0, "queued", queue="Q"), fact(8, "disconnected", by="customer")]
    assert fold("c1", facts, Limits()).flags == ()
    assert fold("c1", facts, Limits(short_abandon=9 * SECOND)).flags == ("short_abandon",)


def test_the_silence_of_a_customer_is_configurable() -> None:
    facts = [fact(0, "answered", "chat", **A), fact(70, "message", "chat", role="agent"), fact(170, "ended", "chat")]
    assert len(fold("c1", facts, Limits()).segments) == 1
    assert [s.type for s in fold("c1", facts, Limits(chat_idle=MINUTE)).segments] == [
        "with_agent",
        "awaiting_customer",
        "with_agent",
        "awaiting_customer",
    ]


@pytest.mark.parametrize(
    ("silent", "due"),
    [
        ((), 110),
        (((0, 5),), 110),  # before it began to count
        (((0, 30),), 130),  # only what lies after the start
        (((50, 60), (115, 200)), 205),  # the first puts the second within reach
        (((40, 60), (50, 70)), 140),  # an overlap counts once
        (((120, 200),), 110),  # after it was due
    ],
)
def test_silence_puts_off_what_is_due_by_its_own_length(silent: tuple[tuple[int, int], ...], due: int) -> None:
    assert later(10, 100, silent) == due


def test_clocks_that_contradict_each_other_give_a_span_of_zero_and_a_flag() -> None:
    told = {"acw_started_at": 90 * SECOND, "acw_ended_at": 80 * SECOND}
    facts = [
        fact(0, "offered"), fact(5, "answered", **A), fact(70, "ended"), fact(99, "summary", **A, reported=told),
    ]  # fmt: skip
    item = fold("c1", facts, Limits())
    assert item.flags == ("clock_skew",)
    assert item.acw_ms == 0

"""What the hostile producer writes: where it stands in the stream, and what is told apart as theirs."""

from __future__ import annotations

import random

import orjson
import pytest
from fault_stream import good_events
from hostile_attacks import NAME, THROWN, WOVEN, Aims, Raw, Thrown, Woven, theirs, woven_into
from installation import offline

from touchpoint.events import Accepted, Decoder

AIMS = Aims(["call-1"], ["tel:+441632960001"])


@pytest.mark.parametrize("attack", WOVEN, ids=lambda attack: attack.name)
def test_woven_events_are_accepted_and_what_becomes_of_them_is_told_apart(attack: Woven) -> None:
    events = attack.make(1, "2026-03-02T09:00:00Z")
    decoder = Decoder()
    assert {type(decoder.decode(orjson.dumps(event))) for event in events} == {Accepted}
    assert len({event["id"] for event in events}) == len(events)
    some = offline(events[:50]).values()
    assert all(map(theirs, some))


def test_hostile_rows_are_told_apart_and_their_events_stay_in_order() -> None:
    events = good_events(3, 2_000)
    assert not any(map(theirs, offline(events).values()))
    woven = woven_into(events, 3)
    assert [event for event in woven if event.get("tenant") != NAME] == events
    assert len(woven) > len(events) + 2_000
    assert woven == woven_into(events, 3)


@pytest.mark.parametrize("attack", THROWN, ids=lambda attack: attack.name)
def test_hostile_records_differ_each_time_and_name_their_producer(attack: Thrown) -> None:
    dice = random.Random(4)
    first, second = attack.make(dice, AIMS), attack.make(dice, AIMS)
    assert first
    if not isinstance(first[0], Raw):
        assert first != second
        assert all(NAME.encode() in (shot.key + shot.value) for shot in first if not isinstance(shot, Raw))

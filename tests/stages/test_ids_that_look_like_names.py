"""Ids of media items that begin as the names of other things do: no producer can make one kind of thing another's.

In memory a party's items, activities, mails, threads and correlationids have names in one namespace
(``stitching/interactions/names.py``), and so have what `touches` and `links` move.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from canonical_events import accepted, smallest_event
from random_traffic import crowd
from stage_cluster import SECRET, Cluster, Json, offline, records_of

from touchpoint.stitching.ids import interaction_id
from touchpoint.stitching.interactions.advance import advance
from touchpoint.stitching.interactions.names import activity_name, activity_of, correlation_of, item_name, item_of
from touchpoint.stitching.interactions.party_facts import Closed, PartyFacts, PartyKey
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.record_builder import party_key

LATER = "2026-06-30T00:00:00Z"
PREFIXES = ("", "activity:", "thread:", "mail:", "corr:", "address:", "anon:", "item:", "+", "?", "activity:activity:")
NEUTRAL = "other/"
MARY, CALLER = {"id": "P1"}, {"address": "tel:+441632960001"}


def rows_of_stages(events: list[Json], seed: int) -> dict[str, Json]:
    cluster = Cluster(3, seed, Limits())
    cluster.produce(events)
    cluster.finish(LATER)
    found = {record["interaction_id"]: record for record in records_of(cluster.run(0.02, 0.02))}
    assert not cluster.dead
    return found


def shape(rows: dict[str, Json], prefix: str) -> list[Any]:
    """What interactions there are of which things, without a prefix of the media items and without what is hashed."""
    things = {
        identifier: (
            sorted(each["media_item_id"].removeprefix(prefix) for each in row["media_items"]),
            sorted(each["activity_id"] for each in row["activities"]),
        )
        for identifier, row in rows.items()
    }
    return sorted(
        (*things[identifier], row["started_at"], row["ended_at"], row["closed_by"], len(row["amendments"]),
         things.get(row["parent_interaction_id"] or ""), row["parent_interaction_id"] is None)
        for identifier, row in rows.items()
    )  # fmt: skip


# --- examples ---------------------------------------------------------------------------------------------------------


def event(n: int, kind: str, subject: str, time: str, data: Json, **attributes: str) -> Json:
    made = {"specversion": "1.0", "id": f"e{n}", "source": "x", "type": kind, "subject": subject, "data": data}
    return made | {"time": f"2026-03-02T{time}Z"} | attributes


def call(n: int, item: str, hour: int, **data: Any) -> list[Json]:
    """A short call of the party."""
    return [
        event(n, "call.offered", item, f"{hour:02}:00:00", {"party": MARY, **data}),
        event(n + 1, "call.ended", item, f"{hour:02}:01:00", {}),
    ]


def mail(n: int, item: str, hour: int) -> list[Json]:
    """A mail of the party, of thread x, with Message-ID x, correlationid x and an activity x."""
    data = {"party": MARY, "message_id": "x", "related": {"thread": "x"}}
    return [
        event(n, "email.offered", item, f"{hour:02}:00:00", data, correlationid="x"),
        event(n + 1, "activity.recorded", item, f"{hour:02}:00:10", {"activity": "x", "action": "quote"}),
    ]


WORLDS: dict[str, Callable[[str], list[Json]]] = {
    "a call with such an id": lambda item: mail(0, "m1", 8) + call(2, item, 11),
    "a call that names such an item, which is not there": lambda item: (
        mail(0, "m1", 8) + call(2, "c1", 11, related={"previous": item})
    ),
    "a call that names such an item": lambda item: (
        mail(0, "m1", 8) + call(2, item, 11) + call(4, "c2", 14, related={"previous": item})
    ),
    "such an item of nobody, that goes where what it names goes": lambda item: [
        *mail(0, "m1", 8),
        event(4, "call.offered", item, "08:00:20", {"related": {"parent": "m1"}}),
        event(5, "call.ended", item, "08:00:40", {}),
    ],
    "an activity about such an item": lambda item: [
        *mail(0, "m1", 8),
        *call(2, item, 11),
        event(4, "activity.recorded", item, "11:00:30", {"activity": "y", "action": "note", "media_item": item}),
    ],
    "such an item of an address that is identified": lambda item: [
        event(0, "activity.recorded", "", "08:00:00", {"activity": "x", "action": "note", "party": CALLER}),
        event(1, "call.offered", item, "11:00:00", {"party": CALLER}),
        event(2, "call.ended", item, "11:00:30", {}),
        event(3, "party.identified", "tel:+441632960001", "07:00:00", {"id": "P1"}),
    ],
    "such an item that is an alias": lambda item: [
        *mail(0, "m1", 8),
        *call(2, item, 11),
        *call(4, "c2", 11),
        event(6, "call.alias", item, "11:00:30", {"to": "c2"}),
    ],
}


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("world", WORLDS)
def test_prefix_of_an_id_links_nothing(world: str, prefix: str) -> None:
    events, control = ([_clean(each) for each in WORLDS[world](f"{start}x")] for start in (prefix, NEUTRAL))
    expected = shape(offline(control), NEUTRAL)
    assert shape(offline(events), prefix) == expected
    assert rows_of_stages(events, 1) == offline(events)


def _clean(made: Json) -> Json:
    return {name: value for name, value in made.items() if value != ""}


def test_an_item_and_an_activity_of_nobody_with_one_id_are_two_parties() -> None:
    """Nor does a correlationid join them: it links within one party."""
    events = [
        event(0, "call.offered", "x", "08:00:00", {}, correlationid="k"),
        event(1, "call.ended", "x", "08:01:00", {}, correlationid="k"),
        event(2, "activity.recorded", "", "08:01:30", {"activity": "x", "action": "note"}, correlationid="k"),
        event(3, "activity.recorded", "", "08:01:30", {"activity": "y", "action": "note"}, correlationid="k"),
    ]
    rows = offline([_clean(each) for each in events])
    assert len(rows) == 3
    assert len({row["party_key"] for row in rows.values()}) == 3
    assert not any(row["parent_interaction_id"] for row in rows.values())
    assert rows_of_stages([_clean(each) for each in events], 1) == rows


# --- random worlds ----------------------------------------------------------------------------------------------------


def renamed(events: list[Json], prefix: str) -> list[Json]:
    """Things of all kinds are numbered, each kind from nought; those of media items stand behind a prefix."""
    items, activities, threads, messages, correlations = (set[str]() for _ in range(5))
    for made in events:
        data, related = made["data"], made["data"].get("related", {})
        told = [data.get("media_item"), data.get("to"), *(related[kind] for kind in related if kind != "thread")]
        items |= {name for name in told if isinstance(name, str)}
        if not made["type"].startswith("party.") and made.get("subject"):
            items.add(made["subject"])
        activities |= {data["activity"]} if "activity" in data else set()
        threads |= {related["thread"]} if "thread" in related else set()
        messages |= {*data.get("references", ()), *([data["message_id"]] if "message_id" in data else ())}
        correlations |= {made["correlationid"]} if "correlationid" in made else set()
    item = {name: f"{prefix}{n:03}" for n, name in enumerate(sorted(items))}
    activity, thread, message, correlation = (
        {name: f"{n:03}" for n, name in enumerate(sorted(names))}
        for names in (activities, threads, messages, correlations)
    )

    def other(made: Json) -> Json:
        made, data = dict(made), dict(made["data"])
        if not made["type"].startswith("party.") and made.get("subject"):
            made["subject"] = item[made["subject"]]
        if "correlationid" in made:
            made["correlationid"] = correlation[made["correlationid"]]
        for name, names in (("media_item", item), ("to", item), ("activity", activity), ("message_id", message)):
            if isinstance(data.get(name), str):
                data[name] = names[data[name]]
        if "references" in data:
            data["references"] = [message[name] for name in data["references"]]
        if "related" in data:
            data["related"] = {
                kind: (thread if kind == "thread" else item)[name] for kind, name in data["related"].items()
            }
        return made | {"data": data}

    return [other(made) for made in events]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_worlds_whose_items_have_such_ids_are_as_others(prefix: str) -> None:
    for seed in range(12):
        events = crowd(seed, 4)
        expected = shape(offline(renamed(events, NEUTRAL)), NEUTRAL)
        assert shape(offline(renamed(events, prefix)), prefix) == expected, f"seed {seed}"


@pytest.mark.parametrize("prefix", PREFIXES)
def test_stages_make_of_such_worlds_what_stitch_makes(prefix: str) -> None:
    for seed in range(2):
        events = renamed(crowd(seed, 3), prefix)
        expected = offline(events)
        found = rows_of_stages(events, seed)
        assert found.keys() == expected.keys(), f"seed {seed}"
        for identifier, row in expected.items():
            assert found[identifier] | {"amendments": row["amendments"]} == row, f"seed {seed}"


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [*PREFIXES, ""])
def test_a_name_says_of_what_kind_its_thing_is(start: str) -> None:
    name = item_name(f"{start}x")
    assert (item_of(name), activity_of(name), correlation_of(name)) == (f"{start}x", None, None)
    name = activity_name(f"{start}x")
    assert (item_of(name), activity_of(name)) == (None, f"{start}x")


@pytest.mark.parametrize("item", ["c1", "item:c1", "call:c1", "+441632960001", "anon:c1", "ACTIVITY:a1", "mailing:1"])
def test_an_id_that_can_be_nothing_else_is_its_name_as_state_of_0_1_0_has_it(item: str) -> None:
    assert item_name(item) == item


@pytest.mark.parametrize("item", ["activity:x", "thread:x", "mail:x", "corr:x", "address:x", "x"])
def test_late_event_of_an_interaction_that_0_1_0_closed_is_an_amendment(item: str) -> None:
    key, day = PartyKey("default", "id", "P1"), 86_400_000_000
    late = accepted(smallest_event("call.answered", subject=item))
    mine = Closed(interaction_id("default", True, item), key, late.time + 1, late.time, (item,), b"")
    found = advance(PartyFacts(items={item: [late]}, closed=[mine]), late.time + 2 * day, Limits())
    assert (len(found.amendments), len(found.closed)) == (1, 0)
    other = Closed("of something else", key, late.time + 1, late.time, (item,), b"")
    found = advance(PartyFacts(items={item: [late]}, closed=[other]), late.time + 2 * day, Limits())
    assert (len(found.amendments), len(found.closed)) == ((1, 0) if item == "x" else (0, 1))


def test_keys_of_parties_differ_from_those_of_items_without_a_party() -> None:
    alone = party_key(SECRET, PartyKey("t", "anon", "c1"))
    keys = [party_key(SECRET, PartyKey("t", kind, "anon:c1")) for kind in ("id", "address", "anon")]
    assert alone not in keys
    assert keys[0] == keys[1] != keys[2]

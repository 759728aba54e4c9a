"""`source.flushed`: what a source has told completely closes, moves no clock, and is the same in `stitch`."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import orjson
import pytest
from random_traffic import world
from stage_cluster import Cluster, Json, arrival, flushed, offline, records_of

from touchpoint.simulate import simulate
from touchpoint.stitching.limits import Limits

START = datetime(2026, 3, 2, 8, tzinfo=UTC)


def found(cluster: Cluster) -> dict[str, Json]:
    return {record["interaction_id"]: record for record in records_of(cluster.closed)}


def sources(events: list[Json]) -> list[str]:
    return sorted({event["source"] for event in events})


def last(events: list[Json]) -> str:
    return str(max(events, key=lambda event: datetime.fromisoformat(event["time"]))["time"])


def equal(rows: dict[str, Json], expected: dict[str, Json]) -> None:
    assert rows.keys() == expected.keys()
    for identifier, record in expected.items():
        assert rows[identifier] | {"amendments": record["amendments"]} == record


@pytest.mark.parametrize(
    ("seed", "partitions", "restarts", "crashes"), [(1, 1, 0, 0), (2, 4, 0, 0), (3, 3, 0.05, 0), (4, 3, 0, 0.1)]
)
def test_a_simulated_hour_that_is_flushed_is_what_stitch_makes_of_it(
    seed: int, partitions: int, restarts: float, crashes: float
) -> None:
    events = list(simulate(seed, START, hours=1.0, volume=120))
    cluster = Cluster(partitions, seed, Limits())
    cluster.produce(arrival(events, seed))
    cluster.read(restarts, crashes)
    cluster.flush(last(events), sources(events))
    cluster.run(restarts, crashes)
    assert not cluster.dead
    equal(found(cluster), offline(events))
    assert all(
        (time := stage.report().watermark) is None or time <= datetime.fromisoformat(last(events)).timestamp() * 1e6
        for stage in cluster.stages.values()
    )


@pytest.mark.parametrize("seeds", [range(60), range(60, 120), range(120, 180)])
def test_contradictory_worlds_that_are_flushed_are_what_stitch_makes_of_them(seeds: range) -> None:
    for seed in seeds:
        events = world(seed)
        cluster = Cluster(3, seed, Limits())
        cluster.produce(arrival(events, seed))
        cluster.read(0.02)
        cluster.flush(last(events), sources(events))
        cluster.run(0.02)
        expected = offline(events)
        assert found(cluster).keys() == expected.keys(), f"seed {seed}"
        for identifier, record in expected.items():
            row = found(cluster)[identifier]
            assert row | {"amendments": record["amendments"]} == record, f"seed {seed}"


@pytest.mark.parametrize("seed", range(8))
def test_events_after_a_flush_are_amendments_where_stitch_says_so(seed: int) -> None:
    """A live source declares three times that it has told everything; its calls go on nevertheless."""
    events = list(simulate(seed, START, hours=1.0, volume=60))
    cuts = [START + timedelta(minutes=minutes) for minutes in (0, 17, 40, 600)]
    cluster, told = Cluster(2, seed, Limits()), []
    for begin, until in pairwise(cuts):
        part = [event for event in events if begin < datetime.fromisoformat(event["time"]) <= until]
        cluster.now = int(until.timestamp() * 1e6)
        cluster.produce(arrival(part, seed))
        cluster.read()
        cluster.flush(until.isoformat(), sources(events), until.isoformat())
        cluster.run()
        told += [flushed(source, until.isoformat(), until.isoformat()) for source in sources(events)]
    same_as_stitch(cluster, [*events, *told])
    assert offline([*events, *told]) != offline(events), "the declarations cut something"


def same_as_stitch(cluster: Cluster, events: list[Json]) -> None:
    """Rows, and amendments as a set: they are told as they come."""
    expected, rows = offline(events), found(cluster)
    hashes = {id_: record["content_hash"] for id_, record in expected.items()}
    assert {id_: row["content_hash"] for id_, row in rows.items()} == hashes
    amended = {
        (event["data"]["interaction_id"], event["data"]["event_id"])
        for event in cluster.closed
        if event["type"] == "interaction.amended"
    }
    assert amended == {(id_, late["event_id"]) for id_, record in expected.items() for late in record["amendments"]}


@pytest.mark.parametrize("seed", range(4))
def test_a_backfill_may_be_flushed_day_by_day(seed: int) -> None:
    cluster, events, told = Cluster(2, seed, Limits()), [], []
    for day in range(4):
        part = [
            event
            | {"id": f"{day}/{event['id']}"}
            | ({"subject": f"{day}/{event['subject']}"} if "subject" in event else {})
            for event in simulate(seed, START + timedelta(days=day), hours=0.5, volume=60)
            if event["type"].startswith("call.")
        ]
        cluster.produce(arrival(part, seed))
        cluster.read()
        until, time = START + timedelta(days=day, hours=12), datetime.fromtimestamp(cluster.now / 1e6, UTC)
        cluster.flush(until.isoformat(), sources(part), time.isoformat())
        cluster.run()
        events += part
        told += [flushed(source, until.isoformat(), time.isoformat()) for source in sources(part)]
        same_as_stitch(cluster, [*events, *told])


def test_flush_may_stand_anywhere_in_a_file() -> None:
    events = list(simulate(5, START, hours=0.5, volume=60))
    told = [flushed(source, "2026-03-02T08:20:00Z", "2026-03-05T00:00:00Z") for source in sources(events)]
    expected = offline([*events, *told])
    for seed in range(5):
        mixed = [*events, *told, *told]
        random.Random(seed).shuffle(mixed)
        assert offline(mixed) == expected


def call(number: int, source: str = "/pbx", tenant: str | None = None, minute: int = 0) -> list[Json]:
    begin = START + timedelta(minutes=minute)
    data: Json = {"party": {"address": f"tel:+4416329600{number:02}"}}
    return [
        {
            "specversion": "1.0", "id": f"{number}/{n}", "source": source, "type": f"call.{verb}", "data": data,
            "subject": f"c{number}", "time": (begin + timedelta(seconds=10 * n)).isoformat(),
        } | ({"tenant": tenant} if tenant else {})
        for n, verb in enumerate(("offered", "queued"))
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "tenant", "until"),
    [("/other", None, 60), ("/pbx", "another", 60), ("/pbx", None, 0), ("/pb", None, 60)],
)
def test_a_declaration_concerns_its_source_its_tenant_and_its_time_alone(
    source: str, tenant: str | None, until: int
) -> None:
    cluster = Cluster(2, 1, Limits())
    cluster.produce(call(1))
    cluster.read()
    cluster.flush((START + timedelta(seconds=until)).isoformat(), [source], tenant=tenant)
    cluster.run()
    assert not cluster.closed
    cluster.flush((START + timedelta(seconds=60)).isoformat(), ["/pbx"])
    cluster.run()
    assert [row["flags"] for row in found(cluster).values()] == [["timed_out"]]


def test_item_with_events_of_two_sources_waits_for_the_flush_of_both() -> None:
    cluster = Cluster(2, 1, Limits())
    mixed = [*call(1), call(1, "/acd", minute=1)[1] | {"id": "acd"}]
    cluster.produce([*mixed, *call(2)])
    cluster.read()
    until = (START + timedelta(hours=1)).isoformat()
    cluster.flush(until, ["/pbx"])
    cluster.run()
    assert [row["media_items"][0]["media_item_id"] for row in found(cluster).values()] == ["c2"]
    cluster.flush(until, ["/acd"])
    cluster.run()
    assert len(found(cluster)) == 2


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("seed", [1, 2])
def test_sources_that_declare_different_instants_close_what_they_have_in_common(seed: int, order: int) -> None:
    """An operator ends the import of each system as it is through; calls with wrap-ups of another stayed open."""
    events = list(simulate(seed, START, hours=0.5, volume=120))
    end = datetime.fromisoformat(last(events))
    instants = {
        name: (end + timedelta(minutes=number * order + 60)).isoformat() for number, name in enumerate(sources(events))
    }
    cluster = Cluster(3, seed, Limits())
    cluster.produce(arrival(events, seed))
    cluster.read()
    for number, (name, until) in enumerate(instants.items()):
        at = datetime.fromtimestamp(cluster.now / 1e6 + number, UTC).isoformat()
        cluster.flush(until, [name], at)
    cluster.run()
    assert not cluster.dead
    equal(found(cluster), offline(events))


@pytest.mark.parametrize("seeds", [range(40), range(40, 80)])
def test_contradictory_worlds_whose_sources_declare_different_instants_are_what_stitch_makes_of_them(
    seeds: range,
) -> None:
    for seed in seeds:
        events, dice = world(seed), random.Random(seed)
        end = datetime.fromisoformat(last(events))
        untils = {name: (end + timedelta(seconds=dice.randrange(7_200))).isoformat() for name in sources(events)}
        cluster = Cluster(2, seed, Limits())
        cluster.produce(events)
        cluster.read()
        at = datetime.fromtimestamp(cluster.now / 1e6, UTC).isoformat()
        tenants = sorted({(event["source"], event.get("tenant")) for event in events}, key=str)
        for name, tenant in tenants:
            cluster.flush(untils[name], [name], at, tenant)
        cluster.run()
        said = [flushed(name, untils[name], at, tenant) for name, tenant in tenants]
        equal(found(cluster), offline([*events, *said]))


def test_a_declaration_that_did_not_reach_every_partition_closes_nothing() -> None:
    """What it speaks of may be unread in a partition that it did not reach. Sent again, it closes."""
    cluster = Cluster(2, 1, Limits())
    cluster.produce([*call(1), *call(2), *call(3)])
    cluster.read()
    until = (START + timedelta(hours=1)).isoformat()
    event = flushed("/pbx", until, "2027-01-15T08:00:00Z")
    cluster.put("calls", b"/pbx", orjson.dumps(event), 0)
    cluster.run()
    assert not cluster.closed
    cluster.flush(until, ["/pbx"])
    cluster.run()
    assert len(found(cluster)) == 3


def test_a_declaration_of_what_has_not_come_yet_is_a_dead_letter() -> None:
    cluster = Cluster(1, 1, Limits())
    cluster.produce(call(1))
    cluster.flush("2090-01-01T00:00:00Z", ["/pbx"])
    cluster.run()
    assert not cluster.closed
    assert {dict(letter.headers)["touchpoint-code"] for letter in cluster.dead} == {b"time"}

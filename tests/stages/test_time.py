"""Clocks ahead, stops, backfills and heartbeats, through both stages on a clock of the test's own."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from stage_cluster import Cluster, Json, arrival, offline, records_of

from touchpoint.events import Decoder
from touchpoint.kafka.topic_rights import topic_rights
from touchpoint.settings import load_settings
from touchpoint.simulate import simulate
from touchpoint.stages.heartbeats import MOST_SOURCES, SOURCES
from touchpoint.stages.media.media_clock import MediaClock, MediaTime
from touchpoint.stages.media.media_stage import MediaStage
from touchpoint.stages.protocol import Assignment, Record
from touchpoint.stitching.facts import DAY, HOUR, MINUTE, SECOND, Micros
from touchpoint.stitching.limits import DEFAULT, Limits
from touchpoint.stitching.watermarks import Input

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def micros(time: datetime | str) -> Micros:
    at = datetime.fromisoformat(time) if isinstance(time, str) else time
    return int(at.timestamp() * 1_000_000)


def at(cluster: Cluster) -> str:
    return datetime.fromtimestamp(cluster.now / 1e6, UTC).isoformat()


def call(name: str, begin: datetime, source: str = "/pbx", tenant: str | None = None, seconds: int = 90) -> list[Json]:
    """Offered, answered, ended."""
    steps = (("offered", 0), ("answered", 10), ("ended", seconds))
    number = sum(name.encode()) * 7919 % 900 + 100
    party = {"party": {"address": f"tel:+441632{number:03}{len(name):03}"}}
    return [
        {
            "specversion": "1.0", "id": f"{name}/{verb}", "source": source, "type": f"call.{verb}", "subject": name,
            "time": (begin + timedelta(seconds=after)).isoformat(), "data": {**party, "resource": {"id": "ann"}},
        } | ({"tenant": tenant} if tenant else {})
        for verb, after in steps
    ]  # fmt: skip


def beat(source: str, time: datetime, tenant: str | None = None) -> Json:
    told = {"specversion": "1.0", "id": f"beat/{time}", "source": source, "type": "source.heartbeat"}
    return told | {"time": time.isoformat()} | ({"tenant": tenant} if tenant else {})


def live(cluster: Cluster, events: Iterable[Json]) -> None:
    """Each event when it happens, a minute of events at a time; the clock goes on with them."""
    waiting = sorted(events, key=lambda event: micros(event["time"]))
    while waiting:
        cluster.now = max(cluster.now, micros(waiting[0]["time"]))
        due = [event for event in waiting if micros(event["time"]) <= cluster.now]
        waiting = waiting[len(due) :]
        send(cluster, due)
        cluster.read()
        cluster.idle(1)


def send(cluster: Cluster, events: Iterable[Json]) -> None:
    for event in events:
        if event["type"].startswith("source."):
            cluster.everywhere(orjson.dumps(event), event["source"].encode())
        else:
            cluster.produce([event])


def rows(cluster: Cluster) -> dict[str, Json]:
    return {record["interaction_id"]: record for record in records_of(cluster.closed)}


def same(cluster: Cluster, events: list[Json]) -> None:
    """The rows are those of `stitch`, each once, and nothing was late."""
    expected = offline(events)
    found = rows(cluster)
    assert found.keys() == expected.keys()
    assert {i: row["content_hash"] for i, row in found.items()} == {i: r["content_hash"] for i, r in expected.items()}
    assert not [event for event in cluster.closed if event["type"] == "interaction.amended"]


def codes(cluster: Cluster) -> list[str]:
    return [(dict(letter.headers)["touchpoint-code"] or b"").decode() for letter in cluster.dead]


def fresh(partitions: int = 2, seed: int = 1, limits: Limits = DEFAULT) -> Cluster:
    cluster = Cluster(partitions, seed, limits)
    cluster.now = micros(NOON)
    return cluster


# --- clocks ahead -----------------------------------------------------------------------------------------------------


def test_a_source_23_hours_ahead_ruins_nobody_elses_rows() -> None:
    """B7, as it was found: another tenant's 40 calls 23 h ahead, then 20 ordinary calls, 3 h and 30 h later 10 more."""
    cluster = fresh(3)
    ahead = [each for n in range(40) for each in call(f"x{n}", NOON + timedelta(hours=23, seconds=n), "/bad", "other")]
    good = [each for n in range(20) for each in call(f"c{n}", NOON + timedelta(minutes=1 + n))]
    later = [each for n in range(10) for each in call(f"l{n}", NOON + timedelta(hours=3, minutes=n))]
    last = [each for n in range(10) for each in call(f"m{n}", NOON + timedelta(hours=30, minutes=n))]
    send(cluster, ahead)
    for events in (good, later, last):
        live(cluster, events)
    cluster.idle(3_600, step=30)
    same(cluster, [*good, *later, *last])
    assert codes(cluster) == ["time"] * len(ahead)
    assert all(row["media_items"][0]["talk_ms"] == 80_000 for row in rows(cluster).values())


@pytest.mark.parametrize("days", [1, 31, 41, 399])
def test_a_heartbeat_ahead_closes_nothing_and_makes_nothing_late(days: int) -> None:
    """B6 (a), and (b) as the documents used to say it."""
    cluster = fresh()
    open_ = call("open", NOON)
    live(cluster, open_[:2])
    send(cluster, [beat("finish", NOON + timedelta(days=days))])
    cluster.read()
    cluster.idle(30)
    assert not cluster.closed
    calls = [each for n in range(10) for each in call(f"c{n}", NOON + timedelta(minutes=2 + n))]
    live(cluster, [open_[2], *calls])
    cluster.idle(3_600, step=30)
    same(cluster, [*open_, *calls])
    assert set(codes(cluster)) == {"time"}


def test_minutes_ahead_cost_others_minutes_and_no_row() -> None:
    """guarantees.md: what 5 minutes cost whom. The stitch gap of 10 minutes outlasts them."""
    cluster = fresh()
    calls = [each for n in range(20) for each in call(f"c{n}", NOON + timedelta(minutes=n))]
    ahead = [each for n in range(20) for each in call(f"x{n}", NOON + timedelta(minutes=n, seconds=1), "/fast")]
    for n in range(20):
        live(cluster, calls[3 * n : 3 * n + 3])
        fast = [{**each, "time": (datetime.fromisoformat(each["time"]) + timedelta(minutes=4)).isoformat()}
                for each in ahead[3 * n : 3 * n + 3]]  # fmt: skip
        send(cluster, fast)
        cluster.read()
    cluster.idle(1_800, step=30)
    found, expected = rows(cluster), offline(calls)
    assert {i: found[i]["content_hash"] for i in expected} == {i: r["content_hash"] for i, r in expected.items()}
    assert not cluster.dead


def stage(state: dict[bytes, bytes]) -> MediaStage:
    inputs = {topic: rights for topic, rights in topic_rights(load_settings({})).items() if topic == "calls"}
    return MediaStage(Assignment(0, 1, 1, state), Decoder(), DEFAULT, b"test", inputs)


@pytest.mark.parametrize("stamped", [True, False])
@pytest.mark.parametrize("ahead", [299, 301, 86_399])
def test_the_verdict_is_the_same_whenever_a_record_is_read_and_whatever_our_clock(stamped: bool, ahead: int) -> None:
    appended = micros(NOON)
    event = call("c1", NOON + timedelta(seconds=ahead))[0]
    record = Record("calls", 0, 7, b"c1", orjson.dumps(event), (), appended // 1000, stamped)
    state: dict[bytes, bytes] = {}
    verdicts = []
    for clock in (appended, appended + DAY, appended - 2 * DAY, appended + 400 * DAY):
        forwards = stage(state).apply([record], clock)
        verdicts.append([each.topic for each in forwards if each.topic == "dead-letters"])
    assert verdicts == [["dead-letters"] if ahead > 300 else []] * 4


def test_local_clock_is_not_used_where_the_broker_stamps() -> None:
    event = call("c1", NOON)[0]
    record = Record("calls", 0, 0, b"c1", orjson.dumps(event), (), micros(NOON) // 1000, True)
    forwards = stage({}).apply([record], micros(NOON) - 30 * DAY)
    assert not [each for each in forwards if each.topic == "dead-letters"]


def test_a_clock_of_the_release_before_that_was_ahead_is_set_right_once() -> None:
    """B6 in state: v0.1.0 may have left a clock 399 days ahead, and told it to everybody."""
    state: dict[bytes, bytes] = {}
    clock = MediaClock(Assignment(0, 1, 1, state), ["calls"], DEFAULT)
    clock.time.inputs["calls"] = Input(micros(NOON) + 399 * DAY)
    clock.time.links.told = {0: [micros(NOON) + 399 * DAY] * 2}
    clock.time.is_bounded = False
    clock.save()
    again = MediaClock(Assignment(0, 1, 1, state), ["calls"], DEFAULT)
    again.advance(micros(NOON), ())
    assert again.watermark == micros(NOON) + DEFAULT.ahead
    assert again.time.inputs["calls"].latest == micros(NOON) + DEFAULT.ahead
    assert MediaTime(again.time.inputs, again.time.links).is_bounded is False


# --- stops ------------------------------------------------------------------------------------------------------------


def test_a_stop_of_two_minutes_delays_nothing_afterwards() -> None:
    """S3: two faxes, one in each partition, then live calls alone; the delay grew by each stop, and stayed."""
    cluster = fresh()
    faxes = [
        {"specversion": "1.0", "id": f"f{n}", "source": "/fax", "type": "fax.dialing", "subject": name,
         "time": NOON.isoformat(), "data": {}}
        for n, name in enumerate(("fax-a", "fax-b", "fax-c", "fax-d", "fax-e"))
    ]  # fmt: skip
    calls = [each for n in range(20) for each in call(f"c{n}", NOON + timedelta(seconds=30 * n))]
    live(cluster, [*faxes, *calls])
    cluster.idle(60)
    before = delay(cluster)
    for _ in range(5):
        cluster.now += 120 * SECOND  # no worker runs; then all of them begin from their state
        cluster.restart()
    begin = datetime.fromtimestamp(cluster.now / 1e6, UTC) + timedelta(seconds=1)
    live(cluster, [each for n in range(20) for each in call(f"d{n}", begin + timedelta(seconds=30 * n))])
    cluster.idle(60)
    assert delay(cluster) <= before + 5 * SECOND


def delay(cluster: Cluster) -> Micros:
    reached = [stage.report().watermark or 0 for stage in cluster.stages.values()]
    return cluster.now - min(reached)


def test_a_pause_of_the_machine_is_made_up_for_too() -> None:
    cluster = fresh()
    live(cluster, call("c1", NOON))
    cluster.idle(60)
    before = delay(cluster)
    cluster.now += 8 * HOUR
    cluster.idle(20)
    assert delay(cluster) <= before + 5 * SECOND


# --- backfills --------------------------------------------------------------------------------------------------------


def year(seed: int) -> list[Json]:
    """Days of a year ago until two days ago, of sources of their own."""
    found: list[Json] = []
    for n, days in enumerate((365, 300, 200, 100, 40, 20, 2)):
        begin = NOON - timedelta(days=days)
        events = simulate(seed + n, begin, hours=0.4, volume=60)
        found.extend(event | {"source": f"old/{event['source']}"} for event in events)
    return found


def sources(events: Iterable[Json]) -> set[str]:
    return {event["source"] for event in events}


@pytest.mark.parametrize("seed", [1, 20])
def test_a_years_backfill_with_a_pause_of_ten_minutes(seed: int) -> None:
    cluster, events = fresh(3, seed), year(seed)
    middle = len(events) // 2
    cluster.produce(arrival(events[:middle], seed))
    cluster.read(0.01)
    cluster.idle(600, step=5)
    cluster.produce(arrival(events[middle:], seed))
    cluster.read(0.01)
    cluster.idle(30)
    cluster.flush(at(cluster), sources(events), at(cluster))
    cluster.run()
    assert not cluster.dead
    amended = {event["data"]["event_id"] for event in cluster.closed if event["type"] == "interaction.amended"}
    expected = offline(events)
    assert {i: row["content_hash"] for i, row in rows(cluster).items()} == {
        i: record["content_hash"] for i, record in expected.items()
    }
    assert amended == {each["event_id"] for record in expected.values() for each in record["amendments"]}


@pytest.mark.parametrize("first", ["live", "backfill"])
@pytest.mark.parametrize("seed", [1, 20])
def test_a_years_backfill_beside_a_live_stream(first: str, seed: int) -> None:
    """Into the same topics, with a pause of ten minutes; a declaration at its end closes it."""
    cluster, now = fresh(3, seed), list[Json]()
    old = [event for event in year(seed) if event["type"].split(".")[0] in ("call", "chat", "fax")]

    def live_calls(count: int) -> None:
        begin = datetime.fromtimestamp(cluster.now // SECOND + 1, UTC)
        calls = [call(f"live{len(now)}x{n}", begin + timedelta(seconds=20 * n)) for n in range(count)]
        now.extend(each for steps in calls for each in steps)
        live(cluster, (each for steps in calls for each in steps))

    if first == "live":
        live_calls(20)
    for begin in range(0, len(old), len(old) // 10):
        cluster.produce(old[begin : begin + len(old) // 10])
        cluster.read()
        live_calls(30 if begin == 5 * (len(old) // 10) else 3)  # ten minutes without a word of the backfill
    cluster.flush(at(cluster), sources(old), at(cluster))
    cluster.run()
    live_calls(5)
    cluster.idle(3_600, step=20)
    expected, found = offline([*old, *now]), rows(cluster)
    assert found.keys() == expected.keys()
    assert {i: row["content_hash"] for i, row in found.items()} == {i: r["content_hash"] for i, r in expected.items()}
    assert not cluster.dead
    assert not [each for each in cluster.closed if each["type"] == "interaction.amended"
                and each["data"]["event_id"].startswith("live")]  # fmt: skip


@pytest.mark.parametrize("first", ["live", "old"])
def test_a_producer_of_old_events_does_not_stop_a_live_stream(first: str) -> None:
    """A source two hours behind, one of 400 days, in an input that nobody else uses too; in an empty installation they
    may stop time for an hour, once.
    """
    cluster = fresh()
    calls = [each for n in range(50) for each in call(f"c{n}", NOON + timedelta(minutes=3 * n))]
    slowest = 0
    for n in range(50):
        if first == "live" or n:
            live(cluster, calls[3 * n : 3 * n + 3])
        cluster.idle(120 if first == "live" and not n else 0)
        old = [*call(f"o{n}", NOON - timedelta(hours=2)), *call(f"p{n}", NOON - timedelta(days=400))]
        fax = call(f"q{n}", NOON + timedelta(minutes=3 * n) - timedelta(hours=2))[0] | {"type": "fax.offered"}
        send(cluster, [*old, fax])
        cluster.read()
        cluster.idle(10)
        slowest = max(slowest, delay(cluster)) if n > 2 else 0
    cluster.idle(900, step=10)
    assert delay(cluster) < 3 * MINUTE
    assert slowest < (3 * MINUTE if first == "live" else 5 * HOUR)
    expected = offline(calls[0 if first == "live" else 3 :])
    assert expected.keys() <= rows(cluster).keys()


# --- heartbeats -------------------------------------------------------------------------------------------------------


def silent_pbx(tenant: str | None = None, beats: int = 10) -> list[Json]:
    """G17: a source with heartbeats, a call in a queue, 20 h of silence, and its end."""
    opened = call("c1", NOON, "/pbx/b", tenant)
    back = NOON + timedelta(hours=20)
    end = opened[2] | {"time": (back + timedelta(seconds=5)).isoformat()}
    told = [beat("/pbx/b", NOON + timedelta(minutes=n), tenant) for n in range(beats)]
    return [opened[0], *told, *(beat("/pbx/b", back + timedelta(minutes=n), tenant) for n in range(3)), end]


def elsewhere() -> list[Json]:
    return [each for n in range(50) for each in call(f"e{n}", NOON + timedelta(minutes=30 * n), "/other")]


@pytest.mark.parametrize(("beats", "items"), [(10, 1), (3, 1), (2, 1), (1, 1)])
def test_a_source_with_regular_heartbeats_ages_nothing_while_it_is_silent(beats: int, items: int) -> None:
    cluster, events = fresh(), [*silent_pbx(beats=beats), *elsewhere()]
    live(cluster, events)
    cluster.idle(3 * 3_600, step=60)
    expected = offline(events)
    found = rows(cluster)
    assert {i: row["content_hash"] for i, row in found.items()} == {i: r["content_hash"] for i, r in expected.items()}
    (held,) = (r for r in found.values() if [i["media_item_id"] for i in r["media_items"]] == ["c1"])
    assert ("timed_out" in held["flags"]) == (beats < 3)


def test_a_heartbeat_of_one_tenant_says_nothing_of_anothers_source() -> None:
    """B9: tenant A sends heartbeats as "/pbx/b"; tenant B's call from a source of that name closes by its age."""
    cluster = fresh()
    mine = call("c1", NOON, "/pbx/b", "b")[:1]
    theirs = [beat("/pbx/b", NOON + timedelta(minutes=n), "a") for n in range(10)]
    events = [*mine, *theirs, *elsewhere()]
    live(cluster, events)
    cluster.idle(1_800, step=30)
    same(cluster, events)
    assert [row["closed_by"] for row in rows(cluster).values() if row["tenant"] == "b"] == ["quiet"]


def test_sources_with_a_heartbeat_each_are_kept_up_to_a_limit_and_not_for_ever() -> None:
    """B5: 45,000 sources ended the worker; each batch wrote all of them again."""
    cluster = fresh(1)
    live(cluster, [beat("/honest", NOON + timedelta(seconds=n)) for n in range(4)])
    for n in range(3_000):
        event = beat(f"/pod/{n:05}/" + "\U0001f4de" * 40, NOON + timedelta(seconds=5 + n // 100))
        cluster.put("calls", b"k", orjson.dumps(event), 0)
    cluster.read()
    for agent in ("media", "party"):
        kept = {key: value for key, value in cluster.states[agent, 0].items() if key.startswith(SOURCES)}
        assert len(kept) <= MOST_SOURCES * 5 // 4 if agent == "media" else len(kept) == 1
        assert SOURCES + b"default\0/honest" in kept
        assert len(cluster.states[agent, 0][b"\0progress"]) < 4_096
    cluster.now += 31 * DAY
    live(cluster, call("c1", datetime.fromtimestamp(cluster.now / 1e6, UTC)))
    cluster.idle(120, step=5)
    left = [key for state in cluster.states.values() for key in state if key.startswith(SOURCES)]
    assert left == []

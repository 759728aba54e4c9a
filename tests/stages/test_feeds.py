"""Topics with a dialect: however batches, partitions and crashes fall, the rows are those of `translate | stitch`."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec
import orjson
import pytest
from feed_cluster import LATER, LIMITS, Feeds, facts_of, found, offline
from stage_cluster import FEED_RIGHTS, Json
from vendor_day import VendorRecord, day, translated
from vendor_feed import CAPTURES
from vendor_scenes import BEGIN, ami_call

from touchpoint.dialects import DIALECTS
from touchpoint.dialects.translator import Translator
from touchpoint.events import Decoder
from touchpoint.settings.sections import DialectTopic
from touchpoint.stages.dead_letter_records import CAUSE, CODE, ORIGIN
from touchpoint.stages.feed.feed_stage import FeedStage
from touchpoint.stages.messages import LINKS, ItemMessage, read
from touchpoint.stages.protocol import Assignment, Forward, Record, State
from touchpoint.stitching.facts import SECOND, Fact
from touchpoint.stream.dead_letter_limit import WINDOW, DeadLetterLimit, DeadLetterLimitError, Versions
from touchpoint.telemetry.metric_table import OTHERS
from touchpoint.telemetry.metrics import Metrics


@pytest.mark.parametrize(
    ("seed", "partitions", "of", "crashes"), [(1, 1, 1, 0.0), (2, 4, 4, 0.0), (3, 3, 5, 0.1), (4, 5, 2, 0.1)]
)
def test_a_day_of_all_dialects_gives_what_translate_and_stitch_give(
    seed: int, partitions: int, of: int, crashes: float
) -> None:
    dice = random.Random(seed)
    records = [record for record in day(seed, copies=6) for _ in range(1 + (dice.random() < 0.2))]
    expected = offline(translated(records))
    assert len(expected) >= 5 * len(CAPTURES)
    stages = Feeds(partitions, seed, of)
    stages.fill(records)
    stages.finish(LATER)
    stages.run(0.02, crashes)
    assert not stages.dead
    assert found(stages) == expected


@pytest.mark.parametrize("seed", range(5))
def test_records_read_again_after_a_crash_give_the_same_events(seed: int) -> None:
    """A kill before or after the state is durable: the memory is as old as the place in the topic."""
    records = day(seed, copies=8)
    stages = Feeds(3, seed, 2)
    stages.fill(records)
    stages.finish(LATER)
    stages.run(crashes=0.6)
    assert {essence(fact) for fact in stages.said} == {essence(fact) for fact in facts_of(translated(records))}


def essence(fact: Fact) -> str:
    """Without what a producer says beyond the contract."""
    told = {name: value for name, value in fact.data.items() if name not in ("reported", "ext")}
    return repr(msgspec.structs.replace(fact, data=told, ext={}))


def test_a_period_that_was_captured_live_and_is_translated_from_files_too_counts_once() -> None:
    records = day(8, copies=3)
    events = translated(records)
    stages = Feeds(3, 8, 2)
    stages.fill(records)
    stages.produce(events)
    stages.finish(LATER)
    stages.run()
    assert found(stages) == offline(events)


# --- one feed by itself ---------------------------------------------------------------------------------------------

NOW = 1_800_000_000 * SECOND
QUEUE_LOG = "vendor:pbx.queue_log"


def feed(state: State, dialect: str = "asterisk-queue-log", **fields: str) -> FeedStage:
    declared = DialectTopic(dialect=dialect, **fields)
    translator, made = Translator(DIALECTS[dialect], Decoder()), declared.feed(LIMITS.own_addresses)
    return FeedStage(Assignment(0, 4, 1, state), QUEUE_LOG, translator, made, LIMITS, FEED_RIGHTS)


def record(offset: int, value: bytes | None, key: bytes | None = b"pbx1", timestamp: int = 0) -> Record:
    return Record(QUEUE_LOG, 0, offset, key, value, (("trace", b"t"),), timestamp)


def row(second: int, event: str, call: str = "c1", agent: str = "NONE", *data: str) -> bytes:
    return "|".join([str(1_770_000_000 + second), call, "support", agent, event, *data]).encode()


def facts_in(forwards: Iterable[Forward]) -> list[Fact]:
    links = [read(Record(LINKS, 0, 0, each.key, each.value, (), 0)) for each in forwards if each.topic == LINKS]
    return [fact for each in links if isinstance(each, ItemMessage) for fact in each.facts]


@pytest.mark.parametrize(
    ("value", "code", "cause"),
    [
        (row(0, "TELEPORTED"), "dialect", "event 'TELEPORTED' is not known"),
        (b"cut o", "dialect", "a line of less than five fields: cut off while it was written?"),
        (row(0, "ENTERQUEUE", "c" * 201), "dialect", "a field is of another form: a media item's id has"),
        (b"\xff" * 300_000, "too_large", "the record has 300,006 bytes; at most 262,144 (256 KiB)"),
        (row(100_000_000, "ABANDON"), "time", "time is more than 300 seconds after the event reached Kafka"),
        (
            row(0, "ENTERQUEUE", "c1", "NONE", "", "1" * 5000),
            "too_large",
            "data.party.address has more than 4096 bytes (in the event that asterisk-queue-log makes of it)",
        ),
    ],
)
def test_records_refused_by_dialect_or_decoder_are_dead_letters_as_they_came(
    value: bytes, code: str, cause: str
) -> None:
    stage = feed({})
    (letter,) = stage.apply([record(7, value)], NOW)
    headers = {name: value or b"" for name, value in letter.headers}
    assert (letter.topic, letter.key, letter.value, headers["trace"]) == ("dead-letters", b"pbx1", value, b"t")
    assert headers[ORIGIN] == b"vendor:pbx.queue_log/0/7"
    assert (headers[CODE].decode(), headers[CAUSE].decode()[: len(cause)]) == (code, cause)
    assert stage.report().translated == {("asterisk-queue-log", "dead letter"): 1}


def test_refused_event_of_a_record_leaves_its_other_events() -> None:
    value = b"\n".join([row(0, "ENTERQUEUE", "c1", "NONE", "", "01632960961"), row(1, "TELEPORTED"), row(2, "ABANDON")])
    forwards = feed({}).apply([record(0, value)], NOW)
    assert [fact.verb for fact in facts_in(forwards)] == ["queued", "disconnected"]
    assert [each.value for each in forwards if each.topic == "dead-letters"] == [value]


def test_topic_declared_with_a_wrong_dialect_stops_the_worker() -> None:
    state: dict[bytes, bytes] = {}
    versions = Versions(1, state)
    versions.accept("vendor:pbx.queue_log")
    versions.save()
    stage = feed({}, dialect="twilio-taskrouter")
    gate = DeadLetterLimit(0, 0.5, Versions(2, state), lambda _: None)
    records = [record(n, row(n, "ENTERQUEUE", f"c{n}")) for n in range(WINDOW)]
    with pytest.raises(
        DeadLetterLimitError, match=r"topic vendor:pbx.queue_log, partition 0, would become .*dialect: 1,000"
    ):
        gate.check([records], stage.apply(records, NOW))


def test_records_without_a_media_item_are_counted_by_dialect() -> None:
    stage = feed({})
    rows = [row(0, "PAUSE", "NONE", "SIP/1"), row(1, "TELEPORTED", "NONE"), b"", None, row(2, "ABANDON")]
    forwards = stage.apply([record(n, value) for n, value in enumerate(rows)], NOW)
    assert [each.topic for each in forwards] == ["links"]
    report = stage.report()
    assert report.translated == {
        ("asterisk-queue-log", "nothing"): 3,
        ("asterisk-queue-log", "not known"): 1,
        ("asterisk-queue-log", "events"): 1,
    }
    assert report.verdicts == {"accepted": 1, "skipped": 1, "dead letter": 0}
    assert stage.report().translated == {}, "what was reported is not reported again"


def test_facts_carry_what_the_declaration_says_of_their_source() -> None:
    stage = feed({}, source="/pbx/london", tenant="acme", zone="America/New_York")
    rows = b'{"time": "2026-02-02 03:00:00", "callid": "c1", "queuename": "q", "agent": "NONE", "event": "ABANDON"}'
    (fact,) = facts_in(stage.apply([record(0, rows)], NOW))
    assert (fact.source, fact.tenant, fact.dialect) == ("/pbx/london", "acme", "asterisk-queue-log/2")
    assert fact.time == 1_770_019_200 * SECOND, "03:00 in New York is 08:00 UTC"


def test_systems_that_share_a_partition_do_not_disturb_each_others_order() -> None:
    """Two rows of one second keep their places, whatever another system, whose clock differs, writes in between."""
    rows = [(b"london", row(5, "RINGNOANSWER", "c1", "SIP/1", "1000")), (b"leeds", row(4, "ABANDON", "c2")),
            (b"london", row(5, "CONNECT", "c1", "SIP/2", "9", "x", "1"))]  # fmt: skip
    together = facts_in(feed({}).apply([record(n, value, key) for n, (key, value) in enumerate(rows)], NOW))
    alone = facts_in(feed({}).apply([record(0, rows[0][1]), record(1, rows[2][1])], NOW))
    assert [fact for fact in together if fact.subject == "c1"] == alone
    assert len({fact.sequence for fact in alone}) == len(alone)


def test_a_topic_that_was_made_anew_is_not_taken_for_what_was_read_before() -> None:
    state: dict[bytes, bytes] = {}
    feed(state).apply([record(n, row(n, "ABANDON", f"c{n}"), timestamp=1_000 + n) for n in range(5)], NOW)
    assert not feed(state).apply([record(3, row(3, "ABANDON", "c3"), timestamp=1_003)], NOW), "the same, read again"
    (fact,) = facts_in(feed(state).apply([record(0, row(9, "ABANDON", "new"), timestamp=2_000)], NOW))
    assert fact.subject == "new"


# --- liveness -------------------------------------------------------------------------------------------------------

HOURS = 3600


def beat(second: float, source: str) -> Json:
    at = datetime.fromtimestamp(BEGIN + second, UTC).isoformat()
    return {"specversion": "1.0", "id": f"b{second}", "source": source, "type": "source.heartbeat", "time": at}


def a_call_over_a_silence() -> tuple[list[VendorRecord], list[Json]]:
    """A call is answered; for 30 hours nothing is heard of its system; then it ends."""
    records = ami_call(0, "c1", "01632960961", "ann", length=30 * HOURS + 100)
    beaten = (*range(0, 600, 60), *range(30 * HOURS, 30 * HOURS + 900, 60))
    beats = [beat(second, "/asterisk/pbx1") for second in beaten]
    return records, beats


def test_an_item_of_a_vendors_system_that_fell_silent_does_not_time_out() -> None:
    records, beats = a_call_over_a_silence()
    stages = Feeds(3, 1, 2)
    stages.fill(records)
    (agent,) = {record.dialect for record in records}
    for each in beats:
        stages.put(f"vendor:{agent}", b"pbx1", orjson.dumps(each))
    events = translated(records) + beats
    assert len(offline(events)) == 1
    stages.finish(LATER)
    stages.run(crashes=0.2)
    (record,) = found(stages).values()
    assert record == next(iter(offline(events).values()))
    assert record["media_items"][0]["talk_ms"] == (30 * HOURS + 100) * 1_000


def test_source_without_heartbeats_never_counts_as_silent() -> None:
    records, _ = a_call_over_a_silence()
    (expected,) = offline(translated(records)).values()
    stages = Feeds(3, 1, 2)
    stages.fill(records)
    stages.finish(LATER)
    stages.run()
    (record,) = found(stages).values()
    assert record == expected
    assert record["media_items"][0]["end_reason"] == "timed_out"


def test_an_item_stays_open_while_its_system_is_silent_whatever_time_it_is_elsewhere() -> None:
    records, beats = a_call_over_a_silence()
    stages = Feeds(3, 1, 2)
    stages.fill(records[:-2])
    for each in beats[:10]:
        stages.put("vendor:asterisk-ami", b"pbx1", orjson.dumps(each))
    stages.finish("2026-03-05T00:00:00Z")
    stages.run()
    assert not stages.closed
    stages.finish(LATER)
    stages.run()
    assert len(found(stages)) == 1, "who is away for longer than any interaction lives is gone"


def test_a_heartbeat_is_the_sources_and_not_the_vendors_record() -> None:
    stage = feed({})
    beats = [record(n, orjson.dumps(beat(60 * n, "/pbx/london"))) for n in range(4)]
    assert [{each.topic for each in stage.apply([each], NOW)} for each in beats] == [
        set(),
        set(),
        {"touches"},
        {"touches"},
    ]
    report = stage.report()
    assert report.translated == {("asterisk-queue-log", "heartbeat"): 4}
    assert report.sources == {(QUEUE_LOG, "/pbx/london"): (BEGIN + 180) * SECOND}
    row_that_says_so = row(0, "ENTERQUEUE", "c1", "NONE", "", "source.heartbeat")
    assert [fact.verb for fact in facts_in(stage.apply([record(4, row_that_says_so)], NOW))] == ["queued"]


def test_silence_of_declared_sources_is_a_metric() -> None:
    metrics = Metrics(["/pbx/0"])
    for number in range(1_000):
        metrics.observe_event("calls", f"/mail/alice-{number}@example.com", 1_000.0 + number)
    for seconds in (3_000.0, 500.0):
        metrics.observe_event("calls", "/pbx/0", seconds)
    metrics.observe_event("chats", "/pbx/1", 7.0)
    told = {
        (sample.labels["topic"], sample.labels["source"]): sample.value
        for family in metrics.registry.collect()
        if family.name == "touchpoint_source_seconds"
        for sample in family.samples
    }
    assert told == {("calls", "/pbx/0"): 3_000.0, ("calls", OTHERS): 1_999.0, ("chats", OTHERS): 7.0}


def test_partitions_without_records_hold_back_nobody_for_longer_than_the_disorder() -> None:
    """Three systems in a topic of five partitions: two stay empty for ever."""
    stages = Feeds(2, 1, 5)
    stages.now = (BEGIN + 600) * SECOND
    stages.fill(ami_call(0, "c1", "01632960961", "ann"))
    stages.run()
    assert not stages.closed
    stages.idle(3_600, step=5)
    assert len(found(stages)) == 1

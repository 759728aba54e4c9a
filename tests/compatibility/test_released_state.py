"""What a release kept in Kafka is read by every later version, which goes on with it as if it were its own."""

from __future__ import annotations

import gzip
from base64 import b64decode
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from stage_cluster import SECRET, Cluster, Json, records_of

from touchpoint.cli.earlier_rules import NOW
from touchpoint.dialects import DIALECTS
from touchpoint.dialects.translator import Translator
from touchpoint.events import Accepted, Decoder
from touchpoint.history.records import decode
from touchpoint.kafka.topic_admin import feed_table
from touchpoint.settings import load_settings
from touchpoint.settings.sections import DialectTopic
from touchpoint.stages.feed.translation import Translation
from touchpoint.stages.protocol import Record
from touchpoint.stitching.facts import Fact
from touchpoint.stitching.offline import stitch
from touchpoint.stitching.record import InteractionRecord, content_hash
from touchpoint.stitching.rules_version import Rules, earlier_rules
from touchpoint.stream.state_forms import upgraded
from touchpoint.stream.tables import PartitionState
from touchpoint.stream.terms import NONE

RECORDED = sorted(Path(__file__).parent.glob("v*/*.jsonl.gz"))
LATER = "2026-06-30T00:00:00Z"
APART: Json = {"amendments": []}
"""What is told apart from a closed record."""
TABLES = {"media": "media", "party": "parties"}


class Release:
    """One world as a release left it."""

    def __init__(self, path: Path) -> None:
        self.lines: dict[str, list[Any]] = defaultdict(list)
        for line in gzip.decompress(path.read_bytes()).splitlines():
            entry = orjson.loads(line)
            kind = next(iter(entry))
            self.lines[kind].append(entry if kind == "world" else entry[kind])
        self.world = self.lines["world"][0]
        self.limits = load_settings({}, own_addresses=self.world["own_addresses"]).stitching_limits()
        self.feeds = {
            topic: (DialectTopic(dialect=dialect), of) for topic, (dialect, of) in self.world["feeds"].items()
        }

    def inputs(self, phase: str | None = None) -> Iterator[tuple[str, bytes | None, bytes, int]]:
        for each, topic, key, value, appended in self.lines["input"]:
            if phase in (None, each):
                yield topic, None if key is None else b64decode(key), b64decode(value), appended

    def states(self) -> dict[tuple[str, int], PartitionState]:
        """Every partition's state, recovered as a worker does it."""
        states: dict[tuple[str, int], PartitionState] = defaultdict(PartitionState)
        for agent, partition, key, value, form in self.lines["state"]:
            states[agent, partition].restore(b64decode(key), b64decode(value), NONE, form)
        for (agent, _), state in states.items():
            state.upgrade(partial(upgraded, TABLES.get(agent) or feed_table(agent)))
        return states

    def cluster(self) -> Cluster:
        """The present version's stages, on the state and on the records that waited."""
        cluster = Cluster(self.world["partitions"], 1, self.limits, feeds=self.feeds)
        for place, state in self.states().items():
            cluster.states[place].update(state)
        for topic, partition, offset, key, value, headers, appended in self.lines["waiting"]:
            said = tuple((name, b64decode(text)) for name, text in headers)
            its_key = None if key is None else b64decode(key)
            record = Record(topic, partition, offset, its_key, b64decode(value), said, appended)
            cluster.queues[topic, partition].append(record)
        for topic, partition, offset in self.lines["offsets"][0]:
            cluster.offsets[topic, partition] = offset
        cluster.closed = list(self.lines["closed"])
        cluster.restart()
        return cluster

    def offline(self) -> dict[str, Json]:
        """What the present version's stitch makes of the whole."""
        decoder, facts = Decoder(), list[Fact]()
        feeds: dict[tuple[str, bytes | None], Translation] = {}
        for topic, key, value, _ in self.inputs():
            if topic in self.feeds:
                declared = self.feeds[topic][0]
                translator = Translator(DIALECTS[declared.dialect], decoder)
                feed = declared.feed(self.limits.own_addresses)
                translation = feeds.setdefault((topic, key), Translation(translator, feed))
                verdicts = translation.verdicts(value, (), key)
            else:
                verdicts = [decoder.decode(value, (), key)]
            facts += [verdict.fact for verdict in verdicts if isinstance(verdict, Accepted)]
        return {record["interaction_id"]: record for record in stitch(facts, self.limits, SECRET)}


@pytest.fixture(params=RECORDED, ids=lambda path: f"{path.parent.name}-{path.name.partition('.')[0]}")
def release(request: pytest.FixtureRequest) -> Release:
    return Release(request.param)


@pytest.mark.parametrize("crashes", [0.0, 0.1])
def test_state_left_by_a_release_becomes_the_rows_of_stitch(release: Release, crashes: float) -> None:
    cluster = release.cluster()
    for topic, key, value, appended in release.inputs("after"):
        cluster.put(topic, key, value)
        queue = cluster.queues[cluster._place(topic, key, None)]
        queue[-1] = msgspec.structs.replace(queue[-1], timestamp=appended)
    cluster.finish(LATER)
    cluster.run(0.02, crashes)
    assert not cluster.dead
    found = {record["interaction_id"]: record for record in records_of(cluster.closed)}
    expected = release.offline()
    assert found.keys() == expected.keys()
    closed_before = {record["interaction_id"] for record in records_of(release.lines["closed"])}
    assert len(closed_before) < len(expected)
    for identifier in expected.keys() - closed_before:
        if found[identifier]["dialects"] != expected[identifier]["dialects"]:
            continue  # open while its dialect changed: some of its events were made by the rules before
        assert found[identifier] | APART == expected[identifier] | APART


def test_recorded_state_of_a_release_is_complete(release: Release) -> None:
    """Or the test before would show nothing: things open and closed, memories, records on the way."""
    kinds = {(agent if agent in TABLES else "feed", b64decode(key)[:1]) for agent, _, key, *_ in release.lines["state"]}
    assert {("media", b"\0"), ("party", b"\0"), ("party", b"+")} <= kinds
    assert {topic for topic, *_ in release.lines["waiting"]} & {"links", "touches"}
    assert release.lines["closed"]
    if release.feeds:
        assert {("feed", b"m"), ("feed", b"\0")} <= kinds


def test_the_history_reads_what_a_release_wrote_into_interactions(release: Release) -> None:
    for event in release.lines["closed"]:
        stored = decode(orjson.dumps(event))
        if event["type"] == "interaction.closed":
            assert isinstance(stored, InteractionRecord)
            assert content_hash(stored) == stored.content_hash == event["data"]["content_hash"]


def test_row_that_differs_from_a_release_has_another_rules_version(
    release: Release,
) -> None:
    """Or `verify` takes it for a fault: raise RULES_VERSION, or the rules_version of the dialect, once in a release."""
    now = release.offline()
    for row in release.lines["row"]:
        made = now.get(row["interaction_id"])
        before = Rules(row.get("rules_version"), row.get("dialects"))
        after = NOW if made is None else Rules(made["rules_version"], made["dialects"])
        same = made is not None and made["content_hash"] == row["content_hash"]
        assert same or earlier_rules(before, after), row["interaction_id"]


def test_a_repetition_of_what_a_release_has_read_changes_nothing(release: Release) -> None:
    """Its digests, offsets and memories are known again: a crash in the middle of the upgrade, a replay.

    Not so erasures: 0.1.0 carried out no request that was earlier than another of the same person.
    """
    once, twice = release.cluster(), release.cluster()
    for topic, key, value, _ in release.inputs("before"):
        if topic not in twice.feeds:
            twice.put(topic, key, value)
    contents = [{json_of(e) for e in cluster.run() if e["type"] != "party.erased"} for cluster in (once, twice)]
    assert contents[0] == contents[1]


def json_of(event: Json) -> bytes:
    return orjson.dumps(event, option=orjson.OPT_SORT_KEYS)

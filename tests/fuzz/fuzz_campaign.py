"""Rounds of fuzz: each draws a small world of events or a vendor's feed, damages some of it, and holds what comes of it
against what must always be true. A round is a function of the seed and its number, so a finding is replayable alone.
"""

from __future__ import annotations

import importlib
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby
from typing import Any
from unittest.mock import patch

import msgspec
import orjson
from fuzz_events import CHANNELS, Json
from fuzz_inputs import Input, of_a_vendor, of_a_world
from stage_cluster import INPUTS, Cluster
from timeline_invariants import check
from vendor_feed import LIMITS

from touchpoint.events import Accepted, DeadLetter, Decoder
from touchpoint.producer.routing import USUAL
from touchpoint.stitching.facts import LATEST, Fact, FactKey
from touchpoint.stitching.media import fold, merge_facts, rules
from touchpoint.stitching.media.row import RuleRow
from touchpoint.stitching.media.rules import RULES
from touchpoint.stitching.media.timeline import Timeline
from touchpoint.stitching.offline import fold_all
from touchpoint.stitching.record import as_json

SECRET = b"fuzz"
LATER = "2026-07-30T00:00:00Z"
DECODE_SECONDS = 0.25  # of CPU, for one record
FOLD_SECONDS = 2.0  # of CPU, for the events of one round
MEDIA_KINDS = frozenset(CHANNELS)
VENDOR_ROUNDS = 0.15
WORKER_ROUNDS = 0.02
AT_HOME = 0.9
"""So many of a worker's events are on the topic of their type."""
instant = datetime.fromisoformat


RowName = tuple[int, str, str]
"""Number, verb, case."""


class FindingError(AssertionError):
    """Something that must never be, and how to see it again; with the round's inputs."""

    def __init__(self, told: str, inputs: list[Input]) -> None:
        super().__init__(told)
        self.inputs = inputs


class Campaign:
    """Counts of what was tried, and of what came of it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.inputs = 0
        self.verdicts: Counter[str] = Counter()
        self.rows: Counter[RowName] = Counter()
        self.interactions = 0
        self.worked = 0  # rounds that went through a worker's stages too
        self.slowest_decode = 0.0
        self.slowest_fold = 0.0
        self.findings: list[str] = []
        self._decoder = Decoder(["sms"])

    def run(self, inputs: int, progress: Callable[[Campaign], None] = lambda _: None) -> None:
        """Rounds until so many inputs were tried. Findings are kept, and the next round goes on."""
        number = 0
        with counted_rows(self.rows):
            while self.inputs < inputs:
                try:
                    self.round(number)
                except FindingError as finding:
                    self.findings.append(str(finding))
                number += 1
                progress(self)

    def round(self, number: int) -> None:
        """One world or feed. Raises FindingError."""
        dice = random.Random(f"{self.seed}/{number}")
        vendor = dice.random() < VENDOR_ROUNDS
        inputs: list[Input] = []
        try:
            inputs = list(of_a_vendor(dice) if vendor else of_a_world(dice))
            self.inputs += len(inputs)
            facts = [fact for each in inputs if (fact := self.decode(each)) is not None]
            self.stitch(dice, facts)
            if dice.random() < WORKER_ROUNDS:
                self.work(dice, inputs)
        except Exception as error:
            told = f"{type(error).__name__}: {error}"[:800]
            raise FindingError(f"python3 dev fuzz --seed {self.seed} --round {number}: {told}", inputs) from error

    def decode(self, record: Input) -> Fact | None:
        """A verdict always, soon, and never the last resort; a fact is the same after each of its codecs."""
        began = time.thread_time()
        verdict = self._decoder.decode(record.value, record.headers)
        took = time.thread_time() - began
        self.slowest_decode = max(self.slowest_decode, took)
        assert took < DECODE_SECONDS, f"decoding took {took:.2f} s of {record.value[:200]!r}"
        if isinstance(verdict, DeadLetter):
            assert verdict.code != "internal", (verdict.cause, record)
            assert verdict.cause.encode()[:600]
            assert len(verdict.cause) < 600, verdict.cause
            self.verdicts[verdict.code] += 1
            return None
        assert isinstance(verdict, Accepted), verdict
        self.verdicts["accepted"] += 1
        fact = verdict.fact
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(fact), type=Fact) == fact
        assert msgspec.json.decode(msgspec.json.encode(fact), type=Fact) == fact
        assert self._decoder.decode(record.value, record.headers) == verdict, "the verdict is another one now"
        return fact

    def stitch(self, dice: random.Random, facts: list[Fact]) -> None:
        """Whatever order and repetition: the same well-formed items and the same records."""
        began = time.thread_time()
        for item, own in items(facts):
            check_item(dice, item, own)
        outcome = fold_all(facts, LIMITS, SECRET)
        shuffled = dice.sample(facts, len(facts)) + dice.choices(facts, k=len(facts) // 5) if facts else []
        again = fold_all(shuffled, LIMITS, SECRET)
        assert msgspec.json.encode(outcome.records) == msgspec.json.encode(again.records), "order matters"
        assert {(f.source, f.id) for f in outcome.unplaced} == {(f.source, f.id) for f in again.unplaced}
        if facts:
            fold_all(facts, LIMITS, SECRET, horizon=dice.choice(facts).time + dice.choice((0, 1, 10**9)))
        for record in outcome.records:
            check_record(as_json(record))
        self.interactions += len(outcome.records)
        took = time.thread_time() - began
        self.slowest_fold = max(self.slowest_fold, took)
        assert took < FOLD_SECONDS, f"stitching {len(facts)} facts took {took:.2f} s"

    def work(self, dice: random.Random, inputs: list[Input]) -> None:
        """Through the stages of two workers' partitions: no record is more than they can bear."""
        cluster = Cluster(2, dice.randrange(1_000), LIMITS)
        for each in inputs:
            cluster.put(
                self._topic(dice, each), dice.choice((b"c1", b"c2", b"\xff", None)), each.value, None, each.headers
            )
        cluster.finish(LATER)
        cluster.run(restarts=0.05)
        self.worked += 1
        for letter in cluster.dead:
            assert dict(letter.headers)["touchpoint-code"] != b"internal", letter

    def _topic(self, dice: random.Random, each: Input) -> str:
        """Where its type belongs, most often; elsewhere it is a dead letter."""
        verdict = self._decoder.decode(each.value, each.headers)
        home = USUAL.get(verdict.fact.kind) if isinstance(verdict, Accepted) else None
        return home if home is not None and dice.random() < AT_HOME else dice.choice(INPUTS)

    def rarest(self) -> tuple[RowName, int]:
        """The row of the rule table that applied least often."""
        row = min(map(name_of, RULES), key=self.rows.__getitem__)
        return row, self.rows[row]


def name_of(row: RuleRow) -> RowName:
    return row.number, row.verb, row.case


@contextmanager
def counted_rows(rows: Counter[RowName]) -> Iterator[None]:
    """Counts each row of the rule table as it applies to an event."""
    real = rules.apply_rule

    def counting(timeline: Timeline, fact: Fact) -> RuleRow | None:
        row = real(timeline, fact)
        if row is not None:
            rows[name_of(row)] += 1
        return row

    with patch.object(importlib.import_module(fold.__module__), "apply_rule", counting):
        yield


# --- what must be true of what comes out -------------------------------------------------------------------------


def items(facts: Iterable[Fact]) -> Iterator[tuple[str, list[Fact]]]:
    """The facts of each media item, aliases left alone."""

    def place(fact: Fact) -> tuple[str, str]:
        return fact.tenant, fact.subject

    of_media = sorted((fact for fact in facts if fact.kind in MEDIA_KINDS), key=place)
    for (_, item), own in groupby(of_media, place):
        yield item, list(own)


def check_item(dice: random.Random, item: str, facts: list[Fact]) -> None:
    def folded(these: list[Fact]) -> Any:
        known: dict[FactKey, Fact] = {}
        merge_facts(known, these, LIMITS)
        return fold(item, known.values(), LIMITS)

    made = folded(facts)
    check(made, facts)
    assert folded(dice.sample(facts, len(facts))) == made, "order matters"
    assert made.complete_at < LATEST


def check_record(record: Json) -> None:
    """All closed, nothing negative, nothing that PostgreSQL would refuse."""
    assert instant(record["started_at"]) <= instant(record["ended_at"])
    texts = orjson.dumps(record)
    assert b"\\u0000" not in texts.replace(b"\\\\", b"")
    for figures in (record, *record["media_items"], *record["resources"]):
        for name, value in figures.items():
            if name.endswith("_ms") and value is not None:
                assert 0 <= value < 2**63, (name, value)
    for item in record["media_items"]:
        for segment in item["segments"]:
            assert instant(segment["started_at"]) <= instant(segment["ended_at"]), segment
            assert segment["duration_ms"] >= 0, segment

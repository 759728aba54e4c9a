"""Topics with a dialect: however batches, partitions and crashes fall, the rows are those of `translate | stitch`."""

from __future__ import annotations

from collections.abc import Iterable

import orjson
import pytest
from stage_cluster import SECRET, Cluster, Json, records_of
from vendor_day import CAPTURES, VendorRecord, day, translated
from vendor_feed import LIMITS

from touchpoint.events import Accepted, Decoder
from touchpoint.settings import DialectTopic
from touchpoint.stitching.offline import fold_all

LATER = "2026-06-30T00:00:00Z"
FEEDS = {f"vendor:{name}": DialectTopic(dialect=name) for name in sorted({name for name, _ in CAPTURES})}


def offline(events: Iterable[Json]) -> dict[str, Json]:
    decoder, facts = Decoder(), []
    for event in events:
        verdict = decoder.decode(orjson.dumps(event))
        assert isinstance(verdict, Accepted), (verdict, event)
        facts.append(verdict.fact)
    return {record["interaction_id"]: record for record in fold_all(facts, LIMITS, SECRET).records}


def cluster(seed: int, partitions: int, of: int) -> Cluster:
    return Cluster(partitions, seed, LIMITS, feeds={topic: (declared, of) for topic, declared in FEEDS.items()})


def fill(stages: Cluster, records: Iterable[VendorRecord]) -> None:
    for record in records:
        stages.put(f"vendor:{record.dialect}", record.key, record.value)


@pytest.mark.parametrize(
    ("seed", "partitions", "of", "crashes"), [(1, 1, 1, 0.0), (2, 4, 4, 0.0), (3, 3, 5, 0.1), (4, 5, 2, 0.1)]
)
def test_a_day_of_all_dialects_gives_what_translate_and_stitch_give(
    seed: int, partitions: int, of: int, crashes: float
) -> None:
    records = day(seed, copies=6)
    expected = offline(translated(records))
    assert len(expected) >= 5 * len(CAPTURES)
    stages = cluster(seed, partitions, of)
    fill(stages, records)
    stages.finish(LATER)
    found = {record["interaction_id"]: record for record in records_of(stages.run(0.02, crashes))}
    assert not stages.dead
    assert found == expected

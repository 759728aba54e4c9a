"""What a release's dialects made of vendors' records: a dialect that makes other events has another version."""

from __future__ import annotations

import gzip
from base64 import b64decode
from collections import defaultdict
from hashlib import sha256
from pathlib import Path

import orjson
import pytest
from vendor_day import VendorRecord, translated

from touchpoint.dialects import DIALECTS

RELEASES = sorted(Path(__file__).parent.glob("v*"))


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name)
def test_dialect_with_other_events_than_a_release_has_another_version(
    release: Path,
) -> None:
    """Or `verify` takes rows that it made for faults, and a backfill counts twice what was captured before."""
    before = orjson.loads(gzip.decompress((release / "events.json.gz").read_bytes()))
    records: dict[str, list[VendorRecord]] = defaultdict(list)
    for line in gzip.decompress((release / "vendors.jsonl.gz").read_bytes()).splitlines():
        entry = orjson.loads(line)
        if "input" in entry:
            _, topic, key, value, appended = entry["input"]
            name = topic.removeprefix("vendor:")
            records[name].append(VendorRecord(appended / 1000, name, key and b64decode(key), b64decode(value)))
    assert records.keys() == before.keys()
    for name, its in records.items():
        dialect = DIALECTS[name]
        now = [(event["source"], event["id"], digest(event)) for event in translated(its)]
        if sorted(map(tuple, before[name])) != sorted(now):
            assert dialect.rules_version > 1, f"{name}: raise its rules_version, once in a release"
        ids, ids_now = {tuple(each[:2]) for each in before[name]}, {each[:2] for each in now}
        if ids - ids_now and ids_now - ids:  # an event that is told no more, or one that is new, alone counts once
            assert dialect.ids_changed, f"{name}: say in ids_changed, and on its page, from when"


def digest(event: dict[str, object]) -> str:
    plain = {name: value for name, value in event.items() if name != "dialect"}
    return sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]

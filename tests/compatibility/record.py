"""Records what a release keeps in Kafka while it works, as test data for every later version.

    git archive --prefix=release/ v0.1.0 | tar -x -C DIRECTORY
    python tests/compatibility/record.py DIRECTORY/release tests/compatibility/v0.1.0

Plays traffic through the stages of the given source tree, stops in the middle of it, and writes for each world of
traffic one ``.jsonl.gz``: what was produced before and after the stop, the state of every table's partition with the
form of its values, the records that no stage has taken yet, what had closed, and the rows that the release's own
``stitch`` makes of the whole. A release's files are written once and never again.
"""

from __future__ import annotations

import gzip
import importlib
import sys
from base64 import b64encode
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

Json = dict[str, Any]
Produced = tuple[str, bytes | None, bytes, int]
"""Topic, key, value, and when the broker appended it (milliseconds), in the order of arrival."""

LEFT = 60
"""Records that no stage has taken when the recording stops: some of inputs, some of ``links`` and ``touches``."""
LATER = "2026-06-30T00:00:00Z"
TICK_MS = 5_000
DIFFERS = 4
"""A world of which stages and stitch of 0.1.0 may differ (guarantees.md, contradictions)."""


def main(tree: Path, target: Path) -> None:
    """Record every world of traffic."""
    sys.path[:0] = [str(tree / path) for path in ("src", "tests/support", "tests/stream", "tests/stages")]
    target.mkdir(parents=True, exist_ok=True)
    for name, make in (("day", day), ("contradictions", contradictions), ("vendors", vendors)):
        cluster, before, after, rows = make()
        lines = list(recorded(name, cluster, before, after, rows))
        # without the time of writing: the same tree gives the same bytes
        packed = gzip.compress(b"".join(orjson.dumps(line) + b"\n" for line in lines), 9, mtime=0)
        (target / f"{name}.jsonl.gz").write_bytes(packed)
        counts = {kind: sum(kind in line for line in lines) for kind in ("input", "state", "waiting", "closed", "row")}
        check(cluster, after, rows)
        print(f"{name}: {len(packed):,} bytes, {counts}")

    events = released_events()
    (target / "events.json.gz").write_bytes(gzip.compress(orjson.dumps(events), 9, mtime=0))


def released_events() -> dict[str, list[list[str]]]:
    """By dialect: source, id and a digest of each event that the records of the world of vendors become."""
    vendor_day = importlib.import_module("vendor_day")
    found: dict[str, list[list[str]]] = {}
    for event in vendor_day.translated(vendor_day.day(13, copies=5)):
        name = event.pop("dialect").partition("/")[0]
        content = orjson.dumps(event, option=orjson.OPT_SORT_KEYS)
        found.setdefault(name, []).append([event["source"], event["id"], sha256(content).hexdigest()[:16]])
    return found


def recorded(name: str, cluster: Any, before: list[Produced], after: list[Produced], rows: Json) -> Iterator[Json]:
    """The lines of one world's file."""
    form = getattr(importlib.import_module("touchpoint.stream.terms"), "FORM")  # noqa: B009 - of the tree given
    feeds = {topic: [declared.dialect, of] for topic, (declared, of) in cluster.feeds.items()}
    own = sorted(cluster.limits.own_addresses)
    yield {"world": name, "partitions": cluster.partitions, "feeds": feeds, "own_addresses": own}
    for phase, produced in (("before", before), ("after", after)):
        for topic, key, value, appended in produced:
            yield {"input": [phase, topic, encoded(key), encoded(value), appended]}
    for (agent, partition), state in cluster.states.items():
        for key, value in state.items():
            yield {"state": [agent, partition, encoded(key), encoded(value), form]}
    for queue in cluster.queues.values():
        for r in queue:
            headers = [[header, encoded(said)] for header, said in r.headers]
            yield {"waiting": [r.topic, r.partition, r.offset, encoded(r.key), encoded(r.value), headers, r.timestamp]}
    yield {"offsets": [[*place, offset] for place, offset in cluster.offsets.items()]}
    yield from ({"closed": event} for event in cluster.closed)
    yield from ({"row": row} for row in rows.values())


def check(cluster: Any, after: list[Produced], rows: Json) -> None:
    """The release's own stages make of the rest what its stitch makes: what differs would be no test of later ones."""
    for topic, key, value, _ in after:
        cluster.put(topic, key, value)
    cluster.finish(LATER)
    found = {r["interaction_id"]: r for r in importlib.import_module("stage_cluster").records_of(cluster.run())}
    assert {i: r["content_hash"] for i, r in found.items()} == {i: r["content_hash"] for i, r in rows.items()}


def encoded(value: bytes | None) -> str | None:
    """Base64, for JSON."""
    return None if value is None else b64encode(value).decode()


# --- the worlds -----------------------------------------------------------------------------------------------------


def day() -> tuple[Any, list[Produced], list[Produced], Json]:
    """Hours of a contact centre, with heartbeats of one source, erasures, and records that are refused."""
    support = importlib.import_module("stage_cluster")
    simulate = importlib.import_module("touchpoint.simulate").simulate
    agreement = importlib.import_module("test_stages_agree_with_stitch")
    events = list(simulate(11, agreement.START, hours=4.0, volume=30))
    events = sorted([*events, *_heartbeats(agreement.START), *_erasures(events)], key=lambda event: event["time"])
    stream = agreement.arrival(events, 11)
    produced = _produced(stream)
    produced.insert(500, ("calls", b"x", b"no event", produced[500][-1]))
    at = next(n for n, event in enumerate(stream) if event["time"] > "2026-03-02T10:15")
    cluster = played(support.Cluster(3, 11, _limits()), produced[:at])
    return cluster, produced[:at], produced[at:], agreement.offline(events)


def _heartbeats(start: datetime) -> Iterator[Json]:
    """Every minute; for ten minutes none came."""
    for minute in (n for n in range(300) if not 100 <= n < 110):
        time = (start + timedelta(minutes=minute)).isoformat().replace("+00:00", "Z")
        beat = {"specversion": "1.0", "id": f"beat-{minute}", "source": "sim/pbx", "type": "source.heartbeat"}
        yield beat | {"time": time}


def _erasures(events: list[Json]) -> Iterator[Json]:
    """Some of those who called want to be forgotten a little later."""
    calls = [event for event in events if "address" in event.get("data", {}).get("party", {})][::150]
    for number, event in enumerate(calls):
        asked = {"specversion": "1.0", "id": f"gdpr-{number}", "source": "crm", "type": "party.erasure_requested"}
        yield asked | {"time": event["time"], "subject": event["data"]["party"]["address"], "data": {}}


def contradictions() -> tuple[Any, list[Produced], list[Produced], Json]:
    """Small worlds of aliases, passengers, parents, merges and late claims, each a tenant."""
    support = importlib.import_module("stage_cluster")
    agreement = importlib.import_module("test_stages_agree_with_stitch")
    world = importlib.import_module("random_traffic").world
    events = [_of(f"w{seed}", event) for seed in range(120) if seed != DIFFERS for event in world(seed)]
    stream = agreement.arrival(events, 12)
    produced = _produced(stream)
    at = next(n for n, event in enumerate(stream) if event["time"] > "2026-03-02T08:40")
    cluster = played(support.Cluster(4, 12, _limits()), produced[:at])
    return cluster, produced[:at], produced[at:], agreement.offline(events)


def _of(tenant: str, event: Json) -> Json:
    return event | {"tenant": tenant, "source": f"{tenant}/{event['source']}"}


def vendors() -> tuple[Any, list[Produced], list[Produced], Json]:
    """A day of all dialects, each in a topic of its own with more partitions than the stages have."""
    clusters, vendor_day = importlib.import_module("feed_cluster"), importlib.import_module("vendor_day")
    records = vendor_day.day(13, copies=5)
    produced = [(f"vendor:{r.dialect}", r.key, r.value, int(r.arrives * 1000) + 1000) for r in records]
    at = len(produced) // 2
    cluster = played(clusters.Feeds(3, 13, 4), produced[:at])
    return cluster, produced[:at], produced[at:], clusters.offline(vendor_day.translated(records))


def _limits() -> Any:
    return importlib.import_module("touchpoint.stitching.limits").Limits()


def _produced(events: Iterable[Json]) -> list[Produced]:
    """To the topics of their channels, heartbeats to that of calls; appended a second after the latest event so far."""
    address = importlib.import_module("touchpoint.producer.routing").address
    produced: list[Produced] = []
    appended = 0
    for event in events:
        topic, key = ("calls", None) if event["type"] == "source.heartbeat" else address(event)
        appended = max(appended, int(datetime.fromisoformat(event["time"]).timestamp() * 1000) + 1000)
        produced.append((topic, None if key is None else key.encode(), orjson.dumps(event), appended))
    return produced


def played(cluster: Any, produced: list[Produced]) -> Any:
    """The cluster after most of what was produced, live: time passes for its stages as it does for the broker."""
    cluster.now = (produced[0][-1] - TICK_MS) * 1000
    for topic, key, value, appended in produced:
        while cluster.now < (appended - TICK_MS) * 1000:
            _drained(cluster, 0)
            cluster.now += TICK_MS * 1000
            _tick(cluster)
        cluster.put(topic, key, value)
        place = cluster._place(topic, key, None)
        last = cluster.queues[place][-1]
        fields = [getattr(last, name) for name in last.__struct_fields__ if name != "timestamp"]
        cluster.queues[place][-1] = type(last)(*fields, appended)
        at = cluster.now
        _drained(cluster, LEFT)
        cluster.now = at  # which its steps move too
    return cluster


def _drained(cluster: Any, left: int) -> None:
    while sum(map(len, cluster.queues.values())) > left:
        cluster._step()


def _tick(cluster: Any) -> None:
    read = {*cluster.inputs, *cluster.feeds, "touches"}
    for (agent, p), stage in cluster.stages.items():
        cluster._forward(agent, p, stage.tick(cluster.now, read))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

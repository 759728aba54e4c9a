"""A number and an address in every place of an event: causes, headers of ours, labels and standard error have none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from canonical_events import smallest_event
from stage_cluster import Cluster

from touchpoint.cli.stitch import Refused, closed, facts_of
from touchpoint.events import Decoder
from touchpoint.stages.dead_letter_records import CAUSE, ORIGIN
from touchpoint.stitching.limits import DEFAULT
from touchpoint.telemetry.metrics import Metrics

PERSONS = ("+44 1632 960777", "tel:+441632960777", "zerlina@quux.example", "sip:zerlina@quux.example")
MARKS = ("960777", "zerlina", "quux")
FULL = smallest_event("call.answered", data={
    "party": {"address": "tel:+441632960000", "id": "p", "name": "n"}, "resource": {"id": "a", "kind": "agent"},
    "queue": "q", "direction": "inbound", "reported": {"started_at": "2026-01-05T09:00:00Z", "hold_ms": 1},
    "ext": {"x": 1},
}, tenant="t", sequence="1", correlationid="c", dataschema="urn:x:1", datacontenttype="application/json")  # fmt: skip


def planted(node: Any, person: str) -> Iterator[Any]:
    """The tree with one place changed: each value, each name, and what no decoder takes below each object."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from ({**node, name: changed} for changed in planted(value, person))
            yield {**{k: v for k, v in node.items() if k != name}, person: value}
        yield {**node, person: "\x00"}
        yield {**node, f"{person}_ms": person}
        yield {**node, f"{person}\x1b[31m\u202e": 10**30}
    yield person
    yield [person, {person: "\x00"}]


def records() -> Iterator[tuple[bytes, list[tuple[str, bytes | None]]]]:
    for person in PERSONS:
        for tree in planted(FULL, person):
            yield orjson.dumps(tree) if 10**30 not in leaves(tree) else str(tree).encode(), []
        for header in (person, f"ce_{person}", "content-type", "ce_type", "ce_time", "ce_datacontenttype"):
            yield b"{}", [(header, person.encode())]
            yield b"{}", [(header, person.encode()), (header, b"\xff")]
        yield f'{{"{person}": 1, "{person}": 2}}'.encode(), []
        yield person.encode(), []


def leaves(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return [leaf for value in node.values() for leaf in leaves(value)]
    return [node]


def found(text: str) -> list[str]:
    return [mark for mark in MARKS if mark in text.lower()]


def test_causes_and_logs_of_an_event_name_no_person(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    cluster, metrics, refused = Cluster(1, 1, DEFAULT), Metrics(), Refused()
    lines = list(records())
    for value, headers in lines:
        cluster.put("calls", b"c1", value, None, headers)
    cluster.read()
    assert len(cluster.dead) > len(lines) / 4
    for letter in cluster.dead:
        ours = dict(letter.headers[-5:])
        said = f"{ours[CAUSE]!r} {ours[ORIGIN]!r}"
        assert found(said) == []
        assert (ours[CAUSE] or b"").decode().isprintable()
    sources = {place: time for report in cluster.reports["media"] for place, time in report.sources.items()}
    for (topic, source), time in sources.items():
        metrics.observe_event(topic, source, time / 1e6)
    labels = [str(sample.labels) for family in metrics.registry.collect() for sample in family.samples]
    assert any(found(source) for _, source in sources)
    assert found(" ".join(labels)) == []
    list(closed(facts_of("x", [value for value, _ in lines], Decoder(), refused), DEFAULT, b"secret", refused))
    errors = capsys.readouterr().err
    assert len(errors.splitlines()) == refused.count > 100
    assert found(errors) == []
    assert all(line.isprintable() for line in errors.splitlines())
    assert found(caplog.text) == []

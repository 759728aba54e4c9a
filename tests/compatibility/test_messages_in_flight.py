"""In a rolling upgrade workers of 0.1.0 read what this version sends: fields may only be added at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import messages_0_1_0
import msgspec
import orjson
from random_traffic import world
from stage_cluster import Cluster

from touchpoint.stages.messages import read
from touchpoint.stages.protocol import Forward, Record
from touchpoint.stitching.limits import Limits

NAMES = {"Link": "ItemMessage", "Touch": "PartyMessage", "Told": "WatermarkUpdate"}
"""What 0.1.0 called a message -> what this version calls it."""


class Listening(Cluster):
    """Keeps what the stages send to each other."""

    sent: list[Forward]

    def _forward(self, agent: str, p: int, forwards: Iterable[Forward]) -> None:
        kept = list(forwards)
        self.sent += [forward for forward in kept if forward.topic in ("links", "touches")]
        super()._forward(agent, p, kept)


def sent() -> list[Forward]:
    """By small worlds with everything that connects items and parties, a heartbeat and an erasure."""
    cluster = Listening(3, 1, Limits())
    cluster.sent = []
    for seed in range(12):
        events = world(seed)
        cluster.produce(event | {"tenant": f"w{seed}", "source": f"w{seed}/{event['source']}"} for event in events)
    for kind, topic, subject in (
        ("source.heartbeat", "calls", None),
        ("party.erasure_requested", "parties", "tel:+441632960001"),
    ):
        event = {"specversion": "1.0", "id": kind, "source": "x", "type": kind, "time": "2026-03-02T09:00:00Z"}
        said = event | ({"subject": subject, "tenant": "w3", "data": {}} if subject else {})
        cluster.put(topic, subject.encode() if subject else None, orjson.dumps(said), 0 if subject is None else None)
    cluster.finish("2026-06-30T00:00:00Z")
    cluster.run()
    return cluster.sent


def fields(value: Any) -> Any:
    """A message as plain lists, objects and values."""
    return msgspec.to_builtins(value, str_keys=True)


def begins_with(ours: Any, theirs: Any) -> bool:
    """Whether each list of theirs that is a struct is the beginning of ours."""
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) >= len(theirs) and all(map(begins_with, ours, theirs))
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(begins_with(ours[key], theirs[key]) for key in theirs)
    return bool(ours == theirs)


def test_messages_of_this_version_are_readable_by_0_1_0() -> None:
    kinds: Counter[str] = Counter()
    for forward in sent():
        value, headers = forward.value or b"", tuple(forward.headers)
        ours = read(Record(forward.topic, 0, 0, forward.key, value, headers, 0))
        found = messages_0_1_0.read(forward.topic, value, headers)
        kinds[type(found).__name__] += 1
        assert NAMES[type(found).__name__] == type(ours).__name__
        assert begins_with(fields(ours), fields(found))
    assert kinds.keys() == NAMES.keys()

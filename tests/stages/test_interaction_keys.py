"""The topic `interactions` is keyed by party: whoever reads it has all of a party in order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from stage_cluster import SECRET, Cluster

from touchpoint.stages.protocol import Forward
from touchpoint.stitching.ids import opaque
from touchpoint.stitching.limits import DEFAULT

ADDRESS = "tel:+441632960001"


class Keyed(Cluster):
    """Remembers the keys of what is published."""

    def _forward(self, agent: str, p: int, forwards: Iterable[Forward]) -> None:
        forwards = list(forwards)
        self.keys.update(
            (orjson.loads(each.value or b"")["type"], each.key) for each in forwards if each.topic == "interactions"
        )
        super()._forward(agent, p, forwards)

    keys: set[tuple[str, bytes | None]]


def event(kind: str, subject: str, time: str, **data: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "id": f"{kind}/{time}", "source": "test", "type": kind, "subject": subject,
            "time": time, "data": data}  # fmt: skip


def test_an_interaction_its_amendments_and_its_partys_erasure_have_the_partys_key() -> None:
    cluster = Keyed(4, 1, DEFAULT)
    cluster.keys = set()
    cluster.produce([
        event("call.offered", "c1", "2026-03-02T09:00:00Z", direction="inbound", party={"address": ADDRESS}),
        event("call.ended", "c1", "2026-03-02T09:10:00Z"),
    ])  # fmt: skip
    cluster.finish("2026-03-02T12:00:00Z")
    cluster.run()
    cluster.produce([
        event("call.summary", "c1", "2026-03-02T11:00:00Z", reported={"connected_ms": 1}),
        event("party.erasure_requested", ADDRESS, "2026-03-02T13:00:00Z"),
    ])  # fmt: skip
    cluster.finish("2026-03-20T12:00:00Z")
    cluster.run()
    key = opaque(SECRET, "default", ADDRESS).encode()
    assert cluster.keys == {(kind, key) for kind in ("interaction.closed", "interaction.amended", "party.erased")}
    [closed] = [each["data"] for each in cluster.closed if each["type"] == "interaction.closed"]
    assert closed["party_key"].encode() == key

"""A fact of an alias is sent on from item to item eight times at most, also through items whose facts are forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from stage_cluster import Cluster, Json

from touchpoint.stages.dead_letter_records import code_of
from touchpoint.stages.messages import LINKS, MOST_HOPS, ItemMessage, read
from touchpoint.stages.protocol import Forward
from touchpoint.stitching.limits import Limits

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
FORGOTTEN, END = 6, 14
"""The first that is forgotten when the chain is made longer, and the end of the chain."""


def aliases(first: int, last: int, hours: int) -> list[Json]:
    """Each call of these is the call after it, and only a call that nobody tells of is what all of them are."""
    time = (START + timedelta(hours=hours)).isoformat()
    return [
        {
            "specversion": "1.0", "source": "x", "id": f"alias/{n}", "type": "call.alias", "time": time,
            "subject": f"c{n}", "data": {"to": f"c{n + 1}"},
        }
        for n in range(first, last)
    ]  # fmt: skip


def test_a_chain_through_forgotten_items_ends_after_eight_hops_and_nothing_is_lost() -> None:
    cluster, hops = Cluster(2, 1, Limits()), set[int]()
    put = cluster.put

    def noted(topic: str, key: bytes | None, value: bytes | None, partition: int | None = None, headers=()) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
        put(topic, key, value, partition, headers)
        if topic == LINKS:
            message = read(cluster.queues[cluster._place(topic, key, partition)][-1])
            if isinstance(message, ItemMessage):
                hops.add(message.hop)

    cluster.put = noted  # type: ignore[method-assign]
    for first, last, hours in ((FORGOTTEN, END, 0), (0, FORGOTTEN, 12)):
        cluster.produce(aliases(first, last, hours))
        cluster.read()
        cluster.finish((START + timedelta(hours=hours + 11)).isoformat())
        cluster.run()
    assert max(hops) == MOST_HOPS - 1
    codes = [code_of(Forward("dead-letters", dead.key, dead.value, dead.headers)) for dead in cluster.dead]
    assert codes == ["orphan"] * 6

"""Progress that no worker can have told: it moves no time and stops none, whoever wrote it to an internal topic."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from canonical_events import smallest_event
from stage_cluster import Cluster

from touchpoint.stages.media.media_clock import LINK_HOPS, STAMP
from touchpoint.stages.messages import PROGRESS, WatermarkUpdate
from touchpoint.stages.party.party_clock import HOPS
from touchpoint.stitching.limits import DEFAULT
from touchpoint.stitching.watermarks import EMPTY

BEFORE = 1_700_000_000_000_000


OFFERED = smallest_event("call.offered", id="1", data={"party": {"address": "tel:+441632960001"}})
ENDED = smallest_event("call.ended", id="2", time="2026-01-05T09:05:00Z")


def told(stage: str, sender: int, watermarks: list[int], **more: Any) -> bytes:
    return msgspec.msgpack.encode(WatermarkUpdate(stage, sender, watermarks, **more))


CRAFTED = [
    ("links", told("media", 1_000_000, [BEFORE] * LINK_HOPS)),
    ("links", told("media", -1, [BEFORE] * LINK_HOPS)),
    ("links", told("media", 2, [BEFORE] * LINK_HOPS)),
    ("links", told("media", 0, [BEFORE])),
    ("links", told("media", 0, [])),
    ("links", told("media", 0, [BEFORE] * LINK_HOPS, flushed=[BEFORE])),
    ("links", told("any.feed", 5, [BEFORE], of=3)),
    ("links", told("any.feed", 5, [BEFORE], of=1 << 40)),
    ("touches", told("party", 7, [BEFORE] * HOPS)),
    ("touches", told("party", 0, [BEFORE] * (HOPS + 1))),
    ("touches", told("party", 0, [BEFORE] * HOPS, flushed=[BEFORE])),
    ("touches", told("media", 1_000, [BEFORE])),
    ("touches", told("media", 0, [BEFORE] * LINK_HOPS)),
]


@pytest.mark.parametrize(("topic", "value"), CRAFTED)
def test_forged_internal_message_is_a_dead_letter_and_everything_closes(topic: str, value: bytes) -> None:
    cluster = Cluster(2, 1, DEFAULT)
    for partition in range(2):
        cluster.put(topic, None, value, partition, [PROGRESS])
    cluster.read()
    assert len(cluster.dead) == 2
    cluster.produce([OFFERED])
    cluster.run()
    assert cluster.closed == [], "no time has passed"
    cluster.produce([ENDED])
    cluster.finish("2026-12-01T00:00:00Z")
    cluster.run()
    assert len([event for event in cluster.closed if event["type"] == "interaction.closed"]) == 1
    assert len(cluster.dead) == 2


def test_valid_internal_messages_are_accepted() -> None:
    cluster = Cluster(2, 1, DEFAULT)
    cluster.put("links", None, told("media", 1, [EMPTY, -EMPTY]), 0, [PROGRESS])
    cluster.put("links", None, told(STAMP, 0, []), 0, [PROGRESS])
    cluster.put("touches", None, told("party", 1, [BEFORE] * HOPS, flushed=[0] * HOPS), 0, [PROGRESS])
    cluster.put("touches", None, told("any.feed", 70, [-EMPTY]), 0, [PROGRESS])
    cluster.read()
    assert cluster.dead == []

"""A cluster of stages with a topic of each dialect, and the offline fold that it is held against."""

from __future__ import annotations

from collections.abc import Iterable

import orjson
from stage_cluster import SECRET, Cluster, Json, records_of
from vendor_day import OWN, VendorRecord
from vendor_feed import CAPTURES

from touchpoint.events import Accepted, Decoder
from touchpoint.settings import load_settings
from touchpoint.settings.sections import DialectTopic
from touchpoint.stages.messages import LINKS, ItemMessage, read
from touchpoint.stages.protocol import Forward, Record
from touchpoint.stitching.facts import Fact
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.offline import stitch

LIMITS = load_settings({}, own_addresses=OWN).stitching_limits()
LATER = "2026-06-30T00:00:00Z"
FEEDS = {f"vendor:{name}": DialectTopic(dialect=name) for name in sorted({name for name, _ in CAPTURES})}


class Feeds(Cluster):
    """With a topic of each dialect; what their stages say is kept."""

    def __init__(self, partitions: int, seed: int, of: int, limits: Limits = LIMITS) -> None:
        self.said: list[Fact] = []
        super().__init__(partitions, seed, limits, feeds={topic: (declared, of) for topic, declared in FEEDS.items()})

    def fill(self, records: Iterable[VendorRecord]) -> None:
        for record in records:
            self.put(f"vendor:{record.dialect}", record.key, record.value)

    def _forward(self, agent: str, p: int, forwards: Iterable[Forward]) -> None:
        kept = list(forwards)
        for each in kept if agent in self.feeds else ():
            if each.topic == LINKS:
                message = read(Record(LINKS, 0, 0, each.key, each.value, each.headers, 0))
                self.said += message.facts if isinstance(message, ItemMessage) else []
        super()._forward(agent, p, kept)


def facts_of(events: Iterable[Json]) -> list[Fact]:
    """The events as the decoder takes them; each must be accepted."""
    decoder, facts = Decoder(), []
    for event in events:
        verdict = decoder.decode(orjson.dumps(event))
        assert isinstance(verdict, Accepted), (verdict, event)
        facts.append(verdict.fact)
    return facts


def offline(events: Iterable[Json], limits: Limits = LIMITS) -> dict[str, Json]:
    """What `touchpoint stitch` makes of the events."""
    return {record["interaction_id"]: record for record in stitch(facts_of(events), limits, SECRET)}


def found(stages: Cluster) -> dict[str, Json]:
    """What the stages have closed, with what they amended afterwards."""
    records = {record["interaction_id"]: record for record in records_of(stages.closed)}
    late = {each["event_id"]: each for each in (event["data"] for event in stages.closed) if "event_id" in each}
    for each in sorted(late.values(), key=lambda each: int(each["seq"])):
        amendment = {name: each[name] for name in ("seq", "kind", "payload", "event_id")}
        record = records[each["interaction_id"]]
        records[each["interaction_id"]] = record | {"amendments": [*record["amendments"], amendment]}
    return records

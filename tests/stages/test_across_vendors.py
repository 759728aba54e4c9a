"""What several ids, partitions and vendors tell of becomes one interaction, in whichever partitions it is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from aiokafka.partitioner import murmur2
from feed_cluster import LATER, Feeds, found, offline
from stage_cluster import Json
from vendor_day import OWN as VENDOR_OWN
from vendor_day import translated
from vendor_scenes import (
    SCENES,
    Scene,
    ami_call,
    attended_transfer,
    canonical,
    contact_chain,
    one_party,
    resumed_caller,
    twilio_chat,
)

from touchpoint.settings import load_settings
from touchpoint.stitching.limits import Limits

PARTITIONS = 5
COPIES = 10
OWN = {
    "own_addresses": [*VENDOR_OWN, "+441632960100", "mailto:service@shop.example"],
    "unstitched_addresses": ["+442079460000"],
}


def limits_with(**fields: object) -> Limits:
    """An email stitches to what is near in time, as calls and chats do: not the contract's rule, but a setting."""
    given: dict[str, object] = {"channels": {"email": {"stitch_gap": "10m"}}, "own_addresses": VENDOR_OWN, **fields}
    return load_settings({}, **given).stitching_limits()


def partition(key: str, of: int = PARTITIONS) -> int:
    return int(murmur2(key.encode()) & 0x7FFFFFFF) % of


def played(scenes: list[Scene], limits: Limits, seed: int, crashes: float = 0.0) -> dict[str, Json]:
    """The scenes through the stages, held against the offline fold."""
    records = sorted((record for scene in scenes for record in scene.records), key=lambda each: each.arrives)
    events = [event for scene in scenes for event in scene.events]
    stages = Feeds(PARTITIONS, seed, 3, limits)
    stages.fill(records)
    stages.produce(events)
    stages.finish(LATER)
    stages.run(crashes=crashes)
    assert not stages.dead
    assert found(stages) == offline([*translated(records), *events], limits)
    return found(stages)


@pytest.mark.parametrize("scene", SCENES)
def test_related_items_are_one_interaction_wherever_they_are_partitioned(scene: Callable[[int], Scene]) -> None:
    copies = [scene(number) for number in range(COPIES)]
    for seed, crashes in ((1, 0.0), (2, 0.3)):
        records = played(copies, limits_with(), seed, crashes).values()
        together = [{item["media_item_id"] for item in record["media_items"]} for record in records]
        assert sorted(map(sorted, together)) == sorted(sorted(copy.items) for copy in copies)


def test_the_parts_do_lie_in_different_partitions() -> None:
    """Or the test before would show nothing: ids of one call, contacts of one chain, channels of one party."""
    calls = [(f"{attended_transfer(n).items}", attended_transfer(n)) for n in range(COPIES)]
    named = [{str(event["subject"]) for event in translated(scene.records)} for _, scene in calls]
    chains = [{record.key.decode() for record in contact_chain(n).records if record.key} for n in range(COPIES)]
    for groups in (
        named,
        chains,
        [one_party(n).items for n in range(COPIES)],
        [resumed_caller(n).items for n in range(COPIES)],
    ):
        assert all(len(group) > 1 for group in groups)
        assert sum(len({partition(each) for each in group}) > 1 for group in groups) > COPIES / 2


def test_the_organisations_own_numbers_switchboards_and_mailboxes_never_stitch() -> None:
    """A call and a chat from a big customer's switchboard, from our own number, and mails of our own mailbox."""
    mailbox = {"direction": "inbound", "party": {"address": "mailto:service@shop.example"}}
    mails = [canonical(n * 60, "email.offered", f"mail-{n}", f"m{n}", **mailbox) for n in range(2)]
    mails += [canonical(n * 60 + 30, "email.ended", f"mail-{n}", f"e{n}", reason="answered") for n in range(2)]
    switchboard = [*ami_call(0, "1.1", "02079460000", "ann"), *twilio_chat(100, "WT-1", "+442079460000")]
    own = [*ami_call(10, "2.1", "01632960100", "bob"), *twilio_chat(110, "WT-2", "+441632960100")]
    one = [*ami_call(20, "3.1", "01632960999", "joe"), *twilio_chat(120, "WT-3", "+441632960999")]
    records = played([Scene([*switchboard, *own, *one], mails, set())], limits_with(**OWN), 3).values()
    together = sorted(sorted(item["media_item_id"] for item in record["media_items"]) for record in records)
    assert together == [["1.1"], ["2.1"], ["3.1", "WT-3"], ["WT-1"], ["WT-2"], ["mail-0"], ["mail-1"]]

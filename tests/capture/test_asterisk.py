"""Three calls on a real Asterisk 22.10.1, as its manager interface told them and as its queue_log has them.

`recorded/` holds both, of the same minute: an agent who does not answer and one who does; a caller who gives up while
it rings; a caller who hangs up first. Of the variables only QUEUESTATUS is kept.
"""

from __future__ import annotations

import math
from pathlib import Path

from vendor_feed import events, items

RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> list[bytes]:
    return (RECORDED / name).read_bytes().splitlines(keepends=True)


def test_the_manager_interface_and_the_queue_log_tell_the_same_of_the_same_calls() -> None:
    """To the second: queue_log's stamps are whole seconds, so that each of its durations may be one off."""
    live = items(events("asterisk-ami", recorded("ami")))
    log = items(events("asterisk-queue-log", recorded("queue_log")))
    assert live.keys() == log.keys()
    assert len(live) == 3
    for call, item in live.items():
        assert item["abandoned"] == log[call]["abandoned"]
        for figure in ("queue_wait_ms", "talk_ms", "ring_ms"):
            assert math.isclose(item[figure], log[call][figure], abs_tol=1_000), (call, figure)


def test_caller_who_hung_up_is_known_although_the_channel_was_gone_already() -> None:
    """AgentComplete then tells of the agent's channel only (`DestLinkedid`)."""
    said = events("asterisk-ami", recorded("ami"))
    calls = {each["subject"] for each in said}
    released = [each["subject"] for each in said if each["type"] == "call.released"]
    assert len(calls) == 3
    assert sorted(released) == sorted(calls - {"pbx1-1795420016.6"})  # that one gave up

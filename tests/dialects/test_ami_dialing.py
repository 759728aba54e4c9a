"""Calls that the manager interface tells of and that nobody answered, outside of queues.

DialStatus: docs.asterisk.org, Asterisk 20, AMI Events, DialEnd. HangupRequest: the channel's own side hung up.
"""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from vendor_feed import events, items, kinds, said_of

NAME = "asterisk-ami"
DEST = {"DestChannel": "PJSIP/1602-02", "DestUniqueid": "b", "DestLinkedid": "c", "DestCallerIDNum": "1602"}


def told(name: str, second: float, leg: str = "c", **fields: Any) -> bytes:
    full = {"Event": name, "Timestamp": f"{1594068281 + second:.6f}", "Uniqueid": leg, "Linkedid": "c"}
    return orjson.dumps(full | fields) + b"\n"


DIRECT = [
    told("Newchannel", 0, Channel="PJSIP/trunk-01", CallerIDNum="01632960960", Exten="5001"),
    told("Newchannel", 1, "b", Channel="PJSIP/1602-02", CallerIDNum="1602"),
    told("DialBegin", 1, Channel="PJSIP/trunk-01", **DEST),
]


@pytest.mark.parametrize(
    "told_of",
    [
        [told("DialEnd", 21, DialStatus="CANCEL", **DEST), told("Hangup", 21, "b")],
        [told("HangupRequest", 21, Channel="PJSIP/trunk-01"), told("Hangup", 21, "b")],
        [told("HangupRequest", 21), told("DialEnd", 21, DialStatus="CANCEL", **DEST), told("Hangup", 21, "b")],
    ],
)
def test_a_caller_who_hangs_up_while_a_phone_rings_has_given_up(told_of: list[bytes]) -> None:
    item = items(events(NAME, [*DIRECT, *told_of, told("Hangup", 21.1)]))["c"]
    assert (item["abandoned"], item["flags"]) == ("while_ringing", [])
    assert [part[:3] for part in kinds(item)][1:] == [("alerting", "PJSIP/1602", 20_000)]


def test_a_phone_that_was_not_answered_in_time_is_no_abandonment() -> None:
    lines = [*DIRECT, told("DialEnd", 31, DialStatus="NOANSWER", **DEST), told("Hangup", 31, "b"), told("Hangup", 32)]
    item = items(events(NAME, lines))["c"]
    assert item["abandoned"] is None
    assert [part for part in kinds(item) if part[0] == "alerting"] == [("alerting", "PJSIP/1602", 30_000, "no_answer")]


def test_who_loses_the_race_of_a_ring_all_is_not_given_up_on() -> None:
    other = {"DestChannel": "PJSIP/1603-03", "DestUniqueid": "d", "DestLinkedid": "c"}
    lines = [
        *DIRECT, told("DialBegin", 1, Channel="PJSIP/trunk-01", **other),
        told("DialEnd", 6, DialStatus="CANCEL", **other), told("Hangup", 6, "d"),
        told("DialEnd", 6, DialStatus="ANSWER", **DEST), told("BridgeEnter", 6, "b"), told("BridgeEnter", 6),
        told("BridgeLeave", 66, "b"), told("Hangup", 66, "b"), told("Hangup", 66.1),
    ]  # fmt: skip
    said = events(NAME, lines)
    assert ("disconnected", "customer") not in said_of(said, "by")
    assert items(said)["c"]["abandoned"] is None


OUT = [
    told("Newchannel", 0, Channel="PJSIP/305-01", CallerIDNum="305", Exten="01632960703"),
    told("Newchannel", 1, "t", Channel="PJSIP/trunk-02", CallerIDNum="01632960703"),
]
CALLED = {"DestChannel": "PJSIP/trunk-02", "DestUniqueid": "t", "DestLinkedid": "c", "DestCallerIDNum": "01632960703"}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("BUSY", "busy"),
        ("CONGESTION", "busy"),
        ("CHANUNAVAIL", "failed"),
        ("NOANSWER", "no_answer"),
        ("CANCEL", "canceled"),
    ],
)  # fmt: skip
def test_a_customer_who_is_not_reached_is_a_dialing_that_failed(status: str, reason: str) -> None:
    lines = [
        *OUT, told("DialBegin", 1, **CALLED), told("DialEnd", 9, DialStatus=status, **CALLED), told("Hangup", 9, "t"),
        told("Hangup", 12),
    ]  # fmt: skip
    said = events(NAME, lines)
    assert ("failed", reason) in said_of(said, "reason")
    item = items(said)["c"]
    assert [part for part in kinds(item) if part[0] == "dialing"] == [("dialing", None, 8_000, "failed")]
    assert (item["talk_ms"], item["abandoned"], item["flags"]) == (0, None, [])


def test_a_customers_leg_that_hangs_up_unanswered_is_a_dialing_that_failed() -> None:
    item = items(events(NAME, [*OUT, told("Hangup", 9, "t", Cause="17"), told("Hangup", 12)]))["c"]
    assert [part for part in kinds(item) if part[0] == "dialing"] == [("dialing", None, 8_000, "failed")]


def test_a_second_try_by_another_trunk_may_reach_the_customer() -> None:
    again = {**CALLED, "DestChannel": "PJSIP/other-03", "DestUniqueid": "u"}
    lines = [
        *OUT, told("DialBegin", 1, **CALLED), told("DialEnd", 2, DialStatus="CONGESTION", **CALLED),
        told("Hangup", 2, "t"), told("Newchannel", 3, "u", Channel="PJSIP/other-03", CallerIDNum="01632960703"),
        told("DialBegin", 3, **again), told("BridgeEnter", 9, "u"), told("BridgeEnter", 9), told("Hangup", 69, "u"),
        told("Hangup", 69),
    ]  # fmt: skip
    item = items(events(NAME, lines))["c"]
    assert [part[:3] for part in kinds(item) if part[0] != "routing"] == [
        ("dialing", None, 1_000), ("dialing", None, 6_000), ("with_agent", "PJSIP/305", 60_000),
    ]  # fmt: skip


@pytest.mark.parametrize("dialed", ["01632960777@b", "carrier-b/01632960777", "carrier-b/sip:01632960777@x.example"])
def test_a_call_that_is_forwarded_to_a_number_outside_is_with_no_agent(dialed: str) -> None:
    out = {"DestChannel": "PJSIP/carrier-b-02", "DestUniqueid": "b", "DestLinkedid": "c", "DialString": dialed}
    lines = [
        DIRECT[0], told("Newchannel", 1, "b", Channel="PJSIP/carrier-b-02", CallerIDNum="01632960777"),
        told("DialBegin", 1, Channel="PJSIP/trunk-01", **out), told("BridgeEnter", 6, "b"), told("BridgeEnter", 6),
        told("BridgeLeave", 66, "b"), told("Hangup", 66, "b"), told("Hangup", 66.1),
    ]  # fmt: skip
    assert {part[0] for part in kinds(items(events(NAME, lines))["c"])} == {"routing"}

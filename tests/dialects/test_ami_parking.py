"""Asterisk's parking as the manager interface tells it: no packet of it has a Linkedid, each names the parked channel.

The forms: docs.asterisk.org, Asterisk 20, AMI Events, ParkedCall, UnParkedCall, ParkedCallTimeOut, ParkedCallGiveUp.
"""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from vendor_feed import events, items, kinds

NAME = "asterisk-ami"
PARKED = {"ParkeeChannel": "PJSIP/trunk-01", "ParkeeUniqueid": "c", "ParkeeLinkedid": "c", "Parkinglot": "default"}
PARKED |= {"ParkeeCallerIDNum": "01632960960", "ParkerDialString": "PJSIP/1602", "ParkingSpace": "701"}
RETRIEVER = {"RetrieverChannel": "PJSIP/1603-03", "RetrieverUniqueid": "r", "RetrieverLinkedid": "r"}


def told(name: str, second: float, **fields: Any) -> bytes:
    return orjson.dumps({"Event": name, "Timestamp": f"{1594068281 + second:.6f}"} | fields) + b"\n"


def of_leg(name: str, second: float, leg: str = "c", root: str = "c", **fields: Any) -> bytes:
    return told(name, second, Uniqueid=leg, Linkedid=root, **fields)


CALLER = of_leg("Newchannel", 0, Channel="PJSIP/trunk-01", CallerIDNum="01632960960", Exten="400")
MEMBER = {"Queue": "q", "MemberName": "Bob", "Interface": "PJSIP/1602", "DestUniqueid": "b", "DestLinkedid": "c"}
BY_QUEUE = [
    CALLER, of_leg("QueueCallerJoin", 1, Queue="q"), of_leg("AgentCalled", 3, **MEMBER),
    of_leg("QueueCallerLeave", 6, Queue="q"), of_leg("AgentConnect", 6, **MEMBER), of_leg("BridgeEnter", 6, "b"),
    of_leg("BridgeEnter", 6), of_leg("BridgeLeave", 66), told("ParkedCall", 66, **PARKED),
    of_leg("BridgeLeave", 67, "b"), of_leg("AgentComplete", 67, TalkTime="60", Reason="transfer", **MEMBER),
    of_leg("Hangup", 67, "b"),
]  # fmt: skip
DEST = {"DestChannel": "PJSIP/1602-02", "DestUniqueid": "b", "DestLinkedid": "c"}
DIRECT = [
    CALLER, of_leg("Newchannel", 1, "b", Channel="PJSIP/1602-02", CallerIDNum="1602"),
    of_leg("DialBegin", 1, **DEST), of_leg("BridgeEnter", 6, "b"), of_leg("BridgeEnter", 6), of_leg("BridgeLeave", 66),
    told("ParkedCall", 66, **PARKED), of_leg("BridgeLeave", 66, "b"), of_leg("Hangup", 66, "b"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "first"), [(BY_QUEUE, "Bob"), (DIRECT, "PJSIP/1602")])
def test_a_parked_call_is_with_the_agent_who_retrieves_it(lines: list[bytes], first: str) -> None:
    lines = [
        *lines,
        of_leg("Newchannel", 90, "r", "r", Channel="PJSIP/1603-03", CallerIDNum="1603", Exten="701"),
        told("UnParkedCall", 96, **PARKED, **RETRIEVER),
        of_leg("BridgeEnter", 96, "r"), of_leg("BridgeEnter", 96),
        of_leg("BridgeLeave", 126, "r"), of_leg("Hangup", 126, "r"), of_leg("Hangup", 126.1),
    ]  # fmt: skip
    found = items(events(NAME, lines))
    assert list(found) == ["c"], "the retriever's own call is no item of its own"
    assert [part[:3] for part in kinds(found["c"]) if part[0] in ("with_agent", "parked")] == [
        ("with_agent", first, 60_000), ("parked", None, 30_000), ("with_agent", "PJSIP/1603", 30_000),
    ]  # fmt: skip
    assert found["c"]["flags"] == []


def test_a_caller_who_gives_up_while_parked_hung_up_themselves() -> None:
    lines = [*DIRECT, told("ParkedCallGiveUp", 86, **PARKED), of_leg("Hangup", 86.1)]
    item = items(events(NAME, lines))["c"]
    assert [part for part in kinds(item) if part[0] in ("with_agent", "parked")] == [
        ("with_agent", "PJSIP/1602", 60_000, "parked"), ("parked", None, 20_000, "customer_disconnected"),
    ]  # fmt: skip
    assert item["flags"] == []


def test_a_parking_that_times_out_rings_who_parked_the_call() -> None:
    dest = {"DestChannel": "PJSIP/1602-05", "DestUniqueid": "d", "DestLinkedid": "c"}
    lines = [
        *DIRECT, told("ParkedCallTimeOut", 111, **PARKED),
        of_leg("Newchannel", 111, "d", Channel="PJSIP/1602-05", CallerIDNum="1602"),
        of_leg("DialBegin", 111, Channel="PJSIP/trunk-01", **dest), of_leg("BridgeEnter", 116, "d"),
        of_leg("BridgeEnter", 116), of_leg("BridgeLeave", 146, "d"), of_leg("Hangup", 146, "d"), of_leg("Hangup", 147),
    ]  # fmt: skip
    item = items(events(NAME, lines))["c"]
    assert [part[:3] for part in kinds(item) if part[0] != "routing"] == [
        ("alerting", "PJSIP/1602", 5_000), ("with_agent", "PJSIP/1602", 60_000), ("parked", None, 45_000),
        ("alerting", "PJSIP/1602", 5_000), ("with_agent", "PJSIP/1602", 30_000),
    ]  # fmt: skip


def test_a_list_of_parked_calls_that_somebody_asked_for_parks_nothing() -> None:
    (said,) = events(NAME, [CALLER, told("ParkedCall", 9, ActionID="7", ParkingDuration="5", **PARKED)])
    assert said["type"] == "call.offered"


def test_parking_in_the_form_before_asterisk_12_is_read() -> None:
    old = {"Channel": "PJSIP/trunk-01", "Uniqueid": "c", "Exten": "701", "From": "PJSIP/1602-02"}
    said = events(NAME, [CALLER, told("ParkedCall", 9, **old), told("ParkedCallTimeOut", 54, **old)])
    assert [each["type"] for each in said] == ["call.offered", "call.parked", "call.unparked"]


def test_the_hangup_of_who_retrieved_a_call_is_not_its_end() -> None:
    lines = [
        *DIRECT, of_leg("Newchannel", 90, "r", "r", Channel="PJSIP/1603-03", CallerIDNum="1603", Exten="701"),
        told("UnParkedCall", 96, **PARKED, **RETRIEVER), of_leg("BridgeEnter", 96, "r"),
        of_leg("BridgeLeave", 126, "r"), of_leg("Hangup", 126, "r"), of_leg("QueueCallerJoin", 127, Queue="q"),
        of_leg("QueueCallerAbandon", 147, Queue="q"), of_leg("Hangup", 147.1),
    ]  # fmt: skip
    item = items(events(NAME, lines))["c"]
    assert (item["queue_wait_ms"], item["abandoned"], item["flags"]) == (20_000, "in_queue", [])

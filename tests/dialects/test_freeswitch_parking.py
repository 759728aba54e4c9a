"""FreeSWITCH: calls that mod_valet_parking holds, and calls that no queue handed out."""

from __future__ import annotations

import orjson
import pytest
from vendor_feed import events, items, kinds, said_of

NAME = "freeswitch"
RECEIVED = {"variable_sip_hangup_disposition": "recv_bye"}


def told(name: str, second: float = 0, number: int = 0, **headers: str) -> bytes:
    """An event as `event json` writes it; `_` in names is `-`, but for variables."""
    full = {"Event-Name": name, "Core-UUID": "core", "FreeSWITCH-Hostname": "pbx1", "Event-Sequence": str(number)}
    full |= {"Event-Date-Timestamp": str(1696995740000000 + int(second * 1_000_000)), "Channel-Call-UUID": "m"}
    named = {key if key.startswith("variable") else key.replace("_", "-"): text for key, text in headers.items()}
    return orjson.dumps(full | named) + b"\n"


def created(second: float, number: int, leg: str, caller: str, callee: str, **headers: str) -> bytes:
    headers = {"Unique_ID": leg, "Channel_Call_UUID": leg, "Call_Direction": "inbound"} | headers
    named = {"Caller_Caller_ID_Number": caller, "Caller_Destination_Number": callee}
    return told("CHANNEL_CREATE", second, number, **headers, **named)


def of_leg(name: str, second: float, number: int, leg: str, **headers: str) -> bytes:
    return told(name, second, number, **{"Unique_ID": leg, "Channel_Call_UUID": leg} | headers)


def valet(act: str, second: float, number: int, **headers: str) -> bytes:
    """As mod_valet_parking fires it, with the data of the parked channel."""
    named = {"Event_Subclass": "valet_parking::info", "Valet_Lot_Name": "lot", "Valet_Extension": "5901", "Action": act}
    return of_leg("CUSTOM", second, number, "m", **(named | headers))


PARKED = [
    created(0, 1, "m", "+441632960960", "5001"),
    created(1, 2, "b", "+441632960960", "1002", Call_Direction="outbound", Channel_Call_UUID="m"),
    of_leg("CHANNEL_BRIDGE", 6, 3, "m", Other_Leg_Unique_ID="b"), valet("hold", 66, 4),
    of_leg("CHANNEL_HANGUP_COMPLETE", 66.1, 5, "b", Channel_Call_UUID="m", Hangup_Cause="NORMAL_CLEARING"),
]  # fmt: skip
GONE = of_leg("CHANNEL_HANGUP_COMPLETE", 126, 19, "m", variable_sip_hangup_disposition="recv_bye")


@pytest.mark.parametrize("exits_first", [True, False])
def test_a_parked_call_is_with_the_agent_who_retrieves_it(exits_first: bool) -> None:
    own = {"Call_Direction": "inbound", "Channel_Call_UUID": "r"}
    bridge, left = of_leg("CHANNEL_BRIDGE", 96, 12, "m", Other_Leg_Unique_ID="r"), valet("exit", 96, 13)
    lines = [
        *PARKED, created(95, 10, "r", "1003", "5901", **own), valet("bridge", 96, 11, Bridge_To_UUID="r"),
        *([left, bridge] if exits_first else [bridge, left]),
        GONE, of_leg("CHANNEL_HANGUP_COMPLETE", 126.1, 20, "r", Channel_Call_UUID="r"),
    ]  # fmt: skip
    found = items(events(NAME, lines))
    assert list(found) == ["m"]
    assert [part[:3] for part in kinds(found["m"]) if part[0] in ("with_agent", "parked")] == [
        ("with_agent", "1002", 60_000), ("parked", None, 30_000), ("with_agent", "1003", 30_000),
    ]  # fmt: skip
    assert found["m"]["flags"] == []


def test_a_caller_who_gives_up_while_parked_is_told_by_their_hangup() -> None:
    item = items(events(NAME, [*PARKED, GONE]))["m"]
    assert kinds(item)[-1] == ("parked", None, 60_000, "customer_disconnected")


def test_a_parking_that_times_out_goes_on_with_the_call() -> None:
    lines = [
        *PARKED, valet("exit", 106, 10),
        created(107, 11, "d", "x", "1002", Call_Direction="outbound", Channel_Call_UUID="m"),
        of_leg("CHANNEL_BRIDGE", 111, 12, "m", Other_Leg_Unique_ID="d"), GONE,
    ]  # fmt: skip
    item = items(events(NAME, lines))["m"]
    assert [part[:3] for part in kinds(item)][-4:] == [
        ("parked", None, 40_000), ("routing", None, 5_000), ("alerting", "1002", 4_000), ("with_agent", "1002", 15_000),
    ]  # fmt: skip


RUNG = [
    created(0, 1, "c", "+441632960936", "5001"),
    created(1, 2, "b", "+441632960936", "1001", Call_Direction="outbound", Other_Leg_Unique_ID="c"),
    created(1, 3, "d", "+441632960936", "1002", Call_Direction="outbound", Channel_Call_UUID="c"),
]


def test_a_caller_who_hangs_up_while_phones_ring_outside_of_a_queue_has_given_up() -> None:
    lines = [
        *RUNG, of_leg("CHANNEL_HANGUP_COMPLETE", 21, 4, "b", Hangup_Cause="ORIGINATOR_CANCEL"),
        of_leg("CHANNEL_HANGUP_COMPLETE", 21, 5, "d", Channel_Call_UUID="c", Hangup_Cause="ORIGINATOR_CANCEL"),
        of_leg("CHANNEL_HANGUP_COMPLETE", 21, 6, "c", variable_sip_hangup_disposition="recv_cancel"),
    ]  # fmt: skip
    found = items(events(NAME, lines))
    assert list(found) == ["c"]
    assert (found["c"]["abandoned"], found["c"]["flags"]) == ("while_ringing", [])
    assert [part[:3] for part in kinds(found["c"]) if part[0] == "alerting"] == [
        ("alerting", "1001", 20_000), ("alerting", "1002", 20_000),
    ]  # fmt: skip


def test_of_phones_that_ring_outside_of_a_queue_one_answers() -> None:
    lines = [
        *RUNG, of_leg("CHANNEL_BRIDGE", 6, 4, "c", Bridge_B_Unique_ID="d"),
        of_leg("CHANNEL_HANGUP_COMPLETE", 6, 5, "b", Hangup_Cause="LOSE_RACE"),
        of_leg("CHANNEL_HANGUP_COMPLETE", 66, 6, "d", Channel_Call_UUID="c"),
        of_leg("CHANNEL_HANGUP_COMPLETE", 66, 7, "c", **RECEIVED),
    ]  # fmt: skip
    item = items(events(NAME, lines))["c"]
    assert [part[:3] for part in kinds(item)][1:] == [
        ("alerting", "1001", 5_000), ("alerting", "1002", 5_000), ("with_agent", "1002", 60_000),
    ]  # fmt: skip
    assert (item["abandoned"], item["flags"]) == (None, [])


@pytest.mark.parametrize(("cause", "reason"), [("USER_BUSY", "busy"), ("NO_ANSWER", "no_answer")])
def test_a_customer_whom_an_agent_does_not_reach_is_a_dialing_that_failed(cause: str, reason: str) -> None:
    lines = [
        created(0, 1, "c", "1001", "01632960703"),
        created(1, 2, "b", "1001", "01632960703", Call_Direction="outbound", Channel_Call_UUID="c"),
        of_leg("CHANNEL_HANGUP_COMPLETE", 9, 3, "b", Channel_Call_UUID="c", Hangup_Cause=cause),
        of_leg("CHANNEL_HANGUP_COMPLETE", 9.1, 4, "c", Hangup_Cause=cause),
    ]  # fmt: skip
    said = events(NAME, lines)
    assert ("failed", reason) in said_of(said, "reason")
    item = items(said)["c"]
    assert [part for part in kinds(item) if part[0] == "dialing"] == [("dialing", None, 8_000, "failed")]


def test_a_customer_whom_an_agent_reaches_was_dialed_before() -> None:
    lines = [
        created(0, 1, "c", "1001", "01632960703"),
        created(1, 2, "b", "1001", "01632960703", Call_Direction="outbound", Channel_Call_UUID="c"),
        of_leg("CHANNEL_BRIDGE", 9, 3, "c", Bridge_B_Unique_ID="b"),
        of_leg("CHANNEL_HANGUP_COMPLETE", 69, 4, "b", Channel_Call_UUID="c"),
        of_leg("CHANNEL_HANGUP_COMPLETE", 69, 5, "c"),
    ]  # fmt: skip
    item = items(events(NAME, lines))["c"]
    assert [part[:3] for part in kinds(item)] == [
        ("routing", None, 1_000), ("dialing", None, 8_000), ("with_agent", "1001", 60_000),
    ]  # fmt: skip

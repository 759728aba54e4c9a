"""Asterisk's manager interface: its traps, and the seconds that it states itself."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from vendor_feed import events, fixture, items, kinds, said_of, translated

from touchpoint.dialects import DIALECTS, Feed, Lines, Unknown

NAME = "asterisk-ami"
CALL = "1594068281.147"
MEMBER: dict[str, Any] = {
    "Queue": "q",
    "MemberName": "Bob",
    "Interface": "PJSIP/1602",
    "DestUniqueid": "b",
    "DestLinkedid": "c",
}


def told(name: str, second: float = 0, leg: str = "c", **fields: Any) -> bytes:
    full = {"Event": name, "Timestamp": f"{1594068281 + second:.6f}", "Uniqueid": leg, "Linkedid": "c"}
    return orjson.dumps(full | {"CallerIDNum": "01632960960"} | fields) + b"\n"


def stated(name: str) -> list[int]:
    lines = [line.decode().strip().partition(": ") for line in fixture("asterisk_ami")]
    return [int(value) for header, _, value in lines if header == name]


def test_the_call_reads_as_it_went() -> None:
    item = items(events(NAME, fixture("asterisk_ami")))[CALL]
    assert kinds(item) == [
        ("routing", None, 1_000, "queued"),
        ("queue", "support", 24_100, "answered"),
        ("alerting", "Ann", 15_000, "no_answer"),
        ("alerting", "Bob", 5_000, "answered"),
        ("with_agent", "Bob", 80_000, "customer_disconnected"),
        ("hold", "Bob", 12_500, "retrieved"),
    ]
    assert (item["flags"], item["acw_ms"]) == ([], None)


def test_hold_time_and_talk_time_are_elapsed_seconds_whatever_the_documentation_says() -> None:
    item = items(events(NAME, fixture("asterisk_ami")))[CALL]
    assert item["talk_ms"] + item["hold_ms"] == stated("TalkTime")[0] * 1000
    assert item["queue_wait_ms"] // 1000 == stated("HoldTime")[0]
    assert item["ring_ms"] == stated("RingTime")[-1] * 1000
    assert item["hold_ms"] == 12_500  # HoldTime is the wait in the queue, not the customer on hold


def test_a_capture_that_began_during_the_call_knows_the_talk_from_its_end() -> None:
    item = items(events(NAME, [told("AgentComplete", 100, TalkTime="80", HoldTime="24", Reason="agent", **MEMBER)]))[
        "c"
    ]
    assert (item["talk_ms"], item["hold_ms"]) == (80_000, 0)


def test_a_stamp_is_needed_and_the_cause_says_how_to_get_it() -> None:
    (unknown,) = translated(NAME, [told("AgentConnect", Timestamp="", **MEMBER)])
    assert unknown == Unknown("no Timestamp: set timestampevents = yes in manager.conf")


@pytest.mark.parametrize(
    ("status", "reason"),
    [("TIMEOUT", "timeout"), ("LEAVEEMPTY", "empty"), ("CONTINUE", "key"), ("WITHDRAW", "withdrawn")],
)
def test_a_queue_is_left_without_a_reason_which_the_next_event_tells(status: str, reason: str) -> None:
    assert events(NAME, [told("QueueCallerLeave", 20, Queue="q")]) == []
    said = events(
        NAME, [told("QueueCallerLeave", 20, Queue="q"), told("VarSet", 21, Variable="QUEUESTATUS", Value=status)]
    )
    assert [(each["type"], each["time"][17:19], each["data"]["reason"]) for each in said] == [
        ("call.dequeued", "01", reason)
    ]


def test_a_queue_that_is_left_for_an_agent_ends_with_the_answer() -> None:
    lines = [told("QueueCallerLeave", 20, Queue="q"), told("AgentConnect", 20.1, **MEMBER), told("Hangup", 50)]
    assert [name for (name,) in said_of(events(NAME, lines))] == ["answered", "ended"]


def test_caller_who_gives_up_is_abandoned_where_they_waited() -> None:
    start = [told("Newchannel"), told("QueueCallerJoin", 1, Queue="q"), told("AgentCalled", 5, **MEMBER)]
    gone = [told("QueueCallerAbandon", 20, Queue="q"), told("QueueCallerLeave", 20, Queue="q"), told("Hangup", 20.1)]
    assert items(events(NAME, [*start, *gone]))["c"]["abandoned"] == "while_ringing"
    rung_out = told("AgentRingNoAnswer", 12, RingTime="7000", **MEMBER)
    assert items(events(NAME, [*start, rung_out, *gone]))["c"]["abandoned"] == "in_queue"


@pytest.mark.parametrize(("status", "reason"), [("BUSY", "busy"), ("CANCEL", "canceled"), ("CHANUNAVAIL", "failed")])
def test_dial_status_of_a_member_gives_the_end_reason(status: str, reason: str) -> None:
    dialed = told("DialEnd", 9, DestUniqueid="b", DestLinkedid="c", DialStatus=status)
    assert said_of(events(NAME, [told("AgentCalled", 5, **MEMBER), dialed]), "reason")[1:] == [("alert_ended", reason)]
    assert events(NAME, [dialed]) == []  # not a queue's member


def test_the_call_ends_with_the_last_channel_of_its_linkedid() -> None:
    lines = [told("Newchannel"), told("Newchannel", 1, leg="b"), told("Hangup", 50), told("Hangup", 51, leg="b")]
    said = events(NAME, lines)
    assert [(each["type"], each["time"][17:19]) for each in said] == [("call.offered", "41"), ("call.ended", "32")]


def test_the_callers_own_hold_is_not_the_agents() -> None:
    assert events(NAME, [told("Hold", 5)]) == []
    said = events(NAME, [told("AgentConnect", 1, **MEMBER), told("Hold", 5, leg="b")])
    assert said[1]["data"]["resource"]["id"] == "Bob"


def test_a_blind_transfer_is_of_the_transferees_call_and_only_if_it_succeeded() -> None:
    fields = {"TransfererUniqueid": "b", "TransfererLinkedid": "c", "TransfereeLinkedid": "c", "Extension": "8009"}
    said = events(NAME, [told("AgentConnect", **MEMBER), told("BlindTransfer", 9, Result="Success", **fields)])
    assert said_of(said, "kind", "to")[1:] == [("transferred", "blind", {"address": "8009"})]
    assert events(NAME, [told("BlindTransfer", 9, Result="Fail", **fields)]) == []


def attended(**fields: str) -> bytes:
    first = {"OrigTransfererUniqueid": "b", "OrigTransfererLinkedid": "c", "SecondTransfererLinkedid": "d"}
    target = {"TransferTargetChannel": "PJSIP/1603-00000009", "TransferTargetUniqueid": "e"}
    return told(
        "AttendedTransfer",
        60,
        **({"Result": "Success", "DestType": "Bridge", "TransfereeLinkedid": "c"} | first | target | fields),
    )


def test_an_attended_transfer_makes_one_call_of_two_linkedids() -> None:
    start = [told("Newchannel"), told("AgentConnect", 10, **MEMBER)]
    consult = told("Newchannel", 40, leg="d", Linkedid="d")
    found = items(events(NAME, [*start, consult, attended(), told("Hangup", 90)]))
    assert list(found) == ["c"]
    assert [(each[0], each[1], each[2]) for each in kinds(found["c"]) if each[0] == "with_agent"] == [
        ("with_agent", "Bob", 50_000),
        ("with_agent", "PJSIP/1603", 30_000),
    ]


def test_an_attended_transfer_may_have_begun_with_the_consult() -> None:
    said = events(
        NAME, [attended(OrigTransfererLinkedid="d", SecondTransfererLinkedid="c", SecondTransfererUniqueid="b")]
    )
    assert (said[0]["type"], said[0]["subject"]) == ("call.alias", "d")
    assert {each["subject"] for each in said[1:]} == {"c"}


def test_a_threeway_is_a_conference_an_app_has_no_agent_and_a_failure_is_nothing() -> None:
    assert [name for (name,) in said_of(events(NAME, [attended(DestType="Threeway")]))] == ["alias", "joined"]
    to_app = attended(DestType="App", TransferTargetChannel="", DestApp="Queue")
    assert [name for (name,) in said_of(events(NAME, [to_app]))] == ["alias", "transferred"]
    assert events(NAME, [attended(DestType="Fail")]) == []


def test_an_agent_in_a_conference_room_joined_and_left() -> None:
    room = [told("ConfbridgeJoin", 5, leg="b"), told("ConfbridgeLeave", 9, leg="b"), told("ConfbridgeJoin", 5)]
    said = events(NAME, [told("AgentCalled", **MEMBER), *room])
    assert [name for (name,) in said_of(said)] == ["alerting", "joined", "left"]


def test_dialplan_events_give_self_service_and_voicemail() -> None:
    said = events(NAME, [told("UserEvent", UserEvent="Touchpoint", Verb="ivr_entered", Flow="main")])
    assert said_of(said, "flow") == [("ivr_entered", "main")]
    (unknown,) = translated(NAME, [told("UserEvent", UserEvent="Touchpoint", Verb="sung")])
    assert isinstance(unknown, Unknown)
    assert events(NAME, [told("UserEvent", UserEvent="Another", Verb="sung")]) == []


@pytest.mark.parametrize(("name", "direction"), [("ReceiveFAX", "inbound"), ("SendFAX", "outbound")])
def test_a_fax_is_an_item_beside_its_call(name: str, direction: str) -> None:
    found = items(events(NAME, [told(name, RemoteStationID="01632960960", PagesTransferred="3")]))["c/fax"]
    assert (found["channel"], found["direction"], found["pages"]) == ("fax", direction, 3)


def test_packets_and_json_say_the_same_and_an_equal_packet_is_the_same_event() -> None:
    record = told("AgentConnect", 1, **MEMBER)
    packet = "".join(f"{name}: {value}\r\n" for name, value in orjson.loads(record).items())
    assert events(NAME, packet.splitlines(keepends=True)) == events(NAME, [record])


def test_the_stream_is_the_order_and_the_system_name_the_source() -> None:
    said = events(NAME, fixture("asterisk_ami"))
    assert [each["sequence"] for each in said] == sorted(each["sequence"] for each in said)
    assert {each["source"] for each in said} == {"/asterisk/pbx1"}
    assert {each["source"] for each in events(NAME, fixture("asterisk_ami"), Feed("/pbx/london"))} == {"/pbx/london"}


def test_unrelated_manager_events_give_no_event() -> None:
    assert events(NAME, [told("RTCPSent"), told("Newexten"), told("VarSet", Variable="X", Value="1")]) == []


def test_dialect_declares_no_replay_and_no_wrapup() -> None:
    can = DIALECTS[NAME].capabilities
    assert (can.hold, can.wrapup, can.replayable) == (True, False, False)


def test_a_completed_call_whose_caller_hung_up_first_is_known_by_the_agents_channel() -> None:
    """As Asterisk 22.10.1 tells it: no Uniqueid and no Linkedid, as that channel is gone."""
    packet = "Event: AgentComplete\nTimestamp: 1.5\nDestUniqueid: c2\nDestLinkedid: c1\nQueue: q\nMemberName: John\n"
    said = events(NAME, [f"{line}\n" for line in f"{packet}TalkTime: 4\nReason: caller\n".splitlines()])
    assert [(each["type"], each["subject"]) for each in said] == [("call.disconnected", "c1"), ("call.released", "c1")]


# --- whose call it is ------------------------------------------------------------------------------------------------


def channel(second: float, leg: str, interface: str, number: str, exten: str = "s", **fields: Any) -> bytes:
    return told("Newchannel", second, leg, Channel=f"{interface}-01", Exten=exten, **{"CallerIDNum": number} | fields)


QUEUED = [
    channel(0, "c", "PJSIP/trunk", "01632960960", "400"), told("QueueCallerJoin", 1, Queue="first"),
    told("AgentCalled", 3, **MEMBER), told("QueueCallerLeave", 6, Queue="first"), told("AgentConnect", 6, **MEMBER),
]  # fmt: skip
SECOND: dict[str, Any] = {
    "Queue": "second", "MemberName": "Eve", "Interface": "PJSIP/1603", "DestUniqueid": "e", "DestLinkedid": "c",
}  # fmt: skip


@pytest.mark.parametrize("reason", ["agent", "caller"])
def test_caller_who_goes_on_to_another_queue_remains_one_call(reason: str) -> None:
    lines = [
        *QUEUED, told("AgentComplete", 66, TalkTime="60", Reason=reason, **MEMBER),
        told("QueueCallerJoin", 67, Queue="second"), told("QueueCallerLeave", 87, Queue="second"),
        told("AgentConnect", 87, **SECOND), told("AgentComplete", 207, TalkTime="120", Reason="caller", **SECOND),
        told("Hangup", 207.1),
    ]  # fmt: skip
    item = items(events(NAME, lines))["c"]
    assert (item["talk_ms"], item["queue_wait_ms"], item["flags"]) == (180_000, 25_000, [])
    assert [end for kind, _, _, end in kinds(item) if kind == "with_agent"][1] == "customer_disconnected"


def test_an_agents_own_call_is_outbound_to_the_number_dialed() -> None:
    lines = [
        channel(0, "c", "PJSIP/305", "305", "01632960703"), channel(1, "t", "PJSIP/trunk", "01632960703"),
        told("BridgeEnter", 9, "t"), told("BridgeEnter", 9, "c"), told("Hold", 20), told("Unhold", 30),
        told("BridgeLeave", 69, "t"), told("Hangup", 69, "t"), told("Hangup", 69.1, "c"),
    ]  # fmt: skip
    said = events(NAME, lines)
    assert said[0]["data"] == {"direction": "outbound", "party": {"address": "01632960703"}}
    item = items(said)["c"]
    assert (item["talk_ms"], item["hold_ms"], list(item["agents"])) == (50_000, 10_000, ["PJSIP/305"])


def test_a_call_to_an_extension_is_internal_and_of_nobody() -> None:
    (said,) = events(NAME, [channel(0, "c", "PJSIP/305", "305", "306")])
    assert said["data"] == {"direction": "internal"}


def test_a_call_that_no_queue_handed_out_rings_and_is_answered_all_the_same() -> None:
    leg = {"DestChannel": "PJSIP/1602-02", "DestUniqueid": "b", "DestLinkedid": "c"}
    lines = [
        channel(0, "c", "PJSIP/trunk", "01632960960", "5001"), channel(1, "b", "PJSIP/1602", "1602"),
        told("DialBegin", 1.1, **leg), told("DialEnd", 6, DialStatus="ANSWER", **leg), told("BridgeEnter", 6.1, "b"),
        told("BridgeEnter", 6.1), told("BridgeLeave", 66.1, "b"), told("Hangup", 66.2, "b"), told("Hangup", 66.3),
    ]  # fmt: skip
    item = items(events(NAME, lines))["c"]
    assert [(kind, who, length) for kind, who, length, _ in kinds(item)][1:] == [
        ("alerting", "PJSIP/1602", 5_000), ("with_agent", "PJSIP/1602", 60_000),
    ]  # fmt: skip


def test_a_pickup_is_no_call_of_its_own() -> None:
    own, target = {"Linkedid": "p"}, {"TargetLinkedid": "c", "TargetUniqueid": "b"}
    lines = [
        channel(0, "c", "PJSIP/trunk", "01632960960", "400"), told("QueueCallerJoin", 1, Queue="q"),
        channel(4, "p", "PJSIP/1603", "1603", "*8", **own),
        told("Pickup", 4.8, "p", Channel="PJSIP/1603-03", **own, **target),
        told("BridgeLeave", 34.8, "p", **own), told("Hangup", 34.8, "p", **own), told("Hangup", 35),
    ]  # fmt: skip
    found = items(events(NAME, lines))
    assert list(found) == ["c"]
    assert [(kind, who, length) for kind, who, length, _ in kinds(found["c"]) if kind in ("queue", "with_agent")] == [
        ("queue", "q", 3_800), ("with_agent", "PJSIP/1603", 30_000),
    ]  # fmt: skip


def test_an_agent_who_consults_has_not_left_the_customer() -> None:
    lines = [
        *QUEUED, told("BridgeEnter", 6, "b"), told("BridgeLeave", 20, "b"), told("BridgeEnter", 40, "b"),
        told("AgentComplete", 66, TalkTime="60", Reason="agent", **MEMBER), told("Hangup", 66.1),
    ]  # fmt: skip
    assert items(events(NAME, lines))["c"]["talk_ms"] == 60_000


def test_phones_and_trunks_are_configuration_where_caller_ids_do_not_tell() -> None:
    line = channel(0, "c", "PJSIP/305", "02079460000", "01632960703")
    (said,) = events(NAME, [line])
    assert said["data"]["direction"] == "inbound"
    (said,) = events(NAME, [line], Feed(lines=Lines(agents=("PJSIP/3??",))))
    assert said["data"] == {"direction": "outbound", "party": {"address": "01632960703"}}


def test_names_may_be_in_lower_case() -> None:
    lines = [*QUEUED, told("Hangup", 66)]
    lowered = [orjson.dumps({name.lower(): value for name, value in orjson.loads(line).items()}) for line in lines]
    assert [each["type"] for each in events(NAME, lowered)] == [each["type"] for each in events(NAME, lines)]


def test_a_clock_that_is_set_back_changes_no_order() -> None:
    said = events(NAME, [*QUEUED, told("Hangup", 2)])
    assert said[-1]["time"] == said[-2]["time"]
    assert said[-1]["recordedtime"] < said[-1]["time"]


def test_an_agents_own_call_that_is_transferred_is_with_the_agent_who_takes_it() -> None:
    ours: dict[str, Any] = {"Channel": "PJSIP/305-1", "CallerIDNum": "305"}
    trunk: dict[str, Any] = {"Channel": "PJSIP/trunk-2", "CallerIDNum": "01632960703"}
    other: dict[str, Any] = {"Channel": "PJSIP/306-3", "CallerIDNum": "306"}
    transfer = {
        "Result": "Success", "Extension": "306", "TransfererUniqueid": "c", "TransfererLinkedid": "c",
        "TransfererChannel": "PJSIP/305-1", "TransfereeUniqueid": "d", "TransfereeLinkedid": "c",
    }  # fmt: skip
    dest = {"DestChannel": "PJSIP/306-3", "DestUniqueid": "e", "DestCallerIDNum": "306"}
    rows = [
        told("Newchannel", 0, Exten="01632960703", **ours),
        told("Newchannel", 1, "d", **trunk),
        told("BridgeEnter", 5, "d", **trunk),
        told("BlindTransfer", 35, **ours, **transfer),
        told("Hangup", 35.1, **ours),
        told("Newchannel", 36, "e", **other),
        told("DialBegin", 36, "d", **trunk, **dest),
        told("BridgeEnter", 40, "e", **other),
        told("BridgeEnter", 40, "d", **trunk),
        told("BridgeLeave", 70, "e", **other),
        told("Hangup", 70, "e", **other),
        told("Hangup", 70.1, "d", **trunk),
    ]
    item = items(events(NAME, rows))["c"]
    assert [part for part in kinds(item) if part[0] in ("alerting", "with_agent")] == [
        ("with_agent", "PJSIP/305", 30_000, "transferred"),
        ("alerting", "PJSIP/306", 4_000, "answered"),
        ("with_agent", "PJSIP/306", 30_000, "agent_released"),
    ]

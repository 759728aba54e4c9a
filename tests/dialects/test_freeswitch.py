"""FreeSWITCH: mod_callcenter's traps, channel events, faxes."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson
import pytest
from vendor_feed import events, fixture, items, kinds, said_of, translated

from touchpoint.dialects import DIALECTS, Feed, Lines, Unknown

NAME = "freeswitch"
CALL, LEG = "503d2093-45f8-4156-bed5-10f1d387d04b", "7acfecd3-ab50-470b-8875-d37aba0429ba"
FIXTURE = "freeswitch_events"


def told(name: str, second: float = 0, number: int = 0, **headers: str) -> bytes:
    """An event as `event json` writes it; `_` in names is `-`, but for variables."""
    full = {"Event-Name": name, "Core-UUID": "core", "FreeSWITCH-Hostname": "pbx1", "Event-Sequence": str(number)}
    full |= {"Event-Date-Timestamp": str(1696995740000000 + int(second * 1_000_000)), "Channel-Call-UUID": "m"}
    named = {key if key.startswith("variable") else key.replace("_", "-"): text for key, text in headers.items()}
    return orjson.dumps(full | named) + b"\n"


def action(name: str, second: float = 0, number: int = 0, **headers: str) -> bytes:
    fixed = {"Event_Subclass": "callcenter::info", "CC_Action": name, "CC_Member_Session_UUID": "m"}
    return told(
        "CUSTOM", second, number, **({"CC_Queue": "q", "CC_Agent": "a", "CC_Member_UUID": "u"} | fixed | headers)
    )


def stated(name: str) -> list[int]:
    lines = [line.decode().partition(": ") for line in fixture(FIXTURE)]
    return [int(value) for header, _, value in lines if header == name]


def test_the_call_reads_as_it_went() -> None:
    item = items(events(NAME, fixture(FIXTURE)))[CALL]
    assert kinds(item) == [
        ("routing", None, 120, "queued"),
        ("queue", "support@default", 19_880, "answered"),
        ("alerting", "1001@default", 15_100, "no_answer"),
        ("alerting", "1002@default", 4_000, "answered"),
        ("with_agent", "1002@default", 90_100, "agent_released"),
        ("hold", "1002@default", 12_500, "retrieved"),
    ]
    assert (item["flags"], item["acw_ms"], item["end_reason"]) == ([], None, "NORMAL_CLEARING")


def test_the_whole_seconds_that_mod_callcenter_states_are_those_of_the_talk() -> None:
    item = items(events(NAME, fixture(FIXTURE)))[CALL]
    connected = stated("CC-Bridge-Terminated-Time")[0] - stated("CC-Agent-Answered-Time")[-1]
    assert abs(item["talk_ms"] + item["hold_ms"] - connected * 1000) < 1_000
    waited = stated("CC-Agent-Answered-Time")[-1] - stated("CC-Member-Joined-Time")[-1]
    assert abs(item["queue_wait_ms"] - waited * 1000) <= 1_000


def test_bridge_agent_start_comes_before_the_bridge_and_answers_only_with_it() -> None:
    assert events(NAME, [action("bridge-agent-start", 10)]) == []
    said = events(NAME, [action("bridge-agent-start", 10, 1), told("CHANNEL_BRIDGE", 11, 2, Unique_ID="m")])
    assert [(each["type"], each["time"][17:19]) for each in said] == [("call.answered", "31")]


def test_a_bridge_that_failed_withdraws_the_answer() -> None:
    lines = [action("agent-offering", 5, 1), action("bridge-agent-start", 10, 2)]
    said = events(NAME, [*lines, action("bridge-agent-end", 11, 3, CC_Agent_Bridged="false")])
    assert said_of(said, "reason") == [("alerting", None), ("alert_ended", "bridge_failed")]


def test_bridge_start_is_the_answer_where_channel_events_are_missing() -> None:
    said = events(NAME, [action("bridge-agent-start", 10, 1), action("bridge-agent-end", 40, 2)])
    assert [(each["type"], each["time"][17:19]) for each in said] == [("call.answered", "30"), ("call.released", "00")]


def test_a_capture_that_began_during_the_call_knows_the_length_from_the_end() -> None:
    end = action("bridge-agent-end", 40, CC_Agent_Answered_Time="1696995750", CC_Bridge_Terminated_Time="1696995780")
    item = items(events(NAME, [action("member-queue-start", 0, 1), end]))["m"]
    assert (item["talk_ms"], item["flags"]) == (30_000, ["missing_answer", "missing_start"])


def test_member_queue_end_terminated_comes_when_the_call_ends_and_never_ends_the_queue() -> None:
    assert events(NAME, [action("member-queue-end", 60, CC_Cause="Terminated")]) == []


@pytest.mark.parametrize(
    ("reason", "left"),
    [
        ("NONE", "abandoned"),
        ("TIMEOUT", "timeout"),
        ("NO_AGENT_TIMEOUT", "empty"),
        ("BREAK_OUT", "withdrawn"),
        ("EXIT_WITH_KEY", "key"),
    ],
)
def test_why_a_member_left_the_queue(reason: str, left: str) -> None:
    lines = [
        action("member-queue-end", 60, CC_Cause="Cancel", CC_Cancel_Reason=reason),
        action("agent-offering", 70, 1),
    ]
    assert said_of(events(NAME, lines), "reason")[0] == ("dequeued", left)


@pytest.mark.parametrize(
    ("cause", "reason"),
    [("USER_BUSY", "busy"), ("NORMAL_CIRCUIT_CONGESTION", "busy"), ("CALL_REJECTED", "rejected"),
     ("ORIGINATOR_CANCEL", "canceled"), ("LOSE_RACE", "canceled"),
     ("USER_NOT_REGISTERED", "failed"), ("NO_ANSWER", "no_answer"), ("ALLOTTED_TIMEOUT", "no_answer")],
)  # fmt: skip
def test_why_an_offer_failed(cause: str, reason: str) -> None:
    assert said_of(events(NAME, [action("bridge-agent-fail", CC_Hangup_Cause=cause)]), "reason") == [
        ("alert_ended", reason)
    ]


def test_caller_who_gives_up_in_queue_or_while_ringing_is_abandoned_there() -> None:
    start = [action("member-queue-start", 0, 1), action("agent-offering", 5, 2)]
    end = [action("member-queue-end", 20, 4, CC_Cause="Cancel", CC_Cancel_Reason="NONE")]
    end += [told("CHANNEL_HANGUP_COMPLETE", 20, 5, Unique_ID="m", variable_sip_hangup_disposition="recv_cancel")]
    canceled = action("bridge-agent-fail", 20, 3, CC_Hangup_Cause="ORIGINATOR_CANCEL")
    rung_out = action("bridge-agent-fail", 12, 3, CC_Hangup_Cause="NO_ANSWER")
    assert items(events(NAME, [*start, canceled, *end]))["m"]["abandoned"] == "while_ringing"
    assert items(events(NAME, [*start, rung_out, *end]))["m"]["abandoned"] == "in_queue"


def test_a_caller_who_calls_again_resumes_their_place_and_the_earlier_call() -> None:
    again = action("member-queue-resume", 60, 2, CC_Member_Session_UUID="m2")
    said = events(NAME, [action("member-queue-start", 0, 1), again])
    assert said[1]["subject"] == "m2"
    assert said[1]["data"]["related"] == {"resumes": "m"}


def test_the_callers_own_hold_is_not_the_agents() -> None:
    assert events(NAME, [told("CHANNEL_HOLD", Unique_ID="m")]) == []
    (said,) = events(NAME, [told("CHANNEL_HOLD", Unique_ID="agent-leg")])
    assert (said["type"], said["subject"]) == ("call.held", "m")


def test_an_agents_leg_neither_begins_nor_ends_the_call() -> None:
    assert events(NAME, [told("CHANNEL_CREATE", Unique_ID="x"), told("CHANNEL_HANGUP_COMPLETE", Unique_ID="x")]) == []


@pytest.mark.parametrize(("success", "verb"), [("1", "transmitted"), ("0", "transmission_failed")])
@pytest.mark.parametrize(("subclass", "direction"), [("rxfaxresult", "inbound"), ("txfaxresult", "outbound")])
def test_a_fax_is_an_item_beside_its_call(success: str, verb: str, subclass: str, direction: str) -> None:
    fields: dict[str, Any] = {
        "Fax_Success": success,
        "Fax_Document_Transferred_Pages": "5",
        "Fax_Document_Total_Pages": "7",
    }
    fields |= {"Caller_Channel_Created_Time": "1696995700000000", "Caller_Channel_Answered_Time": "1696995705000000"}
    fields["Caller_Destination_Number" if direction == "outbound" else "Caller_Caller_ID_Number"] = "01632960960"
    said = events(NAME, [told("CUSTOM", Event_Subclass=f"spandsp::{subclass}", Unique_ID="m", **fields)])
    assert said[0]["data"]["party"] == {"address": "fax:01632960960"}
    assert [name for (name,) in said_of(said)] == ["offered", "transmission_started", verb, "ended"]
    item = items(said)["m/fax"]
    assert (item["channel"], item["direction"], item["pages"]) == ("fax", direction, 5)
    assert [each[2] for each in kinds(item) if each[0] == "transmission"] == [35_000]


def test_values_are_percent_encoded_on_the_wire_and_plain_in_json() -> None:
    created = told(
        "CHANNEL_CREATE", Unique_ID="m", Caller_Caller_ID_Name="50% off", Caller_Caller_ID_Number="+441632960960"
    )
    wire = "".join(f"{name}: {quote(text)}\n" for name, text in orjson.loads(created).items())
    assert events(NAME, wire.splitlines(keepends=True)) == events(NAME, [created])
    assert events(NAME, [created])[0]["data"]["party"] == {"address": "+441632960960", "name": "50% off"}


def test_an_event_is_named_by_core_and_sequence_and_keeps_its_order() -> None:
    said = events(NAME, fixture(FIXTURE))
    assert [each["sequence"] for each in said] == sorted(each["sequence"] for each in said)
    assert len({each["id"] for each in said}) == len(said)
    assert {each["source"] for each in said} == {"/freeswitch/pbx1"}


def test_unrelated_socket_events_are_known_and_unknown_member_actions_are_reported() -> None:
    assert events(NAME, [told("HEARTBEAT"), told("CHANNEL_ANSWER", Unique_ID="m"), action("agent-state-change")]) == []
    (unknown,) = translated(NAME, [action("member-teleported")])
    assert isinstance(unknown, Unknown)
    assert unknown.dead_letter is True


def test_dialect_declares_no_wrapup_of_mod_callcenter() -> None:
    can = DIALECTS[NAME].capabilities
    assert (can.hold, can.wrapup, can.replayable) == (True, False, False)


# --- whose call it is ----------------------------------------------------------------------------------------------


def created(second: float, number: int, leg: str, caller: str, callee: str, **headers: str) -> bytes:
    headers = {"Unique_ID": leg, "Channel_Call_UUID": leg, "Call_Direction": "inbound"} | headers
    named = {"Caller_Caller_ID_Number": caller, "Caller_Destination_Number": callee}
    return told("CHANNEL_CREATE", second, number, **headers, **named)


def of_leg(name: str, second: float, number: int, leg: str, **headers: str) -> bytes:
    return told(name, second, number, **{"Unique_ID": leg, "Channel_Call_UUID": leg} | headers)


RECEIVED = {"variable_sip_hangup_disposition": "recv_bye"}


def test_a_bridge_that_no_queue_made_is_an_answer() -> None:
    lines = [
        created(0, 1, "c", "+441632960936", "5001"),
        created(1, 2, "b", "+441632960936", "1001", Call_Direction="outbound"),
        of_leg("CHANNEL_BRIDGE", 5.5, 3, "c", Bridge_B_Unique_ID="b"),
        of_leg("CHANNEL_HOLD", 20, 4, "b"), of_leg("CHANNEL_UNHOLD", 30, 5, "b"),
        of_leg("CHANNEL_HANGUP_COMPLETE", 65.5, 6, "b"), of_leg("CHANNEL_HANGUP_COMPLETE", 65.5, 7, "c", **RECEIVED),
    ]  # fmt: skip
    found = items(events(NAME, lines))
    assert list(found) == ["c"]
    assert (found["c"]["talk_ms"], found["c"]["hold_ms"], list(found["c"]["agents"])) == (50_000, 10_000, ["1001"])


def test_an_agents_own_call_is_outbound_to_the_number_dialed() -> None:
    lines = [
        created(0, 1, "c", "1001", "01632960703"), of_leg("CHANNEL_BRIDGE", 9, 2, "c", Bridge_B_Unique_ID="b"),
        of_leg("CHANNEL_HANGUP_COMPLETE", 69, 3, "c", **RECEIVED),
    ]  # fmt: skip
    said = events(NAME, lines)
    assert said[0]["data"] == {"direction": "outbound", "party": {"address": "01632960703"}}
    item = items(said)["c"]
    assert (item["talk_ms"], list(item["agents"]), item["direction"]) == (60_000, ["1001"], "outbound")


def test_a_login_and_the_leg_to_an_agent_are_no_calls() -> None:
    lines = [
        created(0, 1, "login", "1001", "login"),
        created(1, 2, "out", "+441632960936", "1002", Call_Direction="outbound"),
        of_leg("CHANNEL_HANGUP_COMPLETE", 60, 3, "login", **RECEIVED), of_leg("CHANNEL_HANGUP_COMPLETE", 60, 4, "out"),
    ]  # fmt: skip
    assert events(NAME, lines) == []


def test_phones_are_configuration_where_they_call_with_another_number() -> None:
    line = created(0, 1, "c", "+442079460000", "01632960703", Caller_Channel_Name="sofia/internal/1001@pbx")
    (said,) = events(NAME, [line])
    assert said["data"]["direction"] == "inbound"
    (said,) = events(NAME, [line], Feed(lines=Lines(agents=("10??",))))
    assert said["data"] == {"direction": "outbound", "party": {"address": "01632960703"}}


def test_a_call_whose_beginning_was_not_captured_begins_where_its_channel_did() -> None:
    micros = 1696995740000000
    stamps = {
        "Caller_Channel_Created_Time": str(micros - 65_500_000),
        "Caller_Channel_Hangup_Time": str(micros - 20_000),
    }
    said = events(NAME, [of_leg("CHANNEL_HANGUP_COMPLETE", 0, 1, "c", Call_Direction="inbound", **stamps)])
    item = items(said)["c"]
    assert (item["started_at"], item["ended_at"]) == ("2023-10-11T03:41:14.500000Z", "2023-10-11T03:42:19.980000Z")


def test_break_out_of_a_caller_who_hung_up_is_abandonment() -> None:
    queued = [created(0, 1, "m", "+441632960936", "5000"), action("member-queue-start", 1, 2)]
    left = action("member-queue-end", 41, 3, CC_Cause="Cancel", CC_Cancel_Reason="BREAK_OUT")
    gone = of_leg("CHANNEL_HANGUP_COMPLETE", 41.01, 4, "m", **RECEIVED)
    assert items(events(NAME, [*queued, left, gone]))["m"]["abandoned"] == "in_queue"
    later = of_leg("CHANNEL_HANGUP_COMPLETE", 71, 4, "m", **RECEIVED)
    item = items(events(NAME, [*queued, left, later]))["m"]
    assert (item["abandoned"], item["queue_wait_ms"]) == (None, 40_000)


def test_names_of_headers_are_read_in_lower_case() -> None:
    line = orjson.loads(created(0, 1, "c", "+441632960936", "5000"))
    assert events(NAME, [orjson.dumps({name.lower(): value for name, value in line.items()})]) == events(
        NAME, [orjson.dumps(line)]
    )


def test_a_click_to_call_is_outbound_to_the_number_that_the_second_leg_dials() -> None:
    def sent(name: str, number: int, leg: str, **fields: str) -> bytes:
        headers = {"Event-Name": name, "Core-UUID": "core", "FreeSWITCH-Hostname": "fs", "Unique-ID": leg}
        headers |= {"Event-Sequence": str(number), "Event-Date-Timestamp": str((1767603600 + number) * 1_000_000)}
        return orjson.dumps(
            headers | {"Channel-Call-UUID": "a"} | {name.replace("_", "-"): value for name, value in fields.items()}
        )

    said = events(
        NAME,
        [
            sent("CHANNEL_CREATE", 0, "a", Call_Direction="outbound", Caller_Destination_Number="1001"),
            sent("CHANNEL_CREATE", 5, "b", Call_Direction="outbound", Caller_Destination_Number="01632960703"),
            sent("CHANNEL_BRIDGE", 10, "a", Bridge_A_Unique_ID="a", Bridge_B_Unique_ID="b"),
            sent("CHANNEL_HANGUP_COMPLETE", 69, "b"),
            sent("CHANNEL_HANGUP_COMPLETE", 70, "a"),
        ],
    )
    assert said_of(said, "direction", "party")[0] == ("offered", "outbound", {"address": "01632960703"})
    assert kinds(items(said)["a"])[-1] == ("with_agent", "1001", 60_000, "ended")

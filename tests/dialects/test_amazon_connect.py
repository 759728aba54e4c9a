"""Amazon Connect: contact events unordered and at least once, contact records as summaries, and both of one contact."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest
from vendor_feed import events, fixture, items, kinds, said_of, translated

from touchpoint.dialects import Unknown

NAME = "amazon-connect"
LIVE, RECORDS = "connect_contact_events.jsonl", "connect_contact_records"
CALL = "11111111-1111-1111-1111-111111111111"
ANSWERED, ABANDONED = "258252ea-967d-46f9-a510-b7f0bae69eea", "358252ea-967d-46f9-a510-b7f0bae69eea"
ALICE, BOB = "aaaaaaaa-0000-0000-0000-000000000001", "bbbbbbbb-0000-0000-0000-000000000002"
QUEUE = "cccccccc-0000-0000-0000-000000000003"


def told(name: str, **detail: Any) -> bytes:
    full: dict[str, Any] = {"contactId": "c", "channel": "VOICE", "instanceArn": "arn:i", "initiationMethod": "INBOUND"}
    full |= {"eventType": name, "agentInfo": {"agentArn": "arn:i/agent/a"}}
    return orjson.dumps(
        {"detail-type": "Amazon Connect Contact Event", "time": "2021-08-04T17:17:53Z", "detail": full | detail}
    )


def record(**fields: Any) -> bytes:
    text = b"".join(fixture(RECORDS))
    whole = orjson.loads(text[: text.index(b"}{") + 1])
    return orjson.dumps(whole | fields)


def test_interaction_hold_and_after_contact_work_are_those_of_the_record() -> None:
    item = items(events(NAME, fixture(RECORDS)))[ANSWERED]
    stated = orjson.loads(record())["Agent"]
    assert item["talk_ms"] == stated["AgentInteractionDuration"] * 1000  # excludes hold
    assert item["hold_ms"] == stated["CustomerHoldDuration"] * 1000
    assert item["acw_ms"] == stated["AfterContactWorkDuration"] * 1000
    assert item["handle_ms"] == (239 + 221 + 5) * 1000
    assert item["queue_wait_ms"] == 7_000


def test_a_record_alone_gives_the_whole_timeline_aggregate() -> None:
    item = items(events(NAME, fixture(RECORDS)))[ANSWERED]
    assert [each[:3] for each in kinds(item) if each[0] not in ("routing", "gap")] == [
        ("queue", QUEUE, 7_000),
        ("with_agent", ALICE, 460_000),
        ("hold", ALICE, 221_000),
        ("wrap_up", ALICE, 5_000),
    ]
    assert {each["provenance"] for each in item["segments"] if each["type"] == "with_agent"} == {"aggregate"}


def test_a_record_that_is_sent_again_with_nothing_new_is_the_same_event() -> None:
    said = [each for each in events(NAME, fixture(RECORDS)) if each["subject"] == ANSWERED]
    assert len(said) == 2
    assert len({each["id"] for each in said}) == 1
    (other,) = events(NAME, [record(DisconnectReason="AGENT_DISCONNECT")])
    assert other["id"] != said[0]["id"]


def test_records_end_to_end_without_a_line_between_are_each_read() -> None:
    assert len(events(NAME, fixture(RECORDS))) == 3


def test_contact_events_of_a_transferred_call_are_one_item_of_both_contacts() -> None:
    item = items(events(NAME, fixture(LIVE)))
    assert list(item) == [CALL]
    assert kinds(item[CALL]) == [
        ("ivr", None, 31_333, "queued"),
        ("queue", QUEUE, 12_333, "answered"),
        ("with_agent", ALICE, 120_000, "transferred"),
        ("routing", None, 7_211, "answered"),
        ("with_agent", BOB, 300_500, "agent_released"),
    ]
    assert item[CALL]["transferred"] is True
    assert item[CALL]["flags"] == []


def test_contact_events_in_any_order_and_repetition_give_the_same() -> None:
    lines = fixture(LIVE)
    expected = items(events(NAME, lines))[CALL]
    for seed in range(5):
        assert items(events(NAME, random.Random(seed).sample(lines * 2, len(lines) * 2)))[CALL] == expected


def test_a_second_delivery_in_another_envelope_is_the_same_event() -> None:
    one, other = (orjson.loads(fixture(LIVE)[0]) for _ in range(2))
    other["id"] = "another"
    assert events(NAME, [orjson.dumps(one)]) == events(NAME, [orjson.dumps(other)])


def test_a_record_fills_in_what_contact_events_never_tell() -> None:
    root = {"ContactId": "22222222-2222-2222-2222-222222222222", "InitialContactId": CALL, "PreviousContactId": CALL}
    who = {
        "ARN": f"arn:i/agent/{BOB}", "AgentInteractionDuration": 270, "CustomerHoldDuration": 30,
        "ConnectedToAgentTimestamp": "2021-08-04T17:20:40Z", "AfterContactWorkDuration": 12,
        "AfterContactWorkStartTimestamp": "2021-08-04T17:25:41Z",
        "AfterContactWorkEndTimestamp": "2021-08-04T17:25:53Z",
    }  # fmt: skip
    late = {"InitiationTimestamp": "2021-08-04T17:20:32Z", "DisconnectTimestamp": "2021-08-04T17:25:40Z", "Queue": None}
    ctr = record(**root, **late, Agent=who, LastUpdateTimestamp="2021-08-04T17:27:00Z")
    item = items(events(NAME, fixture(LIVE)) + events(NAME, [ctr]))[CALL]
    assert (item["agents"][BOB]["hold_ms"], item["agents"][BOB]["acw_ms"]) == (30_000, 12_000)
    assert item["agents"][BOB]["talk_ms"] == 270_500
    assert "reported_mismatch" not in item["flags"]


def test_a_contact_that_goes_on_as_another_does_not_end_the_item() -> None:
    (said,) = events(NAME, [record(NextContactId="next", DisconnectReason="AGENT_DISCONNECT")])
    assert "ended_at" not in said["data"]["reported"]
    (said,) = events(NAME, [record(NextContactId="callback", DisconnectReason="CUSTOMER_DISCONNECT")])
    assert "ended_at" in said["data"]["reported"], "the customer is gone: what follows is a callback"
    (said,) = events(NAME, [record()])
    assert said["data"]["reported"]["ended_at"] == "2022-01-05T17:28:12.000000Z"


def test_names_of_fields_are_read_without_regard_to_case() -> None:
    old = {
        "EventType": "QUEUED",
        "ContactId": "c",
        "Channel": "Voice",
        "InstanceARN": "arn:i",
        "InitiationMethod": "INBOUND",
    }
    old["QueueInfo"] = {"QueueArn": "arn:i/queue/q", "QueueType": "type"}  # type: ignore[assignment]
    (said,) = events(NAME, [orjson.dumps({"time": "2021-08-04T17:17:53Z", "detail": old})])
    assert (said["type"], said["data"]["queue"], said["time"]) == ("call.queued", "q", "2021-08-04T17:17:53.000000Z")


def test_the_customer_who_hangs_up_in_the_queue_is_abandoned_also_by_record_alone() -> None:
    lines = [told("INITIATED"), told("QUEUED", queueInfo={"queueArn": "q"})]
    gone = told(
        "DISCONNECTED",
        disconnectReason="CUSTOMER_DISCONNECT",
        agentInfo=None,
        disconnectTimestamp="2021-08-04T17:18:53Z",
    )
    assert items(events(NAME, [*lines, gone]))["c"]["abandoned"] == "in_queue"
    assert items(events(NAME, fixture(RECORDS)))[ABANDONED]["queue_wait_ms"] == 40_000


@pytest.mark.parametrize(
    ("reason", "verbs"),
    [
        ("CUSTOMER_DISCONNECT", [("released", None), ("disconnected", "customer")]),
        ("AGENT_DISCONNECT", [("released", None)]),
        ("THIRD_PARTY_DISCONNECT", [("released", None)]),
        ("TELECOM_PROBLEM", [("released", None), ("disconnected", "network")]),
        ("CONTACT_FLOW_DISCONNECT", [("released", None), ("disconnected", "system")]),
        ("IDLE_DISCONNECT", [("released", None), ("disconnected", "system")]),
    ],
)
def test_disconnect_reason_says_who_disconnected(reason: str, verbs: list[tuple[str, str | None]]) -> None:
    assert said_of(events(NAME, [told("DISCONNECTED", disconnectReason=reason)]), "by") == verbs


def test_a_flow_that_moves_the_contact_to_another_queue_does_not_end_it() -> None:
    moved = told(
        "INITIATED", contactId="c2", initialContactId="c", previousContactId="c", initiationMethod="QUEUE_TRANSFER"
    )
    assert events(NAME, [moved, told("DISCONNECTED", disconnectReason="CONTACT_FLOW_DISCONNECT", agentInfo=None)]) == []


def test_a_supervisor_who_listens_is_no_agent_of_the_contact() -> None:
    monitor = {"contactId": "m", "initialContactId": "c", "initiationMethod": "MONITOR"}
    said = events(NAME, [told(name, **monitor) for name in ("INITIATED", "CONNECTED_TO_AGENT", "DISCONNECTED")])
    assert said_of(said, "mode") == [("joined", "monitor"), ("left", None)]
    assert {each["subject"] for each in said} == {"c"}


def test_a_survey_after_the_disconnect_and_a_task_are_no_talk() -> None:
    survey = {"contactId": "s", "initialContactId": "c", "previousContactId": "c", "initiationMethod": "DISCONNECT"}
    assert events(NAME, [told(name, **survey) for name in ("INITIATED", "CONNECTED_TO_AGENT", "DISCONNECTED")]) == []
    assert events(NAME, [told("INITIATED", channel="TASK")]) == []


def test_an_agents_reply_is_of_the_mail_that_it_answers() -> None:
    reply = {"contactId": "r", "relatedContactId": "c", "initiationMethod": "AGENT_REPLY", "channel": "EMAIL"}
    said = events(
        NAME, [told("INITIATED", **reply), told("CONNECTED_TO_AGENT", **reply), told("DISCONNECTED", **reply)]
    )
    assert said_of(said, "kind") == [("draft_started", "reply"), ("sent", "reply")]
    assert {each["subject"] for each in said} == {"c"}


def test_an_outbound_call_is_connected_when_the_customer_is() -> None:
    detail = {"initiationMethod": "OUTBOUND", "customerEndpoint": {"address": "+14155550123"}}
    said = events(NAME, [told("INITIATED", **detail), told("CONNECTED_TO_SYSTEM", **detail)])
    assert said_of(said, "direction") == [("offered", "outbound"), ("connected", None)]


@pytest.mark.parametrize(
    ("line", "dead"),
    [
        (told("TELEPORTED"), True),
        (told("QUEUED", channel="HOLOGRAM"), True),
        (told("CONNECTED_TO_AGENT", agentInfo=None), True),
        (b'{"detail-type": "AWS API Call via CloudTrail", "detail": {}}', False),
        (b'{"hello": 1}', True),
    ],
)
def test_unknown_record_of_a_contact_is_a_dead_letter(line: bytes, dead: bool) -> None:
    (unknown,) = translated(NAME, [line])
    assert isinstance(unknown, Unknown)
    assert unknown.dead_letter is dead


def test_updates_of_attributes_are_known_and_say_nothing() -> None:
    assert events(NAME, [told("CONTACT_DATA_UPDATED"), told("COMPLETED")]) == []


CALLBACK = {"contactId": "c-2", "initialContactId": "c-1", "previousContactId": "c-1", "initiationMethod": "CALLBACK"}


def test_a_callback_is_an_outbound_item_of_its_own_and_its_transfer_stays_with_it() -> None:
    moved = {"contactId": "c-3", "initialContactId": "c-1", "previousContactId": "c-2", "initiationMethod": "TRANSFER"}
    said = events(NAME, [told("INITIATED", **CALLBACK), told("INITIATED", **moved), told("QUEUED", **moved)])
    assert [(each["type"], each["subject"]) for each in said] == [
        ("call.offered", "c-2"), ("call.dequeued", "c-1"), ("call.transferred", "c-2"), ("call.queued", "c-2"),
    ]  # fmt: skip
    assert said[0]["data"]["direction"] == "outbound"
    assert said[0]["data"]["related"] == {"previous": "c-1"}
    assert said[1]["data"] == {"reason": "callback"}


def test_records_alone_tell_of_a_callback_what_contact_events_do() -> None:
    caller = {"endpoint": "+441632960801"}
    first = record(
        ContactId="c-1", Agent=None, NextContactId="c-2", DisconnectReason="CUSTOMER_DISCONNECT",
        Queue={"ARN": "x/q", "EnqueueTimestamp": "2022-01-05T17:20:00Z", "DequeueTimestamp": "2022-01-05T17:28:12Z"},
        CustomerEndpoint={"Address": caller["endpoint"]},
    )  # fmt: skip
    second = record(
        ContactId="c-2", InitialContactId="c-1", PreviousContactId="c-1", InitiationMethod="CALLBACK",
        InitiationTimestamp="2022-01-05T17:28:00Z", CustomerEndpoint={"Address": caller["endpoint"]},
    )  # fmt: skip
    found = items(events(NAME, [first, second]))
    assert found["c-1"]["abandoned"] is None
    assert [each["end_reason"] for each in found["c-1"]["segments"] if each["type"] == "queue"] == ["callback"]
    assert (found["c-2"]["direction"], found["c-2"]["talk_ms"]) == ("outbound", 239_000)


DIALED = {
    "initiationMethod": "OUTBOUND", "customerEndpoint": {"address": "+441632960812"},
    "initiationTimestamp": "2026-01-05T10:00:00.000Z",
}  # fmt: skip
DIALING = DIALED | {"agentInfo": {"agentArn": "x/a", "connectedToAgentTimestamp": "2026-01-05T10:00:01.000Z"}}
REACHED = DIALED | {"agentInfo": None, "connectedToSystemTimestamp": "2026-01-05T10:00:16.000Z"}
OVER = DIALING | {"disconnectTimestamp": "2026-01-05T10:01:16.000Z"}


def test_an_agent_who_dials_has_the_customer_from_their_answer_on_in_any_order() -> None:
    """AWS, contact events: for OUTBOUND, ConnectedToSystemTimestamp is when the customer endpoint answers."""
    lines = [
        told("INITIATED", **DIALED), told("CONNECTED_TO_AGENT", **DIALING), told("CONNECTED_TO_SYSTEM", **REACHED),
        told("DISCONNECTED", **OVER, disconnectReason="CUSTOMER_DISCONNECT"),
    ]  # fmt: skip
    for seed in range(20):
        item = items(events(NAME, random.Random(seed).sample(lines[:3] * 2, 6) + lines[3:] * 2))["c"]
        assert kinds(item) == [
            ("routing", None, 1_000, "dialing"),
            ("dialing", "a", 15_000, "connected"),
            ("with_agent", "a", 60_000, "agent_released"),
        ]
        assert (item["talk_ms"], item["flags"], item["abandoned"]) == (60_000, [], None)


@pytest.mark.parametrize("method", ["OUTBOUND", "CALLBACK"])
@pytest.mark.parametrize(
    ("reason", "by"), [("AGENT_DISCONNECT", "agent"), ("TELECOM_UNANSWERED", "network"), ("EXPIRED", "system")]
)
def test_a_customer_who_does_not_answer_was_with_nobody(method: str, reason: str, by: str) -> None:
    lines = [told("INITIATED", **DIALED), told("CONNECTED_TO_AGENT", **DIALING)]
    lines.append(told("DISCONNECTED", **OVER, disconnectReason=reason))
    said = events(NAME, [line.replace(b"OUTBOUND", method.encode()) for line in lines])
    assert said_of(said, "by")[-1] == ("disconnected", by)
    item = items(said)["c"]
    assert [each[:3] for each in kinds(item)][:2] == [("routing", None, 1_000), ("dialing", "a", 75_000)]
    assert (item["talk_ms"], item["flags"], item["abandoned"]) == (0, [], None)


def test_a_record_of_a_dialed_call_counts_from_the_answer_on() -> None:
    """AWS: AgentInteractionDuration of outbound calls runs "even if the customer is not present"."""
    told = {
        "ARN": "x/a", "ConnectedToAgentTimestamp": "2022-01-05T17:20:10Z", "AgentInteractionDuration": 75,
        "CustomerHoldDuration": 0,
    }  # fmt: skip
    dialed = {
        "InitiationMethod": "OUTBOUND", "Agent": told, "Queue": None, "InitiationTimestamp": "2022-01-05T17:20:09Z",
        "DisconnectTimestamp": "2022-01-05T17:21:25Z",
    }  # fmt: skip
    (item,) = items(events(NAME, [record(**dialed, ConnectedToSystemTimestamp="2022-01-05T17:20:25Z")])).values()
    assert (item["talk_ms"], "reported_mismatch" in item["flags"]) == (60_000, False)
    (item,) = items(events(NAME, [record(**dialed, ConnectedToSystemTimestamp=None)])).values()
    assert (item["talk_ms"], "reported_mismatch" in item["flags"]) == (0, False)
    assert "with_agent" not in {each["type"] for each in item["segments"]}


def test_agent_who_hangs_up_before_an_answer_ends_the_call() -> None:
    dialed = {"initiationMethod": "OUTBOUND", "agentInfo": None}
    said = events(NAME, [told("DISCONNECTED", disconnectReason="AGENT_DISCONNECT", **dialed)])
    assert said_of(said, "by") == [("disconnected", "agent")]


def test_a_mail_that_an_agent_writes_anew_is_sent() -> None:
    said = events(NAME, [told("DISCONNECTED", initiationMethod="OUTBOUND", channel="EMAIL")])
    assert said_of(said, "kind") == [("sent", "new")]

"""Twilio TaskRouter: Event Streams and webhooks of one task, unordered and at least once."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest
from vendor_feed import events, fixture, items, kinds, said_of, translated

from touchpoint.dialects import DIALECTS, Unknown

NAME = "twilio-taskrouter"
TASK = "WT0000000000000000000000000000001"
STREAM, CALLBACKS = "twilio_event_streams.jsonl", "twilio_callbacks"
VOICE = '{"from": "+14155550123", "to": "+18005550100"}'


def told(name: str, second: float = 0, **fields: Any) -> bytes:
    payload: dict[str, Any] = {
        "sid": f"EV{name}{second}",
        "account_sid": "AC1",
        "workspace_sid": "WS1",
        "task_sid": "t",
    }
    payload |= {"task_queue_name": "Sales", "task_channel_unique_name": "voice", "task_attributes": VOICE}
    payload |= {"timestamp_ms": 1735689600000 + int(second * 1000)}
    event = {"specversion": "1.0", "type": f"com.twilio.taskrouter.{name}", "data": {"payload": payload | fields}}
    return orjson.dumps(event) + b"\n"


@pytest.mark.parametrize("feed", [STREAM, CALLBACKS])
def test_the_task_reads_as_it_went_to_the_millisecond_whatever_the_order_of_arrival(feed: str) -> None:
    item = items(events(NAME, fixture(feed)))[TASK]
    assert kinds(item) == [
        ("routing", None, 402, "queued"),
        ("queue", "Sales", 20_709, "answered"),
        ("alerting", "WK0000000000000000000000000000001", 15_007, "no_answer"),
        ("alerting", "WK0000000000000000000000000000002", 3_507, "answered"),
        ("with_agent", "WK0000000000000000000000000000002", 120_500, "agent_released"),
        ("wrap_up", "WK0000000000000000000000000000002", 27_604, "wrapup_ended"),
    ]
    assert item["flags"] == []


def test_the_task_age_that_twilio_states_is_the_time_since_the_task_began() -> None:
    item = items(events(NAME, fixture(STREAM)))[TASK]
    ages = {r["data"]["name"]: r["data"]["payload"]["task_age"] for r in map(orjson.loads, fixture(STREAM))}
    assert (item["speed_of_answer_ms"] + 402) // 1000 == ages["reservation.accepted"]
    assert (item["talk_ms"] + item["speed_of_answer_ms"] + 402) // 1000 == ages["reservation.wrapup"]


def test_streams_and_webhooks_name_an_event_by_its_own_sid_so_both_together_count_once() -> None:
    stream, callbacks = events(NAME, fixture(STREAM)), events(NAME, fixture(CALLBACKS))
    assert {(each["source"], each["id"]) for each in stream} == {(each["source"], each["id"]) for each in callbacks}
    assert kinds(items(stream + callbacks)[TASK]) == kinds(items(stream)[TASK])


def test_repeated_and_reordered_events_give_the_same_item() -> None:
    lines = fixture(STREAM)
    expected = items(events(NAME, lines))[TASK]
    for seed in range(5):
        shuffled = random.Random(seed).sample(lines * 2, len(lines) * 2)
        assert items(events(NAME, shuffled))[TASK] == expected


def test_a_task_may_enter_its_queue_before_its_creation_is_told() -> None:
    created = told("task.created", 0.9, task_date_created="2025-01-01T00:00:00Z")
    item = items(events(NAME, [told("task-queue.entered", 0.4), created, told("task.canceled", 30, reason="hangup")]))[
        "t"
    ]
    assert item["flags"] == []
    assert (item["abandoned"], item["queue_wait_ms"]) == ("in_queue", 29_600)


def test_an_update_that_follows_completion_does_nothing() -> None:
    assert events(NAME, [told("task.updated", 170)]) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("rejected", "rejected"),
        ("timeout", "no_answer"),
        ("canceled", "canceled"),
        ("rescinded", "rescinded"),
        ("failed", "failed"),
    ],
)
def test_why_a_reservation_ended(name: str, reason: str) -> None:
    said = events(NAME, [told(f"reservation.{name}", worker_sid="WK1")])
    assert said_of(said, "reason") == [("alert_ended", reason)]


def test_a_queue_that_is_left_for_another_is_overflow_whichever_is_told_first() -> None:
    moved = told("task-queue.moved", 20, previous_task_queue_name="Sales", task_queue_name="Late")
    lines = [
        told("task.created"),
        told("task-queue.entered"),
        moved,
        told("task-queue.entered", 20, task_queue_name="Late"),
    ]
    item = items(events(NAME, [*lines, told("task.canceled", 25)]))["t"]
    assert kinds(item) == [("queue", "Sales", 20_000, "overflow"), ("queue", "Late", 5_000, "abandoned")]


def test_a_task_that_outlived_its_time_was_not_given_up_by_the_customer() -> None:
    lines = [told("task.created"), told("task-queue.entered"), told("task.canceled", 25, reason="Task TTL Exceeded")]
    assert items(events(NAME, lines))["t"]["abandoned"] is None


def test_a_cold_transfer_is_blind_and_a_warm_one_attended() -> None:
    start = [told("task.created"), told("reservation.accepted", 1, worker_sid="WK1")]
    fields = {"transfer_initiating_worker_sid": "WK1", "transfer_to": "WK2"}
    cold, warm = fields | {"transfer_mode": "COLD"}, fields | {"transfer_mode": "WARM"}
    rest = [told("reservation.wrapup", 90, worker_sid="WK2"), told("task.wrapup", 90)]
    blind = [told("task.transfer-initiated", 10, **cold), told("task.transfer-completed", 20, **cold)]
    taken = told("reservation.accepted", 20, worker_sid="WK2", **cold)
    attended = [told("task.transfer-initiated", 10, **warm), told("reservation.accepted", 15, worker_sid="WK2", **warm)]
    completed = told("task.transfer-completed", 20, **warm)
    item: dict[str, Any] = {}
    for lines in ([*start, *blind, taken, *rest], [*start, *attended, completed, *rest]):
        item = items(events(NAME, lines))["t"]
        parts = [(each[1], each[2], each[3]) for each in kinds(item) if each[0] == "with_agent"]
        assert parts == [("WK1", 19_000, "transferred"), ("WK2", 70_000, "agent_released")]
        assert item["transferred"] is True
    assert [each[:3] for each in kinds(item) if each[0] == "consult"] == [
        ("consult", "WK1", 10_000),
        ("consult", "WK2", 5_000),
    ]


def test_a_warm_transfer_that_fails_leaves_the_customer_with_the_agent() -> None:
    warm = {"transfer_initiating_worker_sid": "WK1", "transfer_to": "WK2", "transfer_mode": "WARM"}
    lines = [
        told("task.created"),
        told("reservation.accepted", 1, worker_sid="WK1"),
        told("task.transfer-initiated", 10, **warm),
    ]
    lines += [told("task.transfer-failed", 20, **warm), told("reservation.wrapup", 50, worker_sid="WK1")]
    item = items(events(NAME, lines))["t"]
    assert [(each[1], each[2]) for each in kinds(item) if each[0] == "with_agent"] == [("WK1", 49_000)]
    assert (item["transferred"], item["hold_ms"]) == (
        False,
        10_000,
    )  # Twilio reports no hold: that of the consult is inferred


@pytest.mark.parametrize(
    ("channel", "attributes", "kind"),
    [("voice", "{}", "call"), ("chat", "{}", "chat"), ("sms", "{}", "chat"), ("email", "{}", "email"),
     ("default", '{"call_sid": "CA1"}', "call"), ("default", '{"channelType": "web"}', "chat")],
)  # fmt: skip
def test_the_task_channel_tells_the_channel(channel: str, attributes: str, kind: str) -> None:
    (said,) = events(NAME, [told("task-queue.entered", task_channel_unique_name=channel, task_attributes=attributes)])
    assert said["type"] == f"{kind}.queued"


def test_the_customer_of_an_outbound_call_is_who_is_called() -> None:
    attributes = '{"direction": "outbound", "outbound_to": "+14155550123", "from": "+18005550100"}'
    (said,) = events(NAME, [told("task.created", task_attributes=attributes)])
    assert said["data"] == {"direction": "outbound", "party": {"address": "+14155550123"}}


def test_workers_and_workflows_are_known_and_say_nothing_of_a_task() -> None:
    assert events(NAME, [told("worker.activity.update"), told("workflow.timeout"), told("task-queue.created")]) == []


@pytest.mark.parametrize(
    ("line", "dead"),
    [
        (told("task.dreamt"), True),
        (told("task-queue.entered", task_channel_unique_name="carrier-pigeon"), True),
        (told("reservation.created"), True),
        (told("moon.full", task_sid=None), False),
        (b"EventType=task.dreamt&TaskSid=WT1&Sid=EV1\n", True),
    ],
)
def test_unknown_record_that_names_a_task_is_a_dead_letter(line: bytes, dead: bool) -> None:
    (unknown,) = translated(NAME, [line])
    assert isinstance(unknown, Unknown)
    assert unknown.dead_letter is dead


def test_dialect_declares_no_hold_and_no_order_of_twilio() -> None:
    can = DIALECTS[NAME].capabilities
    assert (can.hold, can.wrapup, can.ordered) == (False, True, False)


def resource(name: str, second: int, **data: Any) -> dict[str, Any]:
    """A record of the Events resource of the REST API."""
    data = {"task_sid": "t", "task_channel_unique_name": "voice", "task_attributes": VOICE, **data}
    return {
        "account_sid": "AC1", "workspace_sid": "WS1", "sid": f"EV{name}{second}", "event_type": name,
        "event_date_ms": 1735689600000 + second * 1000, "event_date": "2025-01-01T00:00:00Z", "event_data": data,
    }  # fmt: skip


def test_the_events_resource_is_read_in_every_spelling_and_in_pages() -> None:
    one, two = resource("task.created", 0), resource("task-queue.entered", 5, task_queue_name="Sales")
    expected = events(NAME, [orjson.dumps(one), b"\n", orjson.dumps(two)])
    assert [(each["type"], each["time"][17:19]) for each in expected] == [("call.offered", "00"), ("call.queued", "05")]
    assert events(NAME, [orjson.dumps({"meta": {"page": 0}, "events": [one, two]})]) == expected
    camel = [{_camel(name): value for name, value in each.items()} for each in (one, two)]
    for each in camel:
        each["eventData"] = {_camel(name): value for name, value in each["eventData"].items()}
    assert events(NAME, [orjson.dumps(camel)]) == expected
    as_text = [each | {"event_data": orjson.dumps(each["event_data"]).decode()} for each in (one, two)]
    assert events(NAME, [orjson.dumps(as_text)]) == expected


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


@pytest.mark.parametrize(
    ("reason", "conversations", "abandoned"),
    [
        ("hangup", {}, "in_queue"),
        (None, {}, "in_queue"),
        ("Task TTL Exceeded", {}, None),
        ("Opted to request callback", {}, None),
        ("supervisor", {}, None),
        ("hangup", {"abandoned": "Follow-Up"}, None),
        ("hangup", {"abandoned": "No"}, None),
        ("left a message", {"abandoned": "Yes"}, "in_queue"),
    ],
)
def test_a_canceled_task_was_abandoned_as_flex_insights_counts_it(
    reason: str | None, conversations: dict[str, str], abandoned: str | None
) -> None:
    attributes = orjson.dumps({"from": "+14155550123", "conversations": conversations}).decode()
    lines = [told("task.created"), told("task-queue.entered", 1)]
    lines.append(told("task.canceled", 40, task_canceled_reason=reason, task_attributes=attributes))
    assert items(events(NAME, lines))["t"]["abandoned"] == abandoned


def test_tasks_of_one_conversation_name_it_alike() -> None:
    follow = orjson.dumps({"from": "+14155550123", "conversations": {"conversation_id": "WTfirst"}}).decode()
    (first,) = events(NAME, [told("task.created", task_sid="WTfirst")])
    (second,) = events(NAME, [told("task.created", 60, task_sid="WTsecond", task_attributes=follow)])
    assert first["correlationid"] == second["correlationid"] == "WTfirst"
    assert second["data"]["related"] == {"previous": "WTfirst"}


@pytest.mark.parametrize("withheld", ["Anonymous", "anonymous", "+266696687", "Restricted", ""])
def test_a_withheld_number_hides_no_other_address(withheld: str) -> None:
    attributes = orjson.dumps({"from": withheld, "customerAddress": "whatsapp:+14155550123"}).decode()
    (said,) = events(NAME, [told("task.created", task_attributes=attributes)])
    assert said["data"]["party"]["address"] == "whatsapp:+14155550123"


def test_a_chat_of_two_days_is_with_its_agent_for_two_days() -> None:
    chat: dict[str, Any] = {"task_channel_unique_name": "whatsapp", "worker_sid": "WK1"}
    day = 24 * 60 * 60
    lines = [
        told("task.created", **chat), told("reservation.accepted", 12, **chat),
        told("reservation.wrapup", 12 + 2 * day, **chat), told("task.completed", 42 + 2 * day, **chat),
    ]  # fmt: skip
    item = items(events(NAME, lines))["t"]
    assert (item["talk_ms"], item["flags"]) == (2 * day * 1000, ["wrapup_unfinished"])

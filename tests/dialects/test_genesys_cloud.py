"""Genesys Cloud: notifications and details of one conversation, traps, and its own metrics to the millisecond."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from vendor_feed import events, fixture, items, kinds, said_of, translated

from touchpoint.dialects import Unknown

NAME = "genesys-cloud"
CONVERSATION = "3f1c2d6e-5b0a-4a0e-9f0e-6f1f0c1d2e3f"
LIVE, BACKFILL = "genesys_notifications.jsonl", "genesys_details.json"


def notification(topic: str, **body: Any) -> bytes:
    full = {
        "eventTime": 1722510000000,
        "conversationId": "c",
        "sessionId": "s",
        "mediaType": "VOICE",
        "direction": "INBOUND",
    }
    return orjson.dumps({"topicName": f"v2.detail.events.conversation.c.{topic}", "eventBody": full | body}) + b"\n"


def stated() -> dict[str, int]:
    """The metrics that Genesys computed itself: of the agent who answered."""
    told = orjson.loads(b"".join(fixture(BACKFILL)))
    (session,) = told["conversations"][0]["participants"][-1]["sessions"]
    return {metric["name"]: metric["value"] for metric in session["metrics"]}


@pytest.mark.parametrize("feed", [LIVE, BACKFILL])
def test_talk_hold_wrap_up_and_alert_are_those_of_genesys_to_the_millisecond(feed: str) -> None:
    item, told = items(events(NAME, fixture(feed)))[CONVERSATION], stated()
    found = (
        item["talk_ms"],
        item["hold_ms"],
        item["acw_ms"],
        item["ring_ms"],
        item["handle_ms"],
        item["queue_wait_ms"],
    )
    assert found == tuple(told[name] for name in ("tTalk", "tHeld", "tAcw", "tAlert", "tHandle", "tAnswered"))


def test_the_conversation_reads_as_it_went_segment_by_segment() -> None:
    item = items(events(NAME, fixture(BACKFILL)))[CONVERSATION]
    assert [(kind, length, end) for kind, _, length, end in kinds(item)] == [
        ("routing", 120, "ivr_entered"),
        ("ivr", 15_000, "ivr_exited"),
        ("queue", 14_341, "answered"),
        ("alerting", 7_021, "rejected"),
        ("alerting", 3_361, "answered"),
        ("with_agent", 123_337, "agent_released"),
        ("hold", 12_345, "retrieved"),
        ("wrap_up", 18_133, "wrapup_ended"),
    ]
    assert item["flags"] == []


def test_live_and_backfill_of_one_conversation_agree_in_ids_and_together_change_nothing() -> None:
    live, backfill = events(NAME, fixture(LIVE)), events(NAME, fixture(BACKFILL))
    assert {each["id"] for each in live} <= {each["id"] for each in backfill}
    together = items(live + backfill)[CONVERSATION]
    alone = items(backfill)[CONVERSATION]
    assert kinds(together) == kinds(alone)


def test_a_hold_known_only_as_a_total_is_one_hold_aggregate() -> None:
    item = items(events(NAME, fixture(LIVE)))[CONVERSATION]
    (hold,) = [each for each in item["segments"] if each["type"] == "hold"]
    assert (hold["duration_ms"], hold["provenance"]) == (12_345, "aggregate")


@pytest.mark.parametrize("interacting", [{}, {"interactingDurationMs": 0}])
def test_a_mere_reject_also_sends_user_end_and_is_no_answer(interacting: dict[str, int]) -> None:
    said = events(
        NAME, [notification("user.end", userId="u", disconnectType="CLIENT", alertingDurationMs=7, **interacting)]
    )
    assert said_of(said, "reason") == [("alert_ended", "rejected")]


@pytest.mark.parametrize(
    ("disconnect", "reason"),
    [("PEER", "canceled"), ("SYSTEM", "no_answer"), ("ERROR", "failed"), ("TIMEOUT", "no_answer")],
)
def test_why_an_alert_ended(disconnect: str, reason: str) -> None:
    said = events(NAME, [notification("user.end", userId="u", disconnectType=disconnect)])
    assert said_of(said, "reason") == [("alert_ended", reason)]


def test_times_are_epoch_milliseconds_as_numbers() -> None:
    (said,) = events(NAME, [notification("acd.start", eventTime=1722510000123, queueId="q")])
    assert said["time"] == "2024-08-01T11:00:00.123000Z"


def test_an_in_queue_flow_does_not_end_the_queue() -> None:
    started = notification("flow.start", flowId="f", flowType="INQUEUECALL")
    assert events(NAME, [started, notification("flow.end", flowId="f", flowType="INQUEUECALL")]) == []


def test_wrap_up_begins_its_duration_before_the_event() -> None:
    said = events(NAME, [notification("acw", userId="u", wrapupDurationMs=18_133, wrapupCode="sale")])
    assert [each["time"][14:] for each in said] == ["59:41.867000Z", "00:00.000000Z"]
    assert said[1]["data"]["outcome"] == "sale"


def test_a_transfer_is_told_by_how_the_session_ended() -> None:
    ends = [("TRANSFER", "blind"), ("CONSULT_TRANSFER", "attended"), ("conferenceTransfer", "attended")]
    for disconnect, kind in ends:
        body = {"userId": "u", "disconnectType": disconnect, "interactingDurationMs": 5_000}
        said = events(NAME, [notification("user.end", **body)])
        assert said_of(said, "kind") == [("answered", None), ("transferred", kind)]


def test_who_leaves_the_queue_is_abandoned_in_queue() -> None:
    times = [{"eventTime": 1722510000000 + n * 20_000} for n in range(2)]
    lines = [
        notification("customer.start", ani="tel:+13175550123", **times[0]),
        notification("acd.start", queueId="q", **times[0]),
    ]
    lines += [notification("acd.end", queueId="q", disconnectType="PEER", **times[1])]
    lines += [notification("customer.end", disconnectType="ENDPOINT", **times[1])]
    item = items(events(NAME, lines))["c"]
    assert (item["abandoned"], item["queue_wait_ms"]) == ("in_queue", 20_000)


def test_event_bridge_wraps_the_same_event() -> None:
    inner = orjson.loads(notification("acd.start", queueId="q"))
    wrapped = orjson.dumps({"source": "aws.partner/genesys.com", "detail-type": inner["topicName"], "detail": inner})
    assert events(NAME, [wrapped]) == events(NAME, [orjson.dumps(inner)])


def test_the_customer_of_an_outbound_call_is_who_is_called() -> None:
    body = {"direction": "OUTBOUND", "ani": "tel:+13178723000", "dnis": "tel:+13175550123"}
    (said,) = events(NAME, [notification("customer.start", **body)])
    assert said["data"] == {"direction": "outbound", "party": {"address": "tel:+13175550123"}}


def test_every_media_type_has_its_channel() -> None:
    media = {"VOICE": "call", "CALLBACK": "call", "EMAIL": "email", "CHAT": "chat", "MESSAGE": "chat"}
    said = events(NAME, [notification("acd.start", mediaType=name, queueId="q") for name in media])
    assert [each["type"].partition(".")[0] for each in said] == list(media.values())
    assert events(NAME, [notification("acd.start", mediaType="SCREENSHARE", queueId="q")]) == []


@pytest.mark.parametrize(
    ("line", "dead"),
    [
        (notification("quantum.start"), True),
        (notification("acd.start", mediaType="HOLOGRAM"), True),
        (notification("user.start"), True),
        (b'{"topicName": "v2.users.u.presence", "eventBody": {}}', False),
    ],
)
def test_what_is_not_understood_is_a_dead_letter_if_it_is_of_a_conversation(line: bytes, dead: bool) -> None:
    (unknown,) = translated(NAME, [line])
    assert isinstance(unknown, Unknown)
    assert unknown.dead_letter is dead


def test_the_heartbeat_of_the_socket_says_nothing() -> None:
    assert events(NAME, [b'{"topicName": "channel.metadata", "eventBody": {"message": "WebSocket Heartbeat"}}']) == []


def test_a_conversation_that_still_goes_on_has_no_ends() -> None:
    told = orjson.loads(b"".join(fixture(BACKFILL)))["conversations"][0]
    for participant in told["participants"]:
        for session in participant["sessions"]:
            session["segments"] = [
                {k: v for k, v in each.items() if k != "segmentEnd"} for each in session["segments"][:1]
            ]
    verbs = {name for (name,) in said_of(events(NAME, [orjson.dumps(told)]))}
    assert verbs == {"offered", "ivr_entered", "queued", "alerting"}


def test_the_code_of_an_outbound_disposition_is_an_outcome_without_after_call_work() -> None:
    said = events(NAME, [notification("wrapup", wrapupCode="no-contact")])
    assert said_of(said, "outcome", "resource") == [("wrapup_ended", "no-contact", None)]


def test_a_dialer_begins_with_the_campaign_and_the_customer_who_is_called() -> None:
    (said,) = events(NAME, [notification("outbound.init", dnis="tel:+13175550123", campaignId="spring")])
    assert said["type"] == "call.dialing"
    assert said["data"] == {"direction": "outbound", "party": {"address": "tel:+13175550123"}, "campaign": "spring"}


def test_voicemail_is_no_abandonment() -> None:
    lines = [notification("customer.start"), notification("acd.start", queueId="q")]
    lines += [
        notification(f"voicemail.{end}", eventTime=1722510000000 + n) for n, end in ((9000, "start"), (19000, "end"))
    ]
    lines.append(notification("customer.end", disconnectType="ENDPOINT", eventTime=1722510019000))
    item = items(events(NAME, lines))["c"]
    assert item["abandoned"] is None
    assert [each[:3] for each in kinds(item)] == [("queue", "q", 9_000), ("voicemail", None, 10_000)]


@pytest.mark.parametrize(("segment", "mode"), [("monitoring", "monitor"), ("coaching", "coach"), ("barging", "barge")])
def test_a_supervisor_in_the_details_is_joined_in_their_mode(segment: str, mode: str) -> None:
    told = orjson.loads(b"".join(fixture(BACKFILL)))["conversations"][0]
    listen = {"segmentType": segment, "segmentStart": "2024-08-01T11:00:40Z", "segmentEnd": "2024-08-01T11:00:50Z"}
    session = {"sessionId": "listening", "mediaType": "voice", "segments": [listen]}
    told["participants"].append({"purpose": "user", "userId": "boss", "sessions": [session]})
    said = [
        each
        for each in events(NAME, [orjson.dumps(told)])
        if each.get("data", {}).get("resource", {}).get("id") == "boss"
    ]
    assert said_of(said, "mode", "role") == [("joined", mode, "supervisor"), ("left", None, "supervisor")]


def test_a_conversation_that_is_a_page_of_a_query_or_stands_alone_is_the_same() -> None:
    page = orjson.loads(b"".join(fixture(BACKFILL)))
    assert events(NAME, [orjson.dumps(page)]) == events(NAME, [orjson.dumps(page["conversations"][0])])

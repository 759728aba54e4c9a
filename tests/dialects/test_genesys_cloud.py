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


def test_caller_who_leaves_the_queue_is_abandoned_in_queue() -> None:
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
def test_unknown_record_of_a_conversation_is_a_dead_letter(line: bytes, dead: bool) -> None:
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


# --- several sessions of one side: callbacks, campaigns, users who call themselves ------------------------------------

T = "2026-01-05T09:"


def segment(kind: str, start: str, end: str | None, **told: Any) -> dict[str, Any]:
    return {"segmentType": kind, "segmentStart": f"{T}{start}Z", "segmentEnd": end and f"{T}{end}Z", **told}


def participant(purpose: str, *segments: dict[str, Any], user: str | None = None, **session: Any) -> dict[str, Any]:
    told = {"mediaType": "voice", "sessionId": f"{purpose}{user}{len(session)}", **session, "segments": list(segments)}
    return {"participantId": f"{purpose}{user}", "purpose": purpose, "userId": user, "sessions": [told]}


def details(*participants: dict[str, Any], name: str = "c", **told: Any) -> bytes:
    return orjson.dumps({"conversations": [{"conversationId": name, **told, "participants": list(participants)}]})


def test_the_end_of_a_session_is_not_the_end_of_a_conversation_that_calls_back() -> None:
    """The caller hangs up in the queue after they chose a callback, and is called back a quarter of an hour later."""

    def at(topic: str, when: float, session: str, media: str = "VOICE", **body: Any) -> bytes:
        told = {"eventTime": 1767603600000 + int(when * 1000), "sessionId": session, "mediaType": media, **body}
        return notification(topic, **told)

    number = {"ani": "tel:+441632960922", "dnis": "tel:+441632960000"}
    lines = [
        at("customer.start", 0, "s0", **number),
        at("acd.start", 5, "s1", queueId="q1"),
        at("customer.start", 66, "s4", "CALLBACK", callbackNumbers=["+441632960922"]),
        at("acd.end", 66, "s1", queueId="q1", disconnectType="TRANSFER"),
        at("acd.start", 66, "s3", "CALLBACK", queueId="q1"),
        at("customer.end", 70, "s0", disconnectType="ENDPOINT"),
        at("user.start", 960, "s6", "CALLBACK", userId="u1", queueId="q1"),
        at("acd.end", 970, "s3", "CALLBACK", queueId="q1", disconnectType="TRANSFER"),
        at("user.start", 980, "s7", userId="u1", direction="OUTBOUND"),
        at("customer.start", 980, "s5", direction="OUTBOUND", ani=number["dnis"], dnis=number["ani"]),
        at("customer.end", 1290, "s5", direction="OUTBOUND", disconnectType="ENDPOINT"),
        at("user.end", 1290, "s7", userId="u1", disconnectType="PEER", interactingDurationMs=300_000),
        at("customer.end", 1300, "s4", "CALLBACK", disconnectType="PEER"),
        at("user.end", 1300, "s6", "CALLBACK", userId="u1", disconnectType="CLIENT", interactingDurationMs=330_000),
    ]
    item = items(events(NAME, lines))["c"]
    assert (item["abandoned"], item["direction"], item["talk_ms"]) == (None, "inbound", 330_000)
    assert [(each["queue"], each["end_reason"]) for each in item["segments"] if each["type"] == "queue"] == [
        ("q1", "callback"), ("q1", "answered"),
    ]  # fmt: skip
    assert item["flags"] == []


def test_a_callback_has_the_number_that_is_called_and_a_campaign_is_outbound() -> None:
    session: dict[str, Any] = {
        "mediaType": "callback",
        "callbackNumbers": ["+442079460001"],
        "outboundCampaignId": "camp",
    }
    customer = participant("customer", segment("interact", "00:00.000", "05:00.000"), **session)
    (said, *_) = events(NAME, [details(customer)])
    assert said["data"] == {
        "direction": "outbound", "party": {"address": "+442079460001"}, "campaign": "camp",
    }  # fmt: skip
    (said, *_) = events(NAME, [details(customer, originatingDirection="inbound")])
    assert said["data"]["direction"] == "inbound"


def test_a_wrap_up_that_begins_before_the_talk_ends_cuts_none_of_it() -> None:
    agent = participant(
        "agent", segment("interact", "00:02.002", "00:12.000"), segment("wrapup", "00:11.930", "00:21.930"), user="u"
    )
    item = items(events(NAME, [details(agent)]))["c"]
    assert (item["talk_ms"], item["acw_ms"]) == (9_998, 10_000)
    assert "routing" not in {each["type"] for each in item["segments"]}


def test_a_user_who_calls_the_own_hotline_is_the_caller() -> None:
    lines = [
        details(
            participant("user", segment("interact", "00:00.000", "00:40.000"), user="boss", direction="outbound"),
            participant("ivr", segment("interact", "00:00.000", "00:08.000")),
            participant("acd", segment("interact", "00:08.000", "00:20.000", queueId="q")),
            participant("agent", segment("interact", "00:20.000", "00:40.000"), user="u"),
        )
    ]
    item = items(events(NAME, lines))["c"]
    assert [(kind, length) for kind, _, length, _ in kinds(item)] == [
        ("ivr", 8_000), ("queue", 12_000), ("with_agent", 20_000),
    ]  # fmt: skip
    assert (item["direction"], item["conferenced"], list(item["agents"])) == ("internal", False, ["u"])


def test_a_malformed_conversation_loses_itself_and_not_its_page() -> None:
    good = orjson.loads(details(participant("customer", segment("interact", "00:00.000", "00:40.000"))))
    bad = orjson.loads(details(participant("customer", segment("interact", "0:99", "00:40.000")), name="bad"))
    page = orjson.dumps({"conversations": [*bad["conversations"], *good["conversations"]], "totalHits": 2})
    said = translated(NAME, [page])
    assert [isinstance(each, Unknown) for each in said] == [True, False, False]


def test_the_platform_api_is_named_for_what_it_is() -> None:
    (unknown,) = translated(NAME, [b'{"id": "x", "participants": [{"purpose": "customer", "calls": []}]}'])
    assert isinstance(unknown, Unknown)
    assert "details/query" in unknown.reason

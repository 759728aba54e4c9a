"""Asterisk's channel event log: its traps, and the same call as by the manager interface."""

from __future__ import annotations

import json
import random
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from vendor_feed import events, fixture, items, kinds, said_of, translated

from touchpoint.dialects import DIALECTS, Feed, Unknown

NAME = "asterisk-cel"
CALL = "1594068281.147"


def told(name: str, second: float = 0, leg: str = "c", **fields: Any) -> bytes:
    full = {"eventtype": name, "eventtime": f"{1594068281 + second:.6f}", "uniqueid": leg, "linkedid": "c"}
    full |= {"channame": "PJSIP/trunk-1" if leg == "c" else f"PJSIP/{leg}-1", "cid_num": "01632960960"}
    return orjson.dumps(full | fields) + b"\n"


QUEUE: dict[str, Any] = {"appname": "Queue", "appdata": "support,t,,,300"}


def test_the_call_reads_as_it_went() -> None:
    item = items(events(NAME, fixture("asterisk_cel.csv")))[CALL]
    assert kinds(item) == [
        ("routing", None, 500, "ivr_entered"),
        ("ivr", None, 500, "ivr_exited"),
        ("queue", "support", 24_100, "answered"),
        ("alerting", "PJSIP/1601", 15_000, "no_answer"),
        ("alerting", "PJSIP/1602", 5_000, "answered"),
        ("with_agent", "PJSIP/1602", 80_000, "customer_disconnected"),
    ]
    assert (item["flags"], item["abandoned"]) == ([], None)


def test_the_same_call_by_the_manager_interface_has_the_same_item_and_durations() -> None:
    by_log = items(events(NAME, fixture("asterisk_cel.csv")))
    by_interface = items(events("asterisk-ami", fixture("asterisk_ami")))
    assert list(by_log) == list(by_interface)
    names = ("started_at", "queue_wait_ms", "ring_ms", "speed_of_answer_ms", "handle_ms", "abandoned")
    assert [by_log[CALL][name] for name in names] == [by_interface[CALL][name] for name in names]


def test_the_order_is_per_channel_only_so_rows_of_other_channels_may_come_in_between() -> None:
    rows = fixture("asterisk_cel.csv")
    said = events(NAME, rows)
    assert {"sequence"} & {name for each in said for name in each} == set()
    expected = items(said)[CALL]
    for seed in range(3):
        assert items(random.Random(seed).sample(said, len(said)))[CALL] == expected


def test_who_hangs_up_in_the_queue_leaves_the_application_first_and_is_abandoned_all_the_same() -> None:
    lines = [told("CHAN_START"), told("APP_START", 1, **QUEUE), told("APP_END", 41, **QUEUE)]
    item = items(
        events(NAME, [*lines, told("HANGUP", 41.01, extra='{"hangupcause":16}'), told("LINKEDID_END", 41.02)])
    )["c"]
    assert (item["abandoned"], item["queue_wait_ms"]) == ("in_queue", 40_010)


def test_an_agent_who_hangs_up_first_is_not_taken_for_the_customer() -> None:
    lines = [told("CHAN_START"), told("APP_START", 1, **QUEUE), told("CHAN_START", 2, leg="1602")]
    lines += [told("BRIDGE_ENTER", 5, leg="1602"), told("HANGUP", 50, leg="1602"), told("APP_END", 50.1, **QUEUE)]
    said = events(
        NAME, [*lines, told("HANGUP", 50.1, extra='{"hangupsource":"PJSIP/1602-1"}'), told("LINKEDID_END", 50.2)]
    )
    assert [name for (name,) in said_of(said)] == ["offered", "queued", "alerting", "answered", "released", "ended"]


def test_a_queue_that_is_left_for_another_application_was_not_abandoned() -> None:
    lines = [told("CHAN_START"), told("APP_START", 1, **QUEUE), told("APP_END", 41, **QUEUE)]
    lines += [told("APP_START", 42, appname="VoiceMail", appdata="201"), told("APP_END", 60, appname="VoiceMail")]
    item = items(events(NAME, [*lines, told("HANGUP", 60), told("LINKEDID_END", 60)]))["c"]
    assert item["abandoned"] is None
    assert [each[:3] for each in kinds(item)[1:]] == [
        ("queue", "support", 40_000),
        ("routing", None, 1_000),
        ("voicemail", None, 18_000),
    ]


@pytest.mark.parametrize(
    ("cause", "reason"), [(17, "busy"), (21, "rejected"), (26, "canceled"), (19, "no_answer"), (0, "no_answer")]
)
def test_how_a_members_leg_ended(cause: int, reason: str) -> None:
    leg = [told("CHAN_START", 2, leg="1601"), told("HANGUP", 9, leg="1601", extra=json.dumps({"hangupcause": cause}))]
    said = events(NAME, [told("APP_START", 1, **QUEUE), *leg])
    assert said_of(said, "reason")[1:] == [("alerting", None), ("alert_ended", reason)]


def test_a_leg_outside_a_queue_may_be_the_customer_and_is_no_agent() -> None:
    assert events(NAME, [told("CHAN_START", leg="trunk2"), told("BRIDGE_ENTER", 5, leg="trunk2")]) == []


def test_both_halves_of_a_local_channel_are_nobodys() -> None:
    local = told("CHAN_START", 2, leg="x", channame="Local/1601@agents-00000001;1")
    assert [name for (name,) in said_of(events(NAME, [told("APP_START", 1, **QUEUE), local]))] == ["queued"]


def test_a_blind_transfer_is_told_in_extra_json_with_its_extension() -> None:
    extra = {"extension": "8009", "context": "internal", "transferee_channel_uniqueid": "c"}
    (said,) = events(NAME, [told("BLINDTRANSFER", 9, leg="1602", extra=json.dumps(extra))])
    assert said["data"]["to"] == {"address": "8009"}
    assert said["data"]["resource"]["id"] == "PJSIP/1602"


@pytest.mark.parametrize("reversed_", [False, True])
def test_an_attended_transfer_makes_one_call_of_two_linkedids_whichever_began_first(reversed_: bool) -> None:
    begin = [told("CHAN_START"), told("APP_START", 1, **QUEUE), told("CHAN_START", 2, leg="1602")]
    begin += [told("BRIDGE_ENTER", 10, leg="1602"), told("CHAN_START", 40, leg="d", linkedid="d")]
    extra = {
        "transferee_channel_uniqueid": "c",
        "transfer_target_channel_name": "PJSIP/1603-9",
        "transfer_target_channel_uniqueid": "e",
    }
    one, two = ("d", "1602") if reversed_ else ("1602", "d")
    extra |= {"channel2_uniqueid": two, "channel2_name": f"PJSIP/{two}-1"}
    row = told("ATTENDEDTRANSFER", 60, leg=one, linkedid="d" if reversed_ else "c", extra=json.dumps(extra))
    found = items(events(NAME, [*begin, row, told("HANGUP", 90, leg="e"), told("LINKEDID_END", 90)]))
    assert list(found) == ["c"]
    assert [each[1:3] for each in kinds(found["c"]) if each[0] == "with_agent"] == [
        ("PJSIP/1602", 50_000),
        ("PJSIP/1603", 30_000),
    ]


def test_park_and_unpark() -> None:
    assert [name for (name,) in said_of(events(NAME, [told("PARK_START"), told("PARK_END", 9)]))] == [
        "parked",
        "unparked",
    ]


@pytest.mark.parametrize(("zone", "hour"), [("UTC", "15"), ("America/New_York", "19")])
def test_stamps_of_a_table_are_local_time(zone: str, hour: str) -> None:
    (said,) = events(NAME, [told("CHAN_START", eventtime="2012-07-03 15:27:23.896208")], Feed(zone=ZoneInfo(zone)))
    assert said["time"] == f"2012-07-03T{hour}:27:23.896208Z"


def test_csv_and_json_say_the_same() -> None:
    rows = [orjson.loads(told("CHAN_START", exten="201")), orjson.loads(told("LINKEDID_END", 9, exten=""))]
    table = [",".join(rows[0]), *(",".join(f'"{value}"' for value in row.values()) for row in rows)]
    assert events(NAME, [f"{line}\n" for line in table]) == events(NAME, [orjson.dumps(row) + b"\n" for row in rows])


def test_a_file_without_its_header_row_is_refused_with_the_way_out() -> None:
    (unknown,) = translated(NAME, ['"CHAN_START","1594068281.1","x"\n'])
    assert isinstance(unknown, Unknown)
    assert "no header row with eventtype, eventtime, uniqueid, linkedid" in unknown.reason


@pytest.mark.parametrize(
    ("line", "dead"),
    [(told("SINGING"), True), (told("SINGING", linkedid=""), False), (told("HANGUP", extra="{"), True)],
)
def test_what_is_not_understood_is_a_dead_letter_if_it_is_of_a_call(line: bytes, dead: bool) -> None:
    (unknown,) = translated(NAME, [line])
    assert isinstance(unknown, Unknown)
    assert unknown.dead_letter is dead


def test_it_declares_what_the_log_cannot_tell() -> None:
    can = DIALECTS[NAME].capabilities
    assert (can.hold, can.wrapup, can.ordered, can.replayable) == (False, False, False, True)

"""Asterisk's queue_log: its traps, and the seconds that it states itself."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from vendor_feed import events, fixture, items, kinds, said_of, translated

from touchpoint.dialects import DIALECTS, Feed, Unknown
from touchpoint.dialects.lines import Lines

NAME = "asterisk-queue-log"
CALL = "1366720320.303267"
ENTERED = "100|c|q|NONE|ENTERQUEUE||01632960960|1|"


def test_hold_and_talk_times_that_the_log_states_are_reproduced_to_the_second() -> None:
    stated = {}
    for line in fixture("queue_log"):
        fields = line.decode().strip().split("|")
        if fields[4].startswith("COMPLETE"):
            stated[fields[1]] = tuple(int(text) * 1000 for text in fields[5:7])
    found = items(events(NAME, fixture("queue_log")))
    assert len(stated) == 2
    for call, (held, talked) in stated.items():
        segments = [each for each in found[call]["segments"] if each["type"] == "queue"]
        assert (segments[-1]["duration_ms"], found[call]["talk_ms"]) == (held, talked)


def test_the_whole_call_reads_as_it_went() -> None:
    item = items(events(NAME, fixture("queue_log")))[CALL]
    assert kinds(item) == [
        ("queue", "support", 26_000, "answered"),
        ("alerting", "SIP/8007", 15_000, "no_answer"),
        ("alerting", "SIP/8008", 5_000, "answered"),
        ("with_agent", "SIP/8008", 80_000, "customer_disconnected"),
    ]
    assert (item["ring_ms"], item["acw_ms"], item["direction"]) == (5_000, None, "inbound")


@pytest.mark.parametrize(("call", "abandoned"), [("1366720500.1", "in_queue"), ("1366720600.1", "while_ringing")])
def test_caller_who_gives_up_is_abandoned_where_they_waited(call: str, abandoned: str) -> None:
    assert items(events(NAME, fixture("queue_log")))[call]["abandoned"] == abandoned


def test_an_abandon_that_names_an_agent_came_while_being_connected_to_that_agent() -> None:
    lines = [ENTERED, "130|c|q|SIP/8|ABANDON|1|1|30"]
    item = items(events(NAME, lines))["c"]
    assert (item["abandoned"], item["queue_wait_ms"]) == ("while_ringing", 30_000)


def test_the_holdtime_of_connect_includes_the_ring_so_the_ring_is_not_added_to_the_wait() -> None:
    lines = [
        ENTERED,
        "126|c|q|SIP/8|CONNECT|26|c2|5",
        "186|c|q|SIP/8|COMPLETEAGENT|26|60|1",
    ]
    item = items(events(NAME, lines))["c"]
    assert (item["queue_wait_ms"], item["ring_ms"], item["speed_of_answer_ms"]) == (26_000, 5_000, 26_000)


def test_an_attended_transfer_without_a_connect_was_answered_calltime_before() -> None:
    item = items(events(NAME, fixture("queue_log")))["1366720900.1"]
    assert kinds(item) == [("queue", "support", 10_000, "answered"), ("with_agent", "SIP/8007", 60_000, "transferred")]
    assert "missing_answer" in item["flags"]


def test_an_attended_transfer_by_link_names_two_channels_before_its_figures() -> None:
    said = events(NAME, fixture("queue_log"))
    (transfer,) = [e for e in said if e["subject"] == "1366721000.1" and e["type"] == "call.transferred"]
    assert transfer["data"]["reported"] == {"connected_ms": 45_000}
    assert transfer["data"]["ext"] == {"method": "LINK", "target": "SIP/8007-0000001a|SIP/8009-0000001b"}


def test_a_blind_transfer_ends_the_agents_part_and_says_where_it_went() -> None:
    said = events(NAME, fixture("queue_log"))
    item = items(said)["1366720800.1"]
    assert (kinds(item)[-1], item["transferred"]) == (("with_agent", "SIP/8007", 60_000, "transferred"), True)
    (transfer,) = [e for e in said if e["subject"] == "1366720800.1" and e["type"] == "call.transferred"]
    assert transfer["data"]["to"] == {"address": "8009"}


def test_transfer_of_asterisk_before_12_is_read_by_its_old_name() -> None:
    old, new = (events(NAME, [f"200|c|q|SIP/8|{name}|8009|internal|10|60|1"]) for name in ("TRANSFER", "BLINDTRANSFER"))
    assert old[0]["data"] == new[0]["data"]


def test_the_ring_is_milliseconds_in_its_own_lines_and_seconds_inside_connect() -> None:
    lines = ["100|c|q|SIP/8|RINGNOANSWER|2500", "110|c|q|SIP/8|CONNECT|15|c2|4"]
    rings = [e["time"][17:] for e in events(NAME, lines) if e["type"] == "call.alerting"]
    assert rings == ["37.500000Z", "46.000000Z"]


def test_rounded_seconds_never_make_one_agents_rings_overlap() -> None:
    lines = [
        ENTERED,
        "120|c|q|SIP/8|RINGNOANSWER|5000",
        "125|c|q|SIP/8|CONNECT|25|c2|6",
    ]
    item = items(events(NAME, [*lines, "185|c|q|SIP/8|COMPLETEAGENT|25|60|1"]))["c"]
    assert [each[:3] for each in kinds(item) if each[0] == "alerting"] == [("alerting", "SIP/8", 5_000)] * 2


def test_lines_of_one_second_keep_the_files_order() -> None:
    lines = ["100|c|a|NONE|ENTERQUEUE||1|1|", "120|c|a|NONE|EXITEMPTY|1|1|20", "120|c|b|NONE|ENTERQUEUE||1|1|"]
    said = events(NAME, [*lines, "120|c|b|NONE|EXITWITHKEY|5|1|1|0", "120|c|d|NONE|ENTERQUEUE||1|1|"])
    assert [each["sequence"] for each in said] == sorted(each["sequence"] for each in said)
    item = items(reversed(said))["c"]
    assert [each[:2] for each in kinds(item)] == [("queue", "a"), ("queue", "b"), ("queue", "d")]


def test_a_bar_in_a_callers_name_is_replaced_by_asterisk_so_fields_do_not_shift() -> None:
    (queued,) = events(NAME, ["100|c|q|NONE|ENTERQUEUE||01632960960|3|Smith_ Ann"])
    assert queued["data"]["party"] == {"address": "01632960960", "name": "Smith_ Ann"}


@pytest.mark.parametrize(("zone", "hour"), [("UTC", "15"), ("America/New_York", "19")])
def test_stamps_of_the_realtime_table_are_local_time_unless_set_to_gmt(zone: str, hour: str) -> None:
    row = (
        '{"time": "2012-07-03 15:27:23.896208", "callid": "1341343640.4", "queuename": "q1", "agent": "NONE",'
        ' "event": "ENTERQUEUE", "data1": "", "data2": "01632960960", "data3": "1", "data4": "Ann", "data5": ""}'
    )
    (queued,) = events(NAME, [row], Feed(zone=ZoneInfo(zone)))
    assert queued["time"] == f"2012-07-03T{hour}:27:23.896208Z"


def test_an_id_is_made_of_the_line_alone_so_live_and_backfill_agree() -> None:
    lines = fixture("queue_log")
    whole, later = events(NAME, lines), events(NAME, lines[5:])
    assert {each["id"] for each in later} < {each["id"] for each in whole}
    assert len({each["id"] for each in whole}) == len(whole)


def test_members_logins_and_reloads_are_known_and_say_nothing_of_a_call() -> None:
    assert events(NAME, ["1|NONE|q|SIP/8|PAUSE|lunch", "1|REALTIME|NONE|NONE|QUEUESTART|", "1|c|q|NONE|DID|123"]) == []


@pytest.mark.parametrize(
    ("line", "dead"),
    [
        ("100|c|q|NONE|OFFLINETICKET|x", True),
        ("100|NONE|q|NONE|OFFLINETICKET|x", False),
        ("100|c|q", True),
        ("yesterday|c|q|NONE|ABANDON|1|1|2", True),
        ("100|c|q|NONE|CONNECT|1|2|3", True),
        ("{", True),
    ],
)
def test_unknown_record_that_may_be_of_a_call_is_a_dead_letter(line: str, dead: bool) -> None:
    (unknown,) = translated(NAME, [line])
    assert isinstance(unknown, Unknown)
    assert unknown.dead_letter is dead


def test_an_unknown_name_in_it_is_all_that_a_cause_quotes() -> None:
    (unknown,) = translated(NAME, ["100|c|q|NONE|OFFLINETICKET|01632960960"])
    assert unknown == Unknown("event 'OFFLINETICKET' is not known")


def test_every_event_carries_the_dialect_and_the_feeds_source_and_tenant() -> None:
    (said,) = events(NAME, ["100|c|q|NONE|EXITEMPTY|1|1|2"], Feed("/pbx/london", "acme"))
    assert [said[name] for name in ("dialect", "source", "tenant")] == [f"{NAME}/2", "/pbx/london", "acme"]
    assert said_of([said], "queue", "reason") == [("dequeued", "q", "empty")]


def test_dialect_declares_what_the_log_cannot_report() -> None:
    can = DIALECTS[NAME].capabilities
    assert (can.hold, can.wrapup, can.ring, can.ordered, can.replayable) == (False, False, True, True, True)


def test_caller_who_goes_on_to_another_queue_remains_one_call() -> None:
    lines = [
        ENTERED, "115|c|q|PJSIP/201|CONNECT|15|x|5", "175|c|q|PJSIP/201|COMPLETEAGENT|15|60|1",
        "176|c|billing|NONE|ENTERQUEUE||01632960960|1", "196|c|billing|PJSIP/305|CONNECT|20|y|4",
        "316|c|billing|PJSIP/305|COMPLETECALLER|20|120|1",
    ]  # fmt: skip
    item = items(events(NAME, lines))["c"]
    assert (item["queue_wait_ms"], item["talk_ms"], item["flags"]) == (35_000, 180_000, ["missing_start"])


def test_a_call_that_leaves_its_last_queue_is_over_there_as_far_as_the_log_tells() -> None:
    item = items(events(NAME, [ENTERED, "160|c|q|NONE|EXITWITHTIMEOUT|1|1|60"]))["c"]
    assert (item["end_reason"], item["flags"], item["queue_wait_ms"]) == ("timeout", ["missing_start"], 60_000)


CONSULT = [
    ENTERED, "112|c|q|PJSIP/209|CONNECT|12|x|11",
    "200|asks|billing|NONE|ENTERQUEUE||209|1",
]  # fmt: skip


def test_an_agent_who_asks_in_another_queue_is_no_customer() -> None:
    said = events(NAME, CONSULT)
    assert said[-1]["data"] == {"direction": "internal", "queue": "billing", "doubts": ["party"]}


def test_consult_of_an_agent_becomes_part_of_the_transferred_call() -> None:
    lines = [
        *CONSULT, "207|asks|billing|PJSIP/351|CONNECT|7|y|6",
        "232|c|q|PJSIP/209|ATTENDEDTRANSFER|BRIDGE|3f1a-77|12|120|1",
        "411|asks|billing|PJSIP/351|COMPLETEAGENT|7|204|1",
    ]  # fmt: skip
    found = items(events(NAME, lines))
    assert list(found) == ["c"]
    agents = [(who, length) for kind, who, length, _ in kinds(found["c"]) if kind == "with_agent"]
    assert agents == [("PJSIP/209", 120_000), ("PJSIP/351", 179_000)]


def test_a_caller_who_is_transferred_while_the_other_queue_has_not_answered_waits_there() -> None:
    lines = [
        *CONSULT, "205|c|q|PJSIP/209|ATTENDEDTRANSFER|BRIDGE|3f1a-77|12|93|1",
        "215|asks|billing|PJSIP/351|CONNECT|15|y|6", "275|asks|billing|PJSIP/351|COMPLETECALLER|15|60|1",
    ]  # fmt: skip
    found = items(events(NAME, lines))
    assert list(found) == ["c"]
    assert [(kind, length) for kind, _, length, _ in kinds(found["c"]) if kind in ("queue", "with_agent")] == [
        ("queue", 12_000), ("with_agent", 93_000), ("queue", 10_000), ("with_agent", 60_000),
    ]  # fmt: skip


def test_agents_phones_are_configuration_where_the_log_has_not_named_them() -> None:
    lines = Lines(agents=("PJSIP/2??", "2??"))
    (said,) = events(NAME, ["200|asks|billing|NONE|ENTERQUEUE||209|1"], Feed(lines=lines))
    assert said["data"]["direction"] == "internal"


ROW = '"time":"2026-01-05 09:03:20.5","callid":"c","queuename":"q","agent":"PJSIP/2","event":"ATTENDEDTRANSFER"'


@pytest.mark.parametrize(
    "row",
    [
        f'{{{ROW},"data1":"LINK","data2":"a","data3":"b","data4":"20","data5":"180|1"}}',
        f'{{{ROW},"data":"LINK|a|b|20|180|1","data1":null}}',
        f'{{{ROW},"data":null,"data1":"LINK|a|b|20|180|1","data2":"NULL"}}',
        '\ufeff{{{},"DATA1":"LINK|a|b|20|180|1"}}'.format(ROW.upper().replace('Q"', 'q"')),
        (
            "time,callid,queuename,agent,event,data1,data2,data3,data4,data5\n"
            "2026-01-05 09:03:20.5,c,q,PJSIP/2,ATTENDEDTRANSFER,LINK,a,b,20,180|1"
        ),
        (
            '"id";"time";"callid";"queuename";"agent";"event";"data1";"data2";"data3";"data4";"data5"\n'
            '7;"2026-01-05 09:03:20.5";"c";"q";"PJSIP/2";"ATTENDEDTRANSFER";"LINK";"a";"b";"20";"180|1"'
        ),
    ],
)
def test_a_row_of_the_realtime_table_is_the_line_of_the_file(row: str) -> None:
    (said,) = events(NAME, [line + "\n" for line in row.split("\n")])
    assert said["data"]["reported"] == {"connected_ms": 180_000}
    assert said["data"]["ext"] == {"method": "LINK", "target": "a|b"}


def test_the_hour_that_comes_twice_is_read_by_the_order_of_the_file() -> None:
    stamps = ["01:59:40.1", "01:00:10.3", "01:05:10.4", "02:00:00.0"]
    rows = [
        f'{{"time":"2026-10-25 {stamp}","callid":"c","queuename":"q","agent":"A","event":"RINGNOANSWER","data1":"0"}}'
        for stamp in stamps
    ]
    said = events(NAME, rows, Feed(zone=ZoneInfo("Europe/London")))
    assert [each["time"][11:19] for each in said][::2] == ["00:59:40", "01:00:10", "01:05:10", "02:00:00"]


def test_a_clock_that_is_set_back_changes_no_order_and_is_flagged() -> None:
    lines = ["103|c|q|NONE|ENTERQUEUE||01632960793|1", "100|c|q|NONE|ABANDON|1|1|12"]
    item = items(events(NAME, lines))["c"]
    assert (item["abandoned"], "clock_skew" in item["flags"], item["ended_at"][17:]) == ("in_queue", True, "43Z")

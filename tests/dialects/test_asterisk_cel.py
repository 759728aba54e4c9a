"""Asterisk's channel event log: its traps, and the same call as by the manager interface."""

from __future__ import annotations

import json
import random
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from vendor_feed import events, fixture, items, kinds, said_of, translated

from touchpoint.dialects import DIALECTS, Feed, Lines, Unknown

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


def test_manager_interface_gives_the_same_item_and_durations() -> None:
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


def test_caller_who_leaves_the_queue_application_by_hanging_up_is_abandoned() -> None:
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
def test_end_of_a_members_leg_gives_the_end_reason(cause: int, reason: str) -> None:
    leg = [told("CHAN_START", 2, leg="1601"), told("HANGUP", 9, leg="1601", extra=json.dumps({"hangupcause": cause}))]
    said = events(NAME, [told("APP_START", 1, **QUEUE), *leg, told("LINKEDID_END", 60)])
    assert said_of(said, "reason")[1:3] == [("alerting", None), ("alert_ended", reason)]


def test_a_leg_that_goes_out_by_the_callers_own_trunk_is_no_agent() -> None:
    out = {"channame": "PJSIP/trunk-2"}
    lines = [told("CHAN_START"), told("CHAN_START", 2, leg="x", **out), told("BRIDGE_ENTER", 5, leg="x", **out)]
    assert [name for (name,) in said_of(events(NAME, lines))] == ["offered"]


def test_halves_of_a_local_channel_are_no_party() -> None:
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


PARKED = [
    told("CHAN_START", exten="5001"), told("APP_START", 1, appname="Dial", appdata="PJSIP/1602,30"),
    told("CHAN_START", 1, leg="1602", cid_num="1602", exten="s"), told("BRIDGE_ENTER", 6, leg="1602"),
    told("BRIDGE_ENTER", 6), told("BRIDGE_EXIT", 66),
    told("PARK_START", 66, extra='{"parker_dial_string":"PJSIP/1602","parking_lot":"default"}'),
    told("BRIDGE_EXIT", 66, leg="1602"), told("HANGUP", 66, leg="1602", extra='{"hangupcause":16}'),
]  # fmt: skip
OWN: dict[str, Any] = {"leg": "1603", "linkedid": "1603", "cid_num": "1603", "exten": "701"}


def test_a_parked_call_is_with_the_agent_who_retrieves_it_and_who_did_not_ring() -> None:
    lines = [
        *PARKED, told("CHAN_START", 90, **OWN), told("APP_START", 91, appname="ParkedCall", **OWN),
        told("PARK_END", 96, extra='{"reason":"ParkedCallUnparked","retriever":"PJSIP/1603-1"}'),
        told("BRIDGE_ENTER", 96, **OWN), told("BRIDGE_ENTER", 96), told("LINKEDID_END", 96, **OWN),
        told("HANGUP", 126, leg="1603"), told("HANGUP", 126.1), told("LINKEDID_END", 126.1),
    ]  # fmt: skip
    found = items(events(NAME, lines))
    assert list(found) == ["c"]
    assert [part[:3] for part in kinds(found["c"])][1:] == [
        ("alerting", "PJSIP/1602", 5_000), ("with_agent", "PJSIP/1602", 60_000), ("parked", None, 30_000),
        ("with_agent", "PJSIP/1603", 30_000),
    ]  # fmt: skip


def test_a_caller_who_gives_up_while_parked_hung_up_themselves() -> None:
    lines = [told("PARK_END", 86, extra='{"reason":"ParkedCallGiveUp"}'), told("HANGUP", 86), told("LINKEDID_END", 86)]
    item = items(events(NAME, [*PARKED, *lines]))["c"]
    assert kinds(item)[-1] == ("parked", None, 20_000, "customer_disconnected")


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
    [(told("SINGING"), False), (told("BRIDGE_START"), True), (told("HANGUP", eventtime="at noon"), True)],
)
def test_a_dialplans_own_event_is_counted_and_what_is_of_another_form_or_version_is_a_dead_letter(
    line: bytes, dead: bool
) -> None:
    (unknown,) = translated(NAME, [line])
    assert isinstance(unknown, Unknown)
    assert unknown.dead_letter is dead


def test_a_call_whose_first_channel_began_before_the_log_begins_with_the_earliest_that_is_known() -> None:
    side = {
        "d": {"cid_num": "01632960001", "channame": "PJSIP/trunk-2"},
        "e": {"cid_num": "306", "channame": "PJSIP/306-3"},
    }
    rows = [
        told("CHAN_START", 0, "d", **side["d"]),
        told("CHAN_START", 1, "e", **side["e"]),
        told("BRIDGE_ENTER", 4, "e", **side["e"]),
        told("HANGUP", 64, "e", **side["e"]),
        told("HANGUP", 64.1, "d", **side["d"], extra={"hangupsource": "PJSIP/trunk-2"}),
        told("LINKEDID_END", 64.2, "d", **side["d"]),
    ]
    item = items(events(NAME, rows))["c"]
    assert (item["direction"], item["flags"], item["end_reason"]) == ("inbound", [], "customer_disconnected")
    assert kinds(item) == [
        ("routing", None, 4_000, "answered"),
        ("alerting", "PJSIP/306", 3_000, "answered"),
        ("with_agent", "PJSIP/306", 60_000, "agent_released"),
    ]


@pytest.mark.parametrize(("dialed", "direction"), [("01632960711", "outbound"), ("306", "inbound"), ("s", "inbound")])
def test_an_extension_that_dials_a_number_is_an_agents_call_whatever_its_channel_is_called(
    dialed: str, direction: str
) -> None:
    first: dict[str, Any] = {"channame": "PJSIP/cul113qn-1", "cid_num": "1603"}
    said = events(NAME, [told("CHAN_START", exten=dialed, **first), told("LINKEDID_END", 5, **first)])
    assert items(said)["c"]["direction"] == direction


def test_dialect_declares_what_the_log_cannot_report() -> None:
    can = DIALECTS[NAME].capabilities
    assert (can.hold, can.wrapup, can.ordered, can.replayable) == (False, False, False, True)


# --- calls outside of queues, agents' own calls, takeovers ----------------------------------------------------------

COLUMNS = "eventtype,eventtime,uniqueid,linkedid,channame,cid_num,exten,context,appname,appdata,extra"


def table(rows: str) -> list[str]:
    """Rows of CSV under their header; `T` is 1767603600."""
    return [f"{line.strip().replace(',T', ',17676036')}\n" for line in [COLUMNS, *rows.strip().splitlines()]]


DIALED_IN = """
    CHAN_START,T00.0,1.1,1.1,PJSIP/trunk-00000001,02079460000,5001,from-trunk,,,
    APP_START,T01.0,1.1,1.1,PJSIP/trunk-00000001,02079460000,5001,from-trunk,Dial,"PJSIP/1602,30",
    CHAN_START,T01.1,1.2,1.1,PJSIP/1602-00000002,1602,s,internal,,,
    BRIDGE_ENTER,T06.1,1.2,1.1,PJSIP/1602-00000002,1602,,internal,AppDial,(Outgoing Line),
    HANGUP,T66.1,1.2,1.1,PJSIP/1602-00000002,1602,,internal,AppDial,(Outgoing Line),"{""hangupcause"":16}"
    LINKEDID_END,T66.2,1.1,1.1,PJSIP/trunk-00000001,02079460000,5001,from-trunk,,,
"""


def test_a_call_that_no_queue_handed_out_is_answered_all_the_same() -> None:
    item = items(events(NAME, table(DIALED_IN)))["1.1"]
    assert [(kind, who, length) for kind, who, length, _ in kinds(item)] == [
        ("routing", None, 6_100), ("alerting", "PJSIP/1602", 5_000), ("with_agent", "PJSIP/1602", 60_000),
    ]  # fmt: skip
    assert (item["direction"], item["dialed"]) == ("inbound", "tel:5001")


def outbound(number: str, begin: int) -> str:
    return f"""
    CHAN_START,{1767603600 + begin}.0,{begin}.1,{begin}.1,PJSIP/1602-00000001,1602,{number},internal,,,
    APP_START,{1767603601 + begin}.0,{begin}.1,{begin}.1,PJSIP/1602-00000001,1602,{number},internal,Dial,PJSIP/{number},
    CHAN_START,{1767603601 + begin}.1,{begin}.2,{begin}.1,PJSIP/trunk-00000002,{number},s,from-trunk,,,
    BRIDGE_ENTER,{1767603606 + begin}.1,{begin}.2,{begin}.1,PJSIP/trunk-00000002,{number},,from-trunk,AppDial,,
    BRIDGE_ENTER,{1767603606 + begin}.1,{begin}.1,{begin}.1,PJSIP/1602-00000001,1602,{number},internal,Dial,,
    HANGUP,{1767603666 + begin}.1,{begin}.2,{begin}.1,PJSIP/trunk-00000002,{number},,,AppDial,,
    HANGUP,{1767603666 + begin}.1,{begin}.1,{begin}.1,PJSIP/1602-00000001,1602,{number},internal,,,
    LINKEDID_END,{1767603666 + begin}.2,{begin}.1,{begin}.1,PJSIP/1602-00000001,1602,{number},internal,,,
    """


def test_agents_own_calls_are_outbound_to_the_numbers_dialed_and_never_the_agents() -> None:
    lines = table(outbound("02079460001", 0)) + table(outbound("02079460002", 300))[1:]
    found = items(events(NAME, lines))
    for name, number in (("0.1", "02079460001"), ("300.1", "02079460002")):
        item = found[name]
        assert item["direction"] == "outbound"
        assert [(kind, who, length) for kind, who, length, _ in kinds(item)][1:] == [
            ("dialing", None, 5_000), ("with_agent", "PJSIP/1602", 60_000),
        ]  # fmt: skip
        (offered,) = [e for e in events(NAME, lines) if (e["subject"], e["type"]) == (name, "call.offered")]
        assert offered["data"]["party"] == {"address": number}


def test_an_agent_who_calls_an_extension_is_nobodys_contact() -> None:
    (offered, *_) = events(NAME, table(outbound("305", 0)))
    assert offered["data"] == {"direction": "internal"}


PICKED_UP = """
    CHAN_START,T00.0,1.1,1.1,PJSIP/trunk-00000001,02079460000,5001,from-trunk,,,
    APP_START,T01.0,1.1,1.1,PJSIP/trunk-00000001,02079460000,5001,from-trunk,Queue,"sales,tT",
    CHAN_START,T04.0,2.1,2.1,PJSIP/1603-00000003,1603,*8,internal,,,
    BRIDGE_ENTER,T04.8,2.1,2.1,PJSIP/1603-00000003,1603,s,internal,AppQueue,(Outgoing Line),
    LINKEDID_END,T04.8,2.1,2.1,PJSIP/1603-00000003,1603,s,internal,AppQueue,(Outgoing Line),
    BRIDGE_EXIT,T34.8,2.1,1.1,PJSIP/1603-00000003,1603,s,internal,AppQueue,(Outgoing Line),
    HANGUP,T34.9,2.1,1.1,PJSIP/1603-00000003,1603,s,internal,AppQueue,(Outgoing Line),"{""hangupcause"":16}"
    LINKEDID_END,T35.0,1.1,1.1,PJSIP/trunk-00000001,02079460000,5001,from-trunk,,,
"""


def test_a_channel_that_takes_a_call_over_is_its_agent_and_no_call_of_its_own() -> None:
    found = items(events(NAME, table(PICKED_UP)))
    assert list(found) == ["1.1"]
    lengths = {kind: (who, length) for kind, who, length, _ in kinds(found["1.1"])}
    assert lengths["queue"] == ("sales", 3_800)
    assert lengths["with_agent"] == ("PJSIP/1603", 30_000)


RING_ALL = """
    CHAN_START,T00.0,1.1,1.1,PJSIP/trunk-00000001,02079460000,5001,from-trunk,,,
    APP_START,T01.0,1.1,1.1,PJSIP/trunk-00000001,02079460000,5001,from-trunk,Queue,"sales,tT",
    CHAN_START,T01.1,1.2,1.1,PJSIP/1602-00000002,,s,internal,,,
    CHAN_START,T01.1,1.3,1.1,PJSIP/1603-00000003,,s,internal,,,
    HANGUP,T06.09,1.3,1.1,PJSIP/1603-00000003,,,internal,AppQueue,,"{""hangupcause"":0}"
    BRIDGE_ENTER,T06.1,1.2,1.1,PJSIP/1602-00000002,,,internal,AppQueue,(Outgoing Line),
    HANGUP,T66.1,1.2,1.1,PJSIP/1602-00000002,,,internal,AppQueue,(Outgoing Line),"{""hangupcause"":16}"
    APP_END,T66.1,1.1,1.1,PJSIP/trunk-00000001,02079460000,5001,from-trunk,Queue,"sales,tT",
    HANGUP,T66.1,1.1,1.1,PJSIP/trunk-00000001,02079460000,5001,from-trunk,,,"{""hangupcause"":16}"
    LINKEDID_END,T66.2,1.1,1.1,PJSIP/trunk-00000001,02079460000,5001,from-trunk,,,
"""


@pytest.mark.parametrize("seed", range(32))
def test_channels_may_be_interleaved_in_any_way(seed: int) -> None:
    """Each channel in its own order, as the log promises no more."""
    dice, (header, *rows) = random.Random(seed), table(RING_ALL)
    *rows, last = rows
    by_channel: dict[str, list[str]] = {}
    for row in rows:
        by_channel.setdefault(row.split(",")[2], []).append(row)
    shuffled = []
    while by_channel:
        name = dice.choice(sorted(by_channel))
        shuffled.append(by_channel[name].pop(0))
        by_channel = {each: left for each, left in by_channel.items() if left}
    item = items(events(NAME, [header, *shuffled, last]))["1.1"]
    assert [(kind, who, length) for kind, who, length, _ in kinds(item)] == [
        ("routing", None, 1_000), ("queue", "sales", 5_100), ("alerting", "PJSIP/1602", 5_000),
        ("alerting", "PJSIP/1603", 4_990), ("with_agent", "PJSIP/1602", 60_000),
    ]  # fmt: skip
    (lost,) = [each for each in item["segments"] if each["resource_id"] == "PJSIP/1603"]
    assert lost["end_reason"] == "canceled"


def test_a_dialplans_own_events_say_nothing() -> None:
    row = 'MY_EVENT,T00.5,1.1,1.1,PJSIP/trunk-1,,,,CELGenUserEvent,"MY_EVENT,x",'
    assert events(NAME, table(row)) == []


def test_a_cut_extra_loses_nothing_but_itself() -> None:
    cut = DIALED_IN.replace(
        "AppDial,(Outgoing Line),\n    HANGUP", 'AppDial,(Outgoing Line),"{""bridge_id"":""38a6"\n    HANGUP'
    )
    assert cut != DIALED_IN
    assert items(events(NAME, table(cut)))["1.1"]["talk_ms"] == 60_000


def test_a_call_that_was_originated_has_the_number_that_its_later_rows_dial() -> None:
    lines = table(
        DIALED_IN.replace("02079460000,5001,from-trunk,,,\n    APP_START", "02079460000,s,from-trunk,,,\n    APP_START")
    )
    assert items(events(NAME, lines))["1.1"]["dialed"] == "tel:5001"


def test_event_types_may_be_numbers_and_null_is_no_value() -> None:
    numbered = DIALED_IN
    for name, number in (
        ("CHAN_START", 1),
        ("APP_START", 5),
        ("BRIDGE_ENTER", 10),
        ("HANGUP", 3),
        ("LINKEDID_END", 16),
    ):
        numbered = numbered.replace(f"{name},", f"{number},")
    lines = [line.replace(",,", ",NULL,").replace(",,", ",\\N,") for line in table(numbered)]
    assert kinds(items(events(NAME, lines))["1.1"]) == kinds(items(events(NAME, table(DIALED_IN)))["1.1"])


def test_phones_and_trunks_are_configuration_where_caller_ids_do_not_tell() -> None:
    withheld = outbound("02079460001", 0).replace("00000001,1602,", "00000001,02079469999,")
    assert items(events(NAME, table(withheld)))["0.1"]["direction"] == "inbound"
    lines = Lines(agents=("PJSIP/16??",), trunks=("PJSIP/trunk",))
    assert items(events(NAME, table(withheld), Feed(lines=lines)))["0.1"]["direction"] == "outbound"

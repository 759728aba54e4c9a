"""What a feed cannot tell for certain is said: whose a call is, and which of two hours a stamp is of."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from vendor_feed import events, items

from touchpoint.dialects import Event, Feed, Lines

LONDON = ZoneInfo("Europe/London")  # 02:00 of 2026-10-25 is 01:00 again
OURS, TRUNK = Lines(agents=("*305*", "305")), Lines(trunks=("*305*",))


def ami(name: str, second: int, leg: str = "c", **fields: Any) -> bytes:
    told = {"Event": name, "Timestamp": f"{1767603600 + second}.000000", "Uniqueid": leg, "Linkedid": "c"}
    return orjson.dumps(told | {"Channel": "PJSIP/305-01", "CallerIDNum": "305"} | fields)


def cel(name: str, second: int, leg: str = "c", **fields: Any) -> bytes:
    told = {"eventtype": name, "eventtime": f"{1767603600 + second}.0", "uniqueid": leg, "linkedid": "c"}
    return orjson.dumps(told | {"channame": "PJSIP/305-01", "cid_num": "305"} | fields)


def freeswitch(name: str, number: int, action: str = "", **fields: str) -> bytes:
    headers = {
        "Event-Name": name, "Core-UUID": "core", "FreeSWITCH-Hostname": "fs", "Event-Sequence": str(number),
        "Event-Date-Timestamp": str((1767603600 + number) * 1_000_000), "Unique-ID": "c", "Channel-Call-UUID": "c",
    }  # fmt: skip
    if action:
        headers |= {"Event-Subclass": "callcenter::info", "CC-Action": action, "CC-Queue": "q@d"}
        headers |= {"CC-Member-UUID": "m", "CC-Member-Session-UUID": "c", "CC-Member-CID-Number": "305"}
    return orjson.dumps(headers | {name.replace("_", "-"): value for name, value in fields.items()})


AGENT_IN_A_QUEUE: dict[str, list[bytes]] = {
    "asterisk-ami": [
        ami("Newchannel", 0, Exten="400"),
        ami("QueueCallerJoin", 1, Queue="q"),
        ami("QueueCallerAbandon", 9, Queue="q"),
        ami("Hangup", 9),
    ],
    "asterisk-cel": [
        cel("CHAN_START", 0, exten="400"),
        cel("APP_START", 1, appname="Queue", appdata="q"),
        cel("APP_END", 9, appname="Queue", appdata="q"),
        cel("HANGUP", 9),
        cel("LINKEDID_END", 9),
    ],
    "asterisk-queue-log": [
        b"1767603500|a|q|NONE|ENTERQUEUE||01632960001|1",
        b"1767603510|a|q|PJSIP/305|CONNECT|10|b|1",
        b"1767603600|c|q|NONE|ENTERQUEUE||305|1",
        b"1767603609|c|q|NONE|ABANDON|1|1|9",
    ],
    "freeswitch": [
        freeswitch("CUSTOM", 0, "agent-offering", CC_Member_Session_UUID="other", CC_Agent="305@d"),
        freeswitch("CHANNEL_CREATE", 1, Call_Direction="inbound", Caller_Caller_ID_Number="305"),
        freeswitch("CUSTOM", 2, "member-queue-start"),
        freeswitch("CUSTOM", 9, "member-queue-end", CC_Cause="Cancel", CC_Cancel_Reason="NONE"),
        freeswitch("CHANNEL_HANGUP_COMPLETE", 9),
    ],
}


@pytest.mark.parametrize("name", sorted(AGENT_IN_A_QUEUE))
def test_an_agents_phone_in_the_customers_place_contradicts_itself_and_the_item_says_so(name: str) -> None:
    said = [each for each in events(name, AGENT_IN_A_QUEUE[name]) if each["subject"] == "c"]
    assert addresses(said) == set()
    assert "party_unknown" in flags(said)


@pytest.mark.parametrize("name", sorted(AGENT_IN_A_QUEUE))
def test_configuration_says_whose_the_phone_is_and_nothing_is_in_doubt(name: str) -> None:
    said = [each for each in events(name, AGENT_IN_A_QUEUE[name], Feed(lines=OURS)) if each["subject"] == "c"]
    assert (addresses(said), "party_unknown" in flags(said)) == (set(), False)


@pytest.mark.parametrize("name", ["asterisk-ami", "asterisk-cel"])
def test_a_trunk_that_calls_as_it_is_named_is_a_customers(name: str) -> None:
    said = events(name, AGENT_IN_A_QUEUE[name], Feed(lines=TRUNK))
    assert (addresses(said), "party_unknown" in flags(said)) == ({"305"}, False)


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("asterisk-ami", [ami("Newchannel", 1, "d", Channel="PJSIP/trunk-2", CallerIDNum="")]),
        ("asterisk-cel", [cel("CHAN_START", 1, "d", channame="PJSIP/trunk-2", cid_num="")]),
    ],
)
def test_an_agents_own_call_whose_number_no_row_tells_says_so(name: str, rows: list[bytes]) -> None:
    first = AGENT_IN_A_QUEUE[name][0].replace(b'"400"', b'"s"')
    end = AGENT_IN_A_QUEUE[name][-1]
    said = events(name, [first, *rows, end])
    assert (addresses(said), "party_unknown" in flags(said)) == (set(), True)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("asterisk-ami", ami("DialBegin", 2, DestUniqueid="d", DestCallerIDNum="01632960703")),
        ("asterisk-ami", ami("DialBegin", 2, DestUniqueid="d", DialString="trunk/01632960703")),
        ("asterisk-ami", ami("DialBegin", 2, DestUniqueid="d", DialString="01632960703@trunk")),
        ("asterisk-cel", cel("APP_START", 0, appname="Dial", appdata="PJSIP/01632960703@trunk", exten="01632960703")),
    ],
)  # fmt: skip
def test_a_click_to_call_is_outbound_to_the_number_that_a_later_row_tells(name: str, row: bytes) -> None:
    first = AGENT_IN_A_QUEUE[name][0].replace(b'"400"', b'"s"')
    leg = {
        "asterisk-ami": ami("Newchannel", 1, "d", Channel="PJSIP/trunk-2", CallerIDNum=""),
        "asterisk-cel": cel("CHAN_START", 1, "d", channame="PJSIP/trunk-2", cid_num=""),
    }[name]
    for rows in ([leg, row], [row, leg]) if name == "asterisk-cel" else ([leg, row],):
        said = events(name, [first, *rows, AGENT_IN_A_QUEUE[name][-1]])
        assert (addresses(said), flags(said), direction(said)) == ({"01632960703"}, set(), "outbound")


def queue_log(*stamps: str) -> list[bytes]:
    """A call of each two stamps."""
    rows = []
    for n, stamp in enumerate(stamps):
        names = ("ENTERQUEUE", "ABANDON")[n % 2]
        row = {"time": stamp, "callid": f"c{n // 2}", "queuename": "q", "agent": "NONE", "event": names}
        rows.append(orjson.dumps(row | {"data2": "01632960001", "data3": "10"}))
    return rows


def fax(stamp: str, jobtime: str = "1:40") -> bytes:
    fields = f'{stamp}|RECV|{stamp[-2:]}|ttyS0|a.tif||fax|"1"|"01632960960"|0|3|{jobtime}|1:12|""|""|""|""|"d"'
    return "\t".join(fields.split("|")).encode()


def rows_of_a_call(minute: str) -> list[bytes]:
    starts = [("CHAN_START", "10"), ("HANGUP", "50"), ("LINKEDID_END", "50")]
    return [
        cel(name, 0, eventtime=f"2026-10-25 {minute}:{second}", channame="PJSIP/trunk-1") for name, second in starts
    ]


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("asterisk-queue-log", queue_log("2026-10-25 01:30:00", "2026-10-25 01:30:10")),
        ("asterisk-queue-log", queue_log("2026-10-25 00:30:00", "2026-10-25 00:30:10", "2026-10-25 01:30:00")),
        ("asterisk-cel", rows_of_a_call("01:30")),
        ("hylafax", [fax("10/25/26 01:30")]),
    ],
)
def test_a_stamp_of_the_hour_that_comes_twice_is_flagged_where_the_order_does_not_tell(
    name: str, rows: list[bytes]
) -> None:
    found = items(events(name, rows, Feed(zone=LONDON)))
    last = found[max(found)]
    assert last["started_at"].startswith("2026-10-25T00:30"), "the first of the two"
    assert "ambiguous_time" in last["flags"]


@pytest.mark.parametrize(
    ("name", "rows", "hour"),
    [
        ("asterisk-queue-log", queue_log("2026-10-25 00:55:00", "2026-10-25 01:05:00"), "2026-10-25T00:05"),
        ("asterisk-queue-log", queue_log("2026-10-25 01:55:00", "2026-10-25 01:05:00"), "2026-10-25T01:05"),
        ("asterisk-cel", [*rows_of_a_call("01:50")[:1], *rows_of_a_call("01:02")[1:]], "2026-10-25T01:02"),
        ("hylafax", [fax("10/25/26 01:55"), fax("10/25/26 01:03")], "2026-10-25T01:04:40"),
        ("hylafax", [fax("10/25/26 01:55", "20:00"), fax("10/25/26 01:05", "9:00")], "2026-10-25T01:14"),
    ],
)
def test_a_stamp_that_follows_or_steps_back_is_read_by_the_order(name: str, rows: list[bytes], hour: str) -> None:
    said = events(name, rows, Feed(zone=LONDON))
    assert said[-1]["time"].startswith(hour)
    assert "doubts" not in said[-1].get("data", {})


def test_a_long_fax_whose_line_comes_after_that_of_a_short_one_is_not_of_the_second_hour() -> None:
    lines = [fax("10/25/26 00:50"), fax("10/25/26 01:20"), fax("10/25/26 01:02", "25:00")]
    said = events("hylafax", lines, Feed(zone=LONDON))
    assert said[-1]["time"].startswith("2026-10-25T00:27")


SKEWED: dict[str, list[tuple[str, int, str]]] = {
    "in the agent's channel": [("BRIDGE_ENTER", 10, "d"), ("HANGUP", 8, "d"), ("HANGUP", 19, "c")],
    "between two channels": [("BRIDGE_ENTER", 10, "d"), ("HANGUP", 20, "d"), ("HANGUP", 12, "c")],
}


@pytest.mark.parametrize("rows", SKEWED.values(), ids=SKEWED)
def test_a_clock_that_was_set_back_during_a_call_is_flagged(rows: list[tuple[str, int, str]]) -> None:
    side = {"c": {"channame": "PJSIP/trunk-1", "cid_num": "01632960001"}, "d": {"channame": "PJSIP/306-2"}}
    first = [("CHAN_START", 0, "c"), ("CHAN_START", 5, "d")]
    last = [("LINKEDID_END", rows[-1][1], "c")]
    lines = [cel(name, at, leg, **side[leg]) for name, at, leg in (*first, *rows, *last)]
    item = items(events("asterisk-cel", lines))["c"]
    assert item["flags"] == ["clock_skew"]
    assert [each["end_reason"] for each in item["segments"] if each["type"] == "alerting"] == ["answered"]


def addresses(said: list[Event]) -> set[str]:
    parties = (each.get("data", {}).get("party", {}) for each in said)
    return {party["address"] for party in parties if "address" in party}


def flags(said: list[Event]) -> set[str]:
    return {flag for item in items(said).values() for flag in item["flags"]} - {"missing_start", "timed_out"}


def direction(said: list[Event]) -> str | None:
    (item,) = items(said).values()
    return item["direction"]  # type: ignore[no-any-return]

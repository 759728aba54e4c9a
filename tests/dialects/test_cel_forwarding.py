"""Calls that are sent on to a number outside, in the channel event log: nobody there is an agent but for a queue.

FORWARD: docs.asterisk.org, CEL Event Messages, `extra` has `forward`, the dial string.
"""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from vendor_feed import events, items, kinds

NAME = "asterisk-cel"
MOBILE = "01632960777"


def told(name: str, second: float, leg: str = "c", interface: str = "PJSIP/carrier-a", **fields: Any) -> bytes:
    full = {"eventtype": name, "eventtime": f"{1594068281 + second:.6f}", "uniqueid": leg, "linkedid": "c"}
    full |= {"channame": f"{interface}-0000000{len(leg)}", "cid_num": "01632960960", "exten": "s"}
    return orjson.dumps(full | fields) + b"\n"


BEGIN = [told("CHAN_START", 0, exten="5001")]
RUNG = [told("CHAN_START", 1, "305", "PJSIP/305", cid_num="305"), told("HANGUP", 2, "305", "PJSIP/305")]
FORWARD = [told("FORWARD", 1.5, extra=json.dumps({"forward": f"Local/{MOBILE}@internal"}))]
OUT = [
    told("CHAN_START", 3, "out", "PJSIP/carrier-b", cid_num=MOBILE), told("BRIDGE_ENTER", 9, "out", "PJSIP/carrier-b"),
    told("BRIDGE_ENTER", 9), told("HANGUP", 69, "out", "PJSIP/carrier-b"), told("HANGUP", 69.1),
    told("LINKEDID_END", 69.1),
]  # fmt: skip


def dial(appdata: str) -> list[bytes]:
    return [told("APP_START", 1, appname="Dial", appdata=appdata)]


@pytest.mark.parametrize(
    "sent_on",
    [
        dial("PJSIP/305,30") + FORWARD,
        FORWARD,
        dial(f"PJSIP/{MOBILE}@carrier-b,30"),
        dial(f"PJSIP/305&PJSIP/carrier-b/{MOBILE},30,tT"),
        dial(f"PJSIP/carrier-b/sip:{MOBILE}@sip.carrier.example"),
    ],
)
def test_a_call_that_is_forwarded_to_a_number_outside_is_with_no_agent(sent_on: list[bytes]) -> None:
    item = items(events(NAME, [*BEGIN, *sent_on, *RUNG, *OUT]))["c"]
    assert [part[:2] for part in kinds(item)] == [("routing", None), ("alerting", "PJSIP/305")]
    assert (item["talk_ms"], item["direction"], item["flags"]) == (0, "inbound", [])


def test_a_queue_whose_member_is_a_mobile_was_answered_by_them() -> None:
    queue = [told("APP_START", 1, appname="Queue", appdata="sales")]
    local = [told("APP_START", 2, "h", "Local/x@y", appname="Dial", appdata=f"PJSIP/{MOBILE}@carrier-b")]
    item = items(events(NAME, [*BEGIN, *queue, *local, *OUT]))["c"]
    assert [part[:3] for part in kinds(item) if part[0] == "with_agent"] == [("with_agent", "PJSIP/carrier-b", 60_000)]


def test_dialstatus_cancel_is_a_caller_who_gave_up_while_a_phone_rang() -> None:
    gone = told("HANGUP", 21, extra=json.dumps({"hangupcause": 127, "hangupsource": "", "dialstatus": "CANCEL"}))
    rung = [told("CHAN_START", 1, "305", "PJSIP/305", cid_num="305"), told("HANGUP", 21, "305", "PJSIP/305")]
    item = items(events(NAME, [*BEGIN, *rung, gone, told("LINKEDID_END", 21)]))["c"]
    assert item["abandoned"] == "while_ringing"

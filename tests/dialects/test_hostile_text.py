"""Texts that somebody made to hold a dialect up, or that a broken program wrote: work as their length, and no loss."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from vendor_feed import events, facts, translated

from touchpoint.dialects import Feed, Unknown

OWN = Feed(own=frozenset({"@our.example"}))
MAIL = "From: a@client.example\nTo: help@our.example\nMessage-ID: <1@client.example>\n"
NESTED = 1_000


def mail(header: str) -> list[str]:
    return [json.dumps({"header": header, "received": "2026-01-05T09:00:00Z"})]


def seconds(read: Callable[[int], object], size: int) -> float:
    """Of the processor, which a busy machine does not lengthen."""
    begin = time.process_time()
    read(size)
    return time.process_time() - begin


@pytest.mark.parametrize(
    "read",
    [
        lambda size: translated("asterisk-ami", ["{x}" * size]),
        lambda size: translated("asterisk-ami", ['{"a":1}', "\n", '{"' * size]),
        lambda size: translated("asterisk-ami", ["{" + '"\\' * size]),
        lambda size: translated("mailbox", ["From: a@b.example\n", "\n", "From x " + "00:00 " * size]),
    ],
    ids=["broken objects", "open texts", "escapes", "a line like that of an mbox"],
)
def test_work_is_in_proportion_to_the_text(read: Callable[[int], object]) -> None:
    small, large = seconds(read, 4_000), seconds(read, 64_000)
    assert large < 100 * small + 0.5, "as the square it would be 256 times as much"


def test_a_record_that_is_nested_without_end_is_not_understood_and_ends_nothing() -> None:
    deep = '{"a":' * NESTED + "1" + "}" * NESTED
    packet = '{"Event":"Newchannel","Timestamp":"1.1","Uniqueid":"c","Linkedid":"c","Foo":%s}\n'
    said = translated("asterisk-ami", ['{"Event":"FullyBooted"}\n', packet % deep, packet % "1"])
    assert [type(each) for each in said] == [Unknown, dict]


def test_objects_behind_a_broken_one_are_read() -> None:
    good = '{"Event":"Newchannel","Timestamp":"1.1","Uniqueid":"c","Linkedid":"c","CallerIDNum":"01632960960"}'
    said = translated("asterisk-ami", [f"[{good}, {{x}}, words {good}]"])
    assert [type(each) for each in said] == [dict, Unknown, Unknown, dict]


@pytest.mark.parametrize("name", ["=?utf-7?Q?+2AA-?=", "=?unicode_escape?Q?=5Cud800?=", "=?utf-8?Q?a=00b?="])
def test_a_name_of_characters_that_are_none_loses_no_mail(name: str) -> None:
    (said,) = events("mailbox", mail(MAIL.replace("From: a@client.example", f"From: {name} <a@client.example>")), OWN)
    assert facts([said])[0].data["party"]["address"] == "mailto:a@client.example"


@pytest.mark.parametrize(
    "date",
    [
        "Mon, 5 Jan 99999999999999999999 09:00:00 +0000", "Mon, 5 Jan 2026 09:00:00 +99999999999999999999",
        "Mon, 5 Jan 2026 99999999999:00:00 +0000", "Fri, 31 Dec 9999 23:59:59 -2300", "Mon, 1 Jan 1900 00:00:00 +0000",
    ],
)  # fmt: skip
def test_a_date_of_no_calendar_is_passed_over_for_the_next_stamp(date: str) -> None:
    (received,) = events("mailbox", mail(f"Received: x; {date}\n{MAIL}"), OWN)
    (sent,) = events(
        "mailbox", mail(f"Date: {date}\nFrom: help@our.example\nTo: a@b.example\nMessage-ID: <2@x>\n"), OWN
    )
    assert received["time"] == sent["time"] == "2026-01-05T09:00:00.000000Z"


def test_a_patch_of_git_in_a_mail_is_no_mail() -> None:
    patch = f"From {'0123456789' * 4} Mon Sep 17 00:00:00 2001\n"
    lines = ["From a Mon Jan  5 09:00:00 2026\n", *MAIL.splitlines(keepends=True), "\n", patch, "From: dev@x.example\n"]
    assert len(events("mailbox", lines, OWN)) == 1

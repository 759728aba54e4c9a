"""xferfaxlog: faxes sent, tried again, received; what the lines claim is what stitching finds."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from vendor_feed import events, fixture, items, kinds, said_of, translated

from touchpoint.dialects import Feed, Unknown

NAME = "hylafax"
SENT = "\t".join(
    '01/05/26 09:00|SEND|000000101|ttyS0|201||john|"01632960960"|"x"|0|3|1:40|1:12|""|""|""|""|"john"|""'.split("|")
)


def test_the_day_of_the_fixture_has_the_durations_and_pages_of_its_lines() -> None:
    found = items(events(NAME, fixture("xferfaxlog")))
    assert {name: (item["direction"], item["pages"], kinds(item)[1:]) for name, item in found.items()} == {
        "2026-01-05/job/201": ("outbound", 3, [("transmission", None, 72_000, "ok")]),
        "2026-01-05/job/202": ("outbound", 2, [("transmission", None, 41_000, "ok")]),
        "2026-01-05/000000104": ("inbound", 5, [("transmission", None, 121_000, "ok")]),
        "2026-01-05/000000106": ("inbound", 0, [("transmission", None, 40_000, "failed")]),
        "2026-01-05/job/203": ("outbound", 0, []),
    }


def test_the_tries_of_a_job_are_one_item() -> None:
    said = [each for each in events(NAME, fixture("xferfaxlog")) if each["subject"].endswith("/202")]
    assert said_of(said, "reason")[1] == ("transmission_failed", "Busy signal detected; too many attempts to dial")
    assert said_of(said)[-2:] == [("transmitted",), ("ended",)]


def test_the_caller_is_the_call_id_that_is_a_number_wherever_it_stands() -> None:
    said = events(NAME, fixture("xferfaxlog"))
    received = [each for each in said if each.get("data", {}).get("direction") == "inbound"]
    assert [each["data"]["party"]["address"] for each in received] == ["fax:01632960962"] * 2


def test_a_call_that_was_no_fax_and_a_pager_say_nothing() -> None:
    assert events(NAME, [SENT.replace("SEND", "CALL"), SENT.replace("SEND", "PAGE")]) == []


def test_stamps_are_of_the_servers_zone() -> None:
    (first, *_) = events(NAME, [SENT.replace("01/05", "07/05")], Feed(zone=ZoneInfo("Europe/London")))
    assert first["time"] == "2026-07-05T08:00:00.000000Z"


def test_fax_without_a_number_has_no_party() -> None:
    (first, *_) = events(NAME, [SENT.replace("01632960960", "fax@example")])
    assert "party" not in first["data"]


@pytest.mark.parametrize("line", [SENT[:60], SENT.replace("SEND", "SENT"), SENT.replace("1:40", "1m"), "garbage"])
def test_unknown_record_is_reported(line: str) -> None:
    (said,) = translated(NAME, [line])
    assert isinstance(said, Unknown)
    assert said.dead_letter


def received(file: str, pages: int, jobtime: str, conntime: str, reason: str = "") -> str:
    fields = ["01/05/26 09:00", "RECV", "000000400", "ttyS0", file, "", "fax", "01632960000", "+44 1632 960941"]
    return "\t".join([*fields, "12345", str(pages), jobtime, conntime, f'"{reason}"', '"ACME"', '"01632960941"'])


def test_documents_of_one_session_add_up_however_often_a_line_is_read() -> None:
    lines = [received("fax1.tif", 2, "1:10", "1:05"), received("fax2.tif", 3, "2:20", "2:15")]
    for each in (lines, [*lines, *lines], [lines[0], lines[0], lines[1]]):
        item = items(events(NAME, [line + "\n" for line in each]))["2026-01-05/000000400"]
        assert (item["pages"], item["ended_at"], item["end_reason"]) == (5, "2026-01-05T09:02:20Z", "complete")


def test_documents_whose_times_are_their_own_follow_each_other() -> None:
    lines = [received("fax1.tif", 2, "1:10", "1:05"), received("fax2.tif", 3, "0:40", "0:40")]
    item = items(events(NAME, [line + "\n" for line in lines]))["2026-01-05/000000400"]
    assert (item["pages"], item["ended_at"]) == (5, "2026-01-05T09:01:50Z")

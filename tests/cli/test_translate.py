"""`touchpoint translate`: events out, what was not understood counted, and what it says of mistakes."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from patience import LIMIT
from vendor_feed import fixture

from touchpoint.dialects import DIALECTS

PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("TOUCHPOINT_")} | {"NO_COLOR": "1"}
LOG = """\
1366720346|1366720320.3|support|SIP/8008|CONNECT|26|1366720340.4|5
1366720320|1366720320.3|support|NONE|ENTERQUEUE||01632960960|1|
1366720426|1366720320.3|support|SIP/8008|COMPLETECALLER|26|80|1
"""

CAPTURES = [  # seconds of talk, hold and after-contact work: as the source states them, see tests/dialects
    ("asterisk-queue-log", "queue_log", 80 + 60 + 60 + 60 + 45, 0, 0),
    ("asterisk-ami", "asterisk_ami", 80 - 12.5, 12.5, 0),
    ("asterisk-cel", "asterisk_cel.csv", 80, 0, 0),
    ("freeswitch", "freeswitch_events", 90.1 - 12.5, 12.5, 0),
    ("genesys-cloud", "genesys_notifications.jsonl", 110.992, 12.345, 18.133),
    ("genesys-cloud", "genesys_details.json", 110.992, 12.345, 18.133),
    ("twilio-taskrouter", "twilio_event_streams.jsonl", 120.5, 0, 27.604),
    ("twilio-taskrouter", "twilio_callbacks", 120.5, 0, 27.604),
    ("amazon-connect", "connect_contact_events.jsonl", 120 + 300.5, 0, 0),
    ("amazon-connect", "connect_contact_records", 239, 221, 5),
]


def touchpoint(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "touchpoint", *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, env=PLAIN, check=False, timeout=LIMIT)


def translate(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return touchpoint("translate", "--dialect", "asterisk-queue-log", *arguments, given=given)


def test_translate_prints_canonical_events_in_order(tmp_path: Path) -> None:
    (tmp_path / "queue_log").write_bytes(gzip.compress(LOG.encode()))
    done = translate("--source", "/pbx/london", str(tmp_path / "queue_log"))
    events = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert [each["time"] for each in events] == sorted(each["time"] for each in events)
    assert {each["source"] for each in events} == {"/pbx/london"}
    assert events[0]["type"] == "call.queued"


def test_translate_prints_what_stitch_reads() -> None:
    done = touchpoint("stitch", "-", given=translate("-", given=LOG).stdout)
    (record,) = [orjson.loads(line) for line in done.stdout.splitlines()]
    (item,) = record["media_items"]
    assert (done.returncode, item["queue_wait_ms"], item["talk_ms"]) == (0, 26_000, 80_000)


@pytest.mark.parametrize(("call", "status"), [("c1", 1), ("NONE", 0)])
def test_unknown_records_are_counted_and_fail_only_if_they_name_a_media_item(call: str, status: int) -> None:
    done = translate("-", given=f"{LOG}1|{call}|q|NONE|NEWS|x\n2|{call}|q|NONE|NEWS|y\n")
    assert done.returncode == status
    kept = "" if status else " (of no media item)"
    assert done.stderr == f"2 not understood{kept}, the first is record 4: event 'NEWS' is not known\n"
    assert len(done.stdout.splitlines()) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("translate", "--dialect", "avaya", "-"),
            f"--dialect 'avaya' is not known; choose one of {', '.join(DIALECTS)}",
        ),
        (("translate", "--dialect", "asterisk-queue-log", "--zone", "Mars", "-"), "--zone 'Mars' is no time zone"),
        (("translate", "--dialect", "asterisk-queue-log", "/nowhere"), "/nowhere: cannot be read: No such file"),
        (("translate", "--dialect", "asterisk-queue-log", "-", "-"), "-: standard input can be read once"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(arguments: tuple[str, ...], message: str) -> None:
    done = touchpoint(*arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("dialect", "file", "talk", "hold", "acw"), CAPTURES)
def test_a_capture_through_translate_and_stitch_has_the_durations_that_its_source_states(
    dialect: str, file: str, talk: float, hold: float, acw: float
) -> None:
    given = b"".join(fixture(file)).decode()
    done = touchpoint("translate", "--dialect", dialect, "-", given=given)
    assert (done.returncode, done.stderr) == (0, "")
    stitched = touchpoint("stitch", "-", given=done.stdout)
    assert (stitched.returncode, stitched.stderr) == (0, "")
    items = [item for line in stitched.stdout.splitlines() for item in orjson.loads(line)["media_items"]]
    found = [sum(item[name] or 0 for item in items) / 1000 for name in ("talk_ms", "hold_ms", "acw_ms")]
    assert found == [talk, hold, acw]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_file_of_another_system_is_said_to_be_that(dialect: str) -> None:
    """Each dialect says what it reads when nothing of a file becomes an event."""
    done = touchpoint("translate", "--dialect", dialect, "-", given="Dear Sir or Madam\n\nplease find attached\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{dialect} reads {DIALECTS[dialect].reads}" in done.stderr


def test_an_empty_file_is_no_mistake() -> None:
    done = translate("-", given="\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_records_from_both_sides_of_a_change_of_event_ids_need_a_yes(tmp_path: Path) -> None:
    """Translated again, what 0.1.0 captured would count twice."""
    (change,) = DIALECTS["amazon-connect"].ids_changed
    records = b"".join(fixture("connect_contact_records"))
    assert change.since == "2026-12-01T00:00:00Z"
    later = records.replace(b"2022-01-05T", b"2027-01-05T")
    (tmp_path / "old").write_bytes(records)
    (tmp_path / "new").write_bytes(later)
    words = ("translate", "--dialect", "amazon-connect", str(tmp_path / "old"), str(tmp_path / "new"))
    refused = touchpoint(*words)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "other ids, and these lie on both sides of 2026-12-01" in refused.stderr
    assert "pass --yes" in refused.stderr
    meant = touchpoint(*words, "--yes")
    assert (meant.returncode, meant.stderr) == (0, "")
    assert len(meant.stdout.splitlines()) > 2
    assert touchpoint(*words[:-1]).returncode == 0, "one side alone"

"""`touchpoint stitch`: files in any form, in any order, with rejections told and everything else stitched."""

from __future__ import annotations

import gzip
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from patience import LIMIT

PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("TOUCHPOINT_")}


def stitch(*arguments: str | Path, text: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "touchpoint", "stitch", *map(str, arguments)]
    return subprocess.run(command, input=text, capture_output=True, env=PLAIN | environment, check=False, timeout=LIMIT)


def event(id_: str, time: str, type_: str, subject: str = "c1", **data: Any) -> bytes:
    return orjson.dumps(
        {"specversion": "1.0", "id": id_, "source": "pbx", "time": f"2026-01-05T{time}Z", "type": type_,
         "subject": subject, "data": data}
    )  # fmt: skip


JOHN = {"id": "john", "name": "John Doe", "kind": "agent"}
CALL = [
    event("1", "09:00:00", "call.offered", direction="inbound", party={"address": "tel:+441632960001"}),
    event("2", "09:00:00", "call.queued", queue="sales"),
    event("3", "09:00:10", "call.answered", resource=JOHN),
    event("4", "09:01:10", "call.disconnected", by="customer"),
]


@pytest.fixture
def call(tmp_path: Path) -> Path:
    path = tmp_path / "call.jsonl"
    path.write_bytes(b"\n".join(CALL) + b"\n")
    return path


def records(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in done.stdout.splitlines()]


def test_a_call_becomes_one_interaction(call: Path) -> None:
    done = stitch(call)
    assert done.returncode == 0
    assert done.stderr == b""
    (record,) = records(done)
    assert record["media_items"][0]["talk_ms"] == 60_000
    assert record["party"]["address"] == "tel:+441632960001"


def test_files_may_be_gzipped_several_and_standard_input(tmp_path: Path, call: Path) -> None:
    zipped = tmp_path / "first-half"  # its name does not say so
    zipped.write_bytes(gzip.compress(b"\n".join(CALL[:2])))
    done = stitch(zipped, "-", text=b"\n".join(CALL[2:]))
    assert done.stdout == stitch(call).stdout


def test_gzipped_standard_input_is_read_too(call: Path) -> None:
    assert stitch("-", text=gzip.compress(call.read_bytes())).stdout == stitch(call).stdout


def test_order_and_repetition_do_not_matter(call: Path) -> None:
    lines = CALL * 3
    random.Random(1).shuffle(lines)
    assert stitch("-", text=b"\n".join(lines)).stdout == stitch(call).stdout


def test_rejected_lines_are_reported_and_all_others_stitched(tmp_path: Path, call: Path) -> None:
    mixed = tmp_path / "mixed.jsonl"
    mixed.write_bytes(
        b"\n".join(
            [CALL[0], b"{broken", CALL[1], b"", CALL[2], event("x", "09:00:20", "opera.sung"), b"\xff\xfe", CALL[3]]
        )
    )
    done = stitch(mixed)
    assert done.returncode == 1
    assert done.stdout == stitch(call).stdout
    told = done.stderr.decode().splitlines()
    assert [line.split(": ")[0] for line in told] == [f"{mixed}:{number}" for number in (2, 6, 7)]
    assert "opera.sung" in told[1]


def test_a_fact_about_what_never_came_is_told(call: Path) -> None:
    orphan = event("o", "09:05:00", "interaction.close_requested", subject="never")
    done = stitch(call, "-", text=orphan)
    assert done.returncode == 1
    assert "'never'" in done.stderr.decode()
    assert len(records(done)) == 1


def test_a_table_is_for_people(call: Path) -> None:
    done = stitch(call, "--format", "table")
    assert done.returncode == 0
    assert "+441632960001" in done.stdout.decode()
    assert "1:00" in done.stdout.decode()


def test_open_prints_what_had_not_closed_instead(call: Path) -> None:
    later = event("9", "12:00:00", "call.offered", "c2", direction="inbound", party={"address": "tel:+441632960002"})
    done = stitch("--open", call, "-", text=later)
    (record,) = records(done)
    assert [item["media_item_id"] for item in record["media_items"]] == ["c2"]
    assert record["closed_by"] is None


def test_limits_and_region_are_those_of_the_configuration() -> None:
    second = event("5", "09:30:00", "call.offered", "c2", direction="inbound", party={"address": "01632 960001"})
    lines = b"\n".join([*CALL, second])
    assert len(records(stitch("-", text=lines))) == 2
    patient = orjson.dumps({"call": {"stitch_gap": "1h"}}).decode()
    assert len(records(stitch("-", text=lines, TOUCHPOINT_CHANNELS=patient))) == 1


def test_damaged_gzip_is_an_error_and_not_half_a_result(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(b"\n".join(CALL))[:-20])
    done = stitch(broken)
    assert done.returncode == 1
    assert done.stdout == b""
    assert "damaged" in done.stderr.decode()


def test_an_empty_input_gives_nothing_and_is_no_error() -> None:
    done = stitch("-", text=b"")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_secret_changes_the_partys_key_and_nothing_that_is_hashed_of_the_segments(call: Path) -> None:
    (one,), (other,) = records(stitch(call)), records(stitch(call, TOUCHPOINT_PARTY_SECRET="another"))
    assert one["party_key"] != other["party_key"]
    assert one["interaction_id"] == other["interaction_id"]
    assert one["media_items"][0]["segments"] == other["media_items"][0]["segments"]


def test_overlong_line_is_rejected_without_being_held_and_the_next_is_read(call: Path) -> None:
    done = stitch("-", text=b"x" * (40 << 20) + b"\n" + call.read_bytes())
    assert done.stderr.decode() == "-:1: the line has more than 16 MiB; a record has at most 256 KiB\n"
    assert len(records(done)) == 1

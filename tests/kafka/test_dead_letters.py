"""Dead letters carry their cause for people and a code for counting: few codes, whatever comes in."""

from __future__ import annotations

import io
from typing import get_args

import orjson
import pytest
from aiokafka import ConsumerRecord
from rich.console import Console
from stage_cluster import Cluster

from touchpoint.cli.dead_letter_view import as_json, in_full, table
from touchpoint.events.verdicts import Code
from touchpoint.kafka.dead_letter_reader import letter
from touchpoint.kafka.topic_admin import MIB
from touchpoint.stages.dead_letter_records import (
    CAUSE,
    CODE,
    DAMAGED,
    ORIGIN,
    TRUNCATED,
    VERSION,
    code_of,
    dead_letter,
    readable,
    truncated,
)
from touchpoint.stages.protocol import Damage, Forward, Headers, Record
from touchpoint.stitching.limits import Limits
from touchpoint.stream.outbox import Outbound

CALL = b'{"specversion":"1.0","source":"s","id":"1","type":"call.%s","time":"2026-01-01T00:00:00Z","subject":"c"}'


def letters(value: bytes, headers: Headers = ()) -> list[Forward]:
    cluster = Cluster(1, 1, Limits())
    stage = cluster.stages["media", 0]
    out = stage.apply([Record("calls", 0, 7, b"c", value, headers, 0)], cluster.now)
    return [forward for forward in out if forward.topic == "dead-letters"]


@pytest.mark.parametrize(
    ("value", "code"),
    [(CALL % b"sung", "type"), (CALL % b"hummed", "type"), (b"\xff\xfe", "not_json"), (b"{}", "missing")],
)
def test_the_code_is_one_of_few_whatever_the_record_says(value: bytes, code: str) -> None:
    (found,) = letters(value, ((CODE, b"made up by the sender"),))
    assert code_of(found) == code
    assert code in get_args(Code)
    assert dict(found.headers)[CAUSE] != code.encode()
    assert found.value == value


def test_every_way_into_the_dead_letters_has_a_code() -> None:
    record = Record("calls", 0, 7, b"c", b"x" * 2_000_000, (), 0)
    assert code_of(dead_letter(record, "ValueError")) == "internal"
    assert code_of(truncated(dead_letter(record, "the same id with other content", "history"), MIB)) == "history"
    cluster = Cluster(1, 1, Limits())
    cluster.produce([{
        "specversion": "1.0", "source": "s", "id": "1", "type": "interaction.wrapped_up", "subject": "never-came",
        "time": "2026-01-01T00:00:00Z", "data": {"outcome": "done"},
    }])  # fmt: skip
    cluster.finish("2026-06-30T00:00:00Z")
    cluster.run()
    assert {code_of(Forward("dead-letters", dead.key, dead.value, dead.headers)) for dead in cluster.dead} == {"orphan"}


@pytest.mark.trap(3)
@pytest.mark.parametrize("value", [None, b"", b"v" * 3 * MIB])
@pytest.mark.parametrize("header", [b"", b"h" * 3 * MIB])
@pytest.mark.parametrize("limit", [10_000, MIB, 2 * MIB])
def test_truncated_dead_letter_fits_whatever_part_was_too_large(value: bytes | None, header: bytes, limit: int) -> None:
    buried = dead_letter(Record("calls", 0, 7, b"k" * 5_000, value, (("sender's", header),), 0), "no", "type")
    cut = truncated(buried, limit)
    assert Outbound("dead-letters", 0, cut.key, cut.value, cut.headers).size <= limit
    assert dict(cut.headers)[CAUSE] == b"no"
    assert dict(cut.headers)[TRUNCATED] == str(len(value or b"")).encode()
    assert code_of(cut) == "type"


NULLS = (("traceparent", None), ("\\xff", b"x"), (CODE, None), (TRUNCATED, None), ("touchpoint-x", None))


def test_header_values_that_are_null_are_kept_and_harm_nothing() -> None:
    (buried,) = letters(b"{}", NULLS)
    assert tuple(buried.headers)[: len(NULLS)] == NULLS
    assert code_of(buried) == "missing"
    assert code_of(truncated(buried, MIB)) == "missing"
    assert Outbound("dead-letters", 0, buried.key, buried.value, buried.headers).size > 0


def test_forged_dead_letter_headers_are_truncated_too() -> None:
    ours = tuple((CAUSE, b"x" * 2_000) for _ in range(1_000))
    cut = truncated(dead_letter(Record("calls", 0, 7, b"k", b"v" * 3 * MIB, ours, 0), "no", "type"), MIB)
    assert Outbound("dead-letters", 0, cut.key, cut.value, cut.headers).size <= MIB
    assert dict(cut.headers)[CAUSE] == b"no"


@pytest.mark.parametrize("stamp", [-(2**63), -1, 0, 2**63 - 1])
@pytest.mark.parametrize("length", [None, b"\xc2\xb2", b"9" * 5_000, b"-1", b"12"])
def test_any_record_of_the_dead_letter_topic_is_shown(stamp: int, length: bytes | None) -> None:
    headers = (*NULLS, (TRUNCATED, length), (ORIGIN, b"calls/\xc2\xb2/-1"), (VERSION, None))
    record: ConsumerRecord[bytes, bytes] = ConsumerRecord(
        "dead-letters", 0, 1, stamp, 0, b"\xff", None, None, 1, -1, headers
    )
    found = letter(record, "")
    assert found.whole_bytes == (12 if length == b"12" else None)
    assert found.origin is None
    assert orjson.dumps(as_json(found))
    printed = Console(file=io.StringIO())
    printed.print(table([found]), in_full(found, 100))
    assert isinstance(printed.file, io.StringIO)
    assert "dead-letters/0/1" in printed.file.getvalue()


def test_unparsed_bytes_reach_no_stage_and_cannot_be_sent_again() -> None:
    bad = Record("calls", 3, 1_234_567, None, b"raw", (), -1, damage=Damage("size", "it is too much", 1_234_570))
    good = Record("calls", 3, 1_234_571, b"k", b"v", (), 0)
    kept, (buried,) = readable([[bad, good], [bad][:0], [good]])
    assert kept == [[good], [good]]
    headers = dict(buried.headers)
    assert headers[CAUSE] == b"cannot be parsed (size): offset 1,234,567 to 1,234,570: it is too much"
    assert (buried.value, headers[ORIGIN], code_of(buried)) == (b"raw", b"calls/3/1234567", DAMAGED)
    record: ConsumerRecord[bytes, bytes] = ConsumerRecord(
        "dead-letters", 0, 1, 0, 0, None, b"raw", None, 1, -1, tuple(buried.headers)
    )
    assert "could not be parsed" in (letter(record, "").obstacle or "")

"""Dead letters carry their cause for people and a code for counting: few codes, whatever comes in."""

from __future__ import annotations

from typing import get_args

import pytest
from stage_cluster import Cluster

from touchpoint.events.verdicts import Code
from touchpoint.stitching.limits import Limits
from touchpoint.stream.dead_letters import CAUSE, CODE, TRUNCATED, code_of, dead_letter, truncated
from touchpoint.stream.outbox import Outbound
from touchpoint.stream.stage import Forward, Record
from touchpoint.stream.topics import MIB

CALL = b'{"specversion":"1.0","source":"s","id":"1","type":"call.%s","time":"2026-01-01T00:00:00Z","subject":"c"}'


def letters(value: bytes, headers: tuple[tuple[str, bytes], ...] = ()) -> list[Forward]:
    cluster = Cluster(1, 1, Limits())
    stage = cluster.stages["media", 0]
    out = stage.apply([Record("calls", 0, 7, b"c", value, headers, 0)], cluster.now)
    return [forward for forward in out if forward.topic == "dead-letters"]


@pytest.mark.parametrize(
    ("value", "code"),
    [(CALL % b"sung", "type"), (CALL % b"hummed", "type"), (b"\xff\xfe", "not_json"), (b"{}", "missing")],
)
def test_the_code_is_one_of_few_whatever_the_record_says(value: bytes, code: str) -> None:
    (letter,) = letters(value, ((CODE, b"made up by the sender"),))
    assert code_of(letter) == code
    assert code in get_args(Code)
    assert dict(letter.headers)[CAUSE] != code.encode()
    assert letter.value == value


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
def test_what_is_truncated_fits_whatever_is_too_large_in_it(value: bytes | None, header: bytes, limit: int) -> None:
    letter = dead_letter(Record("calls", 0, 7, b"k" * 5_000, value, (("sender's", header),), 0), "no", "type")
    cut = truncated(letter, limit)
    assert Outbound("dead-letters", 0, cut.key, cut.value, cut.headers).size <= limit
    assert dict(cut.headers)[CAUSE] == b"no"
    assert dict(cut.headers)[TRUNCATED] == str(len(value or b"")).encode()
    assert code_of(cut) == "type"

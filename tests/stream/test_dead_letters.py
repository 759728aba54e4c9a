"""Dead letters carry their cause for people and a code for counting: few codes, whatever comes in."""

from __future__ import annotations

from typing import get_args

import pytest
from stage_cluster import Cluster

from touchpoint.events.verdicts import Code
from touchpoint.stitching.limits import Limits
from touchpoint.stream.dead_letters import CAUSE, CODE, code_of, dead_letter, truncated
from touchpoint.stream.stage import Forward, Record

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
    assert code_of(truncated(dead_letter(record, "the same id with other content", "history"))) == "history"
    cluster = Cluster(1, 1, Limits())
    cluster.produce([{
        "specversion": "1.0", "source": "s", "id": "1", "type": "interaction.wrapped_up", "subject": "never-came",
        "time": "2026-01-01T00:00:00Z", "data": {"outcome": "done"},
    }])  # fmt: skip
    cluster.finish("2026-06-30T00:00:00Z")
    cluster.run()
    assert {code_of(Forward("dead-letters", dead.key, dead.value, dead.headers)) for dead in cluster.dead} == {"orphan"}

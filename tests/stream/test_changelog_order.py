"""A changelog too large for one batch is written in parts: what must not be missing before what would miss it."""

from __future__ import annotations

from touchpoint.stages.protocol import FIRST, LAST, in_order
from touchpoint.stream.changelog import ONE_BATCH, parts_of
from touchpoint.stream.outbox import Outbound

KEYS = [LAST + b"progress", b"party", FIRST + b"party", b"?question", b"another party", FIRST + b"another party"]


def changes(value: bytes) -> list[Outbound]:
    return [Outbound("changelog", 0, key, value) for key in KEYS]


def test_tombstones_before_what_they_are_of_and_how_far_time_has_come_after_everything() -> None:
    parts = parts_of(changes(b"x" * (ONE_BATCH // len(KEYS))))
    assert [[record.key for record in part] for part in parts] == [
        [FIRST + b"party", FIRST + b"another party"],
        [b"party", b"?question", b"another party"],
        [LAST + b"progress"],
    ]


def test_changelog_batch_is_stored_whole_or_not_at_all() -> None:
    assert parts_of(changes(b"x")) == [changes(b"x")]


def test_parts_without_anything_are_left_out() -> None:
    assert in_order([]) == []
    assert in_order([b"a", LAST]) == [[b"a"], [LAST]]

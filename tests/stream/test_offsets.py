"""Which offsets may be committed: only the finished prefix of what was delivered (faust.md 1.3)."""

from __future__ import annotations

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from touchpoint.stream.transport import OffsetTracker

HERE = TP("calls", 0)


def test_offsets_are_not_committable_before_the_first_batch_is_finished() -> None:
    tracker = OffsetTracker()
    tracker.deliver(HERE, 0, 10)
    second = tracker.deliver(HERE, 10, 12)
    tracker.finish(second)
    assert tracker.committable(HERE) is None


@pytest.mark.trap(9)
def test_a_batch_after_an_offset_gap_counts_only_when_it_is_finished() -> None:
    tracker = OffsetTracker()
    first = tracker.deliver(HERE, 0, 10)
    after_gap = tracker.deliver(HERE, 13, 14)
    tracker.finish(first)
    assert tracker.committable(HERE) == 10
    tracker.finish(after_gap)
    assert tracker.committable(HERE) == 14


@pytest.mark.trap(3)
def test_a_failed_commit_is_tried_again_with_the_same_offset() -> None:
    tracker = OffsetTracker()
    tracker.finish(tracker.deliver(HERE, 0, 10))
    assert tracker.committable(HERE) == 10
    assert tracker.committable(HERE) == 10
    tracker.committed(HERE, 10)
    assert tracker.committable(HERE) is None
    assert tracker.idle(HERE)


@pytest.mark.trap(4)
@pytest.mark.trap(14)
def test_batch_finished_after_its_partition_was_lost_changes_nothing() -> None:
    tracker = OffsetTracker()
    lost = tracker.deliver(HERE, 0, 10)
    tracker.forget({HERE})
    tracker.deliver(HERE, 0, 10)
    assert not tracker.finish(lost)
    assert tracker.committable(HERE) is None


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 3)), min_size=1, max_size=30), st.data())
@pytest.mark.trap(3)
def test_a_commit_never_passes_an_unfinished_batch(sizes: list[tuple[int, int]], data: st.DataObject) -> None:
    tracker = OffsetTracker()
    entries, offset = [], 0
    for size, gap in sizes:
        entries.append(tracker.deliver(HERE, offset + gap, offset + gap + size))
        offset += gap + size
    unfinished = list(entries)
    for entry in data.draw(st.permutations(entries)):
        tracker.finish(entry)
        unfinished.remove(entry)
        committable = tracker.committable(HERE)
        if committable is not None:
            assert all(other.first >= committable for other in unfinished)
            if data.draw(st.booleans()):
                tracker.committed(HERE, committable)
    assert tracker.idle(HERE)

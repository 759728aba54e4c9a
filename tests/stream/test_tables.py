"""A partition of a table in memory: what is written, what is undone, what is known of the changelog."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchpoint.stream.tables import PartitionState
from touchpoint.stream.terms import FORM, HEADER, NONE, next_term, term_and_form


def test_changed_keys_are_written_once_with_their_last_value() -> None:
    state = PartitionState()
    state.begin()
    for number in range(5):
        state[b"a"] = b"%d" % number
    state[b"b"] = b""
    del state[b"a"]
    state[b"a"] = b"again"
    assert state.take_changes() == [(b"a", b"again"), (b"b", b"")]
    assert state.take_changes() == []


@pytest.mark.trap(11)
def test_a_deleted_key_is_written_as_a_tombstone() -> None:
    state = PartitionState()
    state.restore(b"a", b"1")
    state.begin()
    state.pop(b"a")
    assert state.take_changes() == [(b"a", None)]


def test_an_equal_value_is_no_change() -> None:
    state = PartitionState()
    state.restore(b"a", b"1")
    state[b"a"] = b"1"
    assert state.take_changes() == []


@pytest.mark.trap(11)
def test_falsy_values_survive_deletion_and_return_within_one_recovery() -> None:
    state = PartitionState()
    for key, value in ((b"a", b"x"), (b"a", None), (b"a", b""), (b"", b"0"), (b"b", b"1"), (b"b", None)):
        state.restore(key, value)
    assert dict(state) == {b"a": b"", b"": b"0"}


@pytest.mark.trap(13)
def test_memory_ahead_of_the_changelog_is_not_clean_until_it_is_settled() -> None:
    state = PartitionState()
    seen = [state.clean]
    state.begin()
    state[b"a"] = b"1"
    state.take_changes()
    seen.append(state.clean)
    state.settle([(0, 1)])
    seen.append(state.clean)
    assert seen == [True, False, True]
    assert state.next_offset == 1


@pytest.mark.trap(14)
def test_somebody_elses_records_in_our_changelog_are_read_again_at_the_next_recovery() -> None:
    state = PartitionState()
    state.recovered(10)
    state.settle([(10, 2)])
    state.settle([(14, 1)])  # 12 and 13 are not ours
    state.settle([(15, 1)])
    assert state.next_offset == 12
    assert not state.contiguous


@pytest.mark.trap(14)
def test_a_record_of_an_earlier_owner_changes_nothing_and_its_key_is_written_again() -> None:
    state = PartitionState()
    first, second = next_term(NONE, 5, 1), next_term(next_term(NONE, 5, 1), 6, 0)
    for key, value, term in ((b"a", b"1", first), (b"b", b"1", second), (b"a", b"late", first), (b"c", None, first)):
        state.restore(key, value, term)
    assert dict(state) == {b"a": b"1", b"b": b"1"}
    assert state.clean
    state.begin()
    state.roll_back()
    assert dict(state.take_changes()) == {b"a": b"1", b"c": None}
    assert state.take_changes() == []


@pytest.mark.trap(14)
@pytest.mark.trap(6)
def test_a_later_owner_has_a_later_term_even_if_the_group_was_deleted_and_counts_anew() -> None:
    terms = [NONE]
    for generation, clock in ((1, 100), (2, 50), (2, 60), (70_000, 10), (1, 10), (2, 10)):
        terms.append(next_term(terms[-1], generation, clock))
    assert terms == sorted(set(terms))
    assert term_and_form([(HEADER, terms[-1])]) == (terms[-1], FORM)
    assert term_and_form([(HEADER, b"rubbish")])[0] == NONE


Changes = list[tuple[bytes, bytes | None]]
changes = st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.none() | st.binary(max_size=2)), max_size=20)


@pytest.mark.trap(11)
@given(st.lists(changes))
def test_a_table_read_back_from_its_changelog_is_the_table_that_was_written(batches: list[Changes]) -> None:
    live, read_back = PartitionState(), PartitionState()
    for batch in batches:
        apply(live, batch)
        for key, value in live.take_changes():
            read_back.restore(key, value)
    assert dict(read_back) == dict(live)


@given(changes, changes, changes)
def test_a_roll_back_restores_what_was(before: Changes, kept: Changes, undone: Changes) -> None:
    state = PartitionState()
    apply(state, before)
    state.take_changes()
    start = dict(state)
    apply(state, kept)
    middle, mark = dict(state), state.mark()
    apply(state, undone)
    state.roll_back(mark)
    assert dict(state) == middle
    state.roll_back()
    assert dict(state) == start
    assert state.take_changes() == []


def apply(state: PartitionState, changes: Changes) -> None:
    for key, value in changes:
        if value is None:
            state.pop(key, None)
        else:
            state[key] = value

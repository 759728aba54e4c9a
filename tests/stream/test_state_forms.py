"""State that an older release wrote takes the form of this one at recovery, whatever is interrupted meanwhile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchpoint.stream import state_forms
from touchpoint.stream.state_forms import Pairs, upgraded
from touchpoint.stream.tables import PartitionState
from touchpoint.stream.terms import FORM, HEADER, NONE, OLDEST_FORM, OtherFormError, next_term, term_and_form

OLD = FORM - 1


def split(key: bytes, value: bytes, form: int) -> Pairs:
    """A step as a release may need it: one key becomes several, one is not needed any more, others stay as they are."""
    assert form == OLD
    if key == b"all":
        return [(b"all", b"gone into its parts"), *((b"part-%d" % n, value[n : n + 1]) for n in range(len(value)))]
    return [] if key == b"unused" else [(key, value)]


def old_state() -> PartitionState:
    state = PartitionState()
    for key, value in ((b"all", b"abc"), (b"unused", b"x"), (b"other", b"y")):
        state.restore(key, value, NONE, OLD)
    return state


NEW = {b"all": b"gone into its parts", b"part-0": b"a", b"part-1": b"b", b"part-2": b"c", b"other": b"y"}


def test_every_readable_form_has_a_step_to_the_next() -> None:
    assert set(state_forms.STEPS) == set(range(OLDEST_FORM, FORM))


def test_steps_follow_each_other_and_each_takes_what_the_one_before_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def named(table: str, key: bytes, value: bytes) -> Pairs:
        return [(table.encode() + key, value)]

    def doubled(_table: str, key: bytes, value: bytes) -> Pairs:
        return [(key + b"1", value), (key + b"2", value)]

    monkeypatch.setattr(state_forms, "STEPS", {FORM - 2: (named,), FORM - 1: (doubled, doubled)})
    assert upgraded("t", b"k", b"v", FORM) == [(b"k", b"v")]
    keys = [b"tk11", b"tk12", b"tk21", b"tk22"]
    assert upgraded("t", b"k", b"v", FORM - 2) == [(key, b"v") for key in keys]


def test_a_state_of_an_older_form_is_rewritten_with_what_is_new_before_what_it_came_from() -> None:
    state = old_state()
    clean = [state.clean]
    assert state.upgrade(split) == 2
    assert dict(state) == NEW
    clean.append(state.clean)
    derived, sources = state.take_upgraded()
    assert dict(derived) == {key: value for key, value in NEW.items() if key.startswith(b"part")}
    assert dict(sources) == {b"all": NEW[b"all"], b"unused": None}
    assert clean == [True, False]  # memory is ahead of the changelog
    assert state.upgrade(split) == 0


def test_values_of_our_form_and_values_that_no_step_changes_are_not_written_again() -> None:
    state = PartitionState()
    state.restore(b"all", b"abc", NONE, OLD)
    state.restore(b"all", b"of our form", NONE, FORM)
    state.restore(b"other", b"y", NONE, OLD)
    state.restore(b"unused", b"x", NONE, OLD)
    state.restore(b"unused", None, NONE, OLD)
    assert state.upgrade(split) == 0
    assert state.take_upgraded() == []
    assert dict(state) == {b"all": b"of our form", b"other": b"y"}


@given(st.integers(0, 5), st.integers(0, 5))
def test_an_upgrade_that_was_interrupted_gives_the_same_when_it_is_done_again(first: int, second: int) -> None:
    """A crash after any record of it; so many records of the first attempt and of the second had become durable."""
    log: list[tuple[bytes, bytes | None, int]] = [(k, v, OLD) for k, v in old_state().items()]
    for durable in (first, second, 100):
        state = PartitionState()
        for key, value, form in log:
            state.restore(key, value, NONE, form)
        state.upgrade(split)
        assert dict(state) == NEW
        log += [(k, v, FORM) for part in state.take_upgraded() for k, v in part][:durable]
    read_back = PartitionState()
    for key, value, form in log:
        read_back.restore(key, value, NONE, form)
    assert dict(read_back) == NEW


def test_the_header_of_a_record_names_its_term_and_the_form_of_its_value() -> None:
    term = next_term(NONE, 1, 1)
    assert term_and_form([("other", b"x"), (HEADER, term)]) == (term, FORM)
    assert term_and_form([(f"term{OLDEST_FORM}", term)]) == (term, OLDEST_FORM)
    assert term_and_form([]) == (NONE, OLDEST_FORM)


@pytest.mark.parametrize(
    ("header", "way_out"),
    [
        (f"term{FORM + 1}", "start that version or a newer one"),
        (f"term{OLDEST_FORM - 1}", "upgrade over the releases between"),
        ("term", "upgrade over the releases between"),
        ("term²", "upgrade over the releases between"),
    ],
)
def test_state_of_a_form_that_is_not_read_is_refused_with_the_way_out(header: str, way_out: str) -> None:
    with pytest.raises(OtherFormError, match=rf"reads forms {OLDEST_FORM} to {FORM}.*{way_out}.*operations\.md"):
        term_and_form([(header, next_term(NONE, 1, 1))])

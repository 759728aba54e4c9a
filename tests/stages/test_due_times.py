"""What is due is looked at once when its time has come, however often it was put off; the index stays small."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from touchpoint.stages.due_times import MOST_STALE, Timers, due_of, unstamped

KEYS = [b"a", b"b", b"c"]
dues = st.none() | st.integers(0, 20)
steps = st.lists(
    st.tuples(st.just("put"), st.sampled_from(KEYS), dues)
    | st.tuples(st.just("delete"), st.sampled_from(KEYS), st.none())
    | st.tuples(st.just("look"), st.sampled_from(KEYS), st.integers(0, 25)),
    max_size=40,
)


@given(steps, st.lists(dues, max_size=60), st.booleans())
def test_a_look_gives_every_key_that_is_due_and_no_other(
    steps: list[tuple[str, bytes, int | None]], again: list[int | None], built_anew: bool
) -> None:
    """Whoever is looked at is due again later, or never, or is gone."""
    state: dict[bytes, bytes] = {}
    timers, model, later = Timers(state, lambda _: True), dict[bytes, int | None](), iter(again)
    for what, key, time in steps:
        if what == "put":
            timers.put(key, time, b"value")
            model[key] = time
        elif what == "delete":
            state.pop(key, None)
            model.pop(key, None)
        else:
            assert time is not None
            timers = Timers(state, lambda _: True) if built_anew else timers
            due = sorted(name for name, at in model.items() if at is not None and at < time)
            found = []
            for name in timers.pop_due(time, 100):
                found.append(name)
                more = next(later, None)
                model[name] = None if more is None else time + more
                timers.put(name, model[name], b"value")
            assert sorted(found) == due
    assert {key: due_of(value) for key, value in state.items()} == {
        key: 2**63 - 1 if at is None else at for key, at in model.items()
    }


def test_timers_set_again_and_again_do_not_fill_the_index() -> None:
    timers = Timers({}, lambda _: True)
    for due in range(3 * MOST_STALE):
        timers.put(b"email that is open for a month", due, b"")
    assert len(timers) == 1
    for due in range(3 * MOST_STALE, 0, -1):
        timers.put(b"due ever earlier", due, b"")
    assert len(timers) <= MOST_STALE + 10
    assert list(timers.pop_due(2, 10)) == [b"due ever earlier"]


def test_postponed_key_keeps_its_value() -> None:
    state: dict[bytes, bytes] = {}
    timers = Timers(state, lambda _: True)
    timers.put(b"a", 1, b"value")
    for key in timers.pop_due(2, 10):
        timers.postpone(key, 5)
    assert list(timers.pop_due(5, 10)) == []
    assert list(timers.pop_due(6, 10)) == [b"a"]
    assert bytes(unstamped(state[b"a"])) == b"value"


def test_a_long_queue_is_looked_at_in_parts() -> None:
    timers = Timers({}, lambda _: True)
    for n in range(10):
        timers.put(b"%d" % n, n, b"")
    assert [len(list(timers.pop_due(100, 4))) for _ in range(4)] == [4, 4, 2, 0]

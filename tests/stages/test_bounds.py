"""Every kind of key is written until it is full: nothing fails, its bound holds, and afterwards it is empty again.

Bounds are a fiftieth of what they are, so that they are reached in seconds; another test holds their numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from feed_cluster import Feeds
from stage_cluster import Json

from touchpoint.dialects import memory
from touchpoint.kafka.topic_admin import STATE_BYTES
from touchpoint.stages import bounds, messages
from touchpoint.stages.bounds import BOUNDS, Bounds, FullError
from touchpoint.stages.dead_letter_records import code_of
from touchpoint.stages.media import media_stage
from touchpoint.stages.party import party_stage, rerouting
from touchpoint.stages.protocol import FIRST, Forward
from touchpoint.stitching.interactions import after_close, closed_interactions
from touchpoint.stitching.limits import DEFAULT
from touchpoint.stream.tables import PartitionState

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
MARY = "tel:+441632960001"
SMALLER = 50


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every bound on bytes is smaller, and with it every number that is kept."""
    for module, name in (
        (media_stage, "MOST_STATE"), (party_stage, "MOST_STATE"), (closed_interactions, "MOST_WEIGHT"),
        (after_close, "MOST_NAMES"), (after_close, "MOST_DIGESTS"), (messages, "MOST_ASKED_BYTES"),
        (rerouting, "MOST_MOVED_BYTES"),
        (memory, "MOST_OF_ENTRY"), (memory, "MOST_BYTES"), (party_stage, "MOST_TOLD"), (party_stage, "MOST_PARENTS"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, getattr(module, name) // SMALLER)
    monkeypatch.setattr(bounds, "BOUNDS", tuple(bound._replace(most=bound.most // SMALLER) for bound in BOUNDS))


class Watching(Feeds):
    """Knows the largest value of each kind that was ever written, and what the stages say was full."""

    def __init__(self) -> None:
        self.largest: Counter[tuple[str, str]] = Counter()
        self.full: Counter[tuple[str, str]] = Counter()
        super().__init__(2, 1, 1, DEFAULT)

    def _forward(self, agent: str, p: int, forwards: Iterable[Forward]) -> None:
        table = {"media": "media", "party": "parties"}.get(agent, "feed")
        held = Bounds("feed-" if table == "feed" else table)
        for key, value in self.states[agent, p].take_changes():
            place = table, held.of(key).kind
            self.largest[place] = max(self.largest[place], len(value or b""))
        super()._forward(agent, p, forwards)
        for kind, count in self.reports[agent][-1].full.items():
            self.full[table, kind] += count

    @property
    def keys(self) -> Counter[tuple[str, str]]:
        """How many there are, by kind."""
        held = {"media": Bounds("media"), "party": Bounds("parties")}
        return Counter(
            (agent, held[agent].of(key).kind)
            for (agent, _), state in self.states.items()
            if agent in held
            for key in state
        )


def event(second: float, kind: str, subject: str, data: Json | None = None, **attributes: str) -> Json:
    made = {"specversion": "1.0", "id": f"{kind}/{subject[:20]}/{second}", "source": "test", "type": kind}
    time = (START + timedelta(seconds=second)).isoformat().replace("+00:00", "Z")
    return made | {"time": time, "subject": subject, "data": data or {}} | attributes


def long(text: str, most: int = 200) -> str:
    """As long as an id may be."""
    return text + "é" * (most - len(text))


def endless_item() -> Iterator[Json]:
    for n in range(600):
        yield event(n, "call.queued", "c1", {"queue": long(f"q{n}"), "party": {"address": MARY}})


def restless_party() -> Iterator[Json]:
    for n in range(600):
        yield event(n, "call.offered", long(f"c{n}"), {"party": {"address": MARY}})


def asked_of_nobody() -> Iterator[Json]:
    for n in range(1_500):
        whose = {"address": f"mailto:m{n}@example.com"}
        yield event(n / 10, "email.offered", long(f"e{n}"), {"party": whose, "related": {"parent": long("nobody")}})


def asked_of_what_has_not_come_yet() -> Iterator[Json]:
    """Time does not reach them: the last event is long before."""
    yield event(0, "call.offered", "c1", {"party": {"address": MARY}})
    yield from asked_of_somebody("c1")


def asked_of_somebody(named: str) -> Iterator[Json]:
    for n in range(1_500):
        whose = {"address": f"mailto:m{n}@example.com"}
        yield event(1 + n / 10, "email.offered", long(f"e{n}"), {"party": whose, "related": {"parent": named}})


def names_of_messages() -> Iterator[Json]:
    """B5b: mails of one address with as many message ids as the item takes, each as long as one may be."""
    for item in range(12):
        for n in range(60):
            ids = {"message_id": f"{item}.{n}.{'x' * 970}@h", "party": {"address": "mailto:m@example.com"}}
            yield event(item * 60 + n / 10, "email.sent", f"e{item}", ids)
        yield event(item * 60 + 30, "email.ended", f"e{item}", {"reason": "answered"})
        yield event(item * 60 + 31, "interaction.close_requested", f"e{item}")


def everybodys_address() -> Iterator[Json]:
    """Its items go to whoever it was identified as, again and again."""
    for n in range(400):
        yield event(n, "call.offered", long(f"c{n}"), {"party": {"address": MARY}})
        yield event(n + 0.5, "party.identified", MARY, {"id": long(f"P{n}")})


SCENES: dict[tuple[str, str], list[Callable[[], Iterator[Json]]]] = {
    ("media", "item"): [endless_item, asked_of_nobody],
    ("parties", "party"): [restless_party, everybodys_address],
    ("parties", "closed"): [names_of_messages],
    ("parties", "questions"): [asked_of_what_has_not_come_yet],
}
OF_CLOCKS = {(bound.table, bound.kind) for bound in BOUNDS if bound.kind == "clock"}
"""Held by the tests of heartbeats."""


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("kind", "scene"), [(kind, scene) for kind, scenes in SCENES.items() for scene in scenes])
def test_a_kind_of_key_that_is_full_takes_no_more_and_stops_nobody(
    kind: tuple[str, str], scene: Callable[[], Iterator[Json]]
) -> None:
    cluster = Watching()
    events = list(scene())
    for first in range(0, len(events), 50):
        cluster.produce(events[first : first + 50])
        cluster.read()
        cluster.idle(10)
    cluster.finish("2026-03-03T09:00:00Z")
    cluster.run()
    limits = {(bound.table, bound.kind): bound.most for bound in bounds.BOUNDS}
    assert all(size <= limits[place] for place, size in cluster.largest.items()), cluster.largest
    assert cluster.largest[kind] > limits[kind] // 20, "the scene does not reach the bound"
    if scene is not asked_of_nobody:
        assert cluster.full[kind], "it was never full"
    codes = {code_of(Forward("dead-letters", dead.key, dead.value, dead.headers)) for dead in cluster.dead}
    assert codes <= {"too_large"}


@pytest.mark.usefixtures("small")
def test_state_has_no_new_keys_after_a_month_of_event_time() -> None:
    """Whatever was written: what is open closes, what closed is forgotten, questions and ways with it."""
    cluster = Watching()
    cluster.run()
    before = cluster.keys
    events = [e for scene in (endless_item, restless_party, asked_of_nobody, names_of_messages) for e in scene()]
    events.sort(key=lambda each: each["time"])
    for first in range(0, len(events), 200):
        cluster.produce(events[first : first + 200])
        cluster.read()
    for days in (31, 62, 93, 124):
        cluster.finish((START + timedelta(days=days)).isoformat().replace("+00:00", "Z"))
        cluster.run()
    kept = cluster.keys - before
    assert {kind for kind in kept if kind[1] != "clock"} == set()


@pytest.mark.usefixtures("small")
def test_a_dialects_memory_keeps_neither_large_entries_nor_too_many() -> None:
    known = memory.Memory()
    told: dict[bytes, bytes] = {}
    for n in range(3_000):
        known.of("pbx").put(f"call-{n}", "x" * 1_000 if n % 7 else "x" * memory.MOST_OF_ENTRY)
        for key, value in known.changes():
            told.pop(key, None) if value is None else told.update({key: value})
    assert sum(len(key) + len(value) for key, value in told.items()) <= memory.MOST_BYTES
    assert max(map(len, told.values())) <= memory.MOST_OF_ENTRY
    assert known.forgotten["memory"] == 3_000 - len(told)
    restored = memory.Memory.restored(told.items())
    assert restored.to_bytes() == known.to_bytes()
    restored.of("pbx").put("new", "x" * 1_000)
    assert len(restored.changes()) == 2, "one is put, and the oldest goes"


def test_a_value_beyond_its_bound_is_refused_and_what_shrinks_is_taken() -> None:
    state = PartitionState("parties")
    (closed,) = [bound for bound in BOUNDS if (bound.table, bound.kind) == ("parties", "closed")]
    key = FIRST + b"party"
    state[key] = bytes(closed.most)
    with pytest.raises(FullError, match=r"the state of its closed is full: at most 4 MiB"):
        state[key] = bytes(closed.most + 1)
    assert len(state[key]) == closed.most
    state.restore(key, bytes(2 * closed.most))  # an older version had no bounds
    state[key] = bytes(closed.most + 1)
    del state[key]
    assert state.sizes["closed"] == 0


def test_the_sizes_of_all_keys_are_known_by_kind_whatever_is_undone() -> None:
    state = PartitionState("media")
    state[b"t\0item"] = b"123"
    state[b"t\0item"] = b"12345"
    state[b"\0progress"] = b"1"
    mark = state.mark()
    state[b"t\0other"] = b"1"
    del state[b"t\0item"]
    state.roll_back(mark)
    assert state.sizes == {"item": 11, "clock": 10}


def test_every_bound_fits_into_a_record_of_the_changelogs_and_is_documented() -> None:
    guarantees = (Path(__file__).parents[2] / "docs/guarantees.md").read_text()
    for bound in BOUNDS:
        assert 2 * bound.most <= STATE_BYTES
        if bound.kind != "clock":
            assert f"| {bound.holds} | {bound.when_full} |" in guarantees
    assert {(bound.table, bound.kind) for bound in BOUNDS} == {*SCENES, *OF_CLOCKS, ("feed", "memory")}

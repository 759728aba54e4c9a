"""The walk that takes many instants at once does what the definition does, instant by instant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from random_traffic import crowd, world

from touchpoint.events import Accepted, Decoder
from touchpoint.stitching import fact_store
from touchpoint.stitching.facts import DAY, HOUR, LATEST, Fact, Micros
from touchpoint.stitching.flushes import Flushes
from touchpoint.stitching.interactions.advance import advance
from touchpoint.stitching.interactions.party_facts import Closed, PartyFacts
from touchpoint.stitching.interactions.walk import Advance, Walk, instant_by_instant
from touchpoint.stitching.limits import Limits, Silences

Json = dict[str, Any]


def facts_of(events: Iterable[Json]) -> list[Fact]:
    verdicts = [Decoder().decode(orjson.dumps(event)) for event in events]
    return [verdict.fact for verdict in verdicts if isinstance(verdict, Accepted)]


def seen(step: Advance) -> Json:
    """What an advance did; sets of facts as sets."""
    closed = [
        (c.interaction_id, c.key, c.closed_by, c.instant, c.parent, c.account, c.name, c.dialects, c.flags,
         [(e.id, e.item, e.activity, as_set([*e.facts, *e.controls])) for e in c.entities])
        for c in step.closed
    ]  # fmt: skip
    rest = {
        name: {home: as_set(facts) for home, facts in getattr(step.rest, name).items()}
        for name in ("items", "controls", "activities")
    }
    return {
        "closed": closed,
        "amendments": step.amendments,
        "unplaced": as_set(step.unplaced),
        "rest": rest,
        "identity": as_set(step.rest.identity),
        "remembered": [as_remembered(each) for each in step.rest.closed],
        "parents": step.rest.parents,
        "due": step.due,
    }


def as_set(facts: Iterable[Fact]) -> list[tuple[str, str]]:
    return sorted((fact.source, fact.id) for fact in facts)


def as_remembered(closed: Closed) -> tuple[Closed, list[bytes]]:
    """Without the order of the digests of facts."""
    digests = sorted(closed.facts[n : n + 8] for n in range(0, len(closed.facts), 8))
    return msgspec.structs.replace(closed, facts=b""), digests


def both(party: PartyFacts, horizon: Micros, limits: Limits, silences: Silences | None, flushes: Flushes) -> Advance:
    fast = advance(party, horizon, limits, silences, flushes)
    defined = Walk(party, limits, silences or {}, flushes, instant_by_instant).run(horizon)
    assert seen(fast) == seen(defined)
    if fast.due is not None and horizon < LATEST:
        both(fast.rest, fast.due + 1, limits, silences, flushes)  # as the stages go on, with what is remembered
    return fast


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fact_store, "advance", both)


@pytest.mark.slow
@pytest.mark.usefixtures("compared")
@pytest.mark.parametrize(
    "limits", [Limits(), Limits(interaction_size=3), Limits(party_open=4), Limits(interaction_age=2 * HOUR)]
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), worlds=st.integers(0, 4), part=st.floats(0.2, 1.2), identity=st.booleans())
@example(seed=298, worlds=0, part=0.3, identity=True)  # a fax that was complete while a segment of it was open
@example(seed=318, worlds=4, part=0.3, identity=True)  # a note without a party, before the call that it names
@example(seed=8110, worlds=3, part=1.1, identity=True)  # a fax that ended before its party was told
@example(seed=657, worlds=4, part=1.1, identity=True)  # a mail whose party another of its ids told
def test_many_instants_at_once_are_the_same_as_one_after_the_other(
    limits: Limits, seed: int, worlds: int, part: float, identity: bool
) -> None:
    """Worlds that contradict themselves, one or several of one party; until some instant, and to the end."""
    facts = facts_of(crowd(seed, worlds) if worlds else world(seed, identity))
    store = fact_store.FactStore(limits)
    for fact in facts:
        store.add(fact)
    times = [fact.time for fact in facts] or [0]
    for horizon in (min(times) + int((max(times) - min(times) + DAY) * part), LATEST):
        for _ in store.advance(horizon):
            pass

"""The whole of `touchpoint stitch`: a set of facts in, closed interactions out. No broker, no database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import NamedTuple

import msgspec

from touchpoint.stitching.fact_store import FactStore
from touchpoint.stitching.facts import LATEST, Fact, Micros
from touchpoint.stitching.limits import DEFAULT, Limits
from touchpoint.stitching.record import AmendmentRecord, InteractionRecord, Json, as_json
from touchpoint.stitching.record_builder import build_amendment, build_record


class Outcome(NamedTuple):
    """What the passing of time gave: records in order of closing, and facts that could not be placed."""

    records: list[InteractionRecord]
    unplaced: list[Fact]


def stitch(facts: Iterable[Fact], limits: Limits = DEFAULT, secret: bytes = b"") -> Iterator[Json]:
    """The records of every interaction as JSON. At the end of the input every limit is reached, so all close."""
    yield from map(as_json, fold_all(facts, limits, secret).records)


def fold_all(facts: Iterable[Fact], limits: Limits, secret: bytes, horizon: Micros = LATEST) -> Outcome:
    """As `stitch`, up to a horizon in event time, and with the facts that spoke of items which never came."""
    store = FactStore(limits)
    for fact in facts:
        store.add(fact)
    closed: list[tuple[Micros, str, InteractionRecord]] = []
    unplaced: list[Fact] = []
    amendments: dict[str, list[AmendmentRecord]] = {}
    for step in store.advance(horizon):
        closed += [(each.instant, each.interaction_id, build_record(each, secret)) for each in step.closed]
        unplaced += step.unplaced
        for late in step.amendments:
            amendments.setdefault(late.interaction_id, []).append(build_amendment(late, secret))
    closed.sort(key=itemgetter(0, 1))
    return Outcome([_amended(record, amendments.get(interaction_id)) for _, interaction_id, record in closed], unplaced)


def _amended(record: InteractionRecord, amendments: list[AmendmentRecord] | None) -> InteractionRecord:
    return msgspec.structs.replace(record, amendments=amendments) if amendments else record

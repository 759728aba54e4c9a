"""The whole of `touchpoint stitch`: a set of facts in, closed interactions out. No broker, no database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from touchpoint.stitching.book import Book
from touchpoint.stitching.facts import Fact, Micros
from touchpoint.stitching.interactions.advance import END_OF_TIME, ClosedInteraction
from touchpoint.stitching.limits import DEFAULT, Limits
from touchpoint.stitching.record import Json, amendment, record


class Outcome(NamedTuple):
    """What the passing of time gave: records in order of closing, and facts that could not be placed."""

    records: list[Json]
    orphans: list[Fact]


def stitch(facts: Iterable[Fact], limits: Limits = DEFAULT, secret: bytes = b"") -> Iterator[Json]:
    """The records of every interaction; at the end of the input every limit is reached, so everything closes."""
    yield from fold_all(facts, limits, secret).records


def fold_all(facts: Iterable[Fact], limits: Limits, secret: bytes, horizon: Micros = END_OF_TIME) -> Outcome:
    """As `stitch`, up to a horizon in event time, and with the facts that spoke of items which never came."""
    book = Book(limits)
    for fact in facts:
        book.enter(fact)
    closed: list[tuple[ClosedInteraction, Json]] = []
    orphans: list[Fact] = []
    amendments: dict[str, list[Json]] = {}
    for step in book.advance(horizon):
        closed += [(interaction, record(interaction, secret)) for interaction in step.closed]
        orphans += step.orphans
        for late in step.amendments:
            amendments.setdefault(late.interaction_id, []).append(amendment(late, secret))
    closed.sort(key=lambda pair: (pair[0].instant, pair[0].interaction_id))
    for interaction, row in closed:
        row["amendments"] = amendments.get(interaction.interaction_id, [])
    return Outcome([row for _, row in closed], orphans)

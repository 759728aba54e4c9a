"""A vendor's records to events, and a verdict on each: the one way in for live capture, the stream and the commands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import orjson

from touchpoint.dialects.dialect import Dialect, Event, Feed, Unknown
from touchpoint.events import DeadLetter, Decoder, Skipped, Verdict

NOT_KNOWN = Skipped("not known to the dialect, and of no media item")
NOTHING = Skipped("says nothing of a media item")


class Translated(NamedTuple):
    """One event of a record, or that there is none, and the verdict on it."""

    event: Event | None
    verdict: Verdict


def translate(dialect: Dialect, feed: Feed, lines: Iterable[bytes]) -> Iterator[list[Event] | Unknown]:
    """What becomes of each record that the bytes hold, in their order. Never raises but what `lines` raises."""
    for record in dialect.read(lines):
        yield dialect.translate(record, feed)


class Translator:
    """A dialect, and the decoder that the worker will judge its events by. Pure but for the memory of the feed."""

    def __init__(self, dialect: Dialect, decoder: Decoder) -> None:
        self.dialect = dialect
        self.decoder = decoder

    def translate(self, feed: Feed, lines: Iterable[bytes]) -> Iterator[Translated]:
        """Every event of the records with its verdict; one verdict without an event for a record that gives none."""
        for made in translate(self.dialect, feed, lines):
            if isinstance(made, Unknown):
                yield Translated(None, DeadLetter(made.reason, "dialect") if made.dead_letter else NOT_KNOWN)
            elif not made:
                yield Translated(None, NOTHING)
            else:
                yield from (Translated(event, self._verdict(event)) for event in made)

    def _verdict(self, event: Event) -> Verdict:
        verdict = self.decoder.decode(orjson.dumps(event))
        if isinstance(verdict, DeadLetter):
            cause = f"{verdict.cause} (in the event that {self.dialect.name} makes of it)"
            return DeadLetter(cause, verdict.code, verdict.about)
        return verdict

"""What became of some records of a source: events to send, and dead letters."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import NamedTuple

from touchpoint.dialects import Event, Feed
from touchpoint.dialects.translator import NOT_KNOWN, Translator
from touchpoint.events import DeadLetter


class Letter(NamedTuple):
    """A record that named a media item and was not understood, or of which an event was refused."""

    record: bytes
    cause: str
    code: str


class Outcome(NamedTuple):
    """Of some records."""

    events: list[Event]
    letters: list[Letter]
    unknown: int  # not understood, and of no media item


def outcome_of(records: Iterable[bytes], translator: Translator, feed: Feed) -> Outcome:
    """The events of the records; each of them is one that the worker accepts."""
    events: list[Event] = []
    letters: list[Letter] = []
    unknown = 0
    for raw in records:
        for event, verdict in translator.translate(feed, io.BytesIO(raw)):
            if isinstance(verdict, DeadLetter):
                letters.append(Letter(raw, verdict.cause, verdict.code))
            elif event is not None:
                events.append(event)
            else:
                unknown += verdict is NOT_KNOWN
    return Outcome(events, letters, unknown)

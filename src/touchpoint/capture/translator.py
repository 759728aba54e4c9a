"""One record's bytes in, events out, or why there are none."""

from __future__ import annotations

import io
from typing import NamedTuple

import orjson

from touchpoint.dialects import Dialect, Event, Feed, Unknown
from touchpoint.events import DeadLetter, Decoder


class Letter(NamedTuple):
    """A record that named a media item and was not understood."""

    record: bytes
    cause: str
    code: str


class Outcome(NamedTuple):
    """Of some records."""

    events: list[Event]
    letters: list[Letter]
    unknown: int  # not understood, and of no media item


class Translator:
    """A feed's records, in their order."""

    def __init__(self, dialect: Dialect, feed: Feed, decoder: Decoder) -> None:
        self.dialect = dialect
        self.feed = feed
        self._decoder = decoder

    def translate(self, records: list[bytes]) -> Outcome:
        """The events of the records; each of them is one that the worker accepts."""
        out = Outcome([], [], 0)
        unknown = 0
        for raw in records:
            for record in self.dialect.read(io.BytesIO(raw)):
                said = self.dialect.translate(record, self.feed)
                if isinstance(said, Unknown):
                    unknown += not said.dead_letter
                    out.letters.extend([Letter(raw, said.reason, "dialect")] if said.dead_letter else [])
                else:
                    self._accept(raw, said, out)
        return out._replace(unknown=unknown)

    def _accept(self, raw: bytes, said: list[Event], out: Outcome) -> None:
        for event in said:
            verdict = self._decoder.decode(orjson.dumps(event))
            if isinstance(verdict, DeadLetter):
                out.letters.append(Letter(raw, verdict.cause, verdict.code))
            else:
                out.events.append(event)

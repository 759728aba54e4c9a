"""Records of a topic with a dialect, one after the other: what becomes of each."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from io import BytesIO

from touchpoint.dialects import Feed, Memory
from touchpoint.dialects.translator import Translator
from touchpoint.events import Accepted, DeadLetter, Verdict
from touchpoint.events.verdicts import TOMBSTONE
from touchpoint.events.wire import too_large
from touchpoint.stages.protocol import Headers

DECLARATIONS = (b"source.heartbeat", b"source.flushed")
"""What a source says of itself, in the form of the contract, also in a topic with a dialect."""
LONGEST_SCOPE = 256  # bytes


class Translation:
    """One partition of the topic, in its order."""

    def __init__(self, translator: Translator, feed: Feed, memory: Memory | None = None) -> None:
        """``feed``: what the topic's declaration says; ``memory``: of what came before, in place of the feed's."""
        self.dialect = translator.dialect
        self.memory = Memory() if memory is None else memory
        self._translator, self._feed = translator, feed

    def verdicts(self, value: bytes | None, headers: Headers, key: bytes | None) -> list[Verdict]:
        """One on each event that the record holds, and on each part of it that is none."""
        if value is None:
            return [TOMBSTONE]
        said = self._declaration(value, headers, key)
        return [said] if said is not None else list(self._read(value, headers, key))

    def _declaration(self, value: bytes, headers: Headers, key: bytes | None) -> Accepted | None:
        """Whoever fills the topic may say that the source is alive or has told everything, as in every input."""
        if not any(name in value for name in DECLARATIONS) and all(text not in DECLARATIONS for _, text in headers):
            return None
        verdict = self._translator.decoder.decode(value, headers, key)
        return verdict if isinstance(verdict, Accepted) and verdict.fact.kind == "source" else None

    def _read(self, value: bytes, headers: Headers, key: bytes | None) -> Iterator[Verdict]:
        if (large := too_large(value, headers)) is not None:
            yield DeadLetter(large.cause, large.code)
            return
        feed = self._feed.with_memory(self.memory.of(self._scope(key)))
        recognized = False
        for translated in self._translator.translate(feed, BytesIO(value)):
            recognized = True
            yield translated.verdict
        if not recognized and value.strip():
            yield DeadLetter(
                f"nothing of it is of the form that {self.dialect.name} reads: {self.dialect.reads}", "dialect"
            )

    def _scope(self, key: bytes | None) -> str | None:
        """Where a dialect follows an order, each key of the topic is a feed of its own: systems share partitions.

        A key that is longer than a system's name is remembered by its digest.
        """
        if key is None or not self.dialect.capabilities.ordered:
            return None
        return key.decode("latin-1") if len(key) <= LONGEST_SCOPE else blake2b(key, digest_size=16).hexdigest()

"""What a stage of the stream is to its runtime: records in, state and forwards out, no IO.

The runtime (``stream/runtime.py``) owns everything durable: it writes the state's changes to the
changelog, produces the forwards, waits for every acknowledgement and only then lets the offset go.
A stage therefore must be *repeatable*: the same records applied to the state they left must change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, MutableMapping, Sequence
from typing import Protocol

import msgspec

from touchpoint.stitching.facts import Micros

Headers = Sequence[tuple[str, bytes | None]]
"""Names and values, which may be null. Names that are no UTF-8: see ``readable`` in ``fetching/record_batch.py``."""

State = MutableMapping[bytes, bytes]
"""One partition of a table. An assignment is a change, mutating a value is not (bytes cannot be)."""

FIRST = b"+"
"""Keys of the state that begin with it remember what the others do not have any more: they are durable before those."""
LAST = b"\0"
"""Keys that begin with it say how far the rest has come: they are durable after all others."""

MOST_STATE = 6 * 1024 * 1024
"""Bytes of one key. What would make it more is buried: a producer that never ends must not stop a worker."""


def in_order(keys: Collection[bytes]) -> list[list[bytes]]:
    """Keys as they become durable, one part after the other."""
    first, last = ([key for key in keys if key.startswith(prefix)] for prefix in (FIRST, LAST))
    rest = [key for key in keys if not key.startswith((FIRST, LAST))]
    return [part for part in (first, rest, last) if part]


class Damage(msgspec.Struct, frozen=True, gc=False):
    """Why a record, or what stands for several, could not be parsed."""

    reason: str  # of ``fetching.Reason``
    cause: str
    last: int  # the last offset concerned; the record's is the first


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record as it came from Kafka; nothing decoded, so nothing can have failed before the stage."""

    topic: str  # without the installation's prefix
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int  # milliseconds, any 64 bits, -1 for none; the broker's or the producer's: never event time
    stamped: bool = False  # whether the timestamp is the broker's, of the append (message.timestamp.type=LogAppendTime)
    damage: Damage | None = None  # set: ``value`` is no value but bytes of the log, and no stage is given the record


class Forward(msgspec.Struct, frozen=True, gc=False):
    """One record to produce. Dead letters are forwards to ``dead-letters``."""

    topic: str  # without the prefix: "touches", "links", "interactions", "dead-letters"
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None  # None: by key with murmur2, as every Java and aiokafka producer does


class Stage(Protocol):
    """The work of one agent on one partition. Calls never overlap."""

    def apply(self, records: Sequence[Record], now: Micros) -> Sequence[Forward]:
        """Take records of one topic partition, in order. ``now`` is the wall clock, UTC microseconds."""
        ...

    def tick(self, now: Micros, caught_up: Collection[str]) -> Sequence[Forward]:
        """About every half second. ``caught_up``: topics of this partition number that are read to their end."""
        ...


StageFactory = Callable[[int, int, State], Stage]
"""(partition, partitions, state): built once the table's partition is recovered, dropped when it is lost."""


class Writer(Protocol):
    """The history agent's sink."""

    async def write(self, records: Sequence[Record]) -> Sequence[Forward]:
        """Store the records in one transaction; return dead letters for what can never be stored.

        Raises ``ConnectionError``, ``OSError``, ``TimeoutError`` or an error listed in ``retriable`` for what a
        later attempt may cure: the runtime tries again in place for as long as it takes.
        """
        ...

    @property
    def retriable(self) -> tuple[type[BaseException], ...]:
        """Errors of the surroundings, beyond ``OSError`` and ``TimeoutError``."""
        ...

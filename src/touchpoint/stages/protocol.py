"""What a stage of the stream is to its runtime: records in, state and forwards out, no IO.

The runtime (``stream/work.py``) owns everything durable: it writes the state's changes to the changelog, produces the
forwards, waits for every acknowledgement and only then lets the offset go. A stage therefore must be *repeatable*: the
same records applied to the state they left must change nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, MutableMapping, Sequence
from typing import NamedTuple, Protocol

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


class InputTime(NamedTuple):
    """Event time of one input of a partition."""

    watermark: Micros | None  # None: not known yet, so that time stands still
    source: str | None  # of the event at which it stands; empty: not known; None: it had no event


class Report(msgspec.Struct):
    """What a stage has to say of itself since its last report; the runtime makes metrics and log lines of it."""

    watermark: Micros | None = None  # event time here; None: not known yet
    verdicts: Counter[str] = msgspec.field(default_factory=Counter)  # events by verdict
    translated: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)  # records by dialect and outcome
    sources: dict[tuple[str, str], Micros] = {}  # by topic and source: the time of the last event
    full: Counter[str] = msgspec.field(default_factory=Counter)  # by kind of key (bounds.py): had no room
    failures: list[tuple[str, Exception]] = []  # what failed and is tried again later, in words, and its error
    inputs: dict[str, InputTime] = {}  # by topic: those that hold time back, or may

    def take(self, watermark: Micros | None, inputs: dict[str, InputTime] | None = None) -> Report:
        """What was noted here, as a report of its own; this one begins anew."""
        taken = Report(
            watermark, self.verdicts.copy(), self.translated.copy(), dict(self.sources), self.full.copy(),
            list(self.failures), inputs or {},
        )  # fmt: skip
        for noted in (self.verdicts, self.translated, self.sources, self.full, self.failures):
            noted.clear()
        return taken


class Assignment(msgspec.Struct, frozen=True):
    """The partition of an agent that a stage is built for."""

    partition: int
    partitions: int  # of each of our own topics
    topic_partitions: int  # of the agent's topics: another number where a topic with a dialect is read
    state: State  # of this partition, recovered


class Stage(Protocol):
    """The work of one agent on one partition. Calls never overlap."""

    def parts(self, records: Sequence[Record]) -> Iterable[Sequence[Record]]:
        """The parts in which `apply` is to take the records of a batch, in order: between two calls others may run."""
        ...

    def apply(self, records: Sequence[Record], now: Micros) -> Sequence[Forward]:
        """Take records of one topic partition, in order. ``now`` is the wall clock, UTC microseconds."""
        ...

    def tick(self, now: Micros, caught_up: Collection[str]) -> Sequence[Forward]:
        """About every half second. ``caught_up``: topics of this partition number that are read to their end."""
        ...

    def report(self) -> Report:
        """What happened since the last call. Counts of records that the runtime takes back may be in it or not."""
        ...


StageFactory = Callable[[Assignment], Stage]
"""Called once the table's partition is recovered, and again after a failure; dropped when the partition is lost."""


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

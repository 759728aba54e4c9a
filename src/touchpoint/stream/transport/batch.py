"""The value of a Faust event in this product: the raw records of one partition, in order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import faust
from faust.types import TP

from touchpoint.kafka.fetching import HEADER_COST, Damaged
from touchpoint.stream.transport.offsets import Entry


class Batch:
    """Records of one partition on their way through an agent."""

    __slots__ = ("entry", "epoch", "generation", "records", "size", "tp")

    def __init__(self, tp: TP, records: list[Any], entry: Entry, epoch: int, generation: int) -> None:
        self.tp = tp
        self.records = records  # aiokafka.ConsumerRecord, or Damaged
        self.entry = entry
        self.epoch = epoch  # of the consumer's positions: a seek or a revocation begins a new one
        self.generation = generation  # of the consumer group
        self.size = sum(len(r.value or b"") + len(r.key or b"") for r in records)  # bytes in memory, about
        self.size += sum(HEADER_COST + len(name) + len(value or b"") for r in records for name, value in r.headers)

    @property
    def damaged(self) -> list[Damaged]:
        """Those that could not be parsed."""
        return [record for record in self.records if type(record) is Damaged]


class BatchSchema(faust.Schema[Any, Any]):
    """Decodes nothing, so that nothing can fail before the agent sees it (faust.md 2)."""

    def compile(
        self,
        app: Any,
        *,
        on_key_decode_error: Any = None,  # noqa: ARG002 - Faust's signature
        on_value_decode_error: Any = None,  # noqa: ARG002
        default_propagate: bool = False,
    ) -> Callable[..., Awaitable[Any]]:
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = default_propagate) -> Any:  # noqa: ARG001
            return create_event(message.key, message.value, message.headers, message)

        return decode

"""What cannot be parsed of what a broker handed over: where it lies, its bytes, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from aiokafka import ConsumerRecord

Reason = Literal[
    "checksum", "framing", "format", "codec", "compression", "size", "count", "record", "offset", "headers"
]
"""A word for metrics; docs/reference/metrics.md explains each."""


class DamagedError(Exception):
    """A batch or a record that cannot be parsed. ``cause``: for people, without anything that a producer wrote."""

    def __init__(self, reason: Reason, cause: str) -> None:
        super().__init__(cause)
        self.reason: Reason = reason
        self.cause = cause

    def bare(self) -> DamagedError:
        """The same without the traceback, which keeps in memory what was being unpacked: up to 64 MiB."""
        return DamagedError(self.reason, self.cause)


@dataclass
class Damaged(ConsumerRecord[Any, Any]):
    """Stands among the records of a partition for one or more that cannot be parsed.

    ``value`` has the bytes as they are in the log: a record, the rest of a batch after decompression, or a whole batch
    with its header. ``offset`` is the last one concerned, so that whoever goes on behind it skips them all.
    """

    first: int  # the first offset concerned
    reason: Reason
    cause: str

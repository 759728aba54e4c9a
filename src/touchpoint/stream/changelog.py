"""Writing the state of a partition into its changelog: before a batch is acknowledged, each part before the next."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from touchpoint.stages.protocol import in_order
from touchpoint.stream import terms
from touchpoint.stream.delivery import Delivery
from touchpoint.stream.outbox import Outbound
from touchpoint.stream.tables import Changes, PartitionState

ONE_BATCH = 192 * 1024  # bytes that surely go into one batch of the producer


class StateTooLargeError(Exception):
    """A key's state is larger than its changelog takes: the topic's max.message.bytes is below the bounds of state."""


class Changelog:
    """The changelog of one partition of a table, as its owner writes it."""

    def __init__(
        self, table: str, topic: str, state: PartitionState, delivery: Delivery,
        read_again: Callable[[PartitionState], Awaitable[None]],
    ) -> None:  # fmt: skip
        """``topic``: in full. ``read_again``: called when somebody else has written into it."""
        self.table = table
        self.state = state
        self._topic = topic
        self._delivery = delivery
        self._read_again = read_again

    async def write_upgraded(self) -> None:
        """Before anything else: what came of values that an older version wrote (state_forms.py)."""
        if parts := self.state.take_upgraded():
            self.state.begin()
            self.state.settle(await self._write([self._outbound(part) for part in parts]))

    async def write(self) -> None:
        """The state's changes; returns when all of them are acknowledged, and nobody else's record is behind ours.

        Raises ``OwnerChangedError`` if the partition is another worker's now.
        """
        await self._write_changes()
        while not self.state.contiguous:
            await self._read_again(self.state)
            await self._write_changes()

    async def _write_changes(self) -> None:
        changes = self.state.take_changes()
        self.state.settle(await self._write(parts_of(self._outbound(changes))) if changes else [])

    def _outbound(self, changes: Changes) -> list[Outbound]:
        headers = terms.headers_of(self.state.term, self.state.secret)
        return [Outbound(self._topic, self._delivery.partition, *change, headers) for change in changes]

    async def _write(self, parts: list[list[Outbound]]) -> list[tuple[int, int]]:
        """Each part is acknowledged before the next is sent; returns base offset and records of each batch."""
        delivery = self._delivery
        for part in parts:
            self._check_sizes(part)
        written: list[tuple[int, int]] = []
        for part in parts:
            written += (await delivery.outbox.deliver(part, delivery.give_up))[self._topic, delivery.partition]
        size = sum(record.size for part in parts for record in part)
        delivery.metrics.count("changelog_bytes", size, self.table)
        return written

    def _check_sizes(self, outbound: list[Outbound]) -> None:
        limit = self._delivery.max_bytes(self._topic)
        for record in outbound:
            if record.size > limit:
                raise StateTooLargeError(f"{record.size:,} bytes for one key in {self._topic}, at most {limit:,}")


def parts_of(changes: list[Outbound]) -> list[list[Outbound]]:
    """What is written one after the other, each part acknowledged before the next.

    A crash in between must leave neither what is closed forgotten, so that it would open again, nor time ahead of the
    facts, so that what is incomplete would close. A single batch is stored whole or not at all.
    """
    if sum(record.size for record in changes) <= ONE_BATCH:
        return [changes]
    by_key = {record.key or b"": record for record in changes}
    return [[by_key[key] for key in part] for part in in_order(by_key.keys())]

"""Bringing the tables of newly assigned partitions up to their changelogs.

Faust's recovery sends changelogs record by record through the group's consumer and a shared queue, races with its own
seek and hangs where a last record is missing (faust.md 3). Ours reads them in batches with a consumer of its own, up to
the high watermark that the broker reports with the data, and then lets Faust resume the streams.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from faust.tables.manager import TableManager as FaustTableManager
from faust.tables.recovery import RebalanceAgain, Recovery, ServiceStopped
from faust.types import TP
from mode import Service

from touchpoint.stream.state_forms import upgraded
from touchpoint.stream.tables import PartitionState, Table
from touchpoint.stream.terms import check_secret, term_and_form

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0


async def read_changelogs(reader: AIOKafkaConsumer, states: Mapping[TP, PartitionState]) -> int:
    """Apply the changelogs to their end, from where each state is known to be. Returns the records read.

    Every record acknowledged before the call is applied. Raises ``KafkaError``: progress is kept, so call it again.
    """
    waiting = {TopicPartition(*tp): state for tp, state in states.items()}
    if not waiting:
        return 0
    reader.assign(list(waiting))
    for tp, state in waiting.items():
        reader.seek(tp, state.next_offset)
    read = 0
    while waiting:
        for tp, records in (await reader.getmany(timeout_ms=200)).items():
            state = states[TP(tp.topic, tp.partition)]
            for record in records:
                check_secret(record.headers, state.secret)
                if record.key is not None:  # nor is it what could not be parsed: the key keeps the value before
                    state.restore(record.key, record.value, *term_and_form(record.headers))
            state.recovered(records[-1].offset + 1)
            read += len(records)
            await asyncio.sleep(0)  # cost: hundreds of MB come in one go, and heartbeats must be sent meanwhile
        for tp in [tp for tp in waiting if await _at_end(reader, tp, waiting[tp])]:
            del waiting[tp]
            reader.pause(tp)
    return read


async def _at_end(reader: AIOKafkaConsumer, tp: TopicPartition, state: PartitionState) -> bool:
    highwater = reader.highwater(tp)
    if highwater is None:
        return False  # nothing fetched yet: the broker has not told
    # by position, not by the last record's offset: compaction and aborted transactions leave a last offset that never
    # comes; shown by test_gaps_that_compaction_retention_and_transactions_leave_hold_nothing_up
    position = await reader.position(tp)
    if position < highwater:
        return False
    state.recovered(position)
    return True


async def catch_up(new_reader: Callable[[], AIOKafkaConsumer], states: Mapping[TP, PartitionState]) -> int:
    """``read_changelogs``, as often as it takes."""
    while True:
        reader = new_reader()
        try:
            await reader.start()
            return await read_changelogs(reader, states)
        except (KafkaError, OSError) as error:
            log.warning("reading the changelogs failed, trying again: %r", error)
            await asyncio.sleep(RETRY_SECONDS)
        finally:
            await reader.stop()


class OwnerChangedError(Exception):
    """A later owner has written into the changelog of a partition that we took for ours."""


async def read_again(new_reader: Callable[[], AIOKafkaConsumer], changelog: TP, state: PartitionState) -> None:
    """Read what somebody else wrote into a changelog of ours: the keys are then written again, with our values.

    Raises ``OwnerChangedError`` if it is us who came too late.
    """
    ours = state.term
    log.warning("%s partition %d has records that are not ours: reading them", *changelog)
    await catch_up(new_reader, {changelog: state})
    # race: a later term there means that our group gave the partition away while our producer's request was under way;
    # writing on would overwrite what the new owner knows (test_zombies.py)
    if state.term != ours:
        raise OwnerChangedError(
            f"another worker has taken {changelog.topic} partition {changelog.partition}: this one was out of its group"
            " for too long, or another has the same TOUCHPOINT_INSTANCE_ID"
        )


class ChangelogRecovery(Recovery):
    """Replaces the two tasks of Faust's recovery; what is around them stays."""

    app: Any  # touchpoint.stream.app.App, which imports this module

    def __init__(self, app: Any, tables: Any, **kwargs: Any) -> None:
        super().__init__(app, tables, **kwargs)

    @Service.task
    async def _slurp_changelogs(self) -> None:
        """Not needed: changelogs do not come through the group's consumer."""

    @Service.task
    async def _restart_recovery(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self.signal_recovery_start):  # type: ignore[arg-type]
                return
            self.signal_recovery_start.clear()
            try:
                await self._through()
            except RebalanceAgain:
                continue
            except ServiceStopped:
                return

    async def _through(self) -> None:
        """Recover to the end. A client that loses its broker may cancel what waits for it, and Faust takes that for our
        end: the worker would then keep its partitions and never work on them.
        """
        while True:
            try:
                await self._wait(self._recover())
                await self._wait(self.on_recovery_completed(self._generation_id))
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if self.should_stop or (task is not None and task.cancelling()):
                    raise
                log.warning("reading the changelogs was interrupted, trying again")
                await self._undo()
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def _undo(self) -> None:
        """Before another try: actors that were made already end, and states that they left ahead of their changelog
        are read afresh. Else the next try would make a second actor of each partition.
        """
        if self.app.consumer.drain is not None:
            await self.app.consumer.drain(RETRY_SECONDS)
        partitions = defaultdict(set)
        for tp in self.active_tps:
            partitions[self.tp_to_table[tp]].add(tp.partition)
        for table, numbers in partitions.items():
            cast("Table", table).keep_only(numbers)

    async def _recover(self) -> None:
        self._set_recovery_started()
        states: dict[TP, PartitionState] = {}
        for tp in self.active_tps:
            table: Any = self.tp_to_table[tp]
            states[tp] = table.partition(tp.partition)
            states[tp].secret = self.app.secret
        if not states:
            return
        log.info("reading %d changelog partitions", len(states))
        began = time.monotonic()
        read = await catch_up(self.app.new_reader, states)
        for tp, state in states.items():
            state.claim(self._generation_id, time.time_ns() // 1_000_000)
            if changed := state.upgrade(partial(upgraded, self.tp_to_table[tp].name)):
                log.info("%s partition %d: %s keys of an older version take the form of this one", *tp, f"{changed:,}")
        log.info("read %s changelog records", f"{read:,}")
        self.app.recovery_seconds, self.app.recovery_records = time.monotonic() - began, read

    async def _wait(self, coro: Any, timeout: Any = None) -> None:  # noqa: ARG002, ASYNC109 - Faust's signature
        """Without a time-out: Faust takes one for a stop, and a worker whose coordinator is slow never works again."""
        await super()._wait(coro)

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        """Seek and resume; then let the app build what works on the recovered partitions.

        Not while the partitions are being revoked. Between the revocation and the next assignment the generation is
        still the old one, and actors made then, after the runtime has stopped all there were, would go on beside those
        of the next assignment: two writers of one state (test_rebalances: a recovery that a rebalance overtakes).
        """
        self._set_recovery_ended()
        if self.app.consumer.revoking:
            log.info("the partitions are being revoked: they are not taken up")
            return
        if self.app.consumer_generation_id == generation_id:
            self.app.on_recovered(generation_id)
        await super().on_recovery_completed(generation_id)


class TableManager(FaustTableManager):
    """The setting ``TableManager`` of the app."""

    @property
    def recovery(self) -> Recovery:
        if self._recovery is None:
            self._recovery = ChangelogRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    async def on_start(self) -> None:
        """Without Faust's second of sleep."""
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        for table in self.values():
            if isinstance(table, Table):
                topic = table.changelog_topic.get_topic_name()
                table.keep_only({tp.partition for tp in assigned if tp.topic == topic})
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)

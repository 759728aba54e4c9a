"""Faust's consumer, made at least once and fast.

Stock faust-streaming 0.15.3 loses events in seven ways (faust.md 1); this subclass replaces delivery, acknowledgement
and commit, and leaves the group protocol, threads and assignment alone:

* one Faust event per (partition, chunk of records) instead of one per record;
* offsets are the contiguous prefix of what was delivered and finished;
* an ack of an earlier generation or position changes nothing;
* revoked partitions are drained and committed before they are forgotten;
* fetching and seeking exclude each other, so that no record is skipped or delivered twice by a seek;
* a partition without a committed offset is sought to its beginning explicitly.

It overrides private methods, so the Faust version is pinned; ``tests/stream/test_overrides.py`` guards the signatures.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import ConsumerStoppedError, KafkaError
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from touchpoint.stream.transport.batch import Batch
from touchpoint.stream.transport.group_offsets import refuse_failed_answers
from touchpoint.stream.transport.membership import Membership, is_fenced, join_again_by_member_id
from touchpoint.stream.transport.offsets import OffsetTracker

CHUNK = 2000
POLL_SECONDS = 0.25
FETCH_WAIT_MS = 250
HEARD_WITHIN = 2.0
"""Seconds for which a broker's word holds that a partition has no more: several fetches, also on a busy machine."""
Drain = Callable[[float], Awaitable[None]]


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's thread around aiokafka's consumer, with two settings Faust has no name for."""

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # look-ups queue behind a waiting fetch: Faust's 1.5 s is long
        consumer._isolation_level = "read_committed"  # what a producer aborted never happened (faust.md 4)
        return consumer

    async def on_start(self) -> None:
        await super().on_start()
        coordinator = self._ensure_consumer()._coordinator
        refuse_failed_answers(coordinator)
        if self.app.conf.consumer_group_instance_id:
            join_again_by_member_id(coordinator)


class Consumer(driver.Consumer):
    """Delivers batches and commits only what is finished."""

    drain: Drain | None = None  # set by the runtime: finish what is being worked on, within so many seconds

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tracker = OffsetTracker()
        self.epoch = 0
        self.revoking = False
        """From the revocation of our partitions to their next assignment: nothing may be taken up meanwhile."""
        self.held: dict[TP, int] = {}  # records from the first open transaction on
        self._delivered_to: dict[TP, int] = {}
        self._heard_at: dict[TP, float] = {}  # of each partition's end, by the wall clock
        self._wanted_at: dict[TP, float] = {}  # since when each is to be read, by the wall clock too
        self._fetch_lock = asyncio.Lock()  # held while fetching and delivering, and while seeking
        self._wake_fetcher = asyncio.Event()

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def group_problem(self, membership: Membership) -> str | None:
        """Why we do not belong to the group and never will."""
        return membership.problem(self._thread._consumer)

    # --- finishing and committing

    def ack(self, message: Any) -> bool:
        """Note that a batch is finished; ignored if its partition was revoked or sought meanwhile."""
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        batch: Batch = message.value
        if batch.generation != self.app.consumer_generation_id:
            return False
        return self.tracker.finish(batch.entry)

    def is_current(self, batch: Batch) -> bool:
        """False once the batch's partition may belong to somebody else or will be read again."""
        return batch.entry.live and batch.epoch == self.epoch and batch.generation == self.app.consumer_generation_id

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in self.tracker.partitions() if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        return self.tracker.committable(tp)

    async def _commit_offsets(
        self,
        offsets: Mapping[TP, int],
        start_new_transaction: bool = True,  # noqa: ARG002 - Faust's signature
    ) -> bool:
        # No producer.flush() as in Faust: it is no barrier (faust.md 1.1), and a batch is finished only when its
        # effects were acknowledged.
        assignment = self.assignment()
        mine = {tp: offset for tp, offset in offsets.items() if tp in assignment}
        epoch = self.epoch
        if not mine or not await self._commit(mine):
            return False
        if epoch == self.epoch:
            for tp, offset in mine.items():
                self.tracker.committed(tp, offset)
                self._committed_offset[tp] = offset
        self.app.monitor.on_tp_commit(mine)
        return True

    # --- rebalancing

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish and commit what is being worked on, and only then forget the partitions."""
        self.revoking = True
        app = self.app
        if revoked and not app.should_stop:
            self.stop_flow()
            app.flow_control.suspend()
            app.flow_control.clear()
            await self.drain_and_commit(app.conf.broker_rebalance_timeout * 0.5)
        self.epoch += 1
        self.tracker.forget(revoked)
        for tp in revoked:
            self._delivered_to.pop(tp, None)
            self._heard_at.pop(tp, None)
            self._wanted_at.pop(tp, None)
            self.held.pop(tp, None)
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """The rebalance is over: recovery begins with what is assigned now."""
        self.revoking = False
        self._wanted_at |= dict.fromkeys(assigned, time.time())
        await super().on_partitions_assigned(assigned, generation_id)

    async def drain_and_commit(self, seconds: float) -> None:
        """Let the agents finish their current batches and commit them, within ``seconds``."""
        deadline = time.monotonic() + seconds
        if self.drain is not None:
            await self.drain(seconds)
        try:
            await asyncio.wait_for(self.commit(), max(1.0, deadline - time.monotonic()))
        except TimeoutError:
            self.log.warning("the commit of finished batches timed out: they will be read again")

    async def perform_seek(self) -> None:
        """Go to the committed offsets, or to the beginning where there are none, with nothing in between."""
        self.stop_flow()  # whoever asked for the seek resumes it
        async with self._fetch_lock:
            self.epoch += 1
            self.app.flow_control.clear()
            self.tracker.forget()
            self._wanted_at = dict.fromkeys(self.assignment(), time.time())
            self._delivered_to.clear()
            self._heard_at.clear()
            for index in (self._gap, self._acked, self._acked_index):
                index.clear()
            changelogs = {tp for tp in self.assignment() if self._is_changelog_tp(tp)}
            await self._thread.call_thread(self._stop_fetching, changelogs)
            ours = {tp for tp in self.assignment() if not self._is_changelog_tp(tp)}
            committed = await self._thread.call_thread(self._seek_to_committed, ours)
            self._committed_offset.clear()
            self._committed_offset.update(committed)
            fresh = [driver.ensure_aiokafka_TP(tp) for tp in ours - committed.keys()]
            if fresh:
                await self._thread.seek_to_beginning(*fresh)

    async def _seek_to_committed(self, tps: Iterable[TP]) -> dict[TP, int]:
        """In the consumer's thread. All in one request: Faust asks for one partition after the other."""
        consumer = self._thread._ensure_consumer()
        found = await consumer._coordinator.fetch_committed_offsets([driver.ensure_aiokafka_TP(tp) for tp in tps])
        committed = {tp: at.offset for tp, at in found.items() if at.offset > 0 and tp in consumer.assignment()}
        for tp, offset in committed.items():
            consumer.seek(tp, offset)
        return {ensure_TP(tp): offset for tp, offset in committed.items()}

    async def _stop_fetching(self, changelogs: Iterable[TP]) -> None:
        """Changelogs are read by the recovery's own reader, never through the group's consumer. In its thread.

        Each is given a position. Without one, aiokafka asks the partition's leader for it and fetches nothing from that
        broker before it answers: in a soak it did not for minutes (``fetching/lookups.py``), and no input that it was
        thought to lead was read.
        """
        consumer = self._thread._ensure_consumer()
        for tp in {driver.ensure_aiokafka_TP(tp) for tp in changelogs} & consumer.assignment():
            consumer.pause(tp)
            consumer.seek(tp, 0)

    # --- progress

    def caught_up(self, tp: TP) -> bool:
        """True if the partition is read to its end, as the broker said a moment ago, and everything read is finished.

        What a broker said before it was cut off, frozen or restarted says nothing of what producers hold back since.
        """
        try:
            highwater: int | None = self.highwater(tp)
        except AssertionError:  # aiokafka's: a rebalance has taken the partition, and its agent is not told yet
            return False
        if highwater is None or abs(time.time() - self._heard_at.get(tp, 0.0)) > HEARD_WITHIN:
            return False
        return self._delivered_to.get(tp, -1) >= highwater and self.tracker.idle(tp)

    def lags(self) -> Iterator[tuple[TP, int]]:
        """How many records of each partition are not finished and committed, by the broker's latest word of its end."""
        subscription = self._thread._ensure_consumer()._subscription.subscription
        assignment = subscription.assignment if subscription is not None else None
        if assignment is None:
            return
        for tp, delivered_to in list(self._delivered_to.items()):
            state = assignment.state_value(driver.ensure_aiokafka_TP(tp))
            if state is not None and state.highwater is not None:
                first = self.tracker.first_uncommitted(tp)
                yield tp, max(0, state.highwater - (delivered_to if first is None else first))

    def fetch_ages(self) -> Iterator[tuple[TP, float, bool]]:
        """For how many seconds no broker has answered a fetch of each partition, and whether one has since it is ours.

        Where records wait to be worked on, no more are asked for, and that is no answer either.
        """
        subscription = self._thread._ensure_consumer()._subscription.subscription
        assignment = subscription.assignment if subscription is not None else None
        now = time.time()
        for tp, wanted_at in list(self._wanted_at.items()):
            state = assignment.state_value(driver.ensure_aiokafka_TP(tp)) if assignment is not None else None
            answered_at = state.timestamp if state is not None else None
            since = wanted_at if answered_at is None else max(wanted_at, answered_at / 1000.0)
            yield tp, max(0.0, now - since), answered_at is not None

    def _note_positions(self) -> None:
        # Only between fetches: every record before the position has then been delivered.
        subscription = self._thread._ensure_consumer()._subscription.subscription
        if subscription is None or subscription.assignment is None:
            return
        for tp in self.assignment():
            state = subscription.assignment.state_value(driver.ensure_aiokafka_TP(tp))
            if state is None or state._position is None:
                continue
            self._delivered_to[tp] = state._position
            if state.timestamp is not None:
                self._heard_at[tp] = state.timestamp / 1000.0
            if state.highwater is not None:
                stable = state.highwater if state.lso is None else state.lso
                self.held[tp] = max(0, state.highwater - stable)

    async def verify_all_partitions_active(self) -> None:
        """Nothing: Faust looks for partitions that are not acknowledged, in its own index, which we do not keep.

        Where aiokafka has no position for a partition, as after a broker that was away, its look ends the worker.
        `touchpoint_lag_records` says what is not read.
        """

    # --- delivery

    def on_buffer_drop(self, tp: TP) -> None:
        super().on_buffer_drop(tp)
        self._wake_fetcher.set()

    async def _drain_messages(self, fetcher: Any) -> None:
        def stopping() -> bool:
            return bool(self._stopped.is_set() or fetcher._stopped.is_set())

        try:
            while not stopping():
                await asyncio.sleep(0)
                if not self.flow_active:
                    await self.wait(self.can_resume_flow)  # type: ignore[arg-type]
                    continue
                async with self._fetch_lock:
                    await self._fetch_and_deliver()
        except (ConsumerStoppedError, asyncio.CancelledError):
            if not self.app.should_stop:
                raise
        except KafkaError as error:
            if not is_fenced(error):
                raise
            await self._stopped.wait()  # the worker's own watch of its group ends it, with a sentence

    async def _fetch_and_deliver(self) -> None:
        if not self.flow_active:
            return  # stopped while waiting for the lock
        active = set(self._get_active_partitions())  # a copy: an emptied live set would mean "all" (faust.md 3)
        if not active:
            # Faust sleeps a second here; wait for the first partition to be wanted again instead.
            self._wake_fetcher.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake_fetcher.wait(), POLL_SECONDS)
            return
        records = await self._getmany(active_partitions=active, timeout=POLL_SECONDS)
        generation = self.app.consumer_generation_id
        for tp, chunk in _chunks(records or {}):
            if self.suspend_flow.is_set() or generation != self.app.consumer_generation_id:
                return  # a seek follows: they will be fetched again
            await self._deliver(tp, chunk, generation)
        self._note_positions()

    async def _deliver(self, tp: TP, records: list[Any], generation: int) -> None:
        first, last = records[0], records[-1]
        entry = self.tracker.deliver(tp, first.offset, last.offset + 1, first.timestamp)
        batch = Batch(tp, records, entry, self.epoch, generation)
        value: Any = batch
        message = ConsumerMessage(
            tp.topic, tp.partition, first.offset, last.timestamp / 1000.0, 0, [], None, value,
            None, 0, 0, tp, generation_id=generation,
        )  # fmt: skip
        await self.wait_first(self.callback(message), self.suspend_flow.wait())


def _chunks(records: Mapping[Any, list[Any]]) -> Iterator[tuple[TP, list[Any]]]:
    """Chunks round-robin over the partitions, each partition's in order."""
    start = 0
    left = {ensure_TP(tp): of_tp for tp, of_tp in records.items() if of_tp}
    while left:
        for tp in list(left):
            chunk = left[tp][start : start + CHUNK]
            if chunk:
                yield tp, chunk
            if start + CHUNK >= len(left[tp]):
                del left[tp]
        start += CHUNK

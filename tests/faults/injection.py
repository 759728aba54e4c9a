"""Doing what the schedule says, each fault a task of its own: they overlap as they fall."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import asyncpg
from crew import Crew, Post, Why, listens
from fault_schedule import Fault, Kind
from surroundings import Surroundings

STOP_SECONDS = 3.0  # beyond the grace period: a process that is told to end needs a processor for it too
ZOMBIE_SECONDS = 5.0  # for who stood still too long to find out and end
LOOKS_FOR_TRANSACTION = 2.0

IN_TRANSACTION = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xid IS NOT NULL
"""
END_ALL = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


class Injector:
    """Breaks workers, broker and database of one round; counts what it did."""

    def __init__(self, crew: Crew, surroundings: Surroundings, grace: float) -> None:
        self.done: Counter[Kind] = Counter()
        self.running: set[asyncio.Task[None]] = set()
        self.in_transaction = 0  # connections that were ended in the middle of one
        self._crew = crew
        self._surroundings = surroundings
        self._grace = grace + STOP_SECONDS
        self._ways: dict[Kind, Callable[[Fault], Awaitable[None]]] = {
            Kind.KILL: self._kill, Kind.STOP: self._stop, Kind.ADD: self._add, Kind.REMOVE: self._remove,
            Kind.FREEZE: self._freeze, Kind.PAUSE: self._freeze,
            Kind.BROKER_RESTART: self._restart_broker, Kind.BROKER_KILL: self._kill_broker,
            Kind.BROKER_FREEZE: self._freeze_broker,
            Kind.POSTGRES_RESTART: self._postgres_away, Kind.POSTGRES_CRASH: self._postgres_away,
            Kind.POSTGRES_DOWN: self._postgres_away, Kind.DISCONNECT: self._disconnect, Kind.LOCK: self._lock,
        }  # fmt: skip

    async def inject(self, faults: Sequence[Fault]) -> None:
        """All of them, each at its time; returns when all are over. Raises what went wrong in doing them."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for fault in faults:
                await asyncio.sleep(max(0.0, began + fault.at - time.monotonic()))
                task = tasks.create_task(self._inject(fault), name=fault.kind)
                self.running.add(task)
                task.add_done_callback(self.running.discard)

    async def _inject(self, fault: Fault) -> None:
        await self._ways[fault.kind](fault)
        self.done[fault.kind] += 1

    # --- workers

    async def _kill(self, fault: Fault) -> None:
        post = await self._crew.pick(fault.pick)
        worker = post.worker
        assert worker is not None
        post.why = Why.KILLED
        worker.process.kill()
        await self._crew.ended(worker)
        post.busy = False

    async def _stop(self, fault: Fault) -> None:
        post = await self._crew.pick(fault.pick)
        await self._told_to_end(post, self._crew.stop)
        post.busy = False

    async def _add(self, _: Fault) -> None:
        self._crew.add()

    async def _remove(self, fault: Fault) -> None:
        await self._told_to_end(await self._crew.pick(fault.pick), self._crew.dismiss)

    async def _told_to_end(self, post: Post, how: Callable[[Post, float], Awaitable[None]]) -> None:
        began = time.monotonic()
        watch = asyncio.create_task(self._excuse(post, began))
        await how(post, self._grace)
        watch.cancel()

    async def _excuse(self, post: Post, began: float) -> None:
        """Without a broker nobody can leave a group: then a worker may end late, and say so by its status."""
        while True:
            if post.why is Why.STOPPED and self._surroundings.broker_was_away_since >= began:
                post.why = Why.STOPPED_ALONE
            await asyncio.sleep(0.02)

    async def _freeze(self, fault: Fault) -> None:
        post = await self._crew.pick(fault.pick)
        worker = post.worker
        assert worker is not None
        watched = await asyncio.to_thread(listens, worker)  # one that is only starting does not watch itself yet
        worker.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(fault.lasts)
        beyond = fault.kind is Kind.FREEZE
        post.why = Why.FROZEN if beyond else Why.PAUSED
        worker.process.send_signal(signal.SIGCONT)
        await self._crew.ended(worker, ZOMBIE_SECONDS if beyond and watched else 1.0)
        if worker.running:
            post.why = Why.ITSELF
            if beyond and watched:
                self._crew.problems.append(f"{worker.log.name} went on after {fault.lasts:.1f} s of standing still")
        post.busy = False

    # --- broker

    async def _restart_broker(self, fault: Fault) -> None:
        async with self._surroundings.broker_away(fault.pick) as broker:
            await asyncio.to_thread(broker.stop)
            await asyncio.to_thread(broker.start)

    async def _kill_broker(self, fault: Fault) -> None:
        async with self._surroundings.broker_away(fault.pick) as broker:
            await asyncio.to_thread(broker.kill)
            await asyncio.sleep(fault.lasts)
            await asyncio.to_thread(broker.start)

    async def _freeze_broker(self, fault: Fault) -> None:
        async with self._surroundings.broker_away(fault.pick) as broker:
            broker.pause()
            await asyncio.sleep(fault.lasts)
            broker.resume()

    # --- PostgreSQL

    async def _postgres_away(self, fault: Fault) -> None:
        mode = "immediate" if fault.kind is Kind.POSTGRES_CRASH else "fast"
        async with self._surroundings.postgres_away() as postgres:
            await asyncio.to_thread(postgres.halt, mode)
            await asyncio.sleep(fault.lasts)
            await asyncio.to_thread(postgres.resume)

    async def _disconnect(self, _: Fault) -> None:
        """Waits a while for someone to be in the middle of a transaction; then ends all connections, theirs first."""
        async with self._surroundings.postgres_away():
            connection = await asyncpg.connect(self._surroundings.database)
            deadline = time.monotonic() + LOOKS_FOR_TRANSACTION
            while time.monotonic() < deadline:
                if busy := await connection.fetch(IN_TRANSACTION):
                    ended = [await connection.fetchval("SELECT pg_terminate_backend($1)", row[0]) for row in busy]
                    self.in_transaction += sum(ended)
                    break
            await connection.fetchval(END_ALL)
            await connection.close()

    async def _lock(self, fault: Fault) -> None:
        """What a careless migration does: every writer waits."""
        async with self._surroundings.postgres_away():
            connection = await asyncpg.connect(self._surroundings.database)
            async with connection.transaction():
                await connection.execute("LOCK TABLE touchpoint.interaction_index IN ACCESS EXCLUSIVE MODE")
                await asyncio.sleep(fault.lasts)
            await connection.close()

"""What may happen to a recovery, made to happen: a worker that imports this does it while a file of the test exists."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import GroupLoadInProgressError
from aiokafka.protocol.commit import OffsetFetchRequest, OffsetFetchResponse_v3

from touchpoint.stream.recovery import ChangelogRecovery
from touchpoint.stream.transport import Consumer


def let_rebalances_overtake_recovery(asked: Path) -> None:
    """While the file is there, a recovery ends when a rebalance has stopped all work and not yet assigned anew."""
    recover, drain = ChangelogRecovery._recover, Consumer.drain_and_commit
    stopped = asyncio.Event()

    async def recovering(self: ChangelogRecovery) -> None:
        await recover(self)
        if asked.exists():  # noqa: ASYNC240 - a file of the test, on this machine
            await stopped.wait()

    async def draining(self: Consumer, seconds: float) -> None:
        await drain(self, seconds)
        stopped.set()
        asked.unlink(missing_ok=True)  # noqa: ASYNC240 - as above
        for _ in range(100):  # turns of the loop in which what was recovered could be taken up
            await asyncio.sleep(0)

    ChangelogRecovery._recover = recovering  # type: ignore[method-assign]
    Consumer.drain_and_commit = draining  # type: ignore[method-assign]


def interrupt_recovery(asked: Path) -> None:
    """The first seek after a recovery is cancelled, as by a client that loses its broker; it removes the file."""
    seek = Consumer.perform_seek

    async def seeking(self: Consumer) -> None:
        if asked.exists():  # noqa: ASYNC240 - as above
            asked.unlink()  # noqa: ASYNC240 - as above
            raise asyncio.CancelledError
        await seek(self)

    Consumer.perform_seek = seeking  # type: ignore[method-assign]


def load_coordinator(asked: Path) -> None:
    """The first answer of committed offsets is that of a coordinator that is loading them; it removes the file."""
    send = AIOKafkaClient.send

    async def sending(self: AIOKafkaClient, node_id: Any, request: Any, **kwargs: Any) -> Any:
        answer = await send(self, node_id, request, **kwargs)
        if isinstance(request, OffsetFetchRequest) and asked.exists():  # noqa: ASYNC240 - as above
            asked.unlink()  # noqa: ASYNC240 - as above
            return OffsetFetchResponse_v3(throttle_time_ms=0, topics=[], error_code=GroupLoadInProgressError.errno)
        return answer

    AIOKafkaClient.send = sending

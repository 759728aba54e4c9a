"""A TCP proxy that understands the heads of Kafka's requests: delays, loses and withholds them by API, as networks do.

Start it in front of a broker's second listener, whose advertised port is the proxy's: then a client that bootstraps
from ``KafkaProxy.bootstrap`` reaches the broker through the proxy only. It runs in a thread of its own, so that a busy
test holds up nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, IntEnum, auto
from types import TracebackType
from typing import Self


class Api(IntEnum):
    """Kafka's API keys, https://kafka.apache.org/protocol#protocol_api_keys."""

    PRODUCE = 0
    FETCH = 1
    LIST_OFFSETS = 2
    METADATA = 3
    OFFSET_COMMIT = 8
    OFFSET_FETCH = 9
    FIND_COORDINATOR = 10
    JOIN_GROUP = 11
    HEARTBEAT = 12
    LEAVE_GROUP = 13
    SYNC_GROUP = 14
    INIT_PRODUCER_ID = 22


COORDINATION = (
    Api.OFFSET_COMMIT, Api.OFFSET_FETCH, Api.FIND_COORDINATOR, Api.JOIN_GROUP, Api.HEARTBEAT, Api.LEAVE_GROUP,
    Api.SYNC_GROUP,
)  # fmt: skip


class Fate(Enum):
    """What becomes of a request. What follows it on its connection waits for it."""

    DELAY = auto()  # the broker has it later
    HOLD = auto()  # the broker has it when the rule is lifted, whether its sender is still there or not
    DROP = auto()  # the connection ends, and the broker never has it
    DROP_ANSWER = auto()  # the broker acts, and the connection ends before its answer
    SWALLOW = auto()  # the broker never has it, and the connection goes on without an answer


@dataclass
class Rule:
    """``contains``: only requests with these bytes, such as a topic's name. ``times``: so often, then never more."""

    apis: tuple[Api, ...]
    fate: Fate
    seconds: tuple[float, float] = (0.0, 0.0)
    contains: bytes = b""
    times: int | None = None
    hits: int = 0
    lifted: asyncio.Event = field(default_factory=asyncio.Event)

    def concerns(self, request: bytes) -> bool:
        """True if the request is to have this rule's fate."""
        if self.times is not None and self.hits >= self.times:
            return False
        (api,) = struct.unpack(">h", request[:2])
        return api in self.apis and self.contains in request


class KafkaProxy:
    """Use it as a context manager; ``rule`` makes trouble for as long as its own context lasts."""

    def __init__(self, port: int, broker_port: int, seed: int = 1) -> None:
        self.bootstrap = f"127.0.0.1:{port}"
        self._port, self._broker_port = port, broker_port
        self._rules: list[Rule] = []
        self._chance = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="kafka-proxy", daemon=True)
        self._connections: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @contextlib.contextmanager
    def rule(
        self, fate: Fate, *apis: Api, seconds: tuple[float, float] = (0.0, 0.0), contains: str = "",
        times: int | None = None,
    ) -> Iterator[Rule]:  # fmt: skip
        """The requests of these APIs have this fate; the first rule that concerns a request counts."""
        made = Rule(apis, fate, seconds, contains.encode(), times)
        self._rules.append(made)
        try:
            yield made
        finally:
            self._rules.remove(made)
            self._loop.call_soon_threadsafe(made.lifted.set)

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._accept, "127.0.0.1", self._port)

    async def _end(self) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        writers = [writer]
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._broker_port)
            writers.append(up_writer)
            unanswered: set[int] = set()
            requests = asyncio.create_task(self._requests(reader, up_writer, unanswered))
            answers = asyncio.create_task(_answers(up_reader, writer, unanswered))
            try:
                # not until the first of both ends: a request that is held outlives the connection of its sender
                await requests
            finally:
                requests.cancel()
                answers.cancel()
                await asyncio.gather(requests, answers, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass  # the broker is away, or the proxy ends
        finally:
            self._connections.discard(task)
            for each in writers:
                each.close()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, unanswered: set[int]) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readexactly(4)
                request = await reader.readexactly(*struct.unpack(">i", head))
                rule = next((rule for rule in self._rules if rule.concerns(request)), None)
                if rule is not None:
                    rule.hits += 1
                    if rule.fate is Fate.DROP:
                        return
                    if rule.fate is Fate.SWALLOW:
                        continue
                    if rule.fate is Fate.DROP_ANSWER:
                        unanswered.add(*struct.unpack(">i", request[4:8]))
                    elif rule.fate is Fate.HOLD:
                        await rule.lifted.wait()
                    else:
                        await asyncio.sleep(self._chance.uniform(*rule.seconds))
                writer.write(head + request)
                await writer.drain()


async def _answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, unanswered: set[int]) -> None:
    try:
        while True:
            head = await reader.readexactly(4)
            answer = await reader.readexactly(*struct.unpack(">i", head))
            if struct.unpack(">i", answer[:4])[0] in unanswered:
                break
            writer.write(head + answer)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()  # our reader of requests sees it

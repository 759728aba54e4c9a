"""Sends events to Kafka: checked, to the right topic under the right key, with a report of what became of each."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, NamedTuple, Self

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from pydantic import BaseModel

from touchpoint.events import DeadLetter, Decoder
from touchpoint.kafka_client import client_options
from touchpoint.producer.build import InvalidEventError, as_json
from touchpoint.producer.routing import USUAL, address, topics_of
from touchpoint.settings import Settings, load_settings

MAX_REQUEST = 32 * 1024 * 1024
"""Bytes: a dead letter carries whatever could not be accepted."""

Headers = Sequence[tuple[str, bytes]]


class Delivery(NamedTuple):
    """What became of one record. `partition` and `offset` are None where `error` is not."""

    id: str  # of the event
    topic: str  # in full
    partition: int | None
    offset: int | None
    error: KafkaError | None = None


class Report(NamedTuple):
    """What became of what was sent since the last report. `failed`: the last of them, at most as many as may wait."""

    stored: int
    failed: list[Delivery]


class Producer:
    """Sends events; all in-sync replicas acknowledge each, and a retry stores none twice (idempotent, acks=all).

        async with Producer.connect() as producer:      # TOUCHPOINT_BROKERS and the rest, as the worker's
            await producer.send(event("call.offered", ...))
            report = await producer.flush()

    Not more than `most` records wait for their acknowledgement: beyond that `send` waits, so a slow broker slows the
    sender down and nothing piles up. Raises KafkaConnectionError when it is entered and no broker answers.
    """

    def __init__(
        self,
        client: Mapping[str, Any],
        prefix: str = "touchpoint.",
        topics: Mapping[str, str] = USUAL,
        decoder: Decoder | None = None,
        most: int = 10_000,
        foreign: Iterable[str] = (),
    ) -> None:
        """`client`: options of AIOKafkaProducer; `decoder`: checks what is sent, None if that is known to be right;
        `foreign`: topics with a dialect, in full.
        """
        self.prefix = prefix
        self._client = {"acks": "all", "enable_idempotence": True, "linger_ms": 5, "max_batch_size": 256 * 1024}
        self._client |= {"max_request_size": MAX_REQUEST, **client}
        self._topics = topics
        self._foreign = tuple(foreign)
        self._decoder = decoder
        self._room = asyncio.Semaphore(most)
        self._stored = 0
        self._failed: deque[Delivery] = deque(maxlen=most)
        self._waiting: set[asyncio.Future[Any]] = set()

    @classmethod
    def connect(cls, settings: Settings | None = None, most: int = 10_000) -> Producer:
        """With the worker's settings, by default those of TOUCHPOINT_*. Raises SettingsError."""
        settings = load_settings() if settings is None else settings
        client = client_options(settings)
        client |= {"enable_idempotence": settings.idempotence, "compression_type": settings.compression}
        decoder = Decoder(settings.stitching_limits().channels, settings.number_plan)
        return cls(client, settings.topic_prefix, topics_of(settings), decoder, most, settings.dialect_topics)

    async def __aenter__(self) -> Self:
        self._kafka = AIOKafkaProducer(**self._client)
        try:
            await self._kafka.start()
        except BaseException:  # cancelled too: who fails to enter is not left, so it is stopped here
            await self._kafka.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Waits for what was sent; what an open `flush` would have reported as failed is lost: flush first."""
        await self._kafka.stop()

    async def send(self, event: BaseModel | Mapping[str, Any]) -> asyncio.Future[Delivery]:
        """Hand over one event; the future has what became of it and may be left alone.

        Raises InvalidEventError for an event that the worker would not accept: nothing was sent.
        """
        said = as_json(event) if isinstance(event, BaseModel) else event
        value = orjson.dumps(said)
        if self._decoder is not None:
            verdict = self._decoder.decode(value)
            if isinstance(verdict, DeadLetter):
                raise InvalidEventError(verdict.cause)
        try:
            topic, key = address(said, self._topics)
        except KeyError:
            raise InvalidEventError(f"{said.get('type')} is of no channel; a heartbeat goes by `heartbeat`") from None
        return await self.put(topic, value, key.encode(), id_=said["id"])

    async def put(
        self,
        topic: str,
        value: bytes,
        key: bytes | None,
        partition: int | None = None,
        headers: Headers = (),
        id_: str = "",
    ) -> asyncio.Future[Delivery]:
        """Hand over one record as it is; `topic` is without the prefix."""
        return await self._put(self.prefix + topic, value, key, partition, headers, id_)

    async def _put(
        self, topic: str, value: bytes, key: bytes | None, partition: int | None = None, headers: Headers = (),
        id_: str = "",
    ) -> asyncio.Future[Delivery]:  # fmt: skip
        await self._room.acquire()
        told: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()
        try:
            sent = await self._kafka.send(topic, value, key, partition, headers=list(headers))
        except KafkaError as error:
            self._tell(told, Delivery(id_, topic, None, None, error))
        except BaseException:  # cancelled too: nothing waits, so its room is free again
            self._room.release()
            raise
        else:
            self._waiting.add(sent)
            sent.add_done_callback(lambda done: self._done(done, told, id_, topic))
        return told

    async def heartbeat(
        self, source: str, reached: str, channels: Iterable[str] | None = None, id_: str | None = None
    ) -> None:
        """Say that `source` is alive and has told all until `reached` (RFC 3339), to every partition of the topics.

        `channels`: those that it reports on, as types begin; None: every topic.
        """
        topics = self._topics.values() if channels is None else (self._topics[channel] for channel in channels)
        beat = {"specversion": "1.0", "source": source, "type": "source.heartbeat", "time": reached, "data": {}}
        stamp = id_ or f"heartbeat/{reached}/{time.time_ns()}"
        for topic in sorted(set(topics)):
            for partition in sorted(await self._kafka.partitions_for(self.prefix + topic)):
                value = orjson.dumps(beat | {"id": f"{stamp}-{topic}-{partition}"})
                await self.put(topic, value, source.encode(), partition, id_=stamp)  # a compacted topic wants a key

    async def declare_flushed(self, source: str, until: str, tenant: str | None = None) -> int:
        """Say that `source` has told everything until `until` (RFC 3339), as at the end of a backfill, to every
        partition of every input. What is open of it alone closes; no clock moves. Returns the records that were sent.

        Everything that it speaks of must be stored before: await `flush` first.
        """
        now = datetime.now(UTC).isoformat()
        event = {
            "specversion": "1.0",
            "source": source,
            "type": "source.flushed",
            "time": now,
            "data": {"until": until},
        }
        event |= {"tenant": tenant} if tenant is not None else {}
        stamp = f"flushed/{until}/{time.time_ns()}"
        count = 0
        for topic in sorted({*(self.prefix + topic for topic in self._topics.values()), *self._foreign}):
            for partition in sorted(await self._kafka.partitions_for(topic)):
                value = orjson.dumps(event | {"id": f"{stamp}-{topic}-{partition}"})
                await self._put(topic, value, source.encode(), partition, id_=stamp)
                count += 1
        return count

    @property
    def failed(self) -> Sequence[Delivery]:
        """What is known already not to be stored; `flush` reports it again."""
        return self._failed

    async def flush(self) -> Report:
        """Wait until all that was sent is stored or has failed: how many, and which."""
        while self._waiting:
            await asyncio.wait(self._waiting)
        report = Report(self._stored, list(self._failed))
        self._stored = 0
        self._failed.clear()
        return report

    def _done(self, sent: asyncio.Future[Any], told: asyncio.Future[Delivery], id_: str, topic: str) -> None:
        self._waiting.discard(sent)
        if sent.cancelled():
            self._tell(told, Delivery(id_, topic, None, None, KafkaError("the producer was stopped")))
        elif (error := sent.exception()) is not None:
            failure = error if isinstance(error, KafkaError) else KafkaError(repr(error))
            self._tell(told, Delivery(id_, topic, None, None, failure))
        else:
            stored = sent.result()
            self._tell(told, Delivery(id_, topic, stored.partition, stored.offset))

    def _tell(self, told: asyncio.Future[Delivery], delivery: Delivery) -> None:
        self._room.release()
        if delivery.error is None:
            self._stored += 1
        else:
            self._failed.append(delivery)
        if not told.done():
            told.set_result(delivery)

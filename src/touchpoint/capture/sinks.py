"""Where events go: Kafka, or standard output. What `deliver` returns from is stored."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import select
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol, Self

import orjson
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError

from touchpoint.backoff import backoff
from touchpoint.capture.blocking import in_thread
from touchpoint.capture.outcome import Letter, Outcome
from touchpoint.events.dead_letter_headers import CAPTURED, TOPIC, reasons
from touchpoint.producer import Producer
from touchpoint.producer.routing import address, topics_of
from touchpoint.settings import Settings

log = logging.getLogger(__name__)

LONGEST_PAUSE = 5.0  # seconds


class Sink(Protocol):
    """`heartbeat`: the source is alive, and told all until then (RFC 3339)."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *_: object) -> None: ...
    async def deliver(self, outcome: Outcome) -> None: ...
    async def heartbeat(self, name: str, reached: str) -> None: ...


class Outgoing(NamedTuple):
    """One record for Kafka; `topic` is without the prefix."""

    topic: str
    value: bytes
    key: bytes | None
    headers: list[tuple[str, bytes]]


class KafkaSink:
    """Sends until all is acknowledged, however long the brokers are away; only stopping it ends that."""

    def __init__(self, settings: Settings, dialect: str, channels: Iterable[str]) -> None:
        self._settings = settings
        self._topics = topics_of(settings)
        self._dialect = dialect.encode()
        self._channels = tuple(channels)
        self._producer = Producer.connect(settings)

    async def __aenter__(self) -> Self:
        """Raises KafkaConnectionError if no broker answers."""
        await self._producer.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    async def deliver(self, outcome: Outcome) -> None:
        """Raises KafkaError for what the brokers will refuse again, such as a missing permission."""
        left = [self._event(event) for event in outcome.events] + [self._letter(each) for each in outcome.letters]
        delays, renewed = backoff(0.1, LONGEST_PAUSE), False
        while left:
            left, error = await self._send(left)
            if error is None:
                return
            passing = error.retriable or isinstance(error, KafkaTimeoutError | KafkaConnectionError)
            if not passing and renewed:
                raise error
            log.warning("Kafka did not take %d records, trying again: %s", len(left), type(error).__name__)
            await asyncio.sleep(next(delays))
            await self._renew()
            renewed = True

    async def _renew(self) -> None:
        """A producer that gave a batch up has lost its sequence: another one begins anew. Waits for a broker."""
        await self._end()
        while True:
            self._producer = Producer.connect(self._settings)
            try:
                await self._producer.__aenter__()
            except KafkaConnectionError:
                log.warning("no broker answers, trying again")
                await asyncio.sleep(LONGEST_PAUSE)
            else:
                return

    async def _end(self) -> None:
        """Stopping a producer waits for brokers; nothing is left in it that matters."""
        with contextlib.suppress(TimeoutError, KafkaError):
            await asyncio.wait_for(self._producer.__aexit__(None, None, None), LONGEST_PAUSE)

    async def heartbeat(self, name: str, reached: str) -> None:
        """One that is not stored is left: the next one comes."""
        try:
            await self._producer.heartbeat(name, reached, self._channels)
        except KafkaError as error:
            log.warning("a heartbeat was not sent: %r", error)
        await self._producer.flush()

    async def _send(self, records: list[Outgoing]) -> tuple[list[Outgoing], KafkaError | None]:
        """What is not stored, and why not."""
        told = [await self._producer.put(each.topic, each.value, each.key, headers=each.headers) for each in records]
        deliveries = await asyncio.gather(*told)
        await self._producer.flush()
        failed = [each for each, delivery in zip(records, deliveries, strict=True) if delivery.error is not None]
        return failed, next((delivery.error for delivery in deliveries if delivery.error is not None), None)

    def _event(self, event: dict[str, Any]) -> Outgoing:
        topic, key = address(event, self._topics)
        return Outgoing(topic, orjson.dumps(event), key.encode(), [])

    def _letter(self, letter: Letter) -> Outgoing:
        return Outgoing(TOPIC, letter.record, None, [*reasons(letter.cause, letter.code), (CAPTURED, self._dialect)])


class Printed:
    """JSON lines on standard output, for a look or a pipe. Dead letters go to the log."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def deliver(self, outcome: Outcome) -> None:
        """Written when it returns. Raises BrokenPipeError where nobody reads any more.

        In a thread: whoever reads a pipe may stand still, and SIGTERM has to end us then as well.
        """
        lines = b"".join(orjson.dumps(event) + b"\n" for event in outcome.events)
        if lines:
            await in_thread(functools.partial(_write, sys.stdout.fileno(), lines))
        for letter in outcome.letters:
            log.warning("a record was not understood: %s", letter.cause)

    async def heartbeat(self, name: str, reached: str) -> None:
        """What is printed is of no partition and needs none."""


def _write(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:  # a pipe that somebody made so
            select.select([], [descriptor], [])

"""The dead letters that are there: read, chosen, sent back to where they came from."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable

import msgspec
from aiokafka import AIOKafkaProducer, ConsumerRecord

from touchpoint.events.dead_letter_headers import CAPTURED
from touchpoint.kafka.topic_admin import DEAD_LETTER_BYTES, full_name, short_name
from touchpoint.kafka.topic_reader import one_record, records
from touchpoint.kafka_client import client_options
from touchpoint.settings import Settings
from touchpoint.stages.dead_letter_records import CAUSE, CODE, DAMAGED, ORIGIN, TOPIC, TRUNCATED, VERSION
from touchpoint.stages.protocol import Headers

OURS = "touchpoint-"
IN_FLIGHT = 500  # records sent and not yet acknowledged


class Place(msgspec.Struct, frozen=True):
    """Where a record lies; the topic is without prefix. Written ``topic/partition/offset``."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


class Letter(msgspec.Struct, frozen=True):
    """A dead letter: the record as it came, and what became of it."""

    place: Place  # of the dead letter itself
    origin: Place | None  # None: it is a fact that was held back for a media item that never came
    cause: str
    code: str  # the kind of cause, one of few words
    version: str
    timestamp: int  # milliseconds, when it was buried
    key: bytes | None
    value: bytes | None
    headers: Headers  # its own, without ours
    whole_bytes: int | None = None  # of a value that was cut: its length
    captured: str | None = None  # the dialect of what was captured live, in the place of an origin

    @property
    def obstacle(self) -> str | None:
        """Why it cannot be replayed; None if it can."""
        if self.captured is not None:
            return f"it was captured: `touchpoint translate --dialect {self.captured}` makes events of its bytes"
        if self.origin is None:
            return "it has no origin: what was understood of it was held back, and its media item never came"
        if self.code == DAMAGED:
            return "it could not be parsed: its bytes are no record's value but a part of Kafka's log"
        if self.whole_bytes is not None:
            return f"it was cut: {self.whole_bytes} bytes were too many even for a dead letter"
        return None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters are meant; what is not said does not matter."""

    cause: str | None = None  # a part of it, in any case of letters
    code: str | None = None
    topic: str | None = None  # where it came from, without prefix
    key: str | None = None
    since: int | None = None  # milliseconds, when it was buried
    until: int | None = None  # milliseconds, exclusive

    def __contains__(self, letter: Letter) -> bool:
        return (
            (self.cause is None or self.cause.casefold() in letter.cause.casefold())
            and (self.code is None or self.code == letter.code)
            and (self.topic is None or (letter.origin is not None and letter.origin.topic == self.topic))
            and (self.key is None or letter.key == self.key.encode())
            and (self.since is None or letter.timestamp >= self.since)
            and (self.until is None or letter.timestamp < self.until)
        )


def place(text: str) -> Place:
    """``topic/partition/offset``. Raises ValueError for anything else."""
    topic, partition, offset = text.split("/")
    return Place(topic, int(partition), int(offset))


def letter(record: ConsumerRecord, topic_prefix: str) -> Letter:
    """What a record of the dead-letters topic says. Headers of others than us are no error."""
    ours = {n: (value or b"").decode("utf-8", "replace") for n, value in record.headers if n.startswith(OURS)}
    try:
        origin = place(ours.get(ORIGIN, ""))
    except ValueError:
        origin = None
    return Letter(
        Place(record.topic.removeprefix(topic_prefix), record.partition, record.offset),
        origin,
        ours.get(CAUSE, "unknown"),
        ours.get(CODE, "unknown"),
        ours.get(VERSION, "unknown"),
        record.timestamp,
        record.key,
        record.value,
        tuple((name, value) for name, value in record.headers if not name.startswith(OURS)),
        _length(ours.get(TRUNCATED, "")),
        ours.get(CAPTURED),
    )


def _length(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


async def letters(settings: Settings, wanted: Wanted) -> AsyncIterator[Letter]:
    """The dead letters that are meant and there now, oldest first. Raises as ``topic_reader.records``."""
    async for record in records(settings, [TOPIC], wanted.since):
        found = letter(record, settings.topic_prefix)
        if found in wanted:
            yield found


async def letters_at(settings: Settings, where: Place) -> list[Letter]:
    """The dead letter at a place, or those of the record that came from it. Raises as ``topic_reader.records``."""
    if where.topic in (TOPIC, settings.topic_prefix + TOPIC):
        record = await one_record(settings, TOPIC, where.partition, where.offset)
        return [] if record is None else [letter(record, settings.topic_prefix)]
    origin = Place(short_name(settings, where.topic), where.partition, where.offset)
    return [found async for found in letters(settings, Wanted(topic=origin.topic)) if found.origin == origin]


async def replay(
    settings: Settings, chosen: AsyncIterable[Letter], rate: float | None, sent: Callable[[Letter], None]
) -> None:
    """Send dead letters without obstacle to where they came from, in their order, and wait until all are stored.

    ``rate``: records a second. Raises ``KafkaError``.
    """
    producer = AIOKafkaProducer(
        **client_options(settings), acks="all", enable_idempotence=settings.idempotence,
        max_request_size=2 * DEAD_LETTER_BYTES,
    )  # fmt: skip
    waiting: list[asyncio.Future[object]] = []
    due = time.monotonic()
    try:
        await producer.start()
        async for each in chosen:
            if rate is not None:
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                due = max(due, time.monotonic() - 1.0) + 1 / rate
            waiting.append(await _hand_over(producer, settings, each))
            sent(each)
            if len(waiting) >= IN_FLIGHT:
                await asyncio.gather(*waiting)
                waiting = []
        await asyncio.gather(*waiting)
    finally:
        await producer.stop()


async def _hand_over(producer: AIOKafkaProducer, settings: Settings, each: Letter) -> asyncio.Future[object]:
    assert each.origin is not None, "the caller sends only what has no obstacle"
    topic = full_name(settings, each.origin.topic)
    partition: int | None = each.origin.partition
    if partition not in await producer.partitions_for(topic):
        partition = None  # the topic was made anew, with fewer: by the key
    future: asyncio.Future[object] = await producer.send(
        topic, each.value, each.key, partition, headers=list(each.headers)
    )
    return future


def group(each: Letter) -> tuple[str, str, str]:
    """(topic of origin, code, cause up to the first colon): what is alike."""
    return each.origin.topic if each.origin else "", each.code, each.cause.split(":")[0]

"""What a broker's answer to a fetch becomes: records, whatever its bytes. In place of aiokafka's own classes.

aiokafka 0.14.0 raises on a batch that it cannot parse, decompress or check, and the error ends whoever reads, at every
start. Here a verdict begins with the first byte: what cannot be parsed is a ``Damaged`` among the records, and reading
goes on behind it. It holds for every consumer of the process (worker, changelogs, commands): ``install`` replaces three
names in ``aiokafka.consumer.fetcher``; ``tests/stream/test_overrides.py`` guards their signatures.

aiokafka's compiled parser does the work as long as nothing is wrong; ``record_batch`` takes over where it gives up.
"""

from __future__ import annotations

import logging
import struct
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch

from touchpoint.kafka.fetching import message_set
from touchpoint.kafka.fetching.damaged import Damaged, DamagedError
from touchpoint.kafka.fetching.record_batch import MOST_HEADERS, Parsed, parse
from touchpoint.kafka.fetching.unpacking import Body

log = logging.getLogger(__name__)

MOST_AT_ONCE = 8 * 1024 * 1024
"""Bytes of one partition's records that are given out at once: compressed, a fetch of 4 MiB may hold gigabytes."""
COMPILED_UP_TO = 4 * 1024 * 1024
"""Bytes of a body that aiokafka's parser is given: it has no limit on headers (see ``MOST_HEADERS``)."""
RECORD_COST, HEADER_COST = 300, 100
"""Bytes in memory beside those of key, value, names and values."""
ATTEMPTS = 3
"""Fetches of a batch whose checksum does not fit: it may have been damaged on its way to us."""
MOST_SUSPECTS = 1000
PAUSE_EVERY = 20_000
"""Records that are passed over at once: a batch may have millions, and the consumer has a session to keep alive."""
QUIET_SECONDS = 60.0  # between two lines of the log about one partition and reason
MOST_DAMAGED = 100
"""Records of one batch that are dead letters one by one; the rest of it is one: a batch may unpack to millions."""

_OVERHEAD = struct.Struct(">qi")  # base offset, size of what follows
_SMALLEST = _OVERHEAD.size + message_set.SMALLEST
_MAGIC, _CODEC_AT = 16, 22
_HEAD = struct.Struct(">q13xhiqq14xi")  # of a batch of magic 2, before its records: the fields of ``Head``
_CODEC, _APPEND_TIME = 0x07, 0x08
_WRAP = 2**63
_MAY_PASS = frozenset({"checksum", "framing"})
_LIE = "the record's offset is not behind that of the record before it, or not within its batch"

Records = Iterator[ConsumerRecord[Any, Any] | None]
_last_logged: dict[tuple[str, int, str], float] = {}
_suspects: dict[tuple[str, int, int], int] = {}
"""(topic, partition, position) -> how often what lies there came with a checksum or a size that does not fit."""


class Head(NamedTuple):
    """What the header of a batch of magic 2 says, in its order."""

    base_offset: int
    attributes: int
    last_delta: int
    first_timestamp: int
    max_timestamp: int
    records: int


class Slice(NamedTuple):
    """A batch or message in an answer."""

    raw: memoryview
    end: int | None  # the offset that the next one begins with, if there is a next one


class FetchedBytes:
    """In place of aiokafka's ``MemoryRecords``: the bytes of one partition in an answer."""

    def __init__(self, data: bytes | None) -> None:
        self._data = memoryview(data or b"")

    def has_next(self) -> bool:
        """Also where only the beginning of a batch is there: aiokafka would raise."""
        return bool(self._data)

    def size_in_bytes(self) -> int:
        return len(self._data)

    def slices(self) -> Iterator[Slice]:
        """Whole batches; at last, if nothing precedes it, what is none. The broker cuts the last batch anywhere."""
        position = 0
        while (end := self._end(position)) is not None:
            follows = self._end(end) is not None
            yield Slice(self._data[position:end], _OVERHEAD.unpack_from(self._data, end)[0] if follows else None)
            position = end
        if position == 0 and self._data:
            yield Slice(self._data, None)

    def _end(self, position: int) -> int | None:
        if len(self._data) - position < _OVERHEAD.size:
            return None
        end: int = position + _OVERHEAD.size + _OVERHEAD.unpack_from(self._data, position)[1]
        return end if position + _SMALLEST <= end <= len(self._data) else None


class PartitionRecords:
    """In place of aiokafka's class: an iterator over the records of one partition in an answer."""

    def __init__(  # noqa: PLR0913, PLR0917 - aiokafka's signature
        self, tp: TopicPartition, records: FetchedBytes, aborted_transactions: Any, fetch_offset: int,
        key_deserializer: Any, value_deserializer: Any,  # noqa: ARG002 - nobody here has any
        check_crcs: bool, isolation_level: int,
    ) -> None:  # fmt: skip
        self._tp = tp
        self._check_crcs = check_crcs
        self._committed = isolation_level == fetcher.READ_COMMITTED
        self._aborted = sorted(aborted_transactions or [], key=lambda each: each[1])  # (producer, first offset)
        self._aborting: set[int] = set()
        self._from = fetch_offset  # what lies before it was given out by an earlier fetch
        self._body: Body | None = None  # that is being read
        self.next_fetch_offset = fetch_offset
        self.steps = self._every(records)
        """The records; and None now and then, while what was given out before is passed over, to let others work."""

    def __iter__(self) -> Iterator[ConsumerRecord[Any, Any]]:
        return (record for record in self.steps if record is not None)

    def __next__(self) -> ConsumerRecord[Any, Any]:
        return next(iter(self))

    def put_away(self) -> None:
        """Free what can be had again, until the next record is asked for."""
        if self._body is not None:
            self._body.put_away()

    def _every(self, records: FetchedBytes) -> Records:
        for raw, follows in records.slices():
            try:
                yield from self._slice(raw)
                continue
            except DamagedError as error:
                why = error.bare()
            except Exception as error:  # noqa: BLE001 - no input can stop a reader; the tests hold it never comes here
                why = DamagedError("record", f"its batch cannot be read: {type(error).__name__}")
            if why.reason in _MAY_PASS and _try_again(self._tp, self._from, why):
                return
            self._body = None
            first = max(self._from, self.next_fetch_offset)
            last = max(first, _last_offset(raw, follows, first, why.reason not in _MAY_PASS))
            yield self._damaged((first, last), bytes(raw), why)
            self._pass_to(last + 1)

    def _slice(self, raw: memoryview) -> Records:
        if len(raw) < _SMALLEST or _OVERHEAD.unpack_from(raw)[1] != len(raw) - _OVERHEAD.size:
            raise DamagedError("framing", "the broker's answer does not begin with a whole batch")
        magic = raw[_MAGIC]
        if magic in (0, 1):
            return self._messages(raw)
        if magic != 2:
            raise DamagedError("format", f"format {magic} of a batch is not known")
        if len(raw) < _HEAD.size:
            raise DamagedError("framing", "a batch is shorter than its header")
        return self._batch(raw)

    def _pass_to(self, offset: int) -> None:
        self._from = self.next_fetch_offset = max(self._from, offset)
        self._body = None

    # --- batches (magic 2)

    def _batch(self, raw: memoryview) -> Records:
        batch: Any = DefaultRecordBatch(raw)
        if self._check_crcs and not batch.validate_crc():
            raise DamagedError("checksum", "the checksum of a batch does not fit")
        end = max(batch.base_offset + 1, batch.next_offset)
        if self._is_read(batch):
            yield from self._read(raw, batch, end)
        self._pass_to(end)

    def _is_read(self, batch: Any) -> bool:
        """False for control batches, and for what was aborted."""
        producer = batch.producer_id
        if self._committed:
            while self._aborted and self._aborted[0][1] <= batch.base_offset:
                self._aborting.add(self._aborted.pop(0)[0])
            if batch.is_control_batch:
                self._aborting.discard(producer)  # abort or commit: its transaction is over
            elif batch.is_transactional and producer in self._aborting:
                return False
        return not batch.is_control_batch

    def _read(self, raw: memoryview, batch: Any, end: int) -> Records:
        """The records of a batch, each with an offset greater than the one before."""
        codec = raw[_CODEC_AT] & _CODEC
        body = self._body = Body(raw[_HEAD.size :], codec)
        done, expected = 0, batch.base_offset
        if body.size <= COMPILED_UP_TO:
            try:
                plain: Any = DefaultRecordBatch(_plain(raw, body.view())) if codec else batch
                for record in plain:
                    offset, headers = record.offset, record.headers
                    if not expected <= offset < end or len(headers) > MOST_HEADERS:
                        break
                    done, expected = done + 1, offset + 1
                    if offset >= self._from:
                        self.next_fetch_offset = expected
                        yield self._record(
                            offset, record.timestamp, record.timestamp_type, record.key, record.value, headers
                        )
                else:
                    return
            except Exception:  # noqa: BLE001 - whatever it is, `parse` finds the record that is to blame
                log.debug("a batch of %s partition %d has to be parsed record by record", *self._tp)
        yield from self._read_carefully(Head(*_HEAD.unpack_from(raw)), body, done, (expected, end))

    def _read_carefully(self, head: Head, body: Body, done: int, offsets: tuple[int, int]) -> Records:
        """The records after the first ``done``, whose offsets lie in a range (its end exclusive)."""
        expected, end = offsets
        failed = 0
        for number, each in enumerate(islice(parse(body, head.records), done, None)):
            if isinstance(each, Parsed):
                offset = head.base_offset + each.offset
                if expected <= offset < end:
                    expected = offset + 1
                    if offset >= self._from:
                        self.next_fetch_offset = expected
                        stamp, kind = _timestamp(head, each), int(bool(head.attributes & _APPEND_TIME))
                        yield self._record(offset, stamp, kind, each.key, each.value, each.headers)
                    elif number % PAUSE_EVERY == PAUSE_EVERY - 1:
                        yield None
                    continue
                error = DamagedError("offset", _LIE)
            else:
                error = each.error
            failed += 1
            stop = body.size if failed > MOST_DAMAGED else each.end
            first = min(expected, end - 1)  # there may be more records than the batch has offsets
            expected = end if stop == body.size else first + 1
            yield self._damaged((first, expected - 1), bytes(body.view()[each.start : stop]), error)
            if failed > MOST_DAMAGED:
                return

    # --- messages (magic 0 and 1)

    def _messages(self, raw: memoryview) -> Records:
        if self._check_crcs and not message_set.checksum_fits(raw):
            raise DamagedError("checksum", "the checksum of a message does not fit")
        message = message_set.parse_message(raw)
        for each in message_set.unwrapped(message) if message.codec else (message,):
            if self.next_fetch_offset <= each.offset <= message.offset:
                self.next_fetch_offset = each.offset + 1
                yield self._record(
                    each.offset, each.timestamp, int(message.stamped_by_broker), each.key, each.value, ()
                )
        self._pass_to(message.offset + 1)

    # --- what comes out

    def _record(
        self, offset: int, stamp: int | None, kind: int | None, key: bytes | None, value: bytes | None, headers: Any
    ) -> ConsumerRecord[Any, Any]:
        return ConsumerRecord(
            self._tp.topic, self._tp.partition, offset, -1 if stamp is None else stamp, kind or 0, key, value, None,
            -1 if key is None else len(key), -1 if value is None else len(value), tuple(headers),
        )  # fmt: skip

    def _damaged(self, offsets: tuple[int, int], raw: bytes, why: DamagedError) -> Damaged | None:
        """None if it was given out by an earlier fetch. Whoever yields it keeps no name for it: it may be large."""
        first, last = max(offsets[0], self._from), offsets[1]
        if last < self._from:
            return None
        self.next_fetch_offset = max(self.next_fetch_offset, last + 1)
        if _may_say((*self._tp, why.reason)):
            log.warning(
                "%s partition %d, offset %s cannot be parsed: %s", *self._tp, f"{first:,} to {last:,}", why.cause
            )
        return Damaged(
            self._tp.topic, self._tp.partition, last, -1, 0, None, raw, None, -1, len(raw), (),
            first, why.reason, why.cause,
        )  # fmt: skip


class FetchResult(fetcher.FetchResult):
    """Gives out so many bytes at once, however many a compressed batch has."""

    _partition_records: PartitionRecords | None

    def getall(self, max_records: int | None = None) -> list[ConsumerRecord[Any, Any]]:
        if not self.check_assignment(self._topic_partition) or self._partition_records is None:
            return []
        found: list[ConsumerRecord[Any, Any]] = []
        size = 0
        for record in self._partition_records.steps:
            if record is None:
                self._update_position()
                return found
            found.append(record)
            size += RECORD_COST + record.serialized_key_size + record.serialized_value_size
            for name, value in record.headers:
                size += HEADER_COST + len(name) + (len(value) if value else 0)
            if size >= MOST_AT_ONCE or len(found) == max_records:
                self._update_position()
                self._partition_records.put_away()
                return found
        self._update_position()
        self._partition_records = None
        return found


def _last_offset(raw: memoryview, follows: int | None, position: int, trusted: bool) -> int:
    """The last offset of a batch of which nothing is read. ``trusted``: its header is as the broker wrote it."""
    if follows is not None:
        return follows - 1
    if len(raw) < _SMALLEST:
        return position
    if trusted and raw[_MAGIC] < 2:
        return int(_OVERHEAD.unpack_from(raw)[0])  # of a wrapper it is the last one's
    if raw[_MAGIC] != 2 or len(raw) < _HEAD.size:
        return position
    head = Head(*_HEAD.unpack_from(raw))
    return head.base_offset + head.last_delta if trusted or 0 <= head.last_delta < len(raw) else position


def _try_again(tp: TopicPartition, position: int, error: DamagedError) -> bool:
    """Whether to fetch once more what may have been damaged on its way."""
    place = (*tp, position)
    times = _suspects.pop(place, 0) + 1
    if times >= ATTEMPTS:
        return False
    if len(_suspects) >= MOST_SUSPECTS:
        _suspects.clear()
    _suspects[place] = times
    log.warning("%s partition %d, offset %s is fetched again: %s", *tp, f"{position:,}", error.cause)
    return True


def _may_say(place: tuple[str, int, str]) -> bool:
    """Whether there was no line lately about this partition and reason."""
    now = time.monotonic()
    if now - _last_logged.get(place, -QUIET_SECONDS) < QUIET_SECONDS:
        return False
    _last_logged[place] = now
    return True


def _plain(raw: memoryview, body: memoryview) -> bytes:
    """A batch as if it had never been compressed."""
    head = bytearray(raw[: _HEAD.size])
    head[_CODEC_AT] &= ~_CODEC
    return b"".join((head, body))


def _timestamp(head: Head, record: Parsed) -> int:
    """As aiokafka computes it, beyond 64 bits too."""
    if head.attributes & _APPEND_TIME:
        return head.max_timestamp
    return (head.first_timestamp + record.timestamp + _WRAP) % (2 * _WRAP) - _WRAP


def install() -> None:
    """Make every consumer of this process read by these classes."""
    fetcher.MemoryRecords = FetchedBytes
    fetcher.PartitionRecords = PartitionRecords
    fetcher.FetchResult = FetchResult

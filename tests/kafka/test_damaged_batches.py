"""Whatever bytes a broker hands over: what can be parsed comes out, the rest is named with its bytes."""

from __future__ import annotations

import random
import struct
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import raw_batches as raw
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.consumer import fetcher
from raw_batches import batch, message, record

from touchpoint.kafka.fetching import Damaged, fetched, unpacking
from touchpoint.kafka.fetching.fetched import ATTEMPTS, MOST_AT_ONCE, MOST_DAMAGED, FetchedBytes, PartitionRecords
from touchpoint.kafka.fetching.unpacking import MOST_UNPACKED

PLACE = TopicPartition("calls", 3)
CODECS = ["none", "gzip", "snappy", "snappy-raw", "lz4", "zstd"]
MIB = 1024 * 1024
THREE = [record(0, value=b"a"), record(1, value=b"b"), record(2, value=b"c")]
NEXT = batch(53, [record(0, value=b"next")])


def read(data: bytes | None, position: int = 50, aborted: Sequence[tuple[int, int]] = ()) -> PartitionRecords:
    return PartitionRecords(PLACE, FetchedBytes(data), aborted, position, None, None, True, fetcher.READ_COMMITTED)


def told(records: PartitionRecords) -> list[Any]:
    """The value of each record; of what is damaged (reason, first offset, last offset, bytes)."""
    return [(r.reason, r.first, r.offset, r.value) if isinstance(r, Damaged) else r.value for r in records]


def read_on(data: Callable[[int], bytes], position: int, end: int) -> list[ConsumerRecord[Any, Any]]:
    """As the fetcher does: fetch from where the last answer led. `data`: the answer to a fetch from an offset."""
    found: list[ConsumerRecord[Any, Any]] = []
    for _ in range(10_000):
        if position >= end:
            return found
        answer = read(data(position), position)
        found += answer
        assert answer.next_fetch_offset >= position
        position = answer.next_fetch_offset
    raise AssertionError(f"reading never comes beyond {position}")


def test_the_classes_that_aiokafka_reads_by_are_ours() -> None:
    assert fetcher.MemoryRecords is FetchedBytes
    assert fetcher.PartitionRecords is PartitionRecords
    assert fetcher.FetchResult is fetched.FetchResult


# --- records that are whole


@pytest.mark.parametrize("codec", CODECS)
def test_a_batch_of_any_codec_is_read(codec: str) -> None:
    records = read(batch(50, THREE, codec) + NEXT)
    assert told(records) == [b"a", b"b", b"c", b"next"]
    assert records.next_fetch_offset == 54


@pytest.mark.parametrize("codec", CODECS)
def test_header_names_and_values_of_any_bytes_or_null_are_read(codec: str) -> None:
    headers: list[raw.Header] = [(b"traceparent", None), (b"\xff\xfe\xc3", b"\x00"), ("ü".encode(), b""), (b"", b"x")]
    first, second = read(batch(50, [record(0, headers=headers), record(1, headers=headers)], codec))
    expected = (("traceparent", None), ("\\xff\\xfe\\xc3", b"\x00"), ("ü", b""), ("", b"x"))
    assert first.headers == second.headers == expected
    assert (first.offset, second.offset, type(first)) == (50, 51, ConsumerRecord)


@pytest.mark.parametrize("stamp", [-1, 0, 1, 2**63 - 1, -(2**63), -2])
@pytest.mark.parametrize("name", [b"plain", b"\xff"])
def test_any_timestamp_is_a_number_of_64_bits(stamp: int, name: bytes) -> None:
    data = batch(50, [record(0, headers=[(name, b"")], timestamp=5)], first_timestamp=stamp)
    (found,) = read(data)
    expected = (stamp + 5 + 2**63) % 2**64 - 2**63
    assert found.timestamp == expected
    assert found.timestamp_type == 0
    data = batch(50, [record(0, headers=[(name, b"")])], attributes=raw.APPEND_TIME, max_timestamp=stamp)
    (found,) = read(data)
    assert (found.timestamp, found.timestamp_type) == (stamp, 1)


def test_null_keys_and_values_and_negative_lengths_are_null() -> None:
    (found,) = read(batch(50, [record(0, None, None)]))
    assert (found.key, found.value) == (None, None)


def test_empty_batches_control_batches_and_gaps_advance_the_position() -> None:
    empty = batch(50, [], last_delta=9)
    marker = raw.control(60, 7, commit=True)
    sparse = batch(61, [record(3), record(8)], last_delta=20)
    records = read(empty + marker + sparse)
    assert [r.offset for r in records] == [64, 69]
    assert records.next_fetch_offset == 82


@pytest.mark.parametrize("body", [b"", b"\xff\xff", None])
def test_aborted_transactions_never_come_out_whatever_their_marker_holds(body: bytes | None) -> None:
    aborted = batch(50, THREE, attributes=raw.TRANSACTIONAL, producer=7, epoch=0)
    kept = batch(53, [record(0, value=b"other's")], attributes=raw.TRANSACTIONAL, producer=8, epoch=0)
    marker = raw.control(54, 7, commit=False, body=body)
    later = batch(55, [record(0, value=b"later")], attributes=raw.TRANSACTIONAL, producer=7, epoch=0)
    assert told(read(aborted + kept + marker + later, aborted=[(7, 50)])) == [b"other's", b"later"]


def test_reading_begins_in_the_middle_of_a_batch() -> None:
    for data in (batch(50, THREE, "gzip"), batch(50, [record(n, headers=[(b"\xff", b"")]) for n in range(3)])):
        assert [r.offset for r in read(data, 51)] == [51, 52]


# --- what is damaged


def whole(number: int, value: bytes) -> bytes:
    return record(number, value=value)


HEADERS = [(b"n", b"v")]
DAMAGED_RECORDS = {
    "a value longer than its record": raw.sized(b"\0\0\2" + raw.sized(b"k") + raw.varint(500) + b"abc"),
    "a length beyond 64 bits": raw.sized(b"\0\0\2" + b"\xff" * 12),
    "a value of nearly 2^63 bytes": raw.sized(b"\0\0\2" + raw.sized(b"k") + raw.varint(2**62) + b"abc"),
    "no bytes at all": raw.sized(b""),
    "bytes that are left over": raw.sized(record(1)[1:] + b"more"),
    "a negative number of headers": record(1, headers=HEADERS, header_count=-5),
    "more headers than there are": record(1, headers=HEADERS, header_count=900),
    "a million headers": record(1, headers=HEADERS, header_count=1_000_000),
    "a header without a name": record(1, headers=[(None, b"v")]),
}


@pytest.mark.parametrize("codec", ["none", "zstd"])
@pytest.mark.parametrize("what", DAMAGED_RECORDS)
def test_a_damaged_record_is_named_with_its_bytes_and_costs_no_other(what: str, codec: str) -> None:
    bad = DAMAGED_RECORDS[what]
    records = read(batch(50, [whole(0, b"a"), bad, whole(2, b"c")], codec) + NEXT)
    first, damage, third, last = told(records)
    assert (first, third, last) == (b"a", b"c", b"next")
    assert damage[1:] == (51, 51, bad)
    assert damage[0] == ("headers" if what == "a million headers" else "record")
    assert records.next_fetch_offset == 54


@pytest.mark.parametrize("codec", ["none", "lz4"])
@pytest.mark.parametrize("length", [-3, 10_000, 2**40])
def test_rest_of_a_batch_without_record_bounds_is_one_dead_letter(codec: str, length: int) -> None:
    rest = raw.varint(length) + b"whatever" + whole(2, b"c")
    assert told(read(batch(50, [whole(0, b"a"), rest], codec, count=3, last_delta=2) + NEXT)) == [
        b"a", ("record", 51, 52, rest), b"next",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, [("count", 50, 52, b"".join(THREE))]),
        (-1, [("count", 50, 52, b"".join(THREE))]),
        (2, [b"a", b"b", ("count", 52, 52, THREE[2])]),
        (4, [b"a", b"b", b"c", ("count", 52, 52, b"")]),
        (2**31 - 1, [b"a", b"b", b"c", ("count", 52, 52, b"")]),
    ],
)
def test_a_count_that_lies(count: int, expected: list[Any]) -> None:
    records = read(batch(50, THREE, count=count, last_delta=2) + NEXT)
    assert told(records) == [*expected, b"next"]
    assert records.next_fetch_offset == 54


@pytest.mark.parametrize("offsets", [(0, 0, 1), (0, 5, 2), (0, -3, 2), (0, 2**31 - 1, 2)])
def test_an_offset_that_lies_is_not_lost(offsets: tuple[int, int, int]) -> None:
    bad = whole(offsets[1], b"b")
    found = told(read(batch(50, [whole(0, b"a"), bad, whole(offsets[2], b"c")], last_delta=2) + NEXT))
    assert found[0] == b"a"
    assert ("offset", 51, 51, bad) in found
    assert found[-1] == b"next"
    assert len(found) == 4


def test_a_batch_that_claims_to_end_before_it_begins_passes_one_offset() -> None:
    records = read(batch(50, THREE, last_delta=-100))
    assert [r if isinstance(r, bytes) else r[0] for r in told(records)] == [b"a", "offset", "offset"]
    assert records.next_fetch_offset == 51


@pytest.mark.parametrize("codec", ["gzip", "snappy", "snappy-raw", "lz4", "zstd"])
@pytest.mark.parametrize("cut", ["garbage", "cut off", "nothing", "one byte is another"])
def test_a_batch_that_cannot_be_decompressed_is_one_with_its_bytes(codec: str, cut: str) -> None:
    good = raw.compressed(codec, b"".join(THREE) * 50)
    changed = bytes([*good[:-1], good[-1] ^ 0xFF]) if codec != "snappy-raw" else b"\xff" + good
    body = {"garbage": b"\x01\x02\x03garbage", "cut off": good[: len(good) // 2], "nothing": b""}.get(cut, changed)
    whole_batch = batch(50, [], codec, body=body, count=150, last_delta=2)
    records = read(whole_batch + NEXT)
    found = told(records)
    assert found[-1] == b"next"
    if cut == "one byte is another" and codec in ("lz4", "zstd"):
        return  # neither need have a checksum of its own: what comes out may be records
    assert found[:-1] == [("compression", 50, 52, whole_batch)]
    assert records.next_fetch_offset == 54


def test_a_codec_that_is_not_known_or_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = batch(50, THREE, attributes=5)
    assert told(read(unknown + NEXT)) == [("codec", 50, 52, unknown), b"next"]
    monkeypatch.setattr(unpacking, "cramjam", None)
    lz4 = batch(50, THREE, "lz4")
    assert told(read(lz4 + NEXT)) == [("codec", 50, 52, lz4), b"next"]


@pytest.mark.parametrize("codec", ["gzip", "snappy", "snappy-raw", "lz4", "zstd"])
def test_a_bomb_is_named_and_its_records_take_no_memory(codec: str) -> None:
    body = raw.compressed(codec, b"\0" * (MOST_UNPACKED + 1))
    bomb = batch(50, [], codec, body=body, count=1, last_delta=0)
    tracemalloc.start()
    found = told(read(bomb + batch(51, [record(0, value=b"next")])))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == [("size", 50, 50, bomb), b"next"]
    assert peak < 3 * MOST_UNPACKED


def test_unpacked_bombs_are_not_kept_while_their_partitions_wait() -> None:
    body = raw.compressed("gzip", b"\0" * (MOST_UNPACKED + 1))
    bomb = batch(50, [], "gzip", body=body, count=1, last_delta=0)
    broken = batch(50, [], "gzip", body=raw.compressed("gzip", b"\xff" * (16 * MIB)), count=1, last_delta=0)
    tracemalloc.start()
    waiting = [read(data) for data in (bomb, bomb, bomb)]
    assert [next(records).value for records in waiting] == [bomb] * 3
    kept, _ = tracemalloc.get_traced_memory()
    assert kept < 4 * MIB
    records = read(broken)
    assert len(next(records).value) == 16 * MIB
    records.put_away()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 4 * MIB


def test_a_batch_of_many_members_and_one_with_trailing_zeros_is_read() -> None:
    parts = [raw.compressed("gzip", each) for each in THREE]
    for body in (b"".join(parts), b"".join(parts) + b"\0" * 8):
        assert told(read(batch(50, [], "gzip", body=body, count=3, last_delta=2))) == [b"a", b"b", b"c"]


def test_a_batch_of_millions_of_empty_records_is_few_dead_letters() -> None:
    data = batch(50, [], "gzip", body=raw.compressed("gzip", b"\0" * 5_000_000), count=5_000_000, last_delta=4_999_999)
    records = read(data)
    found = told(records)
    assert len(found) == MOST_DAMAGED + 1
    assert found[-1][:3] == ("record", 50 + MOST_DAMAGED, 50 + 4_999_999)
    assert records.next_fetch_offset == 5_000_050


def test_the_headers_of_one_record_cannot_fill_the_memory() -> None:
    empty = raw.varint(2_000_000) + b"\0\0" * 2_000_000
    many = raw.sized(b"\0\0\0\1\1" + empty)
    assert [each[0] for each in told(read(batch(50, [many])))] == ["headers"]
    few = record(0, headers=[(b"", b"")] * 1_001)
    assert [each[0] for each in told(read(batch(50, [few])))] == ["headers"]


# --- checksums and bounds of batches: what may have been damaged on its way is fetched again


def test_a_checksum_that_does_not_fit_is_fetched_again_and_then_named() -> None:
    bad = batch(50, THREE, good_checksum=False)
    fetches = 0

    def answer(position: int) -> bytes:
        nonlocal fetches
        fetches += 1
        return (bad if position < 53 else b"") + NEXT

    found = read_on(answer, 50, 54)
    assert [(type(r), r.value) for r in found] == [(Damaged, bad), (ConsumerRecord, b"next")]
    assert fetches == ATTEMPTS


def test_a_batch_that_arrives_whole_at_the_second_time_is_read() -> None:
    answers = iter([batch(50, THREE, good_checksum=False), batch(50, THREE)])
    assert [r.value for r in read_on(lambda _: next(answers), 50, 53)] == [b"a", b"b", b"c"]


@pytest.mark.parametrize(
    "data",
    [
        b"\xff", b"\0" * 8, b"\0" * 12, b"\xff" * 100, struct.pack(">qi", 50, -12) + b"\0" * 80,
        struct.pack(">qi", 50, 2**31 - 1) + b"\0" * 80, batch(50, THREE)[:-1],
        struct.pack(">qiib", 50, 20, 0, 2) + b"\0" * 15,
    ],
)  # fmt: skip
def test_batch_without_bounds_is_skipped_after_some_fetches(data: bytes) -> None:
    found = read_on(lambda position: data if position < 53 else NEXT, 50, 54)
    assert found[-1].value == b"next"
    assert {r.reason for r in found if isinstance(r, Damaged)} == {"framing"}


def test_a_batch_that_the_broker_cut_off_behind_others_is_fetched_again() -> None:
    records = read(batch(50, THREE) + NEXT[:-3])
    assert told(records) == [b"a", b"b", b"c"]
    assert records.next_fetch_offset == 53


@pytest.mark.parametrize("data", [b"", None])
def test_an_empty_answer_is_no_record(data: bytes | None) -> None:
    assert not FetchedBytes(data).has_next()
    assert FetchedBytes(data).size_in_bytes() == 0
    assert told(read(data)) == []


def test_a_format_that_is_not_known_is_named() -> None:
    future = batch(50, THREE, magic=3)
    assert told(read(future + NEXT)) == [("format", 50, 52, future), b"next"]


# --- messages of magic 0 and 1


@pytest.mark.parametrize("magic", [0, 1])
def test_old_messages_are_read(magic: int) -> None:
    records = read(message(50, magic=magic) + message(51, None, None, magic=magic))
    assert [(r.offset, r.key, r.value, r.timestamp) for r in records] == [
        (50, b"k", b"v", raw.NOW if magic else -1),
        (51, None, None, raw.NOW if magic else -1),
    ]


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4"])
def test_old_messages_in_a_compressed_one_are_read(magic: int, codec: str) -> None:
    base = 50 if magic == 0 else 0
    inner = b"".join(message(base + n, value=b"%d" % n, magic=magic) for n in range(3))
    wrapper = message(52, None, raw.compressed(codec, inner), magic=magic, attributes=raw.CODECS[codec])
    records = read(wrapper, 51)
    assert [(r.offset, r.value) for r in records] == [(51, b"1"), (52, b"2")]
    assert records.next_fetch_offset == 53


BROKEN_WRAPPERS = {
    "null": (None, 1), "empty": (raw.compressed("gzip", b""), 1), "garbage": (b"garbage", 1),
    "an unknown codec": (b"", 6), "nested": (raw.compressed("gzip", message(0, None, b"", attributes=1)), 1),
    "cut off": (raw.compressed("gzip", message(0)[:-1]), 1),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN_WRAPPERS)
def test_an_old_compressed_message_that_cannot_be_read_is_one_with_its_bytes(what: str) -> None:
    value, codec = BROKEN_WRAPPERS[what]
    bad = message(52, None, value, attributes=codec)
    (damage, last) = told(read(bad + NEXT))
    assert damage[1:] == (50, 52, bad)
    assert last == b"next"


# --- memory


def result(data: bytes, position: int, monkeypatch: pytest.MonkeyPatch) -> fetched.FetchResult:
    answer = fetched.FetchResult(PLACE, assignment=None, partition_records=read(data, position), backoff=0)
    monkeypatch.setattr(answer, "check_assignment", lambda _: True)
    monkeypatch.setattr(answer, "_update_position", lambda: None)
    return answer


def test_delivered_bytes_are_bounded_and_unpacked_bytes_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    value = b"x" * MIB
    answer = result(batch(50, [record(n, value=value) for n in range(40)], "zstd"), 50, monkeypatch)
    offsets: list[int] = []
    tracemalloc.start()
    while answer.has_more():
        some = answer.getall()
        assert sum(len(r.value) for r in some) <= MOST_AT_ONCE + MIB
        offsets += [r.offset for r in some]
        del some
        kept, _ = tracemalloc.get_traced_memory()
        assert kept < 2 * MIB
    tracemalloc.stop()
    assert offsets == list(range(50, 90))


def test_reading_that_begins_behind_very_many_records_of_a_batch_lets_others_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetched, "COMPILED_UP_TO", 1 * MIB)
    body = b"".join(record(n, None, None) for n in range(150_000))
    data = batch(0, [], "zstd", body=raw.compressed("zstd", body), count=150_000, last_delta=149_999)
    answer = result(data, 149_000, monkeypatch)
    steps: list[int] = []
    while answer.has_more():
        steps.append(len(answer.getall()))
    assert steps == [0] * (149_000 // fetched.PAUSE_EVERY) + [1_000]
    assert [r.offset for r in read(data, 149_000)] == list(range(149_000, 150_000))


def test_a_batch_of_very_many_gzip_members_is_read_in_time() -> None:
    body = b"".join(raw.compressed("gzip", record(n, None, None)) for n in range(20_000))
    began = time.process_time()
    assert len(list(read(batch(0, [], "gzip", body=body, count=20_000, last_delta=19_999), 0))) == 20_000
    assert time.process_time() - began < 5


# --- anything


def mutations(dice: random.Random) -> Iterator[bytes]:
    """Batches with some bytes changed, most of them with a checksum that fits."""
    while True:
        codec = dice.choice(CODECS)
        records = [
            record(n, dice.choice([None, b"key"]), dice.randbytes(dice.randrange(40)),
                   [(dice.randbytes(3), dice.choice([None, b""]))] * dice.randrange(3))
            for n in range(dice.randrange(6))
        ]  # fmt: skip
        body = bytearray(raw.compressed(codec, b"".join(records)))
        if codec != "none" and dice.random() < 0.5:
            plain = bytearray(b"".join(records))
            change(dice, plain)
            body = bytearray(raw.compressed(codec, bytes(plain)))
        else:
            change(dice, body)
        count = dice.choice([len(records), len(records), dice.randrange(-2, 9)])
        yield batch(
            50, records, codec, body=bytes(body), count=count, last_delta=dice.choice([9, 9, dice.randrange(-3, 20)]),
            attributes=dice.choice([0, 0, 0, dice.randrange(2**15)]), first_timestamp=dice.choice([0, -1, 2**63 - 1]),
            magic=dice.choice([2] * 9 + [0, 1, 3, 127]), good_checksum=dice.random() < 0.97,
        )  # fmt: skip


def change(dice: random.Random, body: bytearray) -> None:
    for _ in range(dice.randrange(4)):
        if body and dice.random() < 0.7:
            body[dice.randrange(len(body))] = dice.randrange(256)
        elif dice.random() < 0.5:
            del body[dice.randrange(len(body) + 1) :]
        else:
            body += dice.randbytes(3)


def test_batch_reader_neither_fails_nor_stands_still_on_any_bytes() -> None:
    dice = random.Random(8)
    batches = mutations(dice)
    began = time.process_time()
    for _ in range(6_000):
        data = next(batches)
        if dice.random() < 0.1:
            data = data[: dice.randrange(1, len(data) + 1)]
        found = read_on(lambda position, data=data: data if position == 50 else NEXT, 50, 53)  # type: ignore[misc]
        for each in found:
            assert isinstance(each.timestamp, int)
            assert all(isinstance(name, str) and isinstance(v, bytes | None) for name, v in each.headers)
        offsets = [each.offset for each in found]
        assert offsets == sorted(offsets)
    assert time.process_time() - began < 60

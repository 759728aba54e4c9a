"""What `python3 dev fuzz --broker` writes: record batches of every kind, as a function of the dice alone."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

import orjson
import raw_batches as raw
from raw_batches import Header, batch, message, record
from raw_produce import OLD_VERSION, VERSION

CODECS = ("none", "gzip", "snappy", "snappy-raw", "lz4", "zstd")
COMPRESSED = CODECS[1:]
STAMPS = (0, -1, -2, 1, -(2**63), 2**63 - 1, 2**40, 1_790_000_000_000)
BOMB = 65 * 1024 * 1024
MIB = 1024 * 1024

NO_EVENT = b'{"subject": "fuzz"}'

Values = list[bytes | None]


class Case(NamedTuple):
    """One batch, or what is none, and what is known of it."""

    kind: str
    data: bytes
    values: Values | None = None  # of its records in order, if all of them are whole
    headers: tuple[Header, ...] = ()  # of each record then
    version: int = VERSION
    whole: bool = True  # false: its records may have any offsets, or not all that they should


Maker = Callable[[random.Random, Values], Case]


def whole(dice: random.Random, values: Values) -> Case:
    codec = dice.choice(CODECS)
    return Case(f"whole, {codec}", batch(0, records_of(values), codec), values)


def any_headers(dice: random.Random, values: Values) -> Case:
    names = (
        b"traceparent",
        b"touchpoint-origin",
        b"touchpoint-code",
        b"term9",
        b"",
        b"\xff\xfe\xc3",
        "ü".encode(),
        b"a\0",
    )
    headers = tuple(
        (dice.choice([*names, dice.randbytes(dice.randrange(9))]), dice.choice([None, b"", b"x", dice.randbytes(30)]))
        for _ in range(dice.choice([1, 2, 5, 100]))
    )
    data = batch(0, records_of(values, headers), dice.choice(CODECS))
    return Case("headers of any names and values", data, values, headers)


def too_many_headers(dice: random.Random, values: Values) -> Case:
    count = dice.choice([1_001, 5_000, 100_000])
    records = [record(0, value=values[0]), record(1, headers=[(b"", b"")] * count)]
    return Case("more than 1,000 headers", batch(0, records, dice.choice(COMPRESSED)))


def any_stamps(dice: random.Random, values: Values) -> Case:
    first, last = dice.choice(STAMPS), dice.choice(STAMPS)
    records = [record(n, b"k", v, timestamp=dice.choice([0, 1, -5, 2**40])) for n, v in enumerate(values)]
    data = batch(0, records, dice.choice(CODECS), first_timestamp=first, max_timestamp=last)
    return Case("timestamps of any kind", data, values)


def any_keys(dice: random.Random, values: Values) -> Case:
    keys = (None, b"", b"\xff\xfe", b"k" * 5_000, dice.randbytes(20))
    records = [record(n, dice.choice(keys), dice.choice([b"", None, b"{}", dice.randbytes(50)])) for n in range(3)]
    return Case("keys and values of any kind", batch(0, records, dice.choice(CODECS)))


def empty(dice: random.Random, _: Values) -> Case:
    data = dice.choice([batch(0, [], last_delta=dice.choice([-1, 0, 5])), b"", batch(0, [], dice.choice(COMPRESSED))])
    return Case("no records", data, whole=False)


def lying_counts(dice: random.Random, values: Values) -> Case:
    count = dice.choice([0, -1, len(values) - 1, len(values) + 1, 2**31 - 1, -(2**31)])
    delta = dice.choice([max(count, 1 - 2**31) - 1, len(values) - 1, 0, -1, 2**31 - 1])
    data = batch(0, records_of(values), dice.choice(CODECS), count=count, last_delta=delta)
    return Case("counts that lie", data, whole=False)


def lying_offsets(dice: random.Random, values: Values) -> Case:
    offsets = [dice.choice([0, 1, 2, -3, 2**31 - 1, n]) for n in range(len(values))]
    records = [record(offset, value=value) for offset, value in zip(offsets, values, strict=True)]
    return Case("offsets that lie", batch(0, records, dice.choice(CODECS)), whole=False)


def damaged_records(dice: random.Random, values: Values) -> Case:
    bad = dice.choice([
        raw.sized(b"\0\0\2" + raw.sized(b"k") + raw.varint(500) + b"abc"), raw.sized(b"\0\0\2" + b"\xff" * 12),
        raw.sized(b""), raw.sized(b"\0\0\2\1\1\0more"), raw.varint(-3), raw.varint(2**40), raw.varint(2**62),
        record(1, headers=[(b"n", b"v")], header_count=dice.choice([-5, 0, 2, 900, 2**31 - 1, 2**62])),
        record(1, headers=[(None, b"v")]), raw.sized(b"\0\0\2" + raw.varint(dice.choice([-2, -(2**31), 2**31]))),
    ])  # fmt: skip
    records = [record(0, value=values[0]), bad, record(2, value=values[-1])]
    return Case("damaged records", batch(0, records, dice.choice(CODECS)), whole=False)


def changed_bytes(dice: random.Random, _: Values) -> Case:
    """A batch with some of the bytes of its body changed; the checksum fits."""
    codec = dice.choice(CODECS)
    values = [NO_EVENT, None, NO_EVENT * 2]  # an event whose time is changed may be late: its row would be another one
    plain = bytearray(b"".join(records_of(values, ((b"name", b"value"),))))
    if dice.random() < 0.7:
        change(dice, plain)
    body = bytearray(raw.compressed(codec, bytes(plain)))
    if dice.random() < 0.3:
        change(dice, body)
    data = batch(0, [], codec, body=bytes(body), count=len(values), last_delta=len(values) - 1)
    return Case("bytes of the body changed", data, whole=False)


def change(dice: random.Random, data: bytearray) -> None:
    for _ in range(dice.randint(1, 4)):
        if data and dice.random() < 0.8:
            data[dice.randrange(len(data))] = dice.randrange(256)
        elif dice.random() < 0.5:
            del data[dice.randrange(len(data) + 1) :]
        else:
            data += dice.randbytes(3)


def not_compressed(dice: random.Random, values: Values) -> Case:
    """Data that its codec cannot decompress, or a codec that there is not."""
    codec = dice.choice(COMPRESSED)
    good = raw.compressed(codec, b"".join(records_of(values)))
    body = dice.choice([b"", b"garbage", good[: len(good) // 2], good + b"\0" * 9, good + good, dice.randbytes(200)])
    attributes = dice.choice([0, 0, 0, 5, 6, 7])
    if attributes:
        return Case("unknown codecs", batch(0, records_of(values), attributes=attributes))
    data = batch(0, [], codec, body=body, count=len(values), last_delta=len(values) - 1)
    return Case("data that cannot be decompressed", data)


def bomb(dice: random.Random, values: Values) -> Case:
    """A whole batch of one record of 65 MiB, or of as many records as that holds."""
    codec = dice.choice(COMPRESSED)
    if codec.startswith("snappy") and dice.random() < 0.8:
        codec = "zstd"
    large = record(0, value=b"\0" * BOMB)
    if codec.startswith("snappy"):
        large = record(0, value=b"\0" * (20 * MIB))
    return Case(f"bombs, {codec}", batch(0, [large], codec))


def large(dice: random.Random, _: Values) -> Case:
    size = dice.choice([MIB - 5_000, MIB - 70, MIB, 2 * MIB])
    return Case("batches about as large as a topic takes", batch(0, [record(0, value=dice.randbytes(size))]))


def attributes(dice: random.Random, values: Values) -> Case:
    """Bits that only a broker, or only a transaction, may set; and bits that mean nothing."""
    bits = dice.choice([raw.CONTROL, raw.TRANSACTIONAL, raw.TRANSACTIONAL | raw.CONTROL, raw.APPEND_TIME, 0x40, 0x7FC0])
    data = batch(
        0, records_of(values), attributes=bits, producer=dice.choice([-1, 0, 12345]), epoch=dice.choice([-1, 0])
    )
    return Case("attributes of any kind", data)


def producers(dice: random.Random, values: Values) -> Case:
    data = batch(
        0, records_of(values), producer=dice.choice([-2, 0, 2**63 - 1, dice.randrange(2**31)]),
        epoch=dice.choice([-1, 0, 32767]), sequence=dice.choice([-1, 0, 5, 2**31 - 1]),
    )  # fmt: skip
    return Case("producer ids, epochs and sequences", data)


def bad_frames(dice: random.Random, values: Values) -> Case:
    good = batch(0, records_of(values))
    data = dice.choice([
        batch(0, records_of(values), good_checksum=False),
        batch(0, records_of(values), magic=dice.choice([3, 127, -1])),
        good[:-1], good + b"\0", good + good, good[: dice.randrange(61)], good[:8] + b"\xff" * 4 + good[12:],
        dice.randbytes(100),
    ])  # fmt: skip
    return Case("checksums, sizes and formats that are wrong", data)


def old_messages(dice: random.Random, values: Values) -> Case:
    magic = dice.choice([0, 1])
    codec = dice.choice(["none", "gzip", "snappy", "lz4"])
    stamp = dice.choice(STAMPS)
    inner = [message(n, value=value, magic=magic, timestamp=stamp) for n, value in enumerate(values)]
    kind = f"magic {magic}, {codec}"
    if dice.random() < 0.3:
        changed = bytearray(b"".join(message(n, value=NO_EVENT, magic=magic) for n in range(len(values))))
        change(dice, changed)
        inner, kind = [bytes(changed)], f"magic {magic}, damaged"
    if codec == "none":
        return Case(kind, b"".join(inner), version=OLD_VERSION)
    body = raw.compressed(codec, b"".join(inner))
    code = raw.CODECS[codec]
    data = message(len(values) - 1, None, body, magic=magic, attributes=code, timestamp=stamp)
    return Case(kind, data, version=OLD_VERSION)


def records_of(values: Values, headers: tuple[Header, ...] = ()) -> list[bytes]:
    key = orjson.loads(values[0] or b"{}")["subject"].encode()
    return [record(n, key, value, headers) for n, value in enumerate(values)]


MAKERS: tuple[tuple[Maker, int], ...] = (
    (whole, 12), (any_headers, 10), (too_many_headers, 1), (any_stamps, 8), (any_keys, 6), (empty, 2),
    (lying_counts, 6), (lying_offsets, 8), (damaged_records, 10), (changed_bytes, 14), (not_compressed, 8), (bomb, 1),
    (large, 1), (attributes, 4), (producers, 4), (bad_frames, 4), (old_messages, 8),
)  # fmt: skip
"""What makes cases, and how often."""


def case(dice: random.Random, values: Values) -> Case:
    """One case of a random kind; ``values``: at least two, for its records."""
    (maker,) = dice.choices([maker for maker, _ in MAKERS], [weight for _, weight in MAKERS])
    return maker(dice, values)

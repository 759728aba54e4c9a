"""What goes in: small worlds of events and vendors' captures, some of it damaged, a little of it huge."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson
from fuzz_events import CHANNELS, OTHERS, VERBS, Json, event
from fuzz_mutations import damaged, damaged_bytes, damaged_tree
from vendor_feed import CAPTURES, fixture

from touchpoint.dialects import DIALECTS, Feed, Unknown

BINARY = 0.1  # of the records
BUSY = 0.003  # of the worlds: hundreds of events
HUGE = 0.002  # of the records
HUGE_VALUES = (
    b"9" * 250_000,
    b"1" + b"0" * 5_000,
    b"0." + b"3" * 250_000,
    b" " * 250_000 + b"1",
    b'"' + b"x" * 250_000 + b'"',
    b'"' + b" " * 200_000 + b'"',
    b'"' + b"a@" * 100_000 + b'"',
    b'"' + b"\\u00e9" * 40_000 + b'"',
    b'"tel:+' + b"1" * 900 + b'"',
    b"[" * 120_000,
    b"[" * 1_000 + b"]" * 1_000,
    b"[" + b"1," * 100_000 + b"1]",
    b"[" + b"[]," * 80_000 + b"[]]",
    b'{"a":' * 1_000 + b"1" + b"}" * 1_000,
    b"{" + b",".join(b'"k%d":1' % n for n in range(18_000)) + b"}",
)


class Input(NamedTuple):
    """One record as Kafka has it."""

    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


def of_a_world(dice: random.Random) -> Iterator[Input]:
    """A few items, parties and activities at once; a share of the records is damaged."""
    harm = dice.choice((0.0, 0.0, 0.1, 0.4, 1.0))
    for made in world(dice):
        yield as_input(dice, made, harmed=dice.random() < harm)
        if dice.random() < HUGE:
            yield huge(dice, made)


def world(dice: random.Random) -> Iterator[Json]:
    """Valid events: the verbs of a channel in any order, many at one instant, some ids twice."""
    subjects = [f"c{n}" for n in range(1, dice.choice((1, 1, 2, 3)) + 1)]
    channels = {subject: dice.choice(CHANNELS) for subject in subjects}
    pace = dice.choice((0, 1, 20, 400, 30_000))
    at = 0.0
    for number in range(300 if dice.random() < BUSY else dice.choice((3, 8, 16, 30))):
        at += dice.choice((0, 0, 0.001, 1, pace * dice.random()))
        if dice.random() < 0.12:
            name = dice.choice(OTHERS)
            subject = dice.choice(("tel:+441632960001", "P1")) if name.startswith("party") else dice.choice(subjects)
        else:
            subject = dice.choice(subjects)
            name = dice.choice(VERBS[channels[subject]])
        seconds = at if dice.random() < 0.9 else dice.uniform(0, at)
        yield event(dice, name, number if dice.random() < 0.97 else number // 2, subject, seconds)


def as_input(dice: random.Random, made: Json, harmed: bool) -> Input:
    value = damaged(dice, made) if harmed else orjson.dumps(made)
    if dice.random() >= BINARY:
        return Input(value)
    headers = [
        ("ce_" + name, text.encode() if isinstance(text, str) else b"7")
        for name, text in made.items()
        if name != "data"
    ]
    if harmed and headers:
        at = dice.randrange(len(headers))
        name, raw = headers[at]
        headers[at] = dice.choice(
            ((name, damaged_bytes(dice, raw)), (name.upper(), raw), headers[0], ("ce_data", b"1"))
        )
    content = dice.choice(
        (b"application/json", b"application/json", b"text/plain", b"application/x+json; a=b", b"\xff")
    )
    body = damaged(dice, made["data"]) if harmed and made.get("data") else orjson.dumps(made.get("data") or {})
    return Input(body, (*headers, ("content-type", content if harmed else b"application/json")))


def huge(dice: random.Random, made: Json) -> Input:
    """As large as a producer may make it, or a little larger: only its size or its shape is wrong."""
    what = dice.choice(HUGE_VALUES)
    value = orjson.dumps({**made, "odd": 0})
    if dice.random() < 0.2:
        return Input(value, tuple((f"ce_x{n}", b"y" * 20) for n in range(dice.choice((1_000, 12_000)))))
    return Input(value.replace(b'"odd":0', b'"odd":' + what))


def of_a_vendor(dice: random.Random) -> Iterator[Input]:
    """What a dialect makes of its own capture, damaged; a dialect never raises."""
    name, file = dice.choice(CAPTURES)
    dialect, feed = DIALECTS[name], Feed()
    lines = fixture(file)
    if dice.random() < 0.5:
        at = dice.randrange(len(lines))
        lines = [*lines[:at], damaged_bytes(dice, lines[at]), *lines[at + 1 :]]
    records = list(dialect.read(lines))
    if dice.random() < 0.3:
        dice.shuffle(records)
    for record in records[:60]:
        said = dialect.translate(harmed_record(dice, record) if dice.random() < 0.2 else record, feed)
        list(feed.memory.changes())  # a worker's state must be able to hold it
        yield from (Input(orjson.dumps(made)) for made in ([] if isinstance(said, Unknown) else said))


def harmed_record(dice: random.Random, record: Any) -> Any:
    """As `read` might have given it: lines are text, everything else is JSON."""
    if isinstance(record, str):
        return damaged_bytes(dice, record.encode()).decode("utf-8", "replace")
    if isinstance(record, Unknown):
        return record
    try:
        return orjson.loads(orjson.dumps(damaged_tree(dice, record)))
    except orjson.JSONEncodeError:
        return record

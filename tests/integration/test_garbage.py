"""Garbage in the middle of good traffic: each piece is buried as it is, with a cause; everything else is stored."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import orjson
import pytest
from installation import Event, Installation, arrival, offline

from touchpoint.kafka.topic_admin import MIB
from touchpoint.simulate import simulate
from touchpoint.simulate.produce import produce

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
GOOD = {
    "specversion": "1.0", "id": "g", "source": "/pbx", "type": "call.offered", "time": "2026-03-02T08:30:00Z",
    "subject": "never", "data": {},
}  # fmt: skip
SKIPPED = None


class Garbage(NamedTuple):
    what: str
    value: bytes | None
    cause: str | None  # what its cause says, SKIPPED for what is only counted
    key: bytes | None = b"never"
    headers: Sequence[tuple[str, bytes]] = ()


def but(**changes: object) -> bytes:
    """A good event but for this; None leaves an attribute out."""
    return orjson.dumps({name: value for name, value in (GOOD | changes).items() if value is not None})


def pieces() -> list[Garbage]:
    dice = random.Random(5)
    return [
        *(Garbage(f"random bytes {n}", dice.randbytes(dice.randint(1, 300)), "not ") for n in range(20)),
        *(Garbage(f"truncated after {n} bytes", but()[:n], "not JSON") for n in (1, 40, 100, len(but()) - 1)),
        Garbage("nothing at all", b"", "empty"),
        Garbage("a number", b"42", "number"),
        Garbage("a list", b"[1, 2]", "array"),
        Garbage("another system's record", b'{"user": 7, "action": "login"}', "not a CloudEvent"),
        Garbage("a type that is a number", but(type=5), "type must be text"),
        Garbage("data that is text", but(data="x"), "data must be an object"),
        Garbage("a resource that is a list", but(data={"resource": ["john"]}), "resource must be"),
        Garbage("an unknown type", but(type="call.exploded"), "not an event type"),
        Garbage("an unknown kind", but(type="telepathy.offered"), "not an event type"),
        Garbage("a time without offset", but(time="2026-03-02T08:30:00"), "offset"),
        Garbage("a time of words", but(time="half past eight"), "time"),
        Garbage("no id", but(id=None), "id is missing"),
        Garbage("an unknown major version", but(dataschema="https://example.com/touchpoint/2"), "version 2"),
        Garbage("nearly 1 MiB", but(data={"ext": {"x": "y" * (MIB - 2_000)}}), "256 KiB"),
        Garbage("a key that is not UTF-8", but(), "key is not UTF-8", key=b"call-\xff\xfe"),
        Garbage(
            "avro", b"\x02\x06foo", "avro", headers=[("content-type", b"application/avro"), ("ce_specversion", b"1.0")]
        ),
        Garbage("deep", b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "depth limit"),
        Garbage("a tombstone", None, SKIPPED),
        Garbage("a tombstone under a key that is not UTF-8", None, SKIPPED, key=b"\xff"),
    ]


@pytest.mark.trap(10)
async def test_every_piece_is_buried_byte_for_byte_or_skipped_and_the_rest_is_stored(
    installation: Installation,
) -> None:
    events = arrival(simulate(4, START, hours=1, volume=300), seed=4)
    worker = installation.worker()
    third = math.ceil(len(events) / 3)  # every source is in the last third, whose sources declare that they told all
    sent: dict[str, Garbage] = {}
    for begin in range(0, len(events), third):
        await send(installation, events[begin : begin + third], last=begin + third >= len(events))
        sent |= await litter(installation)
    await installation.until_stored(offline(events))

    skipped = {origin for origin, garbage in sent.items() if garbage.cause is SKIPPED}
    await installation.until_letters(len(sent) - len(skipped))
    letters = await installation.read("dead-letters")
    found = {dict(letter.headers)["touchpoint-origin"].decode(): letter for letter in letters}
    assert found.keys() == sent.keys() - skipped
    for origin, letter in found.items():
        garbage, headers = sent[origin], dict(letter.headers)
        assert letter.value == garbage.value, garbage.what
        assert letter.key == garbage.key, garbage.what
        assert garbage.cause in headers["touchpoint-cause"].decode(), garbage.what
        assert "touchpoint-truncated" not in headers, garbage.what
    metrics = worker.metrics()
    assert metrics['touchpoint_events_total{agent="media",verdict="skipped"}'] == len(skipped)
    assert worker.running


async def send(installation: Installation, events: list[Event], last: bool) -> None:
    await produce(events, installation.client, installation.settings.topic_prefix, finish=last)


async def litter(installation: Installation) -> dict[str, Garbage]:
    """Each piece into some topic; by topic/partition/offset."""
    places = {}
    topics = ("calls", "emails", "chats", "activities", "faxes")
    async with installation.producer() as producer:
        for number, garbage in enumerate(pieces()):
            topic = "calls" if b'"call.' in (garbage.value or b"") else topics[number % len(topics)]
            name = installation.settings.topic_prefix + topic
            value, headers = garbage.value, list(garbage.headers)
            lies = await producer.send_and_wait(name, value, garbage.key, headers=headers)
            places[f"{topic}/{lies.partition}/{lies.offset}"] = garbage
    return places

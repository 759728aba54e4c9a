"""What travels on the internal topics: facts on their way to a media item or a party, and progress.

While an upgrade is under way, workers of two versions read these messages. So a message only ever gets fields at its
end, with defaults, which the older version may leave unread; no field goes, moves or gets another type
(tests/compatibility).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import msgspec

from touchpoint.stages.protocol import Forward, Record
from touchpoint.stitching.facts import Fact, Micros
from touchpoint.stitching.ids import opaque
from touchpoint.stitching.interactions.party_facts import PartyFacts, PartyKey
from touchpoint.stitching.silence import Run

LINKS, TOUCHES = "links", "touches"
MOST_HOPS = 8
"""So often a fact may be sent on, from item to item and from party to party: identities that name each other in a ring
must not keep it under way for ever."""
FROM_FEED = -1
"""The hop of facts out of a topic with a dialect: where they arrive, they are as if they came first-hand."""
KIND = "kind"
PROGRESS = (KIND, b"progress")


class ParentQuery(msgspec.Struct, array_like=True, frozen=True):
    """A media item that names another party's: in which interaction was that, when it was named?"""

    item: str  # whose way it takes: what is named, or its root
    time: Micros
    asker: str
    key: PartyKey  # the asker's party, where the answer goes
    named: str


MOST_ASKS = 1_000
MOST_ASKED_BYTES = 1024 * 1024


def latest(asks: list[ParentQuery]) -> list[ParentQuery]:
    """Of the questions that wait at one place, in the order in which they came, as many of the last as may wait."""
    if len(asks) <= MOST_ASKS and sum(map(_size, asks)) <= MOST_ASKED_BYTES:
        return asks
    held = list(accumulate(_size(ask) for ask in reversed(asks)))
    return asks[-max(1, min(MOST_ASKS, bisect_right(held, MOST_ASKED_BYTES))) :]


def _size(ask: ParentQuery) -> int:
    """Bytes, rather more than less: in UTF-8 a character of a text that is not ASCII has up to four."""
    texts = (ask.item, ask.asker, ask.named, ask.key.tenant, ask.key.value)
    return 20 + sum(len(text) if text.isascii() else 4 * len(text) for text in texts)


class ItemMessage(msgspec.Struct, array_like=True, frozen=True):
    """Facts on their way to another media item's partition: aliases to their root, the partyless to their parent."""

    tenant: str
    item: str  # where they go
    hop: int
    facts: list[Fact]
    dependent: str | None = None  # name of what travels with `item` because it has no party of its own
    party: PartyKey | None = None  # whose the dependent turned out to be
    route: PartyKey | None = None  # the party that the dependent went to first
    gone: bool = False  # the dependent turned out to be another item's alias
    ask: ParentQuery | None = None


class Erasure(msgspec.Struct, array_like=True, frozen=True):
    """A person is to be forgotten."""

    request: str
    time: Micros


class PartyMessage(msgspec.Struct, array_like=True, frozen=True):
    """Facts on their way to their party."""

    key: PartyKey
    hop: int
    facts: PartyFacts
    gone: list[str] = []  # names of media items that turned out to be another item's aliases
    rekey: dict[str, PartyKey] = {}  # names of what turned out to be another party's
    asks: list[ParentQuery] = []
    erasures: list[Erasure] = []
    held: dict[str, Micros] = {}  # things of a backfill that move, and until when they wait (backfill.py)


class Life(msgspec.Struct, array_like=True):
    """When a source that sends heartbeats was alive."""

    runs: list[Run] = []  # in order of time
    signs: list[Micros] = []  # other events, the first after each run


class Flush(msgspec.Struct, array_like=True, frozen=True, order=True):
    """A source's declaration that it has told everything until an instant."""

    time: Micros  # of the declaration itself; the same in every partition
    until: Micros
    tenant: str
    source: str


class WatermarkUpdate(msgspec.Struct, array_like=True, frozen=True):
    """One partition's progress."""

    stage: str  # media, party or a topic with a dialect
    sender: int
    watermarks: list[Micros]  # by hop
    signs: dict[str, list[Micros]] = {}  # of release 0.1.0
    of: int = 0  # the partitions of a topic with a dialect
    lives: dict[str, Life] = {}  # by `source_name`: what is new of it
    flushed: list[Micros] = []  # by hop: the time of the latest declaration that all inputs have come to
    flushes: list[Flush] = []  # that are new
    is_history: bool = False  # the watermark is of a backfill: where time has passed it, it holds nothing back


def source_name(tenant: str, source: str) -> str:
    """Of a source of a tenant; neither has a NUL character."""
    return f"{tenant}\0{source}"


MOST_FEED_PARTITIONS = 100_000


def incredible(message: WatermarkUpdate, partitions: int, hops: Mapping[str, int]) -> str | None:
    """Why a worker cannot have told this, if it cannot: what anybody else wrote must not stop time.

    ``hops``: how many watermarks each of our stages tells here. How far ahead they may be, clocks know.
    """
    ours = hops.get(message.stage)
    of = (message.of or MOST_FEED_PARTITIONS) if ours is None else partitions
    if not 0 <= message.sender < of <= max(partitions, MOST_FEED_PARTITIONS):
        return "its sender is none of the partitions there are"
    expected = 1 if ours is None else ours
    if len(message.watermarks) != expected or len(message.flushed) not in (0, expected):
        return "it has another number of watermarks"
    return None


_encode = msgspec.msgpack.Encoder().encode
_link = msgspec.msgpack.Decoder(ItemMessage).decode
_touch = msgspec.msgpack.Decoder(PartyMessage).decode
_told = msgspec.msgpack.Decoder(WatermarkUpdate).decode


def link(message: ItemMessage) -> Forward:
    """To the partition of the media item."""
    return Forward(LINKS, message.item.encode(), _encode(message))


class Addresses:
    """Where parties are: their opaque keys in topics and tables, and their partitions."""

    def __init__(self, secret: bytes, partitions: int) -> None:
        self._secret, self._partitions = secret, partitions

    def key(self, party: PartyKey) -> bytes:
        """The opaque key of a party."""
        return opaque(self._secret, party.tenant, party.kind, party.value).encode()

    def touch(self, message: PartyMessage) -> Forward:
        """To the party's partition: the key is as good as random, so its first digits choose."""
        key = self.key(message.key)
        return Forward(TOUCHES, key, _encode(message), partition=int(key[:8], 16) % self._partitions)


def broadcast(topic: str, message: WatermarkUpdate, partitions: int, first: int = 0) -> list[Forward]:
    """To so many partitions of a topic."""
    value = _encode(message)
    return [Forward(topic, None, value, (PROGRESS,), partition) for partition in range(first, first + partitions)]


def read(record: Record) -> ItemMessage | PartyMessage | WatermarkUpdate:
    """The message in a record of `links` or `touches`. Raises msgspec.DecodeError on what is none of ours."""
    value: Any = record.value or b""
    if any(name == KIND for name, _ in record.headers):
        return _told(value)
    return _link(value) if record.topic == LINKS else _touch(value)

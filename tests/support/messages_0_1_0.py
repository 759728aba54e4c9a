"""What release 0.1.0 reads in ``links`` and ``touches``: its structs, as they were. Never changed."""

from __future__ import annotations

from typing import Any

import msgspec


class Fact(msgspec.Struct, array_like=True):
    time: int
    kind: str
    verb: str
    source: str
    id: str
    subject: str
    tenant: str = "default"
    sequence: str | None = None
    recorded: int | None = None
    correlation: str | None = None
    dialect: str | None = None
    data: dict[str, Any] = {}
    ext: dict[str, Any] = {}


class PartyKey(msgspec.Struct, frozen=True, array_like=True):
    tenant: str
    kind: str
    value: str


class Closed(msgspec.Struct, array_like=True):
    interaction_id: str
    key: PartyKey
    instant: int
    ended_at: int
    names: tuple[str, ...]
    facts: bytes
    amended: int = 0


class PartyFacts(msgspec.Struct, array_like=True):
    items: dict[str, list[Fact]] = {}
    controls: dict[str, list[Fact]] = {}
    activities: dict[str, list[Fact]] = {}
    identity: list[Fact] = []
    closed: list[Closed] = []
    parents: dict[str, str] = {}


class Ask(msgspec.Struct, array_like=True):
    item: str
    time: int
    asker: str
    key: PartyKey
    named: str


class Link(msgspec.Struct, array_like=True):
    tenant: str
    item: str
    hop: int
    facts: list[Fact]
    passenger: str | None = None
    party: PartyKey | None = None
    route: PartyKey | None = None
    gone: bool = False
    ask: Ask | None = None


class Erasure(msgspec.Struct, array_like=True):
    request: str
    time: int


class Touch(msgspec.Struct, array_like=True):
    key: PartyKey
    hop: int
    facts: PartyFacts
    gone: list[str] = []
    rekey: dict[str, PartyKey] = {}
    asks: list[Ask] = []
    erasures: list[Erasure] = []


class Told(msgspec.Struct, array_like=True):
    stage: str
    sender: int
    watermarks: list[int]
    signs: dict[str, list[int]] = {}
    of: int = 0


def read(topic: str, value: bytes, headers: tuple[tuple[str, bytes | None], ...]) -> Link | Touch | Told:
    """A record of ``links`` or ``touches``. Raises msgspec.DecodeError on what 0.1.0 would bury."""
    if any(name == "kind" for name, _ in headers):
        return msgspec.msgpack.decode(value, type=Told)
    return msgspec.msgpack.decode(value, type=Link) if topic == "links" else msgspec.msgpack.decode(value, type=Touch)

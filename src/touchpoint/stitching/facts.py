"""A fact: one accepted event in compact form. All state is sets of facts (stitching.md, 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from touchpoint.stitching.verbs import FactVerb
else:
    # any text can be read: a batch or a state with a verb that only a later release knows is not lost for that
    FactVerb = str

Micros = int
"""An instant: microseconds since 1970-01-01T00:00:00Z. A span of them is also in microseconds."""

SECOND: Micros = 1_000_000
MINUTE: Micros = 60 * SECOND
HOUR: Micros = 60 * MINUTE
DAY: Micros = 24 * HOUR

EARLIEST: Micros = -(2**62)
"""Before every instant of an event."""
LATEST: Micros = 2**62
"""After every instant of an event."""


class Fact(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One event, deduplicated by (source, id), with what stitching needs of it.

    `data` is the event's validated, normalised data without absent fields; instants in it are `Micros`.
    `ext` holds unknown attributes and unknown data fields as they came.
    """

    time: Micros
    kind: str  # a channel (call, email, fax, chat, ...) or activity, interaction, party, source
    verb: FactVerb  # without the kind: "answered", "recorded", "identified", "heartbeat"
    source: str
    id: str
    subject: str  # the media item id; of party.* the address; "" where absent
    tenant: str = "default"
    sequence: str | None = None
    recorded: Micros | None = None  # recordedtime
    correlation: str | None = None  # correlationid
    dialect: str | None = None  # which vendor dialect made it; None: a canonical producer
    data: dict[str, Any] = {}
    ext: dict[str, Any] = {}


def agent_of(fact: Fact) -> str | None:
    """The id of the resource that an event names."""
    resource = fact.data.get("resource")
    return None if resource is None else resource["id"]


_OF_PARTIES = frozenset({"id", "account", "name", "from", "into", "request"})


def trimmed(fact: Fact) -> Fact:
    """A fact as state may keep it: of what a producer says beyond the contract nothing is read, and much is personal.

    Unknown fields go, claims that are neither instants nor durations, and all that a party's event does not speak by.
    """
    data = fact.data
    if fact.kind == "party":
        data = {name: value for name, value in data.items() if name in _OF_PARTIES}
    elif "reported" in data:
        claims = {name: value for name, value in data["reported"].items() if name.endswith(("_at", "_ms"))}
        if not fact.ext and len(claims) == len(data["reported"]):
            return fact
        data = data | {"reported": claims}
    elif not fact.ext:
        return fact
    return msgspec.structs.replace(fact, data=data, ext={})


FLUSHED: FactVerb = "flushed"
"""The verb of a source's declaration that it has told everything until an instant, `until` in its data."""
UNREADABLE: FactVerb = "unreadable"
"""The verb of a fact that says no more than that an event of a media item could not be read (it is a dead letter)."""

FactKey = tuple[str, str]
"""(source, id): equal keys are the same event again."""

"""The numbers of stitching.md, each configurable, none of them a clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from touchpoint.stitching.facts import DAY, HOUR, MINUTE, SECOND, Micros
from touchpoint.stitching.rules_version import dialect_of

Profile = Literal["call", "chat", "email", "fax"]
"""How a channel behaves: chats fall silent between messages, mails complete when answered, faxes when transmitted."""


class ChannelLimits(msgspec.Struct, frozen=True):
    """Time limits of one channel, and which of the contract's channels it behaves like."""

    stitch_gap: Micros  # two items of a party no further apart are one interaction (3.5)
    age: Micros  # since its last event, after which an item completes (2, completion c)
    linger: Micros  # how long its interaction waits after its end; the stitch gap but for email
    like: Profile
    engaged_age: Micros  # as `age`, while it is known to be in a queue or with an agent of a source that tells ends


class Capabilities(msgspec.Struct, frozen=True):
    """What a source can report: a dialect declares it, the fold reads it. Without one: everything."""

    hold: bool = True
    wrapup: bool = True
    ring: bool = True
    transfer: bool = True  # says where a transfer went
    messages: bool = True  # tells each message of a chat
    outside: bool = True  # tells what becomes of a call outside of its queues
    ends: bool = True  # tells when a queue or an agent's part ends, so that silence does not
    ordered: bool = True  # events carry `sequence`
    replayable: bool = True  # the source still has what was missed
    resolution: Micros = 1  # of its stamps


CHANNELS: Mapping[str, ChannelLimits] = {
    "call": ChannelLimits(10 * MINUTE, 4 * HOUR, 10 * MINUTE, "call", 24 * HOUR),
    "chat": ChannelLimits(10 * MINUTE, 24 * HOUR, 10 * MINUTE, "chat", 7 * DAY),
    "fax": ChannelLimits(30 * MINUTE, 2 * HOUR, 30 * MINUTE, "fax", 24 * HOUR),
    "email": ChannelLimits(0, 30 * DAY, HOUR, "email", 30 * DAY),
}

KNOWN: Mapping[str, ChannelLimits] = {
    **dict.fromkeys(("sms", "message", "social"), ChannelLimits(10 * MINUTE, 7 * DAY, 10 * MINUTE, "chat", 30 * DAY)),
    "video": CHANNELS["call"],
}
"""Channels that an installation may switch on by their names alone; each costs a topic."""

FULL = Capabilities()


class Limits(msgspec.Struct, frozen=True):
    """Everything of stitching that an installation may set."""

    channels: Mapping[str, ChannelLimits] = msgspec.field(default_factory=lambda: CHANNELS)
    capabilities: Mapping[str, Capabilities] = {}  # by dialect; a source without one reports everything
    item_facts: int = 2_000
    interaction_size: int = 500  # media items and activities
    party_open: int = 2_000  # media items and activities of one party that are open at once
    quiet: Micros = 30 * SECOND  # completion (b)
    wrapup_begins_within: Micros = 2 * MINUTE
    wrapped_up_wait: Micros = 5 * SECOND  # instead of it, once the interaction is wrapped up
    wrapup_at_most: Micros = 30 * MINUTE
    chat_idle: Micros = 5 * MINUTE
    short_abandon: Micros = 5 * SECOND
    activity_gap: Micros = 10 * MINUTE
    activity_age: Micros = 24 * HOUR
    interaction_age: Micros = 30 * DAY
    disorder: Micros = 60 * SECOND
    silence: Micros = 5 * MINUTE
    ahead: Micros = 5 * MINUTE  # of its own append in Kafka, an event beyond it does not count
    own_addresses: frozenset[str] = frozenset()  # the organisation's own: never a party
    unstitched_addresses: frozenset[str] = frozenset()  # switchboards, shared mailboxes: never stitch by (5)

    def channel(self, kind: str) -> ChannelLimits:
        """The limits of a channel; of one that is configured no longer, but still has open items, those of calls."""
        return self.channels.get(kind) or CHANNELS["call"]

    def capability(self, dialect: str | None) -> Capabilities:
        """Of the dialect that an event names, with or without its version."""
        return FULL if dialect is None else self.capabilities.get(dialect_of(dialect), FULL)


DEFAULT = Limits()

Silences = Mapping[tuple[str, str], tuple[tuple[Micros, Micros], ...]]
"""By tenant and source: spans in which heartbeats were missing; they do not count towards an item's age (stitching.md,
4).
"""

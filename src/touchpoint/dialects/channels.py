"""The channels of a phone system's calls, as a feed's memory keeps them, and which of them are agents' phones."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Any

from touchpoint.dialects.dialect import Feed
from touchpoint.dialects.lines import number_of
from touchpoint.stitching.facts import Micros

PARTY = "party"
"""Among the `doubts` of an event: the feed contradicts itself on whose call it is, or does not say whom it calls."""

_EXTENSION = re.compile(r"[0-9*#]{1,6}")
_NUMBER = re.compile(r"\+?[0-9]{7,}")


@dataclass
class Channel:
    """One channel. `name`: its unique id. Times are None until they are told."""

    name: str
    call: str  # the id of the first channel of its call
    interface: str | None  # None: a half of a Local channel, which is nobody's
    number: str | None  # its caller id
    start: Micros
    dialed: str | None = None
    last: Micros | None = None  # of its rows, where the feed is in the order of each channel
    entered: Micros | None = None  # a bridge
    left: Micros | None = None
    gone: Micros | None = None
    cause: int | None = None
    hung_up: bool = False  # by itself, not by the other side
    told: frozenset[str] = frozenset()  # what has become an event

    def id(self, row: str) -> str:
        """Of the events that come of one of its rows, whichever row gave the occasion."""
        return f"{self.name[:60]}/{row}"


@dataclass
class Call:
    """A call, by the id of its first channel."""

    name: str
    ours: bool | None = None  # whether its first channel is an agent's; None: it is not known yet
    first: str | None = None  # its first channel, where that is not the one that it is named by
    interface: str | None = None  # of its first channel
    dialed: str | None = None
    queue: str | None = None
    waits: bool = False  # the caller stands in the queue
    gave_up: Any = None  # when, and which queue was left unanswered
    answered: Micros | None = None
    over: Micros | None = None
    legs: frozenset[str] = frozenset()
    agents: frozenset[str] = frozenset()  # legs that are known to be agents' whatever they look like
    ringing: dict[str, frozenset[str]] = field(default_factory=dict)  # legs by agent
    pending: tuple[str, ...] = ()  # legs whose ring ended, for a reason that is not known yet
    outside: frozenset[str] = frozenset()  # numbers and interfaces by which it is forwarded to somebody outside
    guessed: tuple[str, ...] = ()  # legs whose ring was told as unanswered, for want of any other reason

    def begins_with(self, channel: str) -> bool:
        """Whether a channel is its first."""
        return channel == (self.first or self.name)


class Channels:
    """Those of a feed, in its memory."""

    def __init__(self, feed: Feed) -> None:
        self._memory, self._lines = feed.memory, feed.lines

    def channel(self, name: str) -> Channel | None:
        """A channel by its unique id."""
        held = self._memory.get(("channel", name))
        return None if held is None else Channel(**held)

    def keep(self, channel: Channel) -> None:
        """Remember a channel as it is now."""
        self._memory.put(("channel", channel.name), _plain(channel))

    def call(self, name: str) -> Call | None:
        """A call by the id of its first channel."""
        held = self._memory.get(("channels", name))
        return None if held is None else Call(**held)

    def keep_call(self, call: Call) -> None:
        """Remember a call as it is now."""
        self._memory.put(("channels", call.name), _plain(call))

    def start_of(self, name: str) -> Micros | None:
        """When a channel began."""
        known = self.channel(name)
        return None if known is None else known.start

    def lasts(self, call: Call) -> list[Micros]:
        """When each of a call's channels was last heard of."""
        known = filter(None, map(self.channel, sorted(call.legs)))
        return [each.last for each in known if each.last is not None and each.call == call.name]

    def begins_with_agent(self, first: Channel) -> bool:
        """Whether a call's first channel is an agent's: as configured, or by its own caller id.

        It calls as what its interface is named, or with an extension and dials a number that is none.
        """
        known = self._lines.is_ours(first.interface, first.number)
        if known is not None:
            return known
        if first.interface is None or first.number is None:
            return False
        calls_out = _EXTENSION.fullmatch(first.number) is not None and self.is_outside(first.dialed)
        return calls_out or number_of(first.interface) == first.number

    def is_agent(self, leg: Channel, call: Call) -> bool:
        """Whether a channel of a call is an agent's.

        In a customer's call that is everybody whom it reaches, but what goes out again by the customer's own trunk or
        to a number outside; in an agent's call it is the agent, and whoever calls as what their interface is named.
        """
        if leg.name in call.agents:
            return True
        if leg.interface is None:
            return False
        known = self._lines.is_ours(leg.interface, leg.number)
        if known is not None:
            return known
        if call.begins_with(leg.name):
            return bool(call.ours)
        if call.ours:
            return leg.interface == call.interface or number_of(leg.interface) == leg.number
        return leg.interface != call.interface and call.outside.isdisjoint({leg.interface, leg.number})

    def dialed_outside(self, dial_strings: str) -> frozenset[str]:
        """Numbers outside, and the interfaces that lead there, of what Dial is given or a phone forwards to.

        `PJSIP/01632960777@carrier&PJSIP/305,30` gives 01632960777 and PJSIP/carrier; so does `SIP/carrier/01632960777`.
        """
        found: set[str] = set()
        for each in dial_strings.partition(",")[0].split("&"):
            technology, _, rest = each.strip().partition("/")
            peer, _, number = rest.rpartition("/")
            number, _, host = number.removeprefix("sip:").partition("@")
            if self.is_outside(number):
                trunk = peer or host
                found |= {number, f"{technology}/{trunk}"} if technology != "Local" and trunk else {number}
        return frozenset(found)

    def doubts_of_caller(self, interface: str | None, number: str | None) -> list[str]:
        """Of an agent's phone in the place of a customer's, in a queue: a contradiction, unless it is configured."""
        return [] if self._lines.is_configured(interface, number) else [PARTY]

    def customer(self, *numbers: str | None) -> dict[str, Any]:
        """Party and doubts of the customer's side of a call that an agent dialed: the first number that is outside."""
        address = next((each for each in numbers if self.is_outside(each)), None)
        return {"party": {"address": address}, "doubts": [] if address else [PARTY]}

    def is_phone(self, interface: str | None, number: str | None) -> bool:
        """Whether a channel is an agent's phone: as configured, or it calls with an extension as its number."""
        known = self._lines.is_ours(interface, number)
        return known if known is not None else bool(number and _EXTENSION.fullmatch(number))

    def is_outside(self, number: str | None) -> bool:
        """Whether a dialed number is a customer's: no extension or feature code, and none of our own numbers."""
        if not number or _EXTENSION.fullmatch(number) or self._lines.is_own_number(number):
            return False
        return bool(_NUMBER.fullmatch(re.sub(r"[\s()./-]", "", number)))


def _plain(value: Channel | Call) -> dict[str, Any]:
    """As a memory keeps it: without what is as it was in the beginning."""
    held = {each.name: getattr(value, each.name) for each in fields(value)}
    optional = ("told", "agents", "legs", "ringing", "pending", "outside", "guessed", "waits", "hung_up")
    return {name: each for name, each in held.items() if each or name not in optional}

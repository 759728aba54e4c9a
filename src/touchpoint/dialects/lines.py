"""Which side of a phone system's channels is ours: agents' phones, trunks, own numbers.

By configuration where there is any; else by what a feed's own rows say. Read by the Asterisk and FreeSWITCH dialects.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple


class Lines(NamedTuple):
    """Patterns with `*` and `?`, of interfaces (`PJSIP/3??`) or numbers (`3??`, `+4420794600*`)."""

    agents: tuple[str, ...] = ()
    trunks: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()

    def is_ours(self, interface: str | None, number: str | None) -> bool | None:
        """True for an agent's phone, False for a trunk's channel, None where the configuration does not say."""
        if _is_one(self.agents, interface, number):
            return True
        if _is_one(self.trunks, interface, None):
            return False
        return None

    def is_configured(self, interface: str | None, number: str | None) -> bool:
        """Whether the configuration says whose a channel is, so that nothing else need tell."""
        return self.is_ours(interface, number) is not None

    def is_own_number(self, number: str | None) -> bool:
        """Whether a number is one of the organisation's, so that who dials it calls us."""
        return _is_one(self.numbers, None, number)


def _is_one(patterns: tuple[str, ...], interface: str | None, number: str | None) -> bool:
    given = [each for each in (interface, number, number_of(interface)) if each]
    return any(fnmatchcase(each, pattern) for pattern in patterns for each in given)


def number_of(interface: str | None) -> str | None:
    """What an interface is called behind its technology: `305` of `PJSIP/305`, `SIP/305` or `305@default`."""
    if not interface:
        return None
    return interface.rpartition("/")[2].partition("@")[0] or None


def interface_of(channel: object) -> str | None:
    """`PJSIP/1602-0000000a` is a channel of PJSIP/1602; both halves of a Local channel are nobody's."""
    name = str(channel or "")
    return None if name.startswith("Local/") else name.rpartition("-")[0] or None

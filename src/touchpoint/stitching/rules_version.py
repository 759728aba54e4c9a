"""Which rules a record was made by, so that a difference of rules is not taken for a fault.

The version of the stitching rules stands in each record, with the versions of the dialects whose events it was made
of; both outside its content hash. Release 0.1.0 named neither: its records are of version 1, and so are its dialects.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

RULES_VERSION = 2
"""Of the stitching. The next number in each release that may make another record of the same events."""
UNNAMED = 1
"""Of what says none."""
_DIGITS = 4


class Rules(NamedTuple):
    """What a record was made by; None where it does not say."""

    version: int | None
    dialects: Collection[str] | None = None  # as ``labelled`` names them

    def versions(self) -> dict[str, int]:
        """Version by dialect; by "" of the stitching."""
        return {**dict(map(_parsed, self.dialects or ())), "": self.version or UNNAMED}


def labelled(dialect: str, version: int) -> str:
    """A dialect with its version, as events and records name it: ``mailbox`` for version 1, then ``mailbox/2``."""
    return dialect if version == UNNAMED else f"{dialect}/{version}"


def _parsed(label: str) -> tuple[str, int]:
    name, _, number = label.partition("/")
    known = number.isascii() and number.isdigit() and len(number) <= _DIGITS
    return name, int(number) if known else UNNAMED


def dialect_of(label: str) -> str:
    """The dialect that a label names, without its version."""
    return label.partition("/")[0]


def dialects_used(labels: Iterable[str | None], known: Collection[str]) -> tuple[str, ...]:
    """The known dialects among what events name, each once, with its earliest version; in order.

    What a producer writes there that is no dialect is left out.
    """
    named = {label for label in labels if label is not None}
    if not named:
        return ()
    earliest: dict[str, int] = {}
    for name, version in map(_parsed, named):
        if name in known:
            earliest[name] = min(version, earliest.get(name, version))
    return tuple(labelled(name, earliest[name]) for name in sorted(earliest))


def same_rules(one: Rules, other: Rules) -> bool:
    """Whether two records were made by the same rules. A dialect that only one of them names does not count."""
    ours, theirs = one.versions(), other.versions()
    return all(ours[name] == theirs[name] for name in ours.keys() & theirs.keys())


def earlier_rules(stored: Rules, now: Rules) -> bool:
    """Whether some of the rules of a stored record were replaced since."""
    before, after = stored.versions(), now.versions()
    return any(before[name] < after[name] for name in before.keys() & after.keys())

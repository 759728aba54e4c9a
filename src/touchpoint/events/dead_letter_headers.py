"""The headers of a dead letter: what says why it is one, and where it came from (docs/dead-letters.md)."""

from __future__ import annotations

from importlib.metadata import version

from touchpoint.events.masking import mask

TOPIC = "dead-letters"
CAUSE = "touchpoint-cause"  # a sentence a person understands
CODE = "touchpoint-code"  # one of few words, for counting: those of events/verdicts.py, `orphan`, `history`
ORIGIN = "touchpoint-origin"  # topic/partition/offset
CAPTURED = "touchpoint-captured"  # in the place of an origin: the dialect of what was captured live
VERSION = "touchpoint-version"

_VERSION = version("touchpoint").encode()


def reasons(cause: str, code: str) -> list[tuple[str, bytes]]:
    """The headers that every dead letter has; whatever its cause quotes is masked."""
    return [(CAUSE, mask(cause).encode()), (CODE, code.encode()), (VERSION, _VERSION)]

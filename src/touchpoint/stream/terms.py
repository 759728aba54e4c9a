"""Whose a changelog record is: a worker's term as the owner of a partition, so that what arrives too late is known.

A producer's request may reach the broker after its partition was given to another worker: it waited in a network, or in
a process that stood still (faust.md 3, zombies; 13.14). The broker cannot know, and takes it as the last value of its
key. So every changelog record names the term it was written in, and a record of an earlier term than one before it
counts for nothing.

A term is bytes that compare in order: era, generation of the consumer group, wall clock in milliseconds. Generations
only grow, until the group is deleted or expires: then a new era begins. The clock tells apart two processes that share
an instance id and so a generation.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

FORM = 2
"""Of the state's values: another number for another meaning of what is there; fields that are added need none."""
_TERM = "term"
HEADER = f"{_TERM}{FORM}"
NONE = b""
"""Of records without the header."""

_WIDTHS = struct.Struct(">HIQ")


def next_term(last: bytes, generation: int, now_ms: int) -> bytes:
    """The term of whoever takes a partition up whose changelog has come to ``last``."""
    era, before, _ = _WIDTHS.unpack(last) if last else (0, 0, 0)
    return _WIDTHS.pack(era + (generation <= before), max(0, generation), now_ms)


class OtherFormError(Exception):
    """State that another version of this program wrote, in a form that this one does not read."""


def term_of(headers: Iterable[tuple[str, bytes]]) -> bytes:
    """The term a changelog record was written in. Raises OtherFormError if its value has another form than ours."""
    for name, value in headers:
        if name == HEADER and len(value) == _WIDTHS.size:
            return value
        if name.startswith(_TERM) and name != HEADER:
            raise OtherFormError(
                f"the changelogs hold state of form {name.removeprefix(_TERM)!r}; this version reads and writes form "
                f"{FORM}: start the version that wrote it, or see docs/operations.md, Upgrade"
            )
    return NONE

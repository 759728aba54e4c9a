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

HEADER = "term"
NONE = b""
"""Of records without the header."""

_FORM = struct.Struct(">HIQ")


def next_term(last: bytes, generation: int, now_ms: int) -> bytes:
    """The term of whoever takes a partition up whose changelog has come to ``last``."""
    era, before, _ = _FORM.unpack(last) if last else (0, 0, 0)
    return _FORM.pack(era + (generation <= before), max(0, generation), now_ms)


def term_of(headers: Iterable[tuple[str, bytes]]) -> bytes:
    """The term a changelog record was written in."""
    return next((value for name, value in headers if name == HEADER and len(value) == _FORM.size), NONE)

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
"""Of the state's values that this version writes. A release in which a value of some key means something else than in
the release before has the next number, and a step in ``forms.STEPS``. A field added at the end with a default needs
neither.
"""
OLDEST_FORM = 2
"""That this version still reads: of release 0.1.0."""
_TERM = "term"
HEADER = f"{_TERM}{FORM}"
"""Its name tells the form of the record's value, its value the term."""
NONE = b""
"""Of records without the header."""
_MADE_WITH = "secret"
NO_SECRET = b""
"""As a fingerprint: of records of release 0.1.0, which have none, and of state that needs none."""

Header = tuple[str, bytes]

_WIDTHS = struct.Struct(">HIQ")


def next_term(last: bytes, generation: int, now_ms: int) -> bytes:
    """The term of whoever takes a partition up whose changelog has come to ``last``."""
    era, before, _ = _WIDTHS.unpack(last) if last else (0, 0, 0)
    return _WIDTHS.pack(era + (generation <= before), max(0, generation), now_ms)


class OtherFormError(Exception):
    """State in a form that this version does not read; the message names the form and the way out."""


def term_and_form(headers: Iterable[tuple[str, bytes | None]]) -> tuple[bytes, int]:
    """The term a changelog record was written in, and the form of its value.

    A record without the header, or with a damaged one, has no term and the oldest form. Raises OtherFormError for a
    form that this version does not read.
    """
    for name, content in headers:
        value = content or b""
        if name == HEADER and len(value) == _WIDTHS.size:
            return value, FORM
        if name.startswith(_TERM) and name != HEADER:
            form = _form(name.removeprefix(_TERM))
            return (value if len(value) == _WIDTHS.size else NONE), form
    return NONE, OLDEST_FORM


def _form(number: str) -> int:
    if number.isascii() and number.isdigit() and OLDEST_FORM <= int(number) <= FORM:
        return int(number)
    way_out = (
        "start that version or a newer one: this one is older than the state and must not write into it"
        if number.isascii() and number.isdigit() and int(number) > FORM
        else "start the version that wrote it, let it run empty, or upgrade over the releases between"
    )
    raise OtherFormError(
        f"the changelogs hold state of form {number!r}; this version reads forms {OLDEST_FORM} to {FORM} and writes "
        f"form {FORM}: {way_out} (docs/operations.md, Upgrade)"
    )


class OtherStateError(Exception):
    """State whose keys were made with another party secret than ours."""


def headers_of(term: bytes, secret: bytes) -> list[Header]:
    """Of a changelog record. ``secret``: the fingerprint of the party secret that the value was made with."""
    return [(HEADER, term), (_MADE_WITH, secret)] if secret else [(HEADER, term)]


def check_secret(headers: Iterable[tuple[str, bytes | None]], ours: bytes) -> None:
    """Raises OtherStateError if a changelog record was made with another secret than that of this fingerprint."""
    for name, made_with in headers:
        if name == _MADE_WITH and made_with and ours and made_with != ours:
            raise OtherStateError(
                "TOUCHPOINT_PARTY_SECRET is not the one that the changelogs were written with (its fingerprint is"
                f" {ours.hex()}, theirs {made_with.hex()}): every party would get another key. Start with the former"
                " one; another needs a database, a TOUCHPOINT_APP_ID and a TOUCHPOINT_TOPIC_PREFIX of its own"
            )

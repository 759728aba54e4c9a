"""What became of a record: a verdict is a value, and one place acts on verdicts."""

from __future__ import annotations

from typing import Literal

import msgspec

from touchpoint.events.masking import mask
from touchpoint.stitching.facts import Fact

Code = Literal[
    "key",  # the record's key is not UTF-8
    "too_large",  # the record, an id, a text, a list or the nesting is over its limit
    "not_json",  # not UTF-8, not JSON, or JSON that says a thing twice
    "mode",  # a content mode or a content type that is not used
    "type",  # an event type that the contract does not have, or that its topic does not carry
    "tenant",  # a tenant that its topic is not bound to
    "identity",  # a statement about a party that its topic may not make
    "missing",  # a field that the event needs is not there
    "time",  # an instant that cannot be placed in time
    "late",  # so late that what it belonged to is closed and forgotten
    "value",  # a field with a wrong type, or a value that is not allowed
    "schema",  # an unknown major version in dataschema
    "dialect",  # a vendor's record that its dialect does not understand
    "internal",  # a fault of this program; report it with the record
]
"""Why a record was not accepted: the few words that a metric is labelled with."""


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """The record is an event of the contract; `fact` is all that stitching needs of it."""

    fact: Fact


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """The record cannot be accepted. `cause` is for people: whatever it quotes is masked (events/masking.py)."""

    cause: str
    code: Code
    about: Fact | None = None
    """That an event of this media item could not be read, where so much could be read: the item is flagged."""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "cause", mask(self.cause))


class Skipped(msgspec.Struct, frozen=True, gc=False):
    """The record says nothing by design (contract.md 2: a tombstone); it is counted."""

    reason: str


Verdict = Accepted | DeadLetter | Skipped

TOMBSTONE = Skipped("tombstone")
OF_OTHERS = Skipped("a declaration of a tenant that the topic does not carry")


class Rejected(Exception):  # noqa: N818 - a verdict on its way, not an error
    """Raised inside `events` only; the decoder turns it into a `DeadLetter`."""

    def __init__(self, code: Code, cause: str) -> None:
        super().__init__(cause)
        self.code: Code = code
        self.cause = cause

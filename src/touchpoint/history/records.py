"""What the `interactions` topic carries, as the writer stores it.

`decode` turns one CloudEvent into what is to be stored, or raises `MalformedError` with a cause in plain words.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from touchpoint.events.outgoing import AMENDED, CLOSED, ERASED, KNOWN, PartyData
from touchpoint.stitching.record import FIRST_VERSION, RECORD_VERSION, Instant, InteractionAmendment, InteractionRecord

FIRST_YEAR, LAST_YEAR = 1970, 2100  # as touchpoint.ensure_partitions
_FIRST_MONTH, _BEHIND_LAST_MONTH = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC), datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)
_FIRST, _LAST = datetime(1, 1, 3, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)  # in any zone still a year


class MalformedError(Exception):
    """A record that can never be stored; the message says why."""


class PartyChange(PartyData, kw_only=True):
    """`party.known` or `party.erased`. `time` is that of the event."""

    time: Instant | None = None
    erased: bool = False


class _Version(msgspec.Struct):
    """All that is read of a record that is not understood."""

    record_version: int | None = None


class _Envelope(msgspec.Struct, gc=False):
    type: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    time: Instant | None = None


Stored = InteractionRecord | InteractionAmendment | PartyChange

_envelope = msgspec.json.Decoder(_Envelope)
_data: dict[str, msgspec.json.Decoder[Any]] = {
    CLOSED: msgspec.json.Decoder(InteractionRecord),
    AMENDED: msgspec.json.Decoder(InteractionAmendment),
    KNOWN: msgspec.json.Decoder(PartyChange),
    ERASED: msgspec.json.Decoder(PartyChange),
}
_version = msgspec.json.Decoder(_Version)


def decode(value: bytes) -> Stored | None:
    """What one record of the `interactions` topic says is to be stored; None for a type that the history does not keep.

    Raises MalformedError.
    """
    try:
        envelope = _envelope.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MalformedError(f"not a CloudEvent: {error}") from None
    except RecursionError:
        raise MalformedError("not a CloudEvent: nested too deeply") from None
    decoder = _data.get(envelope.type)
    if decoder is None:
        return None
    try:
        stored: Stored = decoder.decode(envelope.data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MalformedError(f"{envelope.type}: data: {error}{_if_newer(envelope.data)}") from None
    _check_instants(stored, envelope)
    if isinstance(stored, PartyChange):
        stored.time = envelope.time
        stored.erased = envelope.type == ERASED
    elif not _FIRST_MONTH <= stored.ended_at < _BEHIND_LAST_MONTH:
        raise MalformedError(
            f"{envelope.type}: ended_at {stored.ended_at.isoformat()} of interaction {stored.interaction_id} "
            f"is outside of {FIRST_YEAR} to {LAST_YEAR}"
        )
    return stored


def _if_newer(data: msgspec.Raw) -> str:
    """The way out for a member that this version does not know, which would be lost if the rest were stored."""
    try:
        version = _version.decode(data).record_version or FIRST_VERSION
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    if version <= RECORD_VERSION:
        return ""
    return (
        f". Its record_version is {version}, and this worker knows {RECORD_VERSION}: upgrade every worker, then send it"
        " again (touchpoint dead-letters replay)"
    )


def _check_instants(stored: Stored, envelope: _Envelope) -> None:
    """The driver converts instants to UTC, where the first and the last day of the calendar have no year."""
    instants = [envelope.time] if envelope.time is not None else []
    if isinstance(stored, InteractionRecord):
        segments = [row for item in stored.media_items for row in item.segments]
        for part in ([stored], stored.media_items, segments, stored.activities):
            instants += [row.started_at for row in part]
            instants += [row.ended_at for row in part]
    if instants and not (min(instants) >= _FIRST and max(instants) <= _LAST):
        wrong = next(instant for instant in instants if not _FIRST <= instant <= _LAST)
        raise MalformedError(f"{envelope.type}: {wrong.isoformat()} is outside of the years 1 to 9999")

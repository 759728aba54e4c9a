"""Where a list goes on: the place of the last interaction that was sent, as an opaque text."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from uuid import UUID

from touchpoint.web.problems import wrong
from touchpoint.web.view import Place

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(2101, 1, 1, tzinfo=UTC)


def encode(place: Place) -> str:
    """Microseconds since 1970, and the id."""
    micros = (place.ended_at - _EPOCH) // timedelta(microseconds=1)
    return urlsafe_b64encode(micros.to_bytes(8, "big") + place.interaction_id.bytes).decode().rstrip("=")


def decode(cursor: str) -> Place:
    """Raises ProblemError for a text that is no cursor of ours."""
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
    except (ValueError, binascii.Error):
        raw = b""
    micros = int.from_bytes(raw[:8], "big")
    if len(raw) != 24 or micros > (_LAST - _EPOCH) // timedelta(microseconds=1):
        raise wrong("cursor", "is not one of the next links: follow these links as they are")
    return Place(_EPOCH + timedelta(microseconds=micros), UUID(bytes=raw[8:]))


def encode_text(ref: str) -> str:
    """As `encode`, for a list in the order of a text."""
    return urlsafe_b64encode(ref.encode()).decode().rstrip("=")


def decode_text(cursor: str) -> str:
    """Raises ProblemError for a text that is no cursor of ours."""
    try:
        text = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode()
    except (ValueError, binascii.Error):
        text = "\0"
    if "\0" in text:
        raise wrong("cursor", "is not one of the next links: follow these links as they are")
    return text

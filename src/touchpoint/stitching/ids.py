"""Ids that a replay gives again: UUIDv5 of what they name (stitching.md, 3)."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha1
from hmac import digest as hmac_digest
from uuid import UUID

_NAMESPACE = UUID("6f1d3c1e-7a43-5d0b-9c55-2b1f0f6f8a11").bytes
"""Fixed for ever: to change it is to give every stored interaction another id."""


def uuid5(*names: str) -> str:
    """The UUIDv5 of some names under our namespace. Same as uuid.uuid5, a third of its time."""
    text = sha1(_NAMESPACE + "\0".join(names).encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(text[16], 16) & 0x3]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"


def interaction_id(tenant: str, first_is_item: bool, first_id: str) -> str:
    """Of the tenant, kind and id of its earliest item, else activity: no secret, no party in it."""
    return uuid5("interaction", tenant, "media_item" if first_is_item else "activity", first_id)


@lru_cache(maxsize=65_536)  # hot path: the same parties come again and again
def opaque(secret: bytes, *names: str) -> str:
    """HMAC-SHA-256 under the installation's secret, in hexadecimal (contract.md, 5)."""
    return hmac_digest(secret, "\0".join(names).encode(), "sha256").hex()

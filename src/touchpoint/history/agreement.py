"""What all workers of an installation must have alike: the party secret, as a fingerprint, and the limits."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

import orjson

from touchpoint.history.identity import Connection

_OF_THE_DATABASE = ""  # as the application of a setting
_PARTY_SECRET, _LIMITS = "party_secret", "limits"
_INSERT = "INSERT INTO touchpoint.setting (app_id, name, value) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
_SELECT = "SELECT value FROM touchpoint.setting WHERE app_id = $1 AND name = $2"
_UPDATE = "UPDATE touchpoint.setting SET value = $3, set_at = now() WHERE app_id = $1 AND name = $2"

Limits = Mapping[str, str]
"""Settings by name, each as text."""


class OtherSecretError(Exception):
    """What is stored was made with another secret."""


def fingerprint(secret: bytes) -> str:
    """Tells one secret from another and says nothing of either."""
    return hmac.digest(secret, b"touchpoint party secret", hashlib.sha256).hex()[:16]


async def agree_on_secret(connection: Connection, secret: bytes) -> None:
    """Keep the secret's fingerprint where there is none. Raises OtherSecretError where there is another."""
    await connection.execute(_INSERT, _OF_THE_DATABASE, _PARTY_SECRET, fingerprint(secret))
    await compare_secret(connection, secret)


async def compare_secret(connection: Connection, secret: bytes) -> bool:
    """Whether a fingerprint is kept that is that of the secret. Raises OtherSecretError where there is another."""
    ours = fingerprint(secret)
    kept = await connection.fetchval(_SELECT, _OF_THE_DATABASE, _PARTY_SECRET)
    if kept is None:
        return False
    if kept != ours:
        raise OtherSecretError(
            f"TOUCHPOINT_PARTY_SECRET is not the one that the history was written with (its fingerprint is {ours}, that"
            f" of the history {kept}): every party would get another key and every history be cut in two. Start with"
            " the former one; another needs a database, a TOUCHPOINT_APP_ID and a TOUCHPOINT_TOPIC_PREFIX of its own"
        )
    return True


async def set_limits(connection: Connection, app_id: str, limits: Limits) -> Limits | None:
    """Keep the application's limits; returns those that were kept before, or None."""
    ours = orjson.dumps(limits, option=orjson.OPT_SORT_KEYS).decode()
    before = await connection.fetchval(_SELECT, app_id, _LIMITS)
    if before is None:
        await connection.execute(_INSERT, app_id, _LIMITS, ours)
    elif before != ours:
        await connection.execute(_UPDATE, app_id, _LIMITS, ours)
    return None if before is None else _limits(before)


async def limits_kept(connection: Connection, app_id: str) -> Limits | None:
    """The limits of the worker of the application that started last."""
    kept = await connection.fetchval(_SELECT, app_id, _LIMITS)
    return None if kept is None else _limits(kept)


def _limits(kept: str) -> Limits:
    limits: dict[str, str] = orjson.loads(kept)
    return limits

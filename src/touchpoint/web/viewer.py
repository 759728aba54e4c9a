"""Who reads, and how that is proved to the database."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import msgspec
import orjson

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Role(StrEnum):
    """What a viewer may see: each history alone without names; with them; the reports too; or the log of accesses."""

    READER = "reader"
    AGENT = "agent"
    SUPERVISOR = "supervisor"
    AUDITOR = "auditor"

    @property
    def identity(self) -> bool:
        """Whether names, numbers and addresses are shown."""
        return self in (Role.AGENT, Role.SUPERVISOR)


class Viewer(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who was authenticated.

    `who` names them in the log of accesses: a token's name, or `sub` of an issuer. `queues` and `resources`: None for
    everything; else only interactions that passed one of these queues or agents. `expires`: when the login ends.
    """

    tenant: str
    role: Role
    who: str
    expires: datetime
    queues: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None


class Claim(msgspec.Struct, frozen=True):
    """The arguments of `touchpoint.begin_view`, in order."""

    tenant: str
    role: str
    who: str
    expires: datetime
    proof: str
    queues: str | None
    resources: str | None


def prove(viewer: Viewer, key: bytes, challenge: str) -> Claim:
    """The viewer's context for the transaction whose `touchpoint.view_challenge()` is `challenge`."""
    queues, resources = _array(viewer.queues), _array(viewer.resources)
    expires = str((viewer.expires - _EPOCH) // _MICROSECOND)
    parts = ["touchpoint view 1", challenge, viewer.tenant, viewer.role.value, viewer.who, expires, queues, resources]
    proof = hmac.digest(key, _message(parts), hashlib.sha256).hex()
    return Claim(viewer.tenant, viewer.role.value, viewer.who, viewer.expires, proof, queues, resources)


def _array(names: Sequence[str] | None) -> str | None:
    return None if names is None else orjson.dumps(names).decode()


def _message(parts: Sequence[str | None]) -> bytes:
    """As touchpoint.view_message: each part with its length, so that no two contexts are one text."""
    sized = (None if part is None else part.encode() for part in parts)
    return b",".join(b"-" if part is None else b"%d:%b" % (len(part), part) for part in sized)

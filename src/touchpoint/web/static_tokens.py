"""Static tokens, for installations without an issuer: random, shown once, stored as their SHA-256."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from touchpoint.history.queries import query
from touchpoint.web.viewer import Role, Viewer

PREFIX = "tp_"  # so that a scanner for secrets, and our own bearer check, know one


class TokenExistsError(Exception):
    """A token of that name is there already."""


class TokenGrant(msgspec.Struct, frozen=True):
    """What a token is to allow, and under which name its accesses are logged."""

    name: str
    tenant: str
    role: Role
    expires: datetime
    queues: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None


def digest(token: str) -> bytes:
    """What is stored of a token. It is random enough that a slow hash would protect nothing more."""
    return hashlib.sha256(token.encode()).digest()


async def create_token(connection: asyncpg.Connection, grant: TokenGrant) -> str:
    """Makes a token; it is known to nobody but the caller. Takes the role touchpoint_admin. Raises TokenExistsError."""
    token = PREFIX + secrets.token_urlsafe(32)
    try:
        await connection.execute(
            query("web/insert_token"), grant.name, digest(token), grant.tenant, grant.role.value,
            grant.queues, grant.resources, grant.expires,
        )  # fmt: skip
    except asyncpg.UniqueViolationError:
        raise TokenExistsError(
            f"there is a token {grant.name!r} already: revoke it, or name this one otherwise"
        ) from None
    return token


async def tokens(connection: asyncpg.Connection) -> list[dict[str, Any]]:
    """Every token's name, tenant, role, queues, resources and expiry. Takes the role touchpoint_admin."""
    return [dict(row) for row in await connection.fetch(query("web/tokens"))]


async def revoke_token(connection: asyncpg.Connection, name: str) -> bool:
    """Removes a token; False if there is none of the name. Takes the role touchpoint_admin."""
    return bool(await connection.fetchval(query("web/delete_token"), name))


def viewer_of(row: asyncpg.Record) -> Viewer:
    """Whom a stored token stands for."""
    queues, resources = (None if names is None else tuple(names) for names in (row["queues"], row["resources"]))
    return Viewer(
        tenant=row["tenant"], role=Role(row["role"]), who=f"token {row['name']}", expires=row["expires_at"],
        queues=queues, resources=resources,
    )  # fmt: skip

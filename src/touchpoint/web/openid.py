"""Bearer tokens of an OpenID Connect issuer: discovery, its keys and their rotation, and what a token must say."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeGuard
from urllib.parse import urlencode

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from touchpoint.settings.web_section import ROLES, WebSettings
from touchpoint.web.viewer import Role, Viewer

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
"""Signatures by a private key: neither `none`, nor an HMAC, whose secret the published key would be."""
LARGEST = 256 * 1024  # bytes of a document of the issuer's
SECONDS = 5.0  # for an answer of the issuer's
FRESH = 3600.0  # seconds that its documents are used
PATIENCE = 10.0  # seconds between questions about a key that is not known


class RefusedTokenError(Exception):
    """A token that opens nothing; the message says why, without the token."""


class IssuerError(Exception):
    """The issuer does not answer, or not as it must. That says nothing of a token."""


class Documents(msgspec.Struct, frozen=True):
    """What an issuer says of itself, its keys, and until when that is used (`time.monotonic`)."""

    metadata: Mapping[str, Any]
    keys: KeySet
    until: float
    read_at: float


class Issuer:
    """One issuer. Its documents are read when they are first needed, hourly, and when a token names an unknown key."""

    def __init__(self, settings: WebSettings) -> None:
        assert settings.issuer is not None
        self.url, self._settings = settings.issuer.rstrip("/"), settings
        self._documents: Documents | None = None
        self._reading = asyncio.Lock()

    async def viewer(self, token: str) -> Viewer:
        """Whom a token stands for. Raises RefusedTokenError or IssuerError."""
        assert self._settings.audience is not None
        return viewer_of(await self.claims(token, self._settings.audience), self._settings)

    async def claims(self, token: str, audience: str) -> dict[str, Any]:
        """What a token says, signed by the issuer, for `audience`, now. Raises RefusedTokenError or IssuerError."""
        documents = await self._current(0.0)
        try:
            decoded = self._decode(token, documents)
        except _UnknownKeyError:
            decoded = self._decode(token, await self._current(time.monotonic() - PATIENCE), last=True)
        _check(decoded, self._settings, audience, time.time())
        return decoded

    async def metadata(self) -> Mapping[str, Any]:
        """The discovery document. Raises IssuerError."""
        return (await self._current(0.0)).metadata

    async def exchange(self, form: Mapping[str, str]) -> str:
        """The identity token for an authorization code. Raises RefusedTokenError or IssuerError."""
        endpoint = (await self.metadata()).get("token_endpoint")
        if not isinstance(endpoint, str):
            raise IssuerError("the issuer's discovery document names no address for codes")
        answer = await _fetch(endpoint, urlencode(form).encode())
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise RefusedTokenError("the issuer gave no identity token for the code")
        return token

    def _decode(self, token: str, documents: Documents, *, last: bool = False) -> dict[str, Any]:
        try:
            return dict(jwt.decode(token, documents.keys, algorithms=ALGORITHMS).claims)
        except (JoseError, ValueError, TypeError, KeyError, RecursionError, UnicodeError) as error:
            if not last and "key" in type(error).__name__.lower() + str(error).lower():
                raise _UnknownKeyError from None
            raise RefusedTokenError(f"the token is not one of the issuer's: {type(error).__name__}") from None

    async def _current(self, not_before: float) -> Documents:
        """The documents, read after `not_before`."""
        async with self._reading:
            known = self._documents
            if known is None or time.monotonic() > known.until or known.read_at < not_before:
                known = self._documents = await self._read()
            return known

    async def _read(self) -> Documents:
        metadata = await _fetch(f"{self.url}/.well-known/openid-configuration")
        if metadata.get("issuer", "").rstrip("/") != self.url:
            raise IssuerError("the issuer's discovery document names another issuer than TOUCHPOINT_WEB__ISSUER")
        uri = metadata.get("jwks_uri")
        if not isinstance(uri, str) or not uri.startswith(("https://", f"{self.url.partition('://')[0]}://")):
            raise IssuerError("the issuer's discovery document names no address of its keys")
        try:
            keys = KeySet.import_key_set(_signing(await _fetch(uri)))
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise IssuerError(f"the issuer's keys cannot be used: {type(error).__name__}") from None
        now = time.monotonic()
        return Documents(metadata, keys, now + FRESH, now)


class _UnknownKeyError(Exception):
    """No key verifies a token: perhaps the issuer has another since."""


def _signing(document: Mapping[str, Any]) -> Any:
    """The keys without those for encryption, and without kinds that are no key of a signature."""
    keys = [
        key for key in document["keys"] if key.get("use", "sig") == "sig" and key.get("kty") in ("RSA", "EC", "OKP")
    ]
    return {"keys": keys}


def _check(claims: Mapping[str, Any], settings: WebSettings, audience: str, now: float) -> None:
    if str(claims.get("iss", "")).rstrip("/") != str(settings.issuer).rstrip("/"):
        raise RefusedTokenError("the token is of another issuer")
    named = claims.get("aud")
    if audience not in ([named] if isinstance(named, str) else named if isinstance(named, list) else []):
        raise RefusedTokenError("the token is for another audience")
    expires, begins = claims.get("exp"), claims.get("nbf", 0)
    if not _is_number(expires) or expires + settings.leeway <= now:
        raise RefusedTokenError("the token has expired, or does not say when it does")
    if not _is_number(begins) or begins - settings.leeway > now:
        raise RefusedTokenError("the token is not valid yet")
    if not isinstance(claims.get("sub"), str) or not claims["sub"] or "\0" in claims["sub"]:
        raise RefusedTokenError("the token names nobody")


def _is_number(value: Any) -> TypeGuard[float]:
    """Of seconds that are a year which `datetime` holds."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -(2**35) < value < 2**37


def viewer_of(claims: Mapping[str, Any], settings: WebSettings) -> Viewer:
    """What the settings make of a token's claims. Raises RefusedTokenError where they give no tenant or no role."""
    tenant = _at(claims, settings.tenant_claim)
    if not isinstance(tenant, str) or not tenant or "\0" in tenant:
        raise RefusedTokenError(f"the token has no tenant in its claim {settings.tenant_claim}")
    named = _at(claims, settings.role_claim)
    names = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    meaning = settings.roles or {role: role for role in ROLES}
    roles = [meaning[name] for name in names if isinstance(name, str) and name in meaning]
    if not roles:
        raise RefusedTokenError(f"the token has no role of ours in its claim {settings.role_claim}")
    return Viewer(
        tenant=tenant,
        role=Role(max(roles, key=("auditor", "reader", "agent", "supervisor").index)),
        who=str(claims["sub"])[:200],
        expires=datetime.fromtimestamp(claims["exp"] + settings.leeway, UTC),
        queues=_bound(claims, settings.queues_claim),
        resources=_bound(claims, settings.resources_claim),
    )


def _bound(claims: Mapping[str, Any], claim: str | None) -> tuple[str, ...] | None:
    """A claim that is configured and missing binds to nothing at all, rather than to everything."""
    if claim is None:
        return None
    value = _at(claims, claim)
    names = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return tuple(name for name in names if isinstance(name, str) and "\0" not in name)


def _at(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its name, or within objects by a path with dots."""
    if path in claims:
        return claims[path]
    value: Any = claims
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


async def _fetch(url: str, body: bytes | None = None) -> dict[str, Any]:
    try:
        async with asyncio.timeout(SECONDS + 1):
            return await asyncio.to_thread(_fetch_now, url, body)
    except (OSError, TimeoutError, ValueError, RecursionError) as error:
        raise IssuerError(f"the issuer does not answer as it must ({type(error).__name__})") from None


def _fetch_now(url: str, body: bytes | None) -> dict[str, Any]:
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(urllib.request.Request(url, body), timeout=SECONDS) as answer:  # noqa: S310 - https by settings
            document = json.loads(answer.read(LARGEST))
    except urllib.error.HTTPError as error:
        if body is None or error.code >= 500:
            raise
        return {}  # it refuses the code
    if not isinstance(document, dict):
        raise TypeError("not an object")
    return document


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect could lead to anywhere, out of https too."""

    def redirect_request(self, *_: Any) -> None:
        return None

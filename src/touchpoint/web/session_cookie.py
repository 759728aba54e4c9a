"""The page's login: a cookie that holds who it is, signed by us. Nothing of it is kept here."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import Request, Response
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from touchpoint.web.static_tokens import viewer_of
from touchpoint.web.view import Views
from touchpoint.web.viewer import Role, Viewer

_ALGORITHM = "HS256"


class Sessions:
    """Writes and reads the cookie. One that was made with a static token counts as long as that token."""

    def __init__(self, views: Views, key: bytes, seconds: int, *, secure: bool, standing: Viewer | None = None) -> None:
        """`standing`: who everybody without a cookie is, for `--insecure-local`."""
        self._views, self._seconds, self._secure, self._standing = views, seconds, secure, standing
        self._key = OctKey.import_key(hmac.digest(key, b"touchpoint session", hashlib.sha256))
        self.name = "__Host-touchpoint" if secure else "touchpoint"

    def begin(self, response: Response, viewer: Viewer, token: bytes | None = None) -> None:
        """Set the cookie. `token`: the hash of the static token that opened it."""
        expires = min(viewer.expires, datetime.now(UTC) + timedelta(seconds=self._seconds))
        claims: dict[str, Any] = {
            "exp": int(expires.timestamp()),
            "tenant": viewer.tenant,
            "role": viewer.role.value,
            "who": viewer.who,
            "queues": viewer.queues,
            "resources": viewer.resources,
            "token": None if token is None else token.hex(),
        }
        self.put(response, self.name, claims, int((expires - datetime.now(UTC)).total_seconds()))

    def put(self, response: Response, name: str, claims: dict[str, Any], seconds: int) -> None:
        """Set any cookie of ours, signed."""
        text = jwt.encode({"alg": _ALGORITHM}, claims, self._key)
        response.set_cookie(name, text, max_age=seconds, path="/", secure=self._secure, httponly=True, samesite="lax")

    def take(self, request: Request, name: str) -> dict[str, Any] | None:
        """What a cookie of ours says, if it is ours and has not expired."""
        try:
            claims = dict(jwt.decode(request.cookies.get(name, ""), self._key, algorithms=[_ALGORITHM]).claims)
        except (JoseError, ValueError, TypeError, KeyError):
            return None
        expires = claims.get("exp")
        return claims if isinstance(expires, int) and expires > datetime.now(UTC).timestamp() else None

    def end(self, response: Response, name: str | None = None) -> None:
        """Remove the cookie."""
        response.delete_cookie(name or self.name, path="/", secure=self._secure, httponly=True, samesite="lax")

    async def viewer(self, request: Request) -> Viewer | None:
        """Whom the cookie stands for; None without one that counts."""
        claims = self.take(request, self.name)
        if claims is None or "role" not in claims:
            return self._standing
        if claims["token"] is not None:
            row = await self._views.token(bytes.fromhex(claims["token"]))
            return None if row is None else viewer_of(row)
        queues, resources = (None if claims[name] is None else tuple(claims[name]) for name in ("queues", "resources"))
        return Viewer(
            tenant=claims["tenant"], role=Role(claims["role"]), who=claims["who"], queues=queues, resources=resources,
            expires=datetime.fromtimestamp(claims["exp"], UTC),
        )  # fmt: skip

"""A small OpenID Connect issuer for tests: discovery, keys that rotate, the authorization code with PKCE."""

from __future__ import annotations

import base64
import hashlib
import http.server
import threading
import time
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import orjson
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

AUDIENCE, CLIENT = "touchpoint", "touchpoint-page"
CLAIMS = {"tenant": "default", "role": "agent"}


class OpenIdIssuer:
    """`claims`: what is put into tokens beside the standard ones. `asked`: the paths that were asked for."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = dict(CLAIMS)
        self.asked: list[str] = []
        self.keys = [_key("k1")]
        self._codes: dict[str, dict[str, str]] = {}
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def rotate(self) -> None:
        """Sign with a new key from now on; the old one is gone."""
        self.keys = [_key(f"k{len(self.asked) + 2}")]

    def token(self, *, header: dict[str, Any] | None = None, **changed: Any) -> str:
        """A signed token; `changed` replaces claims, None removes one."""
        now = int(time.time())
        claims: dict[str, Any] = {"iss": self.url, "aud": AUDIENCE, "sub": "anna", "iat": now, "exp": now + 300}
        claims = {name: value for name, value in (claims | self.claims | changed).items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": self.keys[0].kid} | (header or {}), claims, self.keys[0])

    def _answered(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, Any], str | None]:
        self.asked.append(path)
        match path:
            case "/.well-known/openid-configuration":
                return 200, self._discovery(), None
            case "/keys":
                return 200, dict(KeySet(list(self.keys)).as_dict(private=False)), None
            case "/authorize":
                code = f"code-{len(self._codes)}"
                self._codes[code] = form
                return 302, {}, form["redirect_uri"] + "?" + urlencode({"code": code, "state": form["state"]})
            case "/token":
                asked = self._codes.pop(form.get("code", ""), None)
                proof = (
                    base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest())
                    .decode()
                    .rstrip("=")
                )
                if asked is None or asked["code_challenge"] != proof or asked["redirect_uri"] != form["redirect_uri"]:
                    return 400, {"error": "invalid_grant"}, None
                identity = self.token(aud=CLIENT, nonce=asked["nonce"])
                return 200, {"id_token": identity, "access_token": self.token(), "token_type": "Bearer"}, None
        return 404, {}, None

    def _discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/keys",
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
        }

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                self._answer(parts.path, parts.query)

            def do_POST(self) -> None:
                self._answer(self.path, self.rfile.read(int(self.headers["Content-Length"])).decode())

            def _answer(self, path: str, form: str) -> None:
                status, document, place = issuer._answered(
                    path, {name: texts[0] for name, texts in parse_qs(form).items()}
                )
                body = orjson.dumps(document)
                self.send_response(status)
                if place is not None:
                    self.send_header("Location", place)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Tests look at `asked`."""

        return Handler


def _key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})

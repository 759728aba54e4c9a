"""A server of OAuth 2 for tests: a token endpoint (RFC 6749), and introspection (RFC 7662) for Dovecot."""

from __future__ import annotations

import http.server
import threading
from typing import Any, Self
from urllib.parse import parse_qs

import orjson

CLIENT, SECRET, SCOPE = "client-of-tests", "secret-of-the-client", "https://outlook.office365.com/.default"


class TokenServer:
    """Grants tokens for one mailbox. `asked`: every form that came to `/token`."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.asked: list[dict[str, str]] = []
        self.refresh = "refresh-0"  # the one that is taken; each use gives another
        self.seconds: Any = 3600
        self.answer: tuple[int, bytes] | None = None  # in place of a grant
        self._tokens: set[str] = set()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}/token"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def revoke(self) -> None:
        """No token that was granted is valid any more."""
        self._tokens.clear()

    def token(self) -> str:
        """Grant one."""
        token = f"token-{len(self.asked)}-{len(self._tokens)}"
        self._tokens.add(token)
        return token

    def _granted(self, form: dict[str, str]) -> tuple[int, bytes]:
        self.asked.append(form)
        if self.answer is not None:
            return self.answer
        if form.get("client_id") != CLIENT or form.get("client_secret") != SECRET:
            said = {"error": "invalid_client", "error_description": f"AADSTS7000215: Invalid secret of {self.user}"}
            return 401, orjson.dumps(said)
        answer = {"access_token": self.token(), "token_type": "Bearer", "expires_in": self.seconds}
        if form.get("grant_type") == "refresh_token":
            if form.get("refresh_token") != self.refresh:
                return 400, orjson.dumps({"error": "invalid_grant"})
            self.refresh = answer["refresh_token"] = f"refresh-{len(self.asked)}"
        elif form.get("grant_type") != "client_credentials" or form.get("scope") != SCOPE:
            return 400, orjson.dumps({"error": "invalid_scope"})
        return 200, orjson.dumps(answer)

    def _introspected(self, form: dict[str, str]) -> tuple[int, bytes]:
        active = form.get("token") in self._tokens
        return 200, orjson.dumps({"active": active, "username": self.user} if active else {"active": False})

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = {name: values[0] for name, values in parse_qs(body).items()}
                status, said = server._granted(form) if self.path == "/token" else server._introspected(form)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: Any) -> None:
                """Tests look at `asked`."""

        return Handler

"""Access tokens of OAuth 2 (RFC 6749): from a token endpoint, a file or a command."""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
import re
import shlex
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import SplitResult, urlencode, urlsplit

import orjson

from touchpoint.capture.blocking import Line, in_thread
from touchpoint.capture.files import open_regular, replace
from touchpoint.capture.source import LostError, SourceError

LONGEST = 16 * 1024  # bytes of a token; those of Microsoft have some 2,000
LARGEST = 256 * 1024  # bytes of a token endpoint's answer
SECONDS = 15.0  # for an answer of the token endpoint, and for the command
EARLY = 60.0  # seconds before its end a token is not used any more

_TOKEN = re.compile(rb"[\x21-\x7e]+")
_REFUSALS = frozenset(  # RFC 6749, 5.2
    "invalid_client invalid_grant invalid_request invalid_scope unauthorized_client unsupported_grant_type".split()
)
_MICROSOFTS_REASON = re.compile(r"AADSTS\d{1,8}")  # the number alone: its text may name a person


class Tokens(Protocol):
    """Where access tokens come from."""

    async def token(self) -> str:
        """One that is valid now. Raises SourceError where configuration is wrong; anything else may pass."""

    def refused(self) -> None:
        """The mail server did not take the last one."""


@dataclass(frozen=True)
class TokenFile:
    """A file that something else keeps fresh. It is read before every login."""

    path: Path

    async def token(self) -> str:
        return _secret_of(self.path, "--token-file")

    def refused(self) -> None:
        """It is read again anyway."""


@dataclass(frozen=True)
class TokenCommand:
    """A command, run without a shell before every login, that prints a token."""

    command: str
    seconds: float = SECONDS

    async def token(self) -> str:
        try:
            process = await asyncio.create_subprocess_exec(
                *shlex.split(self.command), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
            )
        except (OSError, ValueError, IndexError, TypeError) as error:
            raise SourceError(f"--token-command {self.command!r} cannot be run: {error}") from None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(self.seconds):
                printed = await _at_most(process.stdout, LONGEST + 1)
                status = await process.wait()
        except TimeoutError:
            raise LostError(f"--token-command did not end within {self.seconds:.0f} s") from None
        finally:
            if process.returncode is None:
                process.kill()
        if status != 0:
            raise LostError(f"--token-command ended with status {status}")
        return _checked(printed, "--token-command")

    def refused(self) -> None:
        """It is run again anyway."""


class Grant(NamedTuple):
    """What is asked of a token endpoint.

    `url`: https, or http on this machine. `refresh`: the file of a refresh token, which is replaced when the endpoint
    gives another; None for a grant of client credentials. `secret`: the client's; a public client has none.
    """

    url: str
    client: str
    secret: str | None
    scope: str | None
    refresh: Path | None
    tls: ssl.SSLContext | None


class TokenEndpoint:
    """Tokens by a grant of client credentials (RFC 6749, 4.4) or of a refresh token (6), used until they end."""

    def __init__(self, grant: Grant, seconds: float = SECONDS) -> None:
        """Raises SourceError for an address that would send secrets in the clear."""
        self._grant, self._seconds = grant, seconds
        self._where = _address(grant.url)
        if grant.refresh is None and grant.secret is None:
            raise SourceError("TOUCHPOINT_CAPTURE_PASSWORD, the client's secret, is not set: or name --refresh-token")
        self._token: str | None = None
        self._until = 0.0

    async def token(self) -> str:
        if self._token is None or time.monotonic() >= self._until:
            form = self._form()
            line = Line()
            try:
                async with asyncio.timeout(self._seconds):
                    status, body = await in_thread(lambda: self._post(line, form), line.cut)
            except TimeoutError:
                raise LostError(f"{self._grant.url} does not answer") from None
            except (OSError, http.client.HTTPException) as error:
                raise LostError(f"{self._grant.url} cannot be asked ({_error_text(error)})") from None
            finally:
                line.cut()
            self._token, self._until = self._granted(status, body)
        return self._token

    def refused(self) -> None:
        self._token = None

    def _form(self) -> dict[str, str]:
        grant = self._grant
        form = {"client_id": grant.client}
        if grant.secret is not None:
            form["client_secret"] = grant.secret
        if grant.scope is not None:
            form["scope"] = grant.scope
        if grant.refresh is None:
            return form | {"grant_type": "client_credentials"}
        return form | {"grant_type": "refresh_token", "refresh_token": _secret_of(grant.refresh, "--refresh-token")}

    def _post(self, line: Line, form: dict[str, str]) -> tuple[int, bytes]:
        """Blocking: the endpoint's status and answer."""
        host, port = str(self._where.hostname), self._where.port or (443 if self._where.scheme == "https" else 80)
        asking = http.client.HTTPConnection(host, port)
        asking.sock = line.connect(host, port, self._seconds)
        try:
            if self._where.scheme == "https":
                tls = self._grant.tls or ssl.create_default_context()
                asking.sock = tls.wrap_socket(asking.sock, server_hostname=host)
            path = (self._where.path or "/") + (f"?{self._where.query}" if self._where.query else "")
            headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
            asking.request("POST", path, urlencode(form), headers)
            answer = asking.getresponse()
            return answer.status, answer.read(LARGEST + 1)
        finally:
            asking.close()

    def _granted(self, status: int, body: bytes) -> tuple[str, float]:
        """The token, and until when it is used."""
        url = self._grant.url
        said = _object(body)
        if status in {400, 401} and str(said.get("error")) in _REFUSALS:
            reason = _MICROSOFTS_REASON.search(str(said.get("error_description")))
            raise SourceError(f"{url} refuses: {said['error']}" + (f", {reason[0]}" if reason else ""))
        if status != 200:
            raise LostError(f"{url} answers with status {status}")
        token = said.get("access_token")
        if not isinstance(token, str):
            raise LostError(f"{url} answers without an access token")
        refresh = said.get("refresh_token")
        if self._grant.refresh is not None and isinstance(refresh, str):
            self._keep(_checked(refresh.encode(), url))
        try:
            seconds = min(86_400.0, max(0.0, float(said.get("expires_in", 0))))
        except (TypeError, ValueError):
            seconds = 0.0
        return _checked(token.encode(), url), time.monotonic() + seconds - EARLY

    def _keep(self, refresh: str) -> None:
        assert self._grant.refresh is not None
        try:
            replace(self._grant.refresh, refresh.encode() + b"\n")
        except OSError as error:
            raise SourceError(f"--refresh-token {self._grant.refresh} cannot be written: {error.strerror}") from None


def _address(url: str) -> SplitResult:
    """Raises SourceError for what is no address, or would send secrets in the clear beyond this machine."""
    try:
        where = urlsplit(url)
        well = bool(where.hostname) and (where.port is None or where.port > 0) and url.isascii() and url.isprintable()
    except ValueError:
        raise SourceError(f"--token-url {url!r} is no address") from None
    if not well or "@" in where.netloc or not (where.scheme == "https" or (where.scheme == "http" and _is_here(where))):
        raise SourceError(f"--token-url {url!r} must begin with https:// and name a host")
    return where


def _is_here(where: SplitResult) -> bool:
    try:
        return where.hostname == "localhost" or ipaddress.ip_address(str(where.hostname)).is_loopback
    except ValueError:
        return False


def _secret_of(path: Path, option: str) -> str:
    try:
        with open_regular(path) as file:
            return _checked(file.read(LONGEST + 1), f"{option} {path}")
    except OSError as error:
        raise SourceError(f"{option} {path} cannot be read: {error.strerror}") from None


def _checked(token: bytes, where: str) -> str:
    """A token stands in a line of IMAP between control characters, so it has neither those nor spaces (RFC 6750)."""
    token = token.strip()
    if len(token) > LONGEST or not _TOKEN.fullmatch(token):
        raise LostError(f"{where}: what it gives is no token")
    return token.decode()


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = orjson.loads(body) if len(body) <= LARGEST else None
    except orjson.JSONDecodeError:
        said = None
    return said if isinstance(said, dict) else {}


def _error_text(error: Exception) -> str:
    return getattr(error, "verify_message", None) or getattr(error, "strerror", None) or type(error).__name__


async def _at_most(stream: asyncio.StreamReader, most: int) -> bytes:
    """All of it. Raises LostError for more."""
    try:
        await stream.readexactly(most + 1)
    except asyncio.IncompleteReadError as end:
        return end.partial
    raise LostError("--token-command prints more than a token")

"""Runs the application under uvicorn until SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import asyncpg
import uvicorn

from touchpoint.settings import Settings
from touchpoint.settings.database_url import place
from touchpoint.web.application import application
from touchpoint.web.openid import Issuer
from touchpoint.web.service import Service
from touchpoint.web.session_cookie import Sessions
from touchpoint.web.view import Views
from touchpoint.web.viewer import Role, Viewer

LOOPBACK = ("127.0.0.1", "::1", "localhost")
WHO_IS_LOCAL = "insecure local"


class UnservableError(Exception):
    """The service cannot run so; the message says why and the way out."""


async def serve(settings: Settings, url: str, *, insecure_local: bool, ready: Callable[[str], None]) -> None:
    """Serves until SIGTERM or SIGINT. `ready` is told the address when requests are accepted.

    `insecure_local`: whoever reaches the loopback address is a supervisor of the tenant `default`. Raises
    UnservableError; OSError or asyncpg.PostgresError where the database does not answer.
    """
    web = settings.web
    if web.key is None:
        raise UnservableError("TOUCHPOINT_WEB__KEY is not set: `touchpoint web key` makes one")
    if insecure_local and web.host not in LOOPBACK:
        raise UnservableError(f"--insecure-local serves this machine alone, and TOUCHPOINT_WEB__HOST is {web.host}")
    key = bytes.fromhex(web.key.get_secret_value())
    views = await Views.open(url, key, web.connections)
    try:
        await _check(views, url, may_read_all=insecure_local)
        standing = _standing() if insecure_local else None
        sessions = Sessions(views, key, web.session, secure=not insecure_local, standing=standing)
        service = Service(views, sessions, web, settings.number_plan, Issuer(web) if web.issuer else None)
        await _run(service, ready)
    finally:
        await views.close()


async def _run(service: Service, ready: Callable[[str], None]) -> None:
    web = service.settings
    listening = _listen(web.host, web.port)
    config = uvicorn.Config(
        application(service), http="httptools", ws="none", lifespan="off", log_config=None, access_log=False,
        server_header=False, proxy_headers=False, timeout_keep_alive=30, timeout_graceful_shutdown=10,
    )  # fmt: skip
    port = listening.getsockname()[1]
    host = f"[{web.host}]" if ":" in web.host else web.host
    ready(f"http://{host}:{port}/")
    server = _Server(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, server.end)
    await server.serve(sockets=[listening])


class _Server(uvicorn.Server):
    """Ends quietly: uvicorn's own raises the signal once more when it has ended."""

    def end(self) -> None:
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises UnservableError where the address is taken or is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise UnservableError(
            f"it cannot listen at {host}:{port} ({error.strerror}): set TOUCHPOINT_WEB__HOST or TOUCHPOINT_WEB__PORT"
        ) from None
    listening.listen(128)
    return listening


async def _check(views: Views, url: str, *, may_read_all: bool) -> None:
    """The key is the database's, and the login can do no more than prove contexts."""
    try:
        async with views.begin(_standing()) as view:
            reads_all = (await view.rows("reads_all"))[0]["reads_all"]
    except asyncpg.InsufficientPrivilegeError as error:
        if "the view is refused" in str(error):
            raise UnservableError(
                f"{place(url)} has not the key TOUCHPOINT_WEB__KEY: `touchpoint web key` sets it, as an administrator"
            ) from None
        raise UnservableError(f"{place(url)}: {error}: grant the login the role touchpoint_web") from None
    if reads_all and not may_read_all:
        raise UnservableError(
            f"{place(url)}: its login reads the tables themselves, whatever is proved: name a login that has the role"
            " touchpoint_web and no other"
        )


def _standing() -> Viewer:
    expires = datetime.now(UTC) + timedelta(days=36_500)
    return Viewer(tenant="default", role=Role.SUPERVISOR, who=WHO_IS_LOCAL, expires=expires)

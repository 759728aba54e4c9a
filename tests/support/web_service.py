"""The web over a database of a test's, asked within the process.

A conftest.py takes what it needs: `from web_service import web, service`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import pytest

from touchpoint.events import NumberPlan
from touchpoint.settings.web_section import WebSettings
from touchpoint.web.application import application
from touchpoint.web.openid import Issuer
from touchpoint.web.service import Service
from touchpoint.web.session_cookie import Sessions
from touchpoint.web.static_tokens import TokenGrant, create_token
from touchpoint.web.view import Views
from touchpoint.web.viewer import Role

KEY = bytes(range(32))
IN_YEARS = datetime(2100, 1, 1, tzinfo=UTC)


class Web:
    """Asks the application. Tokens of every role of the tenant `default` are there, and their names are the roles'."""

    def __init__(self, service: Service, client: httpx.AsyncClient, tokens: dict[str, str]) -> None:
        self.service, self.client, self.tokens = service, client, tokens

    async def get(self, path: str, role: str | None = "agent", **headers: str) -> httpx.Response:
        given = {} if role is None else {"authorization": f"Bearer {self.tokens[role]}"}
        return await self.client.get(
            path, headers=given | {name.replace("_", "-"): text for name, text in headers.items()}
        )

    async def json(self, path: str, role: str = "agent") -> Any:
        response = await self.get(path, role)
        assert response.status_code == 200, response.text
        return response.json()


@asynccontextmanager
async def opened(database: str, **settings: Any) -> AsyncIterator[Service]:
    """The service, under a login of its own with the role touchpoint_web."""
    owner = await asyncpg.connect(database)
    await owner.execute("SELECT touchpoint.set_view_key($1)", KEY)
    with suppress(asyncpg.DuplicateObjectError):  # another test of the same server was first
        await owner.execute("CREATE ROLE web_login LOGIN IN ROLE touchpoint_web")
    await owner.close()
    web = WebSettings(**settings)
    views = await Views.open(database.replace("//postgres@", "//web_login@"), KEY, 4)
    sessions = Sessions(views, KEY, 3600, secure=True)
    try:
        yield Service(views, sessions, web, NumberPlan(), Issuer(web) if web.issuer else None)
    finally:
        await views.close()


@asynccontextmanager
async def asking(service: Service, tokens: dict[str, str] | None = None) -> AsyncIterator[Web]:
    """A client of the application."""
    transport = httpx.ASGITransport(application(service))
    async with httpx.AsyncClient(transport=transport, base_url="https://history.test") as client:
        yield Web(service, client, tokens or {})


async def make_tokens(database: str, tenant: str = "default") -> dict[str, str]:
    """A token of each role, by its name."""
    owner = await asyncpg.connect(database)
    made = {
        role.value: await create_token(owner, TokenGrant(f"{tenant} {role.value}", tenant, role, IN_YEARS))
        for role in Role
    }
    await owner.close()
    return made


@pytest.fixture
async def service(database: str) -> AsyncIterator[Service]:
    async with opened(database) as running:
        yield running


@pytest.fixture
async def web(database: str, service: Service) -> AsyncIterator[Web]:
    async with asking(service, await make_tokens(database)) as client:
        yield client


__all__ = ["Web", "asking", "make_tokens", "opened", "service", "web"]

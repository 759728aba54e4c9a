"""The logins that docker compose makes: the worker's is enough for a worker, and none is the owner."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from operator_tools import tool

from touchpoint.embedded.postgres import EmbeddedPostgres
from touchpoint.history.checks import UnusableError, check_rights
from touchpoint.history.migration_runner import migrate

SCRIPT = Path(__file__).parents[2] / "deploy/logins.sh"

pytestmark = pytest.mark.slow


async def test_worker_has_its_rights_and_the_page_has_none_of_them() -> None:
    psql = Path(tool("psql"))
    with EmbeddedPostgres() as server:
        owner = await asyncpg.connect(server.dsn())
        await owner.execute("CREATE DATABASE touchpoint")
        place = urlsplit(server.dsn("touchpoint"))
        given = {
            "PATH": f"{psql.parent}{os.pathsep}/usr/bin", "PGHOST": parse_qs(place.query)["host"][0],
            "POSTGRES_USER": place.username or "postgres", "POSTGRES_DB": "touchpoint",
            "WEB_PASSWORD": "it's of the web", "WORKER_PASSWORD": "a/b@c",
        }  # fmt: skip
        done = await asyncio.to_thread(
            subprocess.run, ["sh", str(SCRIPT)], env=given, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        await migrate(server.dsn("touchpoint"))
        for name, may_write in (("worker", True), ("web", False)):
            login = await asyncpg.connect(
                server.dsn("touchpoint"), user=name, password=given[f"{name.upper()}_PASSWORD"]
            )
            if may_write:
                await check_rights(login)
            else:
                with pytest.raises(UnusableError):
                    await check_rights(login)
            assert not await login.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
            await login.close()
        await owner.close()

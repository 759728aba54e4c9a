"""`touchpoint web` as a process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import pytest
from web_service import make_tokens

pytestmark = pytest.mark.slow
KEY = "07" * 32


@contextmanager
def serving(url: str, *words: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOUCHPOINT_")}
    environment = kept | {"TOUCHPOINT_WEB__PORT": "0", "TOUCHPOINT_WEB__KEY": KEY} | settings
    command = [sys.executable, "-m", "touchpoint", "web", "--database", url, *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


async def prepare(database: str, key: str = KEY) -> None:
    owner = await asyncpg.connect(database)
    await owner.execute("SELECT touchpoint.set_view_key($1)", bytes.fromhex(key))
    await owner.execute("DROP ROLE IF EXISTS serving_login; CREATE ROLE serving_login LOGIN IN ROLE touchpoint_web")
    await owner.close()


def status(url: str, token: str | None = None) -> int:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("the history is at "), (line, process.communicate())
    return line.split()[-1]


def test_it_serves_who_has_a_token_until_it_is_terminated(database: str) -> None:
    asyncio.run(prepare(database))
    token = asyncio.run(make_tokens(database))["reader"]
    with serving(database.replace("//postgres@", "//serving_login@")) as process:
        url = address(process)
        assert status(f"{url}api/v1/interactions") == 401
        assert status(f"{url}api/v1/interactions", token) == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_it_says_what_it_cannot_work_with(database: str) -> None:
    asyncio.run(prepare(database))
    login = database.replace("//postgres@", "//serving_login@")
    cases = [
        (login, {"TOUCHPOINT_WEB__KEY": "08" * 32}, "has not the key"),
        (database, {}, "reads the tables themselves"),
        (login.replace("serving_login", "nobody_there"), {}, "role"),
        (login, {"TOUCHPOINT_WEB__PORT": "1", "TOUCHPOINT_WEB__HOST": "192.0.2.1"}, "cannot listen"),
    ]
    for url, settings, said in cases:
        with serving(url, **settings) as process:
            _, errors = process.communicate(timeout=120)
            assert process.returncode in (2, 3), errors
            assert said in errors
            assert KEY not in errors


def test_insecure_local_asks_nobody_and_serves_this_machine_alone(database: str) -> None:
    asyncio.run(prepare(database))
    with serving(database, "--insecure-local") as process:
        url = address(process)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("INSECURE")
        assert status(f"{url}api/v1/interactions") == 200
    with serving(database, "--insecure-local", TOUCHPOINT_WEB__HOST="0.0.0.0") as process:
        _, errors = process.communicate(timeout=120)
        assert (process.returncode, "this machine alone" in errors) == (2, True)

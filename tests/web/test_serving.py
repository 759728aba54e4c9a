"""`touchpoint web` as a process."""

from __future__ import annotations

import asyncio
import signal
import urllib.error
import urllib.request

import pytest
from patience import LIMIT
from serving_process import KEY, address, prepare, serving
from web_service import make_tokens

pytestmark = pytest.mark.slow


def status(url: str, token: str | None = None) -> int:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=LIMIT) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


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
            _, errors = process.communicate(timeout=LIMIT)
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
        _, errors = process.communicate(timeout=LIMIT)
        assert (process.returncode, "this machine alone" in errors) == (2, True)

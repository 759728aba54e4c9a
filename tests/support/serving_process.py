"""`touchpoint web` as a process over a database of a test's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

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


def address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("the history is at "), (line, process.communicate())
    return line.split()[-1]

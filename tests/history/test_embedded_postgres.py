"""The embedded PostgreSQL: it starts for whoever runs it and leaves nothing behind, whatever ends its owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest
from patience import LIMIT

from touchpoint.embedded.postgres import EmbeddedPostgres

pytestmark = pytest.mark.slow
OWNER = """
import sys, time
from touchpoint.embedded.postgres import EmbeddedPostgres
server = EmbeddedPostgres()
server.start()
print(server.pid, server.directory, flush=True)
sys.stdin.read()
"""


def gone(pid: int, directory: Path, seconds: float = LIMIT) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not directory.exists() and not runs(pid):
            return True
        time.sleep(0.05)
    return False


def runs(pid: int) -> bool:
    """Whether a process is there and not just waiting to be buried by init."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


async def test_embedded_server_removes_its_data_when_it_is_stopped() -> None:
    server = EmbeddedPostgres()
    server.start()
    pid, directory = server.pid, server.directory
    connection = await asyncpg.connect(server.dsn())
    assert (await connection.fetchval("SHOW listen_addresses"), await connection.fetchval("SHOW timezone")) == (
        "",
        "UTC",
    )
    await connection.close()
    server.stop()
    server.stop()
    assert gone(pid, directory, 1)


def test_socket_directory_is_open_to_its_owner_alone() -> None:
    with EmbeddedPostgres() as server:
        assert server.directory.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_embedded_server_ends_with_the_process_that_started_it(how: signal.Signals) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert owner.stdout is not None
    assert owner.stdin is not None
    pid, directory = owner.stdout.readline().split()
    owner.send_signal(how)
    owner.wait(LIMIT)
    owner.stdin.close()
    owner.stdout.close()
    assert gone(int(pid), Path(directory))


def test_kept_server_goes_on_until_it_is_ended() -> None:
    server = EmbeddedPostgres(keep=True)
    server.start()
    try:
        server.stop()
        assert runs(server.pid)
    finally:
        pid = server.pid
        os.kill(pid, signal.SIGINT)
        subprocess.run(["tail", f"--pid={pid}", "-f", "/dev/null"], check=True, timeout=LIMIT)
        subprocess.run(["rm", "-rf", server.directory], check=True)

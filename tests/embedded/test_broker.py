"""The embedded broker starts at once, and nothing of it stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from patience import LIMIT

from touchpoint.embedded.broker import EmbeddedBroker, EmbeddedBrokerError

pytestmark = pytest.mark.slow

KEEPS_A_BROKER = """
import time
from touchpoint.embedded.broker import EmbeddedBroker
with EmbeddedBroker() as broker:
    print(broker.port, flush=True)
    time.sleep(60)
"""


def listening(port: int) -> bool:
    """Whether some process listens on the port, by the kernel's own table."""
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(row.split()[1].endswith(f":{port:04X}") and row.split()[3] == "0A" for row in rows)


def closes(port: int) -> bool:
    deadline = time.monotonic() + LIMIT
    while listening(port) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not listening(port)


async def test_embedded_broker_accepts_records() -> None:
    with EmbeddedBroker() as broker:
        async with AIOKafkaProducer(bootstrap_servers=broker.address) as producer:
            assert (await producer.send_and_wait("t", b"value")).offset == 0


def test_embedded_broker_is_gone_after_its_end() -> None:
    with EmbeddedBroker() as broker:
        assert listening(broker.port)
    assert closes(broker.port)


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_embedded_broker_ends_with_its_process_however_that_ends(sign: signal.Signals) -> None:
    command = [sys.executable, "-c", KEEPS_A_BROKER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as owner:
        assert owner.stdout is not None
        port = int(owner.stdout.readline())
        assert listening(port)
        owner.send_signal(sign)
        owner.wait(LIMIT)
    assert closes(port)


def test_a_kept_one_stays_until_its_process_is_ended() -> None:
    broker = EmbeddedBroker(keep=True)
    broker.start()
    broker.stop()
    assert listening(broker.port)
    os.kill(broker.pid, signal.SIGKILL)
    os.waitpid(broker.pid, 0)
    assert closes(broker.port)


def test_broker_that_cannot_run_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "tansu"
    broken.write_text("#!/bin/sh\necho no such storage >&2\n")
    broken.chmod(0o755)
    monkeypatch.setattr("touchpoint.embedded.broker._binary", lambda: str(broken))
    with pytest.raises(EmbeddedBrokerError, match="no such storage"):
        EmbeddedBroker().start(timeout=2)

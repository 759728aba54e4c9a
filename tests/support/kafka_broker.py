"""A real Apache Kafka for tests: one KRaft node from Maven Central, in a temporary directory, on free ports."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from patience import LIMIT

from touchpoint.embedded.broker import free_port
from touchpoint.embedded.kafka import CLUSTER, SINGLE_NODE, java, metadata, write_properties


class KafkaBroker:
    """One node, broker and controller in one. ``start`` again after ``stop`` or ``kill`` finds its data."""

    def __init__(self, directory: Path, heap: str = "512m") -> None:
        self.directory = directory
        self.port = free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.behind_proxy_port = free_port()  # a second listener, whose clients are told to come to the proxy's port
        self.proxy_port = free_port()
        self._heap = heap
        self._controller_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._config = directory / "server.properties"

    def prepare(self) -> None:
        """Write the configuration and format the storage."""
        self.directory.mkdir(parents=True, exist_ok=True)
        write_properties(self._config, self._properties())
        format_ = ["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(self._config)]
        format_ += self._format_options()
        subprocess.run(java(self.directory, "128m", *format_), check=True, capture_output=True)

    def start(self) -> None:
        """Start, and wait until the broker is let in and leads every partition that it has."""
        self.launch()
        self.await_serving()

    def launch(self) -> None:
        """Start, and do not wait."""
        with (self.directory / "server.log").open("ab") as out:
            self._process = subprocess.Popen(
                java(self.directory, self._heap, "kafka.Kafka", str(self._config)), stdout=out, stderr=out
            )

    def await_serving(self) -> None:
        """Wait until it is let in and every partition that it knows of has a leader. Raises RuntimeError."""
        assert self._process is not None, "the broker is not running"
        deadline = time.monotonic() + LIMIT
        while not self.serves():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Kafka did not start: see {self.directory / 'server.log'}")
            time.sleep(0.1)

    def serves(self) -> bool:
        """Whether it is registered and every partition of every topic has a leader.

        Its port is open long before: then topics cannot be made yet, and those that are there seem not to be.
        """
        try:
            known = metadata(self.bootstrap)
        except OSError:
            return False
        leaders = [leader for *_, partitions in known.topics for _, _, leader, _, _ in partitions]
        return self.port in [port for _, _, port, _ in known.brokers] and -1 not in leaders

    @property
    def pid(self) -> int:
        """Of the running broker."""
        assert self._process is not None, "the broker is not running"
        return self._process.pid

    def stop(self) -> None:
        """Shut down in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Freeze: connections stay, nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            self._process.wait(LIMIT)
            self._process = None

    def _format_options(self) -> list[str]:
        return []

    def _properties(self) -> dict[str, str]:
        listeners = (
            f"PLAINTEXT://127.0.0.1:{self.port},PROXIED://127.0.0.1:{self.behind_proxy_port},"
            f"CONTROLLER://127.0.0.1:{self._controller_port}"
        )
        return SINGLE_NODE | {
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "listeners": listeners,
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port},PROXIED://127.0.0.1:{self.proxy_port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self.directory / "data"),
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "group.min.session.timeout.ms": "1000",
            "broker.session.timeout.ms": "2000",  # for so long it is not let in again after a kill
            "broker.heartbeat.interval.ms": "500",
            "log.cleaner.backoff.ms": "500",
            "num.network.threads": "2",
            "num.io.threads": "4",
            "background.threads": "2",
        }


def must_have_kafka() -> bool:
    """True in CI, where a missing Kafka is a failure and not a reason to skip."""
    return bool(os.environ.get("CI"))

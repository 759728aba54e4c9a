"""A real Apache Kafka for tests: one KRaft node from Maven Central, in a temporary directory, on free ports."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERSION = "3.9.1"
LIBRARIES = ROOT / ".cache" / "kafka" / VERSION
POM = Path(__file__).with_name("kafka-pom.xml")
CLUSTER = "dG91Y2hwb2ludC10ZXN0cw"
START_SECONDS = 60


class KafkaMissingError(Exception):
    """Java or Maven is not there, or Maven could not fetch something."""


def libraries() -> Path:
    """The directory of Kafka's jars, fetched once. Raises ``KafkaMissingError``."""
    return fetched(POM, LIBRARIES)


def fetched(pom: Path, directory: Path) -> Path:
    """The directory, with what a POM names, fetched once. Raises ``KafkaMissingError``."""
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            raise KafkaMissingError(f"{tool} is not installed")
    if not (directory / "complete").exists():
        directory.mkdir(parents=True, exist_ok=True)
        fetch = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={directory}"]
        done = subprocess.run(fetch, capture_output=True, text=True, check=False)
        if done.returncode:
            raise KafkaMissingError(f"Maven could not fetch what {pom.name} names: {done.stdout[-2000:]}")
        (directory / "complete").touch()
    return directory


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
        self._config.write_text(self._properties())
        format_ = ["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(self._config)]
        format_ += self._format_options()
        subprocess.run(self._java(*format_, heap="128m"), check=True, capture_output=True)

    def start(self) -> None:
        """Start, and wait until the broker answers."""
        with (self.directory / "server.log").open("ab") as out:
            self._process = subprocess.Popen(
                self._java("kafka.Kafka", str(self._config), heap=self._heap), stdout=out, stderr=out
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Kafka did not start: see {self.directory / 'server.log'}")
            time.sleep(0.1)

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
            self._process.wait(30)
            self._process = None

    def _answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(0.5)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _java(self, *arguments: str, heap: str) -> list[str]:
        return [
            "java", f"-Xmx{heap}", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            f"-Dkafka.logs.dir={self.directory}", "-cp", f"{libraries()}/*", *arguments,
        ]  # fmt: skip

    def _format_options(self) -> list[str]:
        return []

    def _properties(self) -> str:
        listeners = (
            f"PLAINTEXT://127.0.0.1:{self.port},PROXIED://127.0.0.1:{self.behind_proxy_port},"
            f"CONTROLLER://127.0.0.1:{self._controller_port}"
        )
        values = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": listeners,
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port},PROXIED://127.0.0.1:{self.proxy_port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self.directory / "data"),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "auto.create.topics.enable": "false",
            "broker.session.timeout.ms": "2000",  # for so long it is not let in again after a kill
            "broker.heartbeat.interval.ms": "500",
            "log.cleaner.backoff.ms": "500",
            "num.network.threads": "2",
            "num.io.threads": "4",
            "background.threads": "2",
        }
        return "".join(f"{name}={value}\n" for name, value in values.items())


def must_have_kafka() -> bool:
    """True in CI, where a missing Kafka is a failure and not a reason to skip."""
    return bool(os.environ.get("CI"))

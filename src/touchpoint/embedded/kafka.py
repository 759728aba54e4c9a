"""An Apache Kafka of one's own from Maven Central, one KRaft node: for `touchpoint demo --broker kafka`, the tests."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from io import BytesIO
from pathlib import Path

from aiokafka.protocol.api import RequestHeader_v1
from aiokafka.protocol.metadata import MetadataRequest_v1, MetadataResponse_v1

from touchpoint.embedded.broker import EmbeddedBrokerError, free_port
from touchpoint.embedded.held import Held, HeldBroker

VERSION = "3.9.1"
POM = Path(__file__).with_name("kafka-pom.xml")
CLUSTER = "dG91Y2hwb2ludC10ZXN0cw"  # an id is 16 bytes in base64
SINGLE_NODE = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
}
"""Broker settings without listeners and directories."""


class KafkaMissingError(EmbeddedBrokerError):
    """Java or Maven is not there, or Maven could not fetch something."""


class ApacheKafka(HeldBroker):
    """One node, broker and controller in one, on free ports of 127.0.0.1, empty at its start."""

    name = f"Apache Kafka {VERSION}, one KRaft node from Maven Central"
    idempotence = True

    def __init__(self, *, keep: bool = False) -> None:
        """`keep`: it goes on after `stop` and after this process; `end`, or ending `pid`, is the end then."""
        self._keep = keep
        self._held: Held | None = None
        self._directory = Path()  # empty until started
        self.address = ""  # host:port, as clients want it

    def start(self, timeout: float = 60) -> None:
        """Start it; returns when it serves (some seconds; the first time also the download).

        Raises EmbeddedBrokerError.
        """
        libraries()
        self._directory = Path(tempfile.mkdtemp(prefix="touchpoint-kafka-"))
        try:
            config = self._configure()
            format_ = java(
                self._directory, "128m", "kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(config)
            )
            subprocess.run(format_, check=True, capture_output=True)
            self._held = Held(java(self._directory, "512m", "kafka.Kafka", str(config)), keep=self._keep)
            self._await_ready(self._held, time.monotonic() + timeout)
        except subprocess.CalledProcessError as error:
            self.end()
            raise EmbeddedBrokerError(
                f"Kafka's storage could not be formatted: {error.stderr.decode()[-2000:]}"
            ) from None
        except BaseException:  # Ctrl-C too: whatever ends the start leaves nothing running
            self.end()
            raise

    def end(self) -> None:
        """End it and remove its data, even if it was to be kept."""
        if self._held is not None:
            self._held.stop()
        if self._directory != Path():
            shutil.rmtree(self._directory, ignore_errors=True)

    def _configure(self) -> Path:
        self.address, controller = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        properties = SINGLE_NODE | {
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self._directory / "data"),
        }
        config = self._directory / "server.properties"
        write_properties(config, properties)
        return config

    def _await_ready(self, held: Held, deadline: float) -> None:
        while not registered(self.address):
            if not held.running or time.monotonic() > deadline:
                raise EmbeddedBrokerError(f"Kafka does not serve on {self.address}: {held.said()}")
            time.sleep(0.1)  # between questions: another process tells nobody when it is ready


def registered(address: str) -> bool:
    """Whether a node answers and its controller has admitted it: topics can be made from then on, not from its port."""
    try:
        return any(f"{host}:{port}" == address for _, host, port, _ in metadata(address).brokers)
    except OSError:
        return False


def metadata(address: str) -> MetadataResponse_v1:
    """What the broker at host:port knows of brokers, topics and leaders. Raises OSError if it does not answer."""
    request = MetadataRequest_v1(None)  # all topics
    message = RequestHeader_v1(request).encode() + request.encode()
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection, connection.makefile("rb") as answers:
        connection.sendall(struct.pack(">i", len(message)) + message)
        (length,) = struct.unpack(">i", answers.read(4) or bytes(4))
        answer = answers.read(length)
    if not answer:
        raise ConnectionError(f"{address} closed the connection")
    return MetadataResponse_v1.decode(BytesIO(answer[4:]))  # behind the correlation id


def write_properties(config: Path, properties: dict[str, str]) -> None:
    """A properties file, as Kafka reads it."""
    config.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))


def java(directory: Path, heap: str, *arguments: str) -> list[str]:
    """The command of one of Kafka's classes, which logs into the directory."""
    return [
        "java", f"-Xmx{heap}", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
        f"-Dkafka.logs.dir={directory}", "-cp", f"{libraries()}/*", *arguments,
    ]  # fmt: skip


def libraries() -> Path:
    """The directory of Kafka's jars (46 MB), fetched once into the user's cache. Raises KafkaMissingError."""
    return fetched(POM, cache() / f"kafka-{VERSION}")


def cache() -> Path:
    """Where what is fetched once lies."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "touchpoint"


def fetched(pom: Path, directory: Path) -> Path:
    """The directory, with what a POM names, fetched once. Raises KafkaMissingError."""
    missing = [tool for tool in ("java", "mvn") if shutil.which(tool) is None]
    if missing:
        tools = " and ".join(missing)
        raise KafkaMissingError(f"Apache Kafka needs {tools} (Debian: openjdk-17-jre-headless maven), not found here")
    if not directory.exists():
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory.parent) as place:
            goal = f"{place}/whole"
            fetch = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={goal}"]
            done = subprocess.run(fetch, capture_output=True, text=True, check=False)
            if done.returncode:
                raise KafkaMissingError(f"Maven could not fetch what {pom.name} names: {done.stdout[-2000:]}")
            _publish(Path(goal), directory)
    return directory


def _publish(made: Path, directory: Path) -> None:
    """Give it its name, whole or not at all; another process may have been quicker."""
    try:
        made.rename(directory)
    except OSError:
        if not directory.exists():
            raise

"""Three real Kafka brokers on loopback: replication 3, min.insync.replicas 2, each broker and controller in one."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aiokafka.protocol.metadata import MetadataResponse_v1
from kafka_broker import KafkaBroker
from patience import LIMIT

from touchpoint.embedded.broker import free_port
from touchpoint.embedded.kafka import metadata

NODES, IN_SYNC = 3, 2
OFFSETS = "__consumer_offsets"
OFFSETS_PARTITIONS = 4
NO_LEADER = -1


class ClusterNode(KafkaBroker):
    """One of several; it starts only where a majority of their controllers runs."""

    def __init__(self, directory: Path, number: int, controllers: list[int], heap: str) -> None:
        """`number` from 1; `controllers`: the ports of all nodes' controllers, by number."""
        super().__init__(directory, heap)
        self.number = number
        self._controllers = controllers
        self._controller_port = controllers[number - 1]

    def _properties(self) -> dict[str, str]:
        voters = ",".join(f"{n}@127.0.0.1:{port}" for n, port in enumerate(self._controllers, 1))
        return super()._properties() | {
            "node.id": str(self.number),
            "controller.quorum.voters": voters,
            "offsets.topic.replication.factor": str(NODES),
            "offsets.topic.num.partitions": str(OFFSETS_PARTITIONS),
            "transaction.state.log.replication.factor": str(NODES),
            "transaction.state.log.min.isr": str(IN_SYNC),
            "min.insync.replicas": str(IN_SYNC),
            "replica.lag.time.max.ms": "4000",  # for so long a frozen follower holds up the acknowledgements
        }


class KafkaCluster:
    """Its nodes are killed, frozen and started again one by one."""

    def __init__(self, directory: Path, heap: str = "512m") -> None:
        controllers = [free_port() for _ in range(NODES)]
        self.nodes = [ClusterNode(directory / f"node-{n}", n, controllers, heap) for n in range(1, NODES + 1)]

    @property
    def bootstrap(self) -> str:
        return ",".join(node.bootstrap for node in self.nodes)

    def start(self) -> None:
        """Prepare and start all; returns when each serves. Raises KafkaMissingError."""
        with ThreadPoolExecutor(NODES) as threads:
            list(threads.map(ClusterNode.prepare, self.nodes))
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.await_serving()

    def await_whole(self) -> None:
        """Wait until every partition has all of its replicas in sync. Raises RuntimeError."""
        deadline = time.monotonic() + LIMIT
        while not self._whole():
            if time.monotonic() > deadline:
                raise RuntimeError("a partition lacks a replica long after every broker was started")
            time.sleep(0.2)

    def _whole(self) -> bool:
        known = self.known()
        replicas = [(copies, in_sync) for *_, parts in known.topics for *_, copies, in_sync in parts]
        return len(known.brokers) == NODES and all(len(in_sync) == len(copies) for copies, in_sync in replicas)

    def known(self) -> MetadataResponse_v1:
        """What the first node that answers knows. Raises ConnectionError if none does."""
        for node in self.nodes:
            try:
                return metadata(node.bootstrap)
            except OSError:
                continue
        raise ConnectionError("no broker answers")

    def coordinator(self, group: str) -> ClusterNode | None:
        """Who leads the partition of __consumer_offsets that keeps a group; None while nobody does."""
        return self._node(self.leaders().get((OFFSETS, java_hash(group) % OFFSETS_PARTITIONS), NO_LEADER))

    def busiest(self, prefix: str) -> ClusterNode | None:
        """Who leads most of the partitions of the topics with a prefix; None while nobody does."""
        led = Counter(leader for (topic, _), leader in self.leaders().items() if topic.startswith(prefix))
        return self._node(led.most_common(1)[0][0] if led else NO_LEADER)

    def leaders(self) -> dict[tuple[str, int], int]:
        """(Topic, partition) -> the number of its leader, NO_LEADER for none."""
        return {(topic, p): leader for _, topic, _, parts in self.known().topics for _, p, leader, *_ in parts}

    def _node(self, number: int) -> ClusterNode | None:
        return next((node for node in self.nodes if node.number == number), None)

    def kill(self) -> None:
        """kill -9 of all."""
        for node in self.nodes:
            node.kill()


def java_hash(text: str) -> int:
    """String.hashCode without its sign, as Kafka takes it of a group's name."""
    value = 0
    for character in text:
        value = (31 * value + ord(character)) & 0xFFFFFFFF
    return value & 0x7FFFFFFF

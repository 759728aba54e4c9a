"""A client that writes what `hostile_attacks` has, beside a round's stream, for as long as it lasts."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from functools import partial

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from hostile_attacks import THROWN, Aims, Raw, Shot, Thrown, Written
from installation import Event, Installation
from raw_produce import RawProducer

from touchpoint.embedded.kafka import metadata

ANSWER_MS = 20_000


class HostileProducer:
    """`written`: what the broker took, by attack; `refused`: what it did not, or did not answer."""

    def __init__(self, installation: Installation, events: Sequence[Event], seed: int) -> None:
        """`events`: the others', whose media items and addresses it knows."""
        self.written: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._settings, self._client = installation.settings, installation.client
        self._dice = random.Random(f"{seed}/thrown")
        items = sorted({event["subject"] for event in events if event["type"].startswith("call.")})
        parties = (event["data"].get("party") or {} for event in events)
        self._aims = Aims(items, sorted({party["address"] for party in parties if party.get("address")}))

    async def write(self) -> None:
        """Every attack at its pace, until it is cancelled."""
        options = {**self._client, "request_timeout_ms": ANSWER_MS}
        async with AIOKafkaProducer(**options) as client, asyncio.TaskGroup() as attacks:
            for attack in THROWN:
                attacks.create_task(self._again_and_again(attack, client))

    async def _again_and_again(self, attack: Thrown, client: AIOKafkaProducer) -> None:
        while True:
            await asyncio.sleep(self._dice.uniform(0.5, 1.5) * attack.every)
            shots = await asyncio.to_thread(attack.make, self._dice, self._aims)
            took = await asyncio.gather(*(self._shoot(shot, client) for shot in shots))
            self.written[attack.name] += sum(took)
            self.refused[attack.name] += len(took) - sum(took)

    async def _shoot(self, shot: Shot, client: AIOKafkaProducer) -> bool:
        """Whether the broker took it."""
        topic = self._settings.topic_prefix + shot.topic
        try:
            if isinstance(shot, Written):
                await client.send_and_wait(topic, shot.value, shot.key, shot.partition)
                return True
            return await self._shoot_raw(topic, shot)
        except (KafkaError, OSError):  # the broker is away, and TimeoutError is an OSError
            return False

    async def _shoot_raw(self, topic: str, shot: Raw) -> bool:
        partition = self._dice.randrange(self._settings.partitions)
        address = await asyncio.to_thread(partial(leader, self._settings.brokers, topic, partition))
        producer = RawProducer(address)
        try:
            answer = await producer.send(topic, partition, shot.data)
        finally:
            producer.close()
        return answer.error is None


def leader(brokers: Sequence[str], topic: str, partition: int) -> str:
    """host:port of a partition's leader, as the first broker that answers knows it. Raises OSError."""
    for address in brokers:
        try:
            known = metadata(address)
        except OSError:
            continue
        nodes = {number: f"{host}:{port}" for number, host, port, _ in known.brokers}
        found = [
            nodes.get(led)
            for _, name, _, parts in known.topics
            for _, p, led, *_ in parts
            if (name, p) == (topic, partition)
        ]
        if found and found[0] is not None:
            return found[0]
    raise ConnectionError(f"no broker knows a leader of {topic}/{partition}")

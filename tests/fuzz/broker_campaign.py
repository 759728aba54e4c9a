"""Record batches of every kind into a real Kafka, from which a worker reads; then every offset is accounted for."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import orjson
import raw_batches as raw
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import ProducerFenced
from broker_cases import Case, Values, case
from installation import Installation, Worker
from raw_produce import RawProducer
from surroundings import Surroundings

from touchpoint.settings import Settings
from touchpoint.simulate.produce import produce

TOPICS = ("calls", "emails", "chats", "faxes", "activities")  # `parties` is compacted: what was there cannot be told
STAMPED_BY_PRODUCERS = "chats"
OTHER_TOPICS = 0.3
TRANSACTIONS = 0.02
LONGEST_OPEN = 5.0  # seconds that a transaction is left open
PAUSE = 0.02  # between two batches, so that the worker comes along
SAMPLE_EVERY = 100  # batches
Progress = Callable[["BrokerCampaign"], None]


class Sent(NamedTuple):
    """What the broker took."""

    topic: str  # without prefix
    partition: int
    offset: int
    case: Case
    aborted: bool = False


class BrokerCampaign:
    """One run: what was sent, what was refused, and how the worker fared."""

    def __init__(self, seed: int, directory: Path) -> None:
        self.seed = seed
        self.batches = 0
        self.sent: list[Sent] = []
        self.taken: Counter[str] = Counter()  # by kind
        self.refused: Counter[tuple[str, str]] = Counter()  # by kind and error
        self.markers: Counter[tuple[str, int]] = Counter()  # of transactions, by place
        self.transactions: Counter[str] = Counter()  # by how they ended
        self.most_held = 0.0  # records behind an open transaction, as the worker's metric told
        self.most_memory = 0  # bytes of the worker
        self._surroundings = Surroundings(directory, "fuzz")
        self._directory = directory
        self._ending: set[asyncio.Task[None]] = set()

    async def run(self, seconds: float, progress: Progress = lambda _: None) -> Installation:
        """Write for so long, wait until the worker has read it all. The servers go on; ``end`` stops them."""
        await self._surroundings.start()
        limit = {"dead_letter_limit": 1.0} if "dead_letter_limit" in Settings.model_fields else {}
        bootstrap = self._surroundings.kafka.bootstrap
        made = Installation(bootstrap, self._surroundings.database, self._directory, "fuzz", **limit)
        self.installation = made
        await made.prepare()
        await self._set_topics()
        worker = made.worker()
        raw_producer = RawProducer(bootstrap)
        try:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                await self._one(raw_producer, random.Random(f"{self.seed}/{self.batches}"))
                if self.batches % SAMPLE_EVERY == 0:
                    self._sample(worker)
                    progress(self)
                await asyncio.sleep(PAUSE)
        finally:
            raw_producer.close()
        await asyncio.gather(*self._ending)
        await self._finish()
        self._sample(worker)
        return made

    def end(self) -> None:
        """Whatever runs."""
        if hasattr(self, "installation"):
            self.installation.close()
        self._surroundings.end()

    async def _set_topics(self) -> None:
        """One topic keeps the timestamps that its producers send; and no topic forgets what has an old one."""
        admin = AIOKafkaAdminClient(**self.installation.client)
        await admin.start()
        resources = []
        for topic in TOPICS:
            name = self.installation.settings.topic_prefix + topic
            config = await configuration(admin, name) | {"retention.ms": "-1"}
            if topic == STAMPED_BY_PRODUCERS:
                config["message.timestamp.type"] = "CreateTime"
            resources.append(ConfigResource(ConfigResourceType.TOPIC, name, config))
        await admin.alter_configs(resources)
        await admin.close()

    # --- writing

    async def _one(self, producer: RawProducer, dice: random.Random) -> None:
        topic = dice.choice(TOPICS[1:]) if dice.random() < OTHER_TOPICS else "calls"
        partition = dice.randrange(self.installation.settings.partitions)
        values = call(self.batches)
        self.batches += 1
        if dice.random() < TRANSACTIONS:
            await self._transaction(producer, dice, (topic, partition), values)
            return
        made = case(dice, values)
        name = self.installation.settings.topic_prefix + topic
        answer = await producer.send(name, partition, made.data, made.version)
        if answer.error is not None:
            self.refused[made.kind, answer.error] += 1
            return
        self.taken[made.kind] += 1
        if answer.offset >= 0:  # of no bytes at all it has no offset
            self.sent.append(Sent(topic, partition, answer.offset, made))

    async def _transaction(
        self, producer: RawProducer, dice: random.Random, place: tuple[str, int], values: Values
    ) -> None:
        """One record as any client writes it, then a batch by hand; committed or aborted, now or some seconds later."""
        topic, partition = place
        name = self.installation.settings.topic_prefix + topic
        identity = f"fuzz-{self.seed}-{self.batches}"
        ours = AIOKafkaProducer(**self.installation.client, transactional_id=identity)
        await ours.start()
        await ours.begin_transaction()
        aborted = dice.random() < 0.5
        key = orjson.loads(values[0] or b"")["subject"].encode()
        try:
            stored = await (await ours.send(name, values[0], key, partition))
        except ProducerFenced:  # by its own second request for an id, where the broker answers the first one late
            self.refused["in a transaction", ProducerFenced.__name__] += 1
            await ours.stop()
            return
        self.sent.append(Sent(topic, partition, stored.offset, Case("in a transaction", b"", values[:1]), aborted))
        state = ours._txn_manager
        records = [raw.record(0, key, values[1])]
        if dice.random() < 0.5:
            records.append(raw.sized(b"\0\0\2\1\1\0more"))
        data = raw.batch(
            0, records, dice.choice(["none", "zstd"]), attributes=raw.TRANSACTIONAL, producer=state.producer_id,
            epoch=state.producer_epoch, sequence=1,
        )  # fmt: skip
        answer = await producer.send(name, partition, data, transaction=identity)
        kind = "in a transaction, by hand"
        if answer.error is None:
            self.taken[kind] += 1
            self.sent.append(Sent(topic, partition, answer.offset, Case(kind, data), aborted))
        else:
            self.refused[kind, answer.error] += 1
        self.markers[place] += 1
        self.transactions["aborted" if aborted else "committed"] += 1
        task = asyncio.create_task(self._end(ours, aborted, dice.choice([0.0, 0.0, 1.0, LONGEST_OPEN])))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _end(self, producer: AIOKafkaProducer, aborted: bool, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await (producer.abort_transaction() if aborted else producer.commit_transaction())
        await producer.stop()

    async def _finish(self) -> None:
        """What closes everything; then wait until the worker has committed all that is there."""
        settings = self.installation.settings
        last = [orjson.loads(value or b"") for value in call(self.batches)]
        await produce(last, self.installation.client, settings.topic_prefix, finish=True)

        async def read() -> bool:
            return not await self.installation.behind()

        await self.installation.until(read, "reading to the end", 600)

    def _sample(self, worker: Worker) -> None:
        if not worker.running:
            raise AssertionError(f"the worker ended: {worker.log.read_text()[-3000:]}")
        try:
            metrics = worker.metrics()
        except OSError:
            return  # it does not listen yet
        held = [value for name, value in metrics.items() if name.startswith("touchpoint_open_transaction_records")]
        self.most_held = max([self.most_held, *held])
        status = Path(f"/proc/{worker.process.pid}/status")
        if status.exists():
            peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
            self.most_memory = max(self.most_memory, int(peak.split()[1]) * 1024)


async def configuration(admin: AIOKafkaAdminClient, topic: str) -> dict[str, str]:
    """What is set for a topic: altering replaces all of it."""
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    ((*_, entries),) = answer.resources
    return {name: value for name, value, _, default, *_ in entries if not default}


def call(number: int) -> Values:
    """A call of a party of its own, offered and ended now."""
    event = {
        "specversion": "1.0", "source": "/fuzz", "subject": f"fuzz-{number}", "time": datetime.now(UTC).isoformat(),
    }  # fmt: skip
    party = {"address": f"tel:+44{7_000_000_000 + number}"}
    return [
        orjson.dumps(event | {"id": f"{number}/1", "type": "call.offered", "data": {"party": party}}),
        orjson.dumps(event | {"id": f"{number}/2", "type": "call.ended", "data": {}}),
    ]

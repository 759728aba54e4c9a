"""A stream under test: topics of its own on a real Kafka, workers as processes, and what must be true at the end."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from counting_worker import decode, test_settings
from kafka_broker import KafkaBroker
from patience import LIMIT, own_seconds_until_the_end

from touchpoint.kafka.topic_admin import TABLES, changelog, create_topics
from touchpoint.settings import Settings
from touchpoint.stream.tables import PartitionState
from touchpoint.stream.terms import term_and_form

Read = tuple[int, int, bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]
SCRIPT = Path(__file__).with_name("counting_worker.py")
INPUTS = ("calls", "emails", "chats")
HOPS = ("touches", "interactions")


class WorkerProcess:
    """One worker process."""

    def __init__(self, lab: Lab, number: int, broker: str, fields: dict[str, object]) -> None:
        self.log = lab.directory / f"worker-{number}.log"
        pairs = [f"{name}={value}" for name, value in fields.items()]
        command = [sys.executable, str(SCRIPT), broker, str(lab.output), *pairs]
        with self.log.open("ab") as err:
            self.process = subprocess.Popen(command, stderr=err)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    async def end(self) -> int:
        """SIGTERM; the exit status."""
        self.process.terminate()
        return await asyncio.to_thread(self.process.wait, LIMIT)

    async def end_within(self, seconds: float) -> int:
        """SIGTERM; the exit status. Fails if it takes longer, not counting what it waits for a processor."""
        self.process.terminate()
        took = await own_seconds_until_the_end(self.process)
        assert took < seconds, f"the end took {took:.1f} s"
        return self.process.wait()

    @property
    def running(self) -> bool:
        return self.process.poll() is None


class Lab:
    """Topics, load, workers and checks of one test."""

    def __init__(self, kafka: KafkaBroker, directory: Path, name: str, **fields: object) -> None:
        self.broker = kafka.bootstrap
        self.directory = directory
        self.output = directory / "history"
        self.down, self.slow, self.stuck = (self.output.with_suffix(f".{how}") for how in ("down", "slow", "stuck"))
        self.output.touch()
        self.fields: dict[str, object] = {"app_id": name, "topic_prefix": f"{name}.", **fields}
        self.settings: Settings = test_settings(kafka.bootstrap, **self.fields)
        self.workers: list[WorkerProcess] = []
        self.sent: list[tuple[str, bytes, bytes]] = []
        self.enough = asyncio.Event()

    async def prepare(self) -> None:
        """Make the topics; return when the broker knows of all of them, which is a moment after it made them."""
        async with asyncio.timeout(LIMIT):
            while (await create_topics(self.settings)).created:  # noqa: ASYNC110 - the broker gives no sign
                await asyncio.sleep(0.1)

    def worker(self, broker: str = "", **fields: object) -> WorkerProcess:
        """Start a worker process; ``broker``: another way to the broker, such as through a proxy."""
        worker = WorkerProcess(self, len(self.workers), broker or self.broker, {**self.fields, **fields})
        self.workers.append(worker)
        return worker

    async def send(self, count: int, keys: int = 200, rate: float | None = None) -> None:
        """Produce up to ``count`` events over the input topics, ``rate`` a second if given, until told to stop."""
        async with self.producer() as producer:
            began, start = time.monotonic(), len(self.sent)
            for number in range(start, start + count):
                if self.enough.is_set():
                    break
                topic, key, value = INPUTS[number % 3], b"key-%d" % (number * 7919 % keys), b"event-%d" % number
                self.sent.append((topic, key, value))
                await producer.send(self.settings.topic_prefix + topic, value, key)
                if rate and number % 20 == 0:
                    await asyncio.sleep(max(0.0, began + (number - start) / rate - time.monotonic()))

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(
            bootstrap_servers=self.broker, linger_ms=5, max_request_size=20_000_000,
            enable_idempotence=True, request_timeout_ms=int(LIMIT * 1000),
        )  # fmt: skip
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    def history(self) -> set[bytes]:
        """What reached the history, without repetitions."""
        return set(self.output.read_bytes().split(b"\n")) - {b""}

    def history_lines(self) -> int:
        return self.output.read_bytes().count(b"\n")

    async def until(self, condition: Callable[[], bool], what: str, seconds: float = LIMIT) -> None:
        """Wait for a condition; on failure say what did not happen, with the ends of the workers' logs."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                logs = "\n".join(f"--- {w.log.name}\n{w.log.read_text()[-2000:]}" for w in self.workers)
                raise AssertionError(f"{what}: not within {seconds} s\n{logs}")
            await asyncio.sleep(0.05)

    async def until_ready(self, worker: WorkerProcess) -> None:
        """Wait until a worker has taken up its first assignment."""
        await self.until(lambda: "Worker ready" in worker.log.read_text(), "the worker's assignment")

    async def until_more(self, what: str, seconds: float = LIMIT) -> None:
        """Wait until the history grows."""
        before = self.history_lines()
        await self.until(lambda: self.history_lines() > before, what, seconds)

    async def until_stored(self, seconds: float = LIMIT) -> None:
        """Wait until every event sent is in the history."""
        wanted = {value for _, _, value in self.sent}
        await self.until(lambda: self.history_lines() >= len(wanted) and wanted <= self.history(), "storing", seconds)

    async def read(self, topic: str) -> list[Read]:
        """Everything in a topic (in full): (partition, offset, key, value, headers)."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.broker, auto_offset_reset="earliest")
        await consumer.start()
        try:
            tps = [TopicPartition(topic, p) for p in range(self.settings.partitions)]
            consumer.assign(tps)
            ends = await consumer.end_offsets(tps)
            found = []
            while any([await consumer.position(tp) < ends[tp] for tp in tps]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += [(r.partition, r.offset, r.key, r.value, tuple(r.headers)) for r in records]
            return found
        finally:
            await consumer.stop()

    async def until_read(self, topic: str, count: int) -> list[Read]:
        """Everything in a topic (without the prefix), once there are ``count`` records."""
        deadline = time.monotonic() + LIMIT
        while len(found := await self.read(self.settings.topic_prefix + topic)) < count:
            assert time.monotonic() < deadline, f"{len(found)} records in {topic}, not {count}"
            await asyncio.sleep(0.2)
        return found

    async def until_longer(self, topic: str, count: int) -> None:
        """Wait until a topic (in full) has more than ``count`` records."""
        async with asyncio.timeout(LIMIT):
            while len(await self.read(topic)) <= count:  # noqa: ASYNC110 - the broker gives no sign
                await asyncio.sleep(0.1)

    async def table(self, name: str) -> dict[tuple[int, bytes], bytes]:
        """A table rebuilt from its changelog: (partition, key) -> value."""
        states = [PartitionState() for _ in range(self.settings.partitions)]
        for partition, _, key, value, headers in await self.read(changelog(self.settings, name)):
            assert key is not None
            states[partition].restore(key, value, *term_and_form(headers))
        return {(partition, key): value for partition, state in enumerate(states) for key, value in state.items()}

    async def offsets(self) -> dict[tuple[str, int], int]:
        """(Topic without prefix, partition) -> the group's committed offset, 0 for none."""
        group, prefix = self.settings.app_id, self.settings.topic_prefix
        consumer = AIOKafkaConsumer(bootstrap_servers=self.broker, group_id=group, enable_auto_commit=False)
        await consumer.start()
        try:
            places = [(topic, p) for topic in (*INPUTS, *HOPS) for p in range(self.settings.partitions)]
            return {(t, p): await consumer.committed(TopicPartition(prefix + t, p)) or 0 for t, p in places}
        finally:
            await consumer.stop()

    async def committed(self) -> dict[str, int]:
        """Topic without prefix -> the sum of the group's committed offsets."""
        sums: Counter[str] = Counter()
        for (topic, _), offset in (await self.offsets()).items():
            sums[topic] += offset
        return sums

    async def until_committed(self) -> None:
        """Wait until the group has committed all that was sent."""
        deadline = time.monotonic() + LIMIT
        expected = Counter(topic for topic, _, _ in self.sent)
        while not expected.items() <= (committed := await self.committed()).items():
            assert time.monotonic() < deadline, f"committed {committed}, sent {expected}"
            await asyncio.sleep(0.2)

    async def check_commits(self) -> int:
        """At any moment: what follows from a record behind its committed offset is durable (13.2). Returns how many."""
        behind = 0
        offsets = await self.offsets()
        for topics, table, onward in ((INPUTS, "media", "touches"), (("touches",), "parties", "interactions")):
            prefix = self.settings.topic_prefix
            logs = await asyncio.gather(*(self.read(prefix + topic) for topic in topics))
            records = [(topic, record) for topic, log in zip(topics, logs, strict=True) for record in log]
            state, produced = await asyncio.gather(self.table(table), self.read(prefix + onward))
            forwards = {value for *_, value, _ in produced}
            for topic, (partition, offset, key, value, _) in records:
                if offset < offsets[topic, partition]:
                    behind += 1
                    assert value in forwards, f"{topic}/{partition}/{offset} is committed, and not in {onward}"
                    _, last = decode(state[partition, key or b""])
                    assert last[topic] >= offset, f"{topic}/{partition}/{offset} is committed, and not in {table}"
        stored = self.history()
        for partition, offset, _, value, _ in await self.read(self.settings.topic_prefix + "interactions"):
            assert offset >= offsets["interactions", partition] or value in stored, "committed, and not stored"
        return behind

    def seen(self) -> list[tuple[int, str, int, int, int]]:
        """What stages were given: (process, topic, partition, first offset, the one behind the last)."""
        lines = [line.split() for line in self.output.with_suffix(".seen").read_text().splitlines()]
        return [(int(process), topic, int(p), int(first), int(end)) for process, topic, p, first, end in lines]

    def check_seen(self) -> None:
        """No stage was ever given a record before it was given all that lie before it."""
        reached: Counter[tuple[str, int]] = Counter()
        for _, topic, partition, first, end in self.seen():
            assert first <= reached[topic, partition], f"{topic}/{partition}: {reached[topic, partition]} is left out"
            reached[topic, partition] = max(end, reached[topic, partition])

    async def check_writers(self) -> None:
        """No changelog has a record of an earlier owner behind one of a later: nobody wrote what they had lost."""
        for table in TABLES:
            terms = [b""] * self.settings.partitions
            for partition, offset, _, _, headers in await self.read(changelog(self.settings, table)):
                term, _ = term_and_form(headers)
                assert term >= terms[partition], f"{table}/{partition}/{offset} is not its owner's"
                terms[partition] = term

    async def check(self) -> None:
        """Nothing lost: each event in touches, interactions and the history; the tables equal a linear fold.

        Of what is in the topics: a producer whose broker is killed may send again what was already written, and the
        tables follow such repetitions too, a moment after the history has every event.
        """
        events = {value for _, _, value in self.sent}
        for topic in ("touches", "interactions"):
            assert events <= {r[3] for r in await self.read(self.settings.topic_prefix + topic)}, topic
        assert events <= self.history()
        assert events <= {r[3] for topic in INPUTS for r in await self.read(self.settings.topic_prefix + topic)}
        await self._until_counted("media", *INPUTS)
        await self._until_counted("parties", "touches")

    async def _until_counted(self, table: str, *topics: str) -> None:
        """Wait until a table has counted each record of its topics once."""
        deadline = time.monotonic() + LIMIT
        while True:
            logs = [await self.read(self.settings.topic_prefix + topic) for topic in topics]
            wanted = Counter(record[2] for log in logs for record in log)
            counted = {key: decode(value)[0] for (_, key), value in (await self.table(table)).items()}
            different = {key: (counted.get(key or b""), n) for key, n in wanted.items() if counted.get(key or b"") != n}
            if not different:
                return
            too_many = [key for key, (has, n) in different.items() if (has or 0) > n]
            assert not too_many, f"{table} has counted twice: {too_many[:10]}"
            assert time.monotonic() < deadline, f"{table} lacks {list(different.items())[:10]}"
            await asyncio.sleep(0.5)  # between questions: a look reads all of the changelog

    def close(self) -> None:
        for worker in self.workers:
            if worker.running:
                worker.signal(signal.SIGCONT)
                worker.kill()

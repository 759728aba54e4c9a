"""Where reading begins: without committed offsets, with some, with lost ones; and across gaps in the offsets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.protocol.admin import DeleteGroupsRequest
from counting_worker import test_settings
from patience import LIMIT
from stream_lab import INPUTS, Lab

from touchpoint.kafka.topic_admin import create_topics

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.mark.trap(6)
async def test_a_group_whose_offsets_are_gone_reads_everything_again_and_counts_nothing_twice(lab: Lab) -> None:
    for _ in range(2):
        worker = lab.worker()
        await lab.send(900)
        await lab.until_stored()
        assert await worker.end() == 0
        async with administration(lab) as admin:
            coordinator = await admin.find_coordinator(lab.settings.app_id)
            answer = await admin._send_request(DeleteGroupsRequest([lab.settings.app_id]), coordinator)
            assert answer.results == [(lab.settings.app_id, 0)]
        assert set((await lab.committed()).values()) == {0}
    lab.worker()
    await lab.send(900)
    await lab.until_stored()
    await lab.until_committed()
    await lab.check()
    await lab.check_writers()  # generations began anew, terms did not
    assert len(await lab.read(lab.settings.topic_prefix + "touches")) == len(lab.sent)


@pytest.mark.trap(6)
async def test_partitions_that_never_had_a_record_are_read_from_their_beginning(lab: Lab) -> None:
    worker = lab.worker()
    await lab.send(90, keys=1)  # one partition
    await lab.until_stored()
    assert await worker.end() == 0
    offsets = await lab.offsets()
    assert sorted(offset > 0 for (topic, _), offset in offsets.items() if topic == "calls") == [
        False,
        False,
        False,
        True,
    ]
    await lab.send(900)  # all of them, while nobody reads
    lab.worker()
    await lab.until_stored()
    await lab.until_committed()
    await lab.check()
    lab.check_seen()
    assert lab.history_lines() == len(lab.sent)


@pytest.mark.trap(6)
@pytest.mark.parametrize("deploy", ["stop all, start all", "rolling"])
async def test_a_channel_that_is_added_is_read_and_the_others_go_on_where_they_were(lab: Lab, deploy: str) -> None:
    old = lab.worker()
    await lab.send(900)
    await lab.until_stored()
    channels = json.dumps({"sms": {"topic": "messages"}})
    await create_topics(test_settings(lab.broker, **{**lab.fields, "channels": json.loads(channels)}))
    if deploy == "stop all, start all":
        assert await old.end() == 0
    new = lab.worker(channels=channels)
    if deploy == "rolling":
        await lab.until(lambda: "Worker ready" in new.log.read_text() or not new.running, "the new worker's assignment")
        await old.end()
    async with lab.producer() as producer:
        for number in range(100):
            value = b"message-%d" % number
            await producer.send(lab.settings.topic_prefix + "messages", value, b"key-%d" % number)
    if not new.running:
        new = lab.worker(channels=channels)  # as whoever supervises it would
    await lab.send(900)
    await lab.until_stored()
    await lab.until(lambda: sum(line.startswith(b"message-") for line in lab.history()) == 100, "the new channel")
    assert lab.history_lines() == len(lab.sent) + 100, "nothing is repeated"
    assert new.running


@pytest.mark.trap(9)
async def test_gaps_that_compaction_retention_and_transactions_leave_hold_nothing_up(lab: Lab) -> None:
    worker = lab.worker()
    await lab.send(300)
    await lab.until_stored()
    await lab.until_committed()
    assert await worker.end() == 0
    await lab.send(600, keys=20)
    async with administration(lab) as admin:
        await compact(lab, admin, "calls")
        places = [TopicPartition(lab.settings.topic_prefix + "emails", p) for p in range(4)]
        await admin.delete_records({place: RecordsToDelete(-1) for place in places})  # beyond what was committed
    await transactions(lab, "chats")
    left = {value for topic in INPUTS for *_, value, _ in await lab.read(lab.settings.topic_prefix + topic)}
    kept = {value for value in left if value is not None and not value.startswith(b"aborted")}
    assert len(kept) < len(lab.sent)

    worker = lab.worker()
    await lab.until(lambda: kept <= lab.history(), "storing what is left")
    last = {b"last of %s %d" % (topic.encode(), p): (topic, p) for topic in INPUTS for p in range(4)}
    async with lab.producer() as producer:
        for value, (topic, p) in last.items():
            await producer.send(lab.settings.topic_prefix + topic, value, b"any", partition=p)
    await lab.until(lambda: last.keys() <= lab.history(), "storing the last")
    assert not [value for value in lab.history() if value.startswith(b"aborted")]
    assert await worker.end() == 0
    ends = {(topic, r[0]): r[1] + 1 for topic in INPUTS for r in await lab.read(lab.settings.topic_prefix + topic)}
    committed = await lab.offsets()
    assert {place: committed[place] for place in ends} == ends, "committed to the end"


async def compact(lab: Lab, admin: AIOKafkaAdminClient, topic: str) -> None:
    """Make the broker compact a topic, wait until it has."""
    name = lab.settings.topic_prefix + topic
    now = {
        "cleanup.policy": "compact",
        "segment.ms": "100",
        "min.cleanable.dirty.ratio": "0.001",
        "segment.bytes": "2000",
    }
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, now)])
    before = len(await lab.read(name))
    async with asyncio.timeout(LIMIT):
        while len(await lab.read(name)) >= before:
            await lab.send(30, keys=20)  # only what is not the last segment is compacted
            before += 10
            await asyncio.sleep(0.5)  # the cleaner tells nobody when it has cleaned
    kept = {"cleanup.policy": "delete"}  # else the cleaner goes on, and takes what the test then waits for
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, kept)])


async def transactions(lab: Lab, topic: str) -> None:
    """Ten in each partition, every other one aborted; the last one is."""
    producer = AIOKafkaProducer(bootstrap_servers=lab.broker, transactional_id=lab.settings.app_id)
    await producer.start()
    for number in range(10):
        await producer.begin_transaction()
        outcome = b"aborted" if number % 2 else b"kept"
        for p in range(4):
            await producer.send(
                lab.settings.topic_prefix + topic, b"%s-%d-%d" % (outcome, number, p), b"k", partition=p
            )
        await (producer.abort_transaction() if number % 2 else producer.commit_transaction())
    await producer.stop()


@asynccontextmanager
async def administration(lab: Lab) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=lab.broker)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()

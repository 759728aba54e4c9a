"""What comes in on a real Kafka: garbage, poison, giants, gaps, fresh partitions. No input stops a worker."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from counting_worker import POISON, REJECTED, decode, test_settings
from kafka_broker import KafkaBroker
from patience import LIMIT
from stream_lab import Lab

from touchpoint.kafka.topic_admin import MIB, TopicsError, check_topics, create_topics, unstamped_topics
from touchpoint.stages.dead_letter_records import CAUSE, ORIGIN, TRUNCATED

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.mark.trap(10)
@pytest.mark.trap(3)
async def test_poison_and_giants_become_dead_letters_and_the_rest_is_taken(lab: Lab) -> None:
    topic = lab.settings.topic_prefix + "calls"
    giant = b"x" * (MIB - 2_000)
    await take_at_most(MIB // 2, lab, "touches")
    async with lab.producer() as producer:
        for number in range(1000):
            await producer.send(topic, POISON if number % 10 == 3 else REJECTED, b"bad-%d" % number)
        for key in (b"\xff\xfe not utf-8", b"", None, b"k" * 5000):
            await producer.send(topic, b"good " + repr(key)[:20].encode(), key)
        await producer.send(topic, giant, b"giant")
        await producer.send(topic, None, b"tombstone")
    await lab.send(2_000)
    worker = lab.worker()
    await lab.until_stored()
    assert worker.running

    letters = await lab.until_read("dead-letters", 1001)
    causes = Counter(dict(headers)[CAUSE].decode().split(":")[0] for *_, headers in letters)
    assert causes == {"rejected by the stage": 900, "internal error": 100, "too large for topic touches": 1}
    assert {value for _, _, key, value, _ in letters if key != b"giant"} == {POISON, REJECTED}
    (whole,) = [(value, dict(headers)) for _, _, key, value, headers in letters if key == b"giant"]
    assert whole[0] == giant, "bytes unchanged"
    assert TRUNCATED not in whole[1]
    assert all(dict(headers)[ORIGIN].count(b"/") == 2 for *_, headers in letters)
    assert sum(value.startswith(b"good") for value in lab.history()) == 4
    media = await lab.table("media")
    assert not [key for _, key in media if key.startswith(b"bad")], "what a failed record changed is undone"
    expected = Counter(key for _, key, _ in lab.sent)
    assert {key: decode(value)[0] for (_, key), value in media.items() if key.startswith(b"key")} == dict(expected)


async def take_at_most(size: int, lab: Lab, *topics: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=lab.broker)
    await admin.start()
    for topic in topics:
        name = lab.settings.topic_prefix + topic
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {"max.message.bytes": str(size)})])
    await admin.close()


@pytest.mark.trap(3)
async def test_record_too_large_for_its_topic_is_a_dead_letter_and_no_crash_loop(lab: Lab) -> None:
    await take_at_most(MIB // 2, lab, "touches", "dead-letters")
    worker = lab.worker()
    async with lab.producer() as producer:
        await producer.send(lab.settings.topic_prefix + "calls", b"x" * (MIB - 2_000), b"giant")
    await lab.send(300)
    await lab.until_stored()
    ((*_, key, value, headers),) = await lab.until_read("dead-letters", 1)
    assert key == b"giant"
    assert dict(headers)[CAUSE].decode().startswith("too large for topic touches: ")
    assert TRUNCATED in dict(headers), "it does not fit there either"
    assert value
    assert worker.running


@pytest.mark.trap(9)
async def test_offset_gaps_and_aborted_transactions_do_not_hold_up_the_commit(lab: Lab) -> None:
    topic = lab.settings.topic_prefix + "calls"
    producer = AIOKafkaProducer(bootstrap_servers=lab.broker, transactional_id=lab.settings.app_id)
    await producer.start()
    for number in range(30):
        await producer.begin_transaction()
        for part in range(4):
            value = b"%s-%d-%d" % (b"aborted" if number % 3 == 0 else b"kept", number, part)
            await producer.send(topic, value, b"k%d" % part, partition=part)
        if number % 3 == 0:
            await producer.abort_transaction()
        else:
            await producer.commit_transaction()
            lab.sent += [("calls", b"k%d" % part, b"kept-%d-%d" % (number, part)) for part in range(4)]
    await producer.stop()
    worker = lab.worker()
    await lab.until_stored()
    assert not [value for value in lab.history() if value.startswith(b"aborted")]
    assert await worker.end() == 0
    again = lab.worker()
    await lab.send(30)
    await lab.until_stored()
    assert lab.history_lines() == len(lab.sent), "nothing was read twice"
    assert await again.end() == 0


@pytest.mark.trap(15)
async def test_topics_that_do_not_fit_together_are_named_with_their_counts(kafka: KafkaBroker) -> None:
    settings = test_settings(kafka.bootstrap, app_id="unfit", topic_prefix="unfit.")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic("unfit.calls", 2, 1)])
        with pytest.raises(TopicsError, match=r"topic unfit.emails does not exist: run `touchpoint topics`"):
            await check_topics(settings)
        report = await create_topics(settings)
        assert "unfit.calls has 2 partitions, not 4" in report.mismatching
        assert any(line.startswith("unfit.calls has max.message.bytes=") for line in report.mismatching)
        assert report.existing == ["unfit.calls"]
        with pytest.raises(TopicsError) as raised:
            await check_topics(settings)
        assert "  unfit.calls: 2" in raised.value.problems
        assert "  unfit.touches: 4" in raised.value.problems
        await admin.create_partitions({"unfit.calls": NewPartitions(4)})
        async with asyncio.timeout(LIMIT):  # the brokers' metadata follow a little later
            while (await create_topics(settings)).mismatching[0].startswith("unfit.calls has 2 partitions"):  # noqa: ASYNC110
                await asyncio.sleep(0.1)  # the broker gives no sign
        assert (await check_topics(settings)).ours == 4
        assert (await create_topics(settings)).created == []
    finally:
        await admin.close()


@pytest.mark.trap(10)
async def test_records_that_all_fail_are_dead_letters_and_the_worker_goes_on(lab: Lab) -> None:
    """Also 500 in a row; a new version is stopped by the limit of dead letters (test_dead_letter_limit.py)."""
    async with lab.producer() as producer:
        for _ in range(500):
            await producer.send(lab.settings.topic_prefix + "calls", POISON, b"one key")
    worker = lab.worker()
    letters = await lab.until_read("dead-letters", 500)
    assert {value for _, _, _, value, _ in letters} == {POISON}
    await lab.send(100)
    await lab.until_stored()
    assert worker.running


async def test_topics_that_producers_stamp_are_altered_and_keep_their_other_settings(kafka: KafkaBroker) -> None:
    """As those that an earlier version made: event time is held to the broker's stamps."""
    settings = test_settings(kafka.bootstrap, app_id="old", topic_prefix="old.")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        own = {"retention.ms": "1234567", "cleanup.policy": "delete"}
        await admin.create_topics([NewTopic("old.calls", 4, 1, topic_configs=own)])
        report = await create_topics(settings)
        assert report.altered == ["old.calls"]
        async with asyncio.timeout(LIMIT):  # what a broker tells of its topics follows a little later
            while await unstamped_topics(settings):  # noqa: ASYNC110
                await asyncio.sleep(0.1)  # the broker gives no sign
        (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, "old.calls")])
        assert {entry[0]: entry[1] for entry in response.resources[0][4]}["retention.ms"] == "1234567"
        assert not any("message.timestamp.type" in line for line in report.mismatching)
    finally:
        await admin.close()
    assert (await create_topics(settings)).altered == []

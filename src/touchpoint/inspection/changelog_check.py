"""What the latest records of the changelogs say: the secret that they were made with, the form of the state."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from touchpoint.history.agreement import fingerprint
from touchpoint.inspection.finding import CONFIGURATION, UNUSABLE, Finding, failed
from touchpoint.kafka.topic_admin import TABLES, admin_client, changelog, partition_counts
from touchpoint.kafka_client import client_options
from touchpoint.settings import Settings
from touchpoint.stream.terms import OtherFormError, OtherStateError, check_secret, term_and_form

SECONDS = 20.0
_NAME = "changelogs"


async def check_changelogs(settings: Settings) -> Finding:
    """Reads one record of each partition."""
    try:
        async with asyncio.timeout(SECONDS):
            records = await _latest(settings)
    except (KafkaError, OSError) as error:
        return Finding(_NAME, "skipped", f"they could not be read: {type(error).__name__}")
    return judged(settings, records)


def judged(settings: Settings, records: Iterable[ConsumerRecord]) -> Finding:
    """What records of changelogs say of a worker with these settings."""
    ours = bytes.fromhex(fingerprint(settings.party_secret.get_secret_value().encode()))
    count = 0
    try:
        for count, record in enumerate(records, 1):  # noqa: B007 - counted
            term_and_form(record.headers)
            check_secret(record.headers, ours)
    except OtherFormError as error:
        return failed(_NAME, UNUSABLE, str(error))
    except OtherStateError as error:
        return failed(_NAME, CONFIGURATION, str(error))
    if not count:
        return Finding(_NAME, "ok", "empty: no worker has written any state yet")
    return Finding(_NAME, "ok", "their form is ours, and so is the secret's fingerprint")


async def _latest(settings: Settings) -> list[ConsumerRecord]:
    places = await _places(settings)
    consumer = AIOKafkaConsumer(**client_options(settings), group_id=None, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(places)
        firsts, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
        filled = {place for place in places if firsts[place] < ends[place]}
        consumer.assign(sorted(filled))
        for place in filled:
            consumer.seek(place, ends[place] - 1)
        found: dict[TopicPartition, ConsumerRecord] = {}
        while filled - found.keys():
            for place, records in (await consumer.getmany(timeout_ms=500)).items():
                if records:
                    found[place] = records[-1]
        return list(found.values())
    finally:
        await consumer.stop()


async def _places(settings: Settings) -> list[TopicPartition]:
    admin = admin_client(settings)
    await admin.start()
    try:
        counts = await partition_counts(admin, [changelog(settings, table) for table in TABLES])
    finally:
        await admin.close()
    return [TopicPartition(topic, number) for topic, count in counts.items() for number in range(count)]

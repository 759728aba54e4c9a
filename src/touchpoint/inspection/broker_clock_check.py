"""Whether the brokers' clocks agree with ours: by the stamps of what workers append, as nothing else tells them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError

from touchpoint.inspection.finding import Finding
from touchpoint.inspection.latest_records import latest_records
from touchpoint.kafka.access import consumer_group
from touchpoint.kafka.topic_admin import admin_client, full_name
from touchpoint.settings import Settings
from touchpoint.stages.messages import LINKS

SECONDS = 20.0
MOST_APART = 5.0  # seconds between two clocks
STAMPED_WITHIN = 15.0  # seconds: a worker that is idle writes every two
_NAME = "brokers' clock"


async def check_broker_clock(settings: Settings) -> Finding:
    """Reads one record of each partition of `links`."""
    try:
        async with asyncio.timeout(SECONDS):
            has_workers = await _has_workers(settings)
            records = await latest_records(settings, [full_name(settings, LINKS)])
    except (KafkaError, OSError) as error:
        return Finding(_NAME, "skipped", f"no stamps could be read: {type(error).__name__}")
    return compare_clocks(records, time.time(), has_workers)


async def _has_workers(settings: Settings) -> bool:
    admin = admin_client(settings)
    await admin.start()
    try:
        group = await consumer_group(admin, settings.app_id)
    finally:
        await admin.close()
    return group is not None and bool(group.members)


def compare_clocks(records: Iterable[ConsumerRecord], now: float, has_workers: bool) -> Finding:
    """The stamps of brokers beside our clock, ``now``, seconds since 1970. ``has_workers``: so that they are of now."""
    stamps = [record.timestamp / 1000 for record in records if record.timestamp_type == 1]
    if not stamps:
        return Finding(_NAME, "skipped", "no worker has had anything stamped by them yet")
    ahead = max(stamps) - now
    if ahead > MOST_APART:
        return Finding(_NAME, "note", f"a broker stamped a record {ahead:.0f} s ahead of our clock", "set both by NTP")
    if not has_workers:
        return Finding(
            _NAME, "skipped", "none is ahead of ours; whether one is behind only a worker that runs can tell"
        )
    if -ahead > STAMPED_WITHIN:
        detail = f"the latest stamp is {-ahead:.0f} s behind our clock, although workers are in the group"
        return Finding(_NAME, "note", detail, "set both by NTP; or the workers write nothing: touchpoint status")
    return Finding(_NAME, "ok", "that of the brokers agrees with ours")

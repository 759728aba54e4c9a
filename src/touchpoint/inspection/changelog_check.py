"""What the latest records of the changelogs say: the secret that they were made with, the form of the state."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError

from touchpoint.history.agreement import fingerprint
from touchpoint.inspection.finding import CONFIGURATION, UNUSABLE, Finding, failed
from touchpoint.inspection.latest_records import latest_records
from touchpoint.kafka.topic_admin import TABLES, changelog, feed_table, feed_topics
from touchpoint.settings import Settings
from touchpoint.stream.terms import OtherFormError, OtherStateError, check_secret, term_and_form

SECONDS = 20.0
_NAME = "changelogs"


async def check_changelogs(settings: Settings) -> Finding:
    """Reads one record of each partition."""
    try:
        async with asyncio.timeout(SECONDS):
            records = await latest_records(settings, _changelogs(settings))
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


def _changelogs(settings: Settings) -> list[str]:
    return [changelog(settings, table) for table in (*TABLES, *map(feed_table, feed_topics(settings)))]

"""A person is erased while one of their calls goes on: workers, Apache Kafka and PostgreSQL."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from installation import Event, Installation, offline

from touchpoint.simulate.produce import produce

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
MARY, ADA = "tel:+441632960001", "tel:+441632960009"


def event(kind: str, subject: str, at: str, **data: Any) -> Event:
    return {
        "specversion": "1.0", "id": f"{kind}/{subject}/{at}", "source": "test", "type": kind, "subject": subject,
        "time": f"2026-03-02T{at}Z", "data": data,
    }  # fmt: skip


def begins(item: str, address: str, at: str) -> list[Event]:
    agent = {"id": "john", "name": "John Doe", "kind": "agent"}
    return [
        event("call.offered", item, at, direction="inbound", party={"address": address}),
        event("call.answered", item, at, resource=agent),
    ]


BEFORE = [
    event("party.identified", MARY, "08:00:00", id="P1", name="Mary Jones"),
    event("party.identified", ADA, "08:00:00", id="P2", name="Ada Byron"),
    *begins("first", MARY, "08:10:00"),
    event("call.ended", "first", "08:15:00"),
]
OPEN = [
    *begins("hers", MARY, "12:00:00"),
    *begins("other", ADA, "12:00:00"),
]
REQUEST = event("party.erasure_requested", MARY, "12:05:00", request="gdpr-14")
AFTER = [event("call.ended", "hers", "12:10:00"), event("call.ended", "other", "12:10:00")]


async def test_identity_is_emptied_stays_empty_and_the_records_are_untouched(installation: Installation) -> None:
    installation.worker()
    prefix = installation.settings.topic_prefix
    await produce(BEFORE, installation.client, prefix, math.inf)
    await beat(installation, "2026-03-02T11:55:00Z")

    async def stored() -> bool:
        return await installation.count() == 1

    await installation.until(stored, "the first call")
    assert await people(installation) == {("P1", "Mary Jones")}
    await produce([*OPEN, REQUEST], installation.client, prefix, math.inf)

    async def erased() -> bool:
        return not await people(installation)

    await installation.until(erased, "the erasure")
    await produce(AFTER, installation.client, prefix, math.inf, finish=True)
    await installation.until_stored(offline([*BEFORE, *OPEN, *AFTER]))
    assert await people(installation) == {("P2", "Ada Byron")}
    async with installation.connected() as connection:
        assert [r[0] for r in await connection.fetch("SELECT address FROM touchpoint.party_address")] == [ADA]
        recorded = await connection.fetch("SELECT request, parties, addresses FROM touchpoint.erasure")
        assert {row["request"] for row in recorded} == {"gdpr-14"}
        assert sum(row["parties"] for row in recorded) == 1
        assert sum(row["addresses"] for row in recorded) == 1


async def beat(installation: Installation, time: str) -> None:
    """Let event time reach an instant in every partition, so that what is over closes."""
    value = {"specversion": "1.0", "id": time, "source": "clock", "type": "source.heartbeat", "time": time}
    async with installation.producer() as producer:
        for topic in ("calls", "emails", "faxes", "chats", "activities"):
            for partition in range(installation.settings.partitions):
                name = installation.settings.topic_prefix + topic
                await producer.send_and_wait(name, json.dumps(value).encode(), partition=partition)


async def people(installation: Installation) -> set[tuple[str, str]]:
    async with installation.connected() as connection:
        return {(row[0], row[1]) for row in await connection.fetch("SELECT party_id, name FROM touchpoint.party")}

"""Names, numbers and addresses through a real worker that logs all it can: where they are afterwards, and where not.

Every value of a person here contains one of MARKS, so that one look through everything finds them all.
"""

from __future__ import annotations

import asyncio
import math
import urllib.request
import uuid
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from installation import Event, Installation, Worker
from kafka_broker import KafkaBroker

from touchpoint.simulate.produce import produce
from touchpoint.stages.due_times import unstamped
from touchpoint.stages.party.party_stage import PartyState

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
MARKS = ("zerlina", "quux", "632960777", "632960778", "632960779")
NAME, NUMBER, FAX, MAIL = "Zerlina Quux", "tel:+441632960777", "fax:+441632960778", "mailto:zerlina@quux.example"
CHAT, SIP, OUTSIDE = "chat:web/zerlina-7", "sip:zerlina@quux.example", "tel:+441632960779"
AGENT = {"id": "a1", "name": "Agent Quux", "kind": "agent"}
PARTY = {"address": NUMBER, "name": NAME}
_numbers = count(1)
IDENTITY = {"party", "party_address", "resource"}


def event(kind: str, subject: str, at: str, data: dict[str, Any] | None = None, **attributes: Any) -> Event:
    return {
        "specversion": "1.0", "id": f"{kind}/{at}/{next(_numbers)}", "source": "/pbx", "type": kind, "subject": subject,
        "time": f"2026-03-02T{at}Z", "data": data or {}, **attributes,
    }  # fmt: skip


EVENTS = [
    event("call.offered", "c1", "08:00:00", {"party": PARTY, "direction": "inbound", "dialed": "tel:+441632960000"}),
    event(
        "call.answered", "c1", "08:00:10", {"resource": AGENT, "remark": f"{NAME} is angry", "ext": {"from": NUMBER}}
    ),
    event("call.transferred", "c1", "08:01:00", {"resource": AGENT, "kind": "blind", "to": {"address": OUTSIDE}}),
    event("call.ended", "c1", "08:02:00", {"reported": {"hold_ms": 0, "caller": NUMBER}}, callername=NAME),
    event("call.dialing", "c2", "08:00:00", {"dialed": OUTSIDE, "resource": AGENT}),  # that it is outbound is not said
    event("call.connected", "c2", "08:00:10", {"dialed": OUTSIDE, "resource": AGENT}),
    event("call.ended", "c2", "08:01:00"),
    event(
        "email.offered", "m1", "08:00:00", {"party": {"address": MAIL, "name": NAME}, "subject": "Zerlina's divorce"}
    ),
    event("email.answered", "m1", "08:05:00", {"resource": AGENT}),
    event("email.sent", "m1", "08:06:00", {"resource": AGENT, "kind": "reply", "to": [MAIL]}),
    event("email.ended", "m1", "08:06:01"),
    event("fax.offered", "f1", "08:00:00", {"party": {"address": FAX}, "direction": "inbound"}),
    event("fax.transmission_started", "f1", "08:00:01", {"station": FAX}),
    event("fax.transmitted", "f1", "08:01:00", {"pages": 2}),
    event("fax.ended", "f1", "08:01:01"),
    event("chat.offered", "t1", "08:00:00", {"party": {"address": CHAT, "name": NAME}}),
    event("chat.message", "t1", "08:00:10", {"role": "customer", "text": f"I am {NAME}"}),
    event("chat.ended", "t1", "08:01:00"),
    event("activity.recorded", "c1", "08:01:00", {"activity": "a1", "action": "note", "party": PARTY, "note": NAME}),
    event("party.identified", NUMBER, "07:00:00", {"id": "P-1", "name": NAME, "account": "acme", "born": NAME}),
    event("party.identified", SIP, "07:00:00", {"id": "P-1", "name": NAME}),
]
LATE = [
    event("call.summary", "c1", "11:00:00", {"party": PARTY, "reported": {"connected_ms": 110_000, "caller": NUMBER}}),
    event("call.held", "c1", "11:00:01", {"resource": AGENT, "dialed": NUMBER, "remark": NAME}),
    event("party.identified", MAIL, "11:00:02", {"id": "P-2", "name": NAME}),
]
BAD = [
    orjson.dumps(event("call.offered", "c9", "08:00:00", {"direction": 7, "party": PARTY})),
    orjson.dumps(event("call.offered", "c9", "08:00:00", {"direction": NUMBER[4:]})),
    orjson.dumps(event("call.offered", "c9", "08:00:00", {"direction": NAME})),
    orjson.dumps(event("call.offered", "c9", "08:00:00", {"party": NAME})),
    orjson.dumps(event("call.offered", "c9", "08:00:00", {"party": {"address": [NUMBER]}})),
    orjson.dumps(event("call.offered", "c9", "08:00:00", {"party": {"name": NAME * 1_000}})),
    orjson.dumps(event("call.offered", "c9", "08:00:00", {"reported": {"started_at": NUMBER}})),
    orjson.dumps(event("party.identified", NAME, "08:00:00", {"id": "P-1"})),
    orjson.dumps(event("call.offered", "c9", NAME)),
    orjson.dumps({"caller": NUMBER, "name": NAME}),
    f'{{"caller": "{NUMBER}", "name": "{NAME}'.encode(),
    f"{NAME} {NUMBER}".encode("utf-16"),
    f"{NAME};{NUMBER}".encode(),
]


@pytest.fixture
async def worker(kafka: KafkaBroker, database: str, tmp_path: Path) -> AsyncIterator[tuple[Installation, Worker]]:
    """A worker that has had all of the above, with the whole of its log; what was open has expired long ago."""
    made = Installation(kafka.bootstrap, database, tmp_path, f"i{uuid.uuid4().hex[:8]}", log_level="debug")
    await made.prepare()
    running = made.worker()
    prefix = made.settings.topic_prefix
    await produce(EVENTS, made.client, prefix, math.inf)
    await send(made, "calls", *BAD)
    await send(made, "touches", *BAD[-3:])
    await send(made, "links", *BAD[-3:])
    await beat(made, "2026-03-02T10:30:00Z")
    await made.until(lambda: at_least(made, "interaction_index", 4), "the first interactions")
    await send(
        made, "interactions", *[value for record in await made.read("interactions") for value in broken(record.value)]
    )
    await produce(LATE, made.client, prefix, math.inf, finish=True)
    await made.until(lambda: at_least(made, "amendment", 2), "amendments")
    await made.until_letters(len(BAD) + 6 + 3)
    yield made, running
    made.close()


async def at_least(made: Installation, table: str, count: int) -> bool:
    return await made._count(table) >= count


def broken(record: bytes) -> list[bytes]:
    """As a stored record, but so that the database or its reader must refuse it."""
    told = orjson.loads(record)
    if told["type"] != "interaction.closed" or not told["data"]["media_items"]:
        return []
    other = told["data"] | {"content_hash": "0" * 64, "result": NAME}
    unreadable = told["data"] | {"duration_ms": NAME}
    unstorable = other | {"interaction_id": str(uuid.uuid4()), "outcome": f"{NAME}\x00", "result": NUMBER}
    return [orjson.dumps(told | {"data": data}) for data in (other, unreadable, unstorable)]


async def send(made: Installation, topic: str, *values: bytes) -> None:
    async with made.producer() as producer:
        for value in values:
            await producer.send_and_wait(made.settings.topic_prefix + topic, value, key=NUMBER.encode())


async def beat(made: Installation, at: str) -> None:
    async with made.producer() as producer:
        for topic in ("calls", "emails", "faxes", "chats", "activities"):
            for partition in range(made.settings.partitions):
                value = orjson.dumps(event("source.heartbeat", "clock", "00:00:00") | {"time": at})
                await producer.send_and_wait(made.settings.topic_prefix + topic, value, partition=partition)


def found_in(text: str | bytes) -> list[str]:
    """The marks in a text, each with what stands around it."""
    plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    low = plain.lower()
    return [plain[max(0, low.find(mark) - 150) : low.find(mark) + 60] for mark in MARKS if mark in low]


async def test_personal_data_is_in_the_identity_tables_and_documented_places_alone(
    worker: tuple[Installation, Worker],
) -> None:
    made, running = worker
    for page in ("metrics", "livez", "readyz"):
        with await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{running.port}/{page}") as answer:
            assert found_in(answer.read()) == [], page
    log = running.log.read_text()
    assert "[aiokafka.consumer.group_coordinator]" in log, "what libraries say at this level is in it"
    assert found_in(log) == []

    rows = await everything(made)
    assert {name: found_in(text) for name, text in rows.items() if name not in IDENTITY and found_in(text)} == {}
    assert all(found_in(rows[name]) for name in IDENTITY), "the test would find it"
    assert rows["amendment"]
    assert rows["segment"]
    causes = [dict(letter.headers)["touchpoint-cause"] for letter in await made.read("dead-letters")]
    assert found_in(b"\n".join(causes)) == []

    assert await running.end() == 0
    assert found_in(running.log.read_text()) == []


async def everything(made: Installation) -> dict[str, str]:
    """Every row of every table, as text, by table; partitions are their table's."""
    async with made.connected() as connection:
        tables = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'touchpoint'::regnamespace AND relkind IN ('r', 'p')"
            " AND NOT relispartition"
        )
        rows = {}
        for (name,) in map(tuple, tables):
            rows[name] = await connection.fetchval(f"SELECT string_agg(t::text, e'\\n') FROM touchpoint.{name} AS t")
    return {name: text or "" for name, text in rows.items()}


async def test_changelogs_keep_after_expiry_only_whose_an_address_is(
    worker: tuple[Installation, Worker],
) -> None:
    """Who an address is must be known as long as it may call; of what was open nothing is left."""
    made, running = worker

    async def expired() -> bool:
        items = [key for _, key in await made.state("media") if not key.startswith(b"\0")]
        return not items and not await open_things(made)

    await beat(made, "2026-05-15T00:00:00Z")  # an item's place is remembered for a month after its end
    await made.until(expired, "that nothing is open in the changelogs")
    assert await running.end() == 0
    assert found_in(b"".join([key + value for (_, key), value in (await made.state("media")).items()])) == []
    parties = await made.state("parties")
    assert found_in(b"".join(key for _, key in parties)) == [], "keys are opaque"
    known = [fact for state in map(decoded, parties.values()) if state is not None for fact in state.facts.identity]
    assert {fact.subject for fact in known} <= {NUMBER, MAIL, SIP}
    for fact in known:
        assert fact.data.keys() <= {"id", "account", "name", "from", "into"}
        assert not fact.ext


async def open_things(made: Installation) -> list[bytes]:
    """Keys of parties of which more than identity is kept."""
    kept = {key: decoded(value) for (_, key), value in (await made.state("parties")).items()}
    return [
        key
        for key, state in kept.items()
        if state is not None and (state.facts.items or state.facts.activities or state.facts.controls)
    ]


def decoded(value: bytes) -> PartyState | None:
    """A party's state; None for the few other things that a partition keeps."""
    try:
        return msgspec.msgpack.decode(unstamped(value), type=PartyState)
    except msgspec.DecodeError:
        return None

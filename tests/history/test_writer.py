"""The writer: once, however often; nothing overwritten; what is at fault is named, and the rest is stored."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from history_records import (
    START,
    amended,
    call,
    carried,
    closed,
    event,
    identifier,
    instant,
    interaction,
    media_item,
    seed_case,
    segment,
)

from touchpoint.history.writer import HistoryWriter

pytestmark = pytest.mark.slow
TABLES = (
    "interaction interaction_index media_item segment activity interaction_object interaction_resource amendment "
    "party party_address resource"
).split()
Pool = asyncpg.Pool


async def table_counts(pool: Pool) -> dict[str, int]:
    return {table: await pool.fetchval(f"SELECT count(*) FROM touchpoint.{table}") for table in TABLES}


async def rows(pool: Pool, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await pool.fetch(sql)]


def calls(count: int, start: datetime = START) -> list[dict[str, Any]]:
    return [call(f"c{n}", start + timedelta(minutes=n), address=f"tel:+4416329{n:05}") for n in range(count)]


async def test_a_record_is_read_back_as_it_was_written(pool: Pool) -> None:
    amendment = {"seq": 1, "kind": "late_event", "payload": {"verb": "held"}, "event_id": "e9"}
    record = carried(seed_case() | {"amendments": [amendment]}, agents={"john": "John Doe"})
    assert await HistoryWriter(pool).write_batch([event(record)]) == []
    stored = await pool.fetchval("SELECT record FROM touchpoint.interaction_record")
    assert json.loads(stored) == json.loads(json.dumps(record))


async def test_microseconds_are_kept(pool: Pool) -> None:
    record = call("c1") | {"started_at": "2026-01-05T09:00:00.000001Z"}
    await HistoryWriter(pool).write_batch([closed(record)])
    stored = await pool.fetchval("SELECT record->>'started_at' FROM touchpoint.interaction_record")
    assert stored == record["started_at"]


@pytest.mark.trap(1)
@pytest.mark.trap(13)
async def test_the_same_batch_twice_adds_nothing(pool: Pool) -> None:
    batch = [closed(seed_case(), agents={"john": "John Doe"}), *map(closed, calls(20)), amended(call("c1"), "e1")]
    writer = HistoryWriter(pool)
    await writer.write_batch(batch)
    before = await table_counts(pool)
    assert await writer.write_batch(batch) == []
    assert await table_counts(pool) == before
    assert before["interaction"] == 21
    assert before["segment"] == 21 * 4 + 1
    assert writer.counts["repeated"] == 21


@pytest.mark.trap(14)
async def test_two_writers_with_overlapping_shuffled_batches_store_each_interaction_once(pool: Pool) -> None:
    values = [closed(record, agents={"john": "John Doe"}) for record in calls(300)]
    values += [amended(record, f"e{n}") for record in calls(300)[:50] for n in range(2)]
    writers = HistoryWriter(pool), HistoryWriter(pool)

    async def replay(writer: HistoryWriter, seed: int) -> None:
        mine = random.Random(seed).sample(values, len(values))
        for at in range(0, len(mine), 60):
            assert await writer.write_batch(mine[at : at + 60]) == []

    await asyncio.gather(*(replay(writer, seed) for seed, writer in enumerate(writers)))
    counts = await table_counts(pool)
    assert (counts["interaction"], counts["segment"], counts["amendment"]) == (300, 1200, 100)
    assert sum(writer.counts["stored"] for writer in writers) == 300


@pytest.mark.trap(14)
async def test_another_content_under_the_same_id_is_a_conflict_and_the_first_stands(pool: Pool) -> None:
    first = call("c1")
    writer = HistoryWriter(pool)
    await writer.write_batch([closed(first)])
    other = first | {"content_hash": "0" * 64, "outcome": "changed", "ended_at": instant(START, 40 * 86400)}
    [rejected] = await writer.write_batch([closed(other)])
    assert rejected.conflict
    assert first["content_hash"] in rejected.cause
    assert "0" * 64 in rejected.cause
    assert await rows(pool, "SELECT content_hash FROM touchpoint.interaction") == [(first["content_hash"],)]
    assert (await table_counts(pool))["segment"] == 4
    assert writer.counts["conflicts"] == 1


async def test_a_conflict_within_one_batch_is_found_too(pool: Pool) -> None:
    values = [closed(call("c1")), closed(call("c1")), closed(call("c1") | {"content_hash": "0" * 64})]
    [rejected] = await HistoryWriter(pool).write_batch(values)
    assert (rejected.index, rejected.conflict) == (2, True)
    assert (await table_counts(pool))["interaction"] == 1


@pytest.mark.parametrize("year", [1970, 1999, 2024, 2100])
async def test_a_backfill_of_any_month_finds_its_partition(pool: Pool, year: int) -> None:
    record = call("c1", datetime(year, 12, 31, 23, 50, tzinfo=UTC))
    assert await HistoryWriter(pool).write_batch([closed(record), amended(record, "e1")]) == []
    assert await pool.fetchval(f"SELECT count(*) FROM touchpoint.segment_y{year}m12") == 4
    assert await pool.fetchval(f"SELECT count(*) FROM touchpoint.amendment_y{year}m12") == 1


async def test_the_month_is_that_of_utc(pool: Pool) -> None:
    record = call("c1") | {"ended_at": "2031-02-01T00:30:00+02:00"}
    assert await HistoryWriter(pool).write_batch([closed(record)]) == []
    assert await pool.fetchval("SELECT count(*) FROM touchpoint.interaction_y2031m01") == 1


async def test_a_month_that_was_dropped_meanwhile_is_made_again(pool: Pool) -> None:
    writer = HistoryWriter(pool)
    old = datetime(2001, 5, 5, tzinfo=UTC)
    await writer.write_batch([closed(call("c1", old))])
    await pool.execute("SELECT touchpoint.drop_expired('2002-01-01')")
    assert await writer.write_batch([closed(call("c2", old))]) == []
    assert (await table_counts(pool))["interaction"] == 1


MALFORMED = {
    "no JSON": (b"\xff\xfe{", "not a CloudEvent"),
    "truncated": (closed(call("c1"))[:-40], "not a CloudEvent"),
    "a list": (b"[]", "not a CloudEvent"),
    "no type": (b'{"data": {}}', "type"),
    "no id": (event({"tenant": "default"}), "interaction_id"),
    "no offset": (closed(call("c1") | {"started_at": "2026-01-05T09:00:00"}), "started_at"),
    "no such year": (closed(call("c1") | {"ended_at": "9999-01-05T09:00:00Z"}), "1970 to 2100"),
    "a text for a number": (closed(call("c1") | {"duration_ms": "12"}), "duration_ms"),
    "NUL": (closed(call("c1") | {"outcome": "a\0b"}), "0x00"),
    "a number beyond 64 bits": (closed(call("c1") | {"duration_ms": 2**70}), "the database refuses it"),
    "two segments of one id": (
        closed(interaction("x", [media_item(START, "x", [segment(START, "x", "queue", 0, 9)] * 2)])),
        "duplicate key",
    ),
    "NUL in an amendment": (amended(call("c1"), "e1", text="a\0b"), "the database refuses it"),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_can_never_be_stored_is_named_and_the_rest_is_stored(pool: Pool, name: str) -> None:
    value, said = MALFORMED[name]
    good = [closed(record) for record in calls(12) if record["interaction_id"] != call("c1")["interaction_id"]]
    [rejected] = await HistoryWriter(pool).write_batch([*good[:5], value, *good[5:]])
    assert rejected.index == 5
    assert said in rejected.cause
    assert (await table_counts(pool))["interaction"] == 11


async def test_several_bad_records_are_all_found(pool: Pool) -> None:
    records = calls(40)
    for n in (3, 4, 31):
        records[n]["outcome"] = "\0"
    rejected = await HistoryWriter(pool).write_batch([closed(record) for record in records])
    assert [one.index for one in rejected] == [3, 4, 31]
    assert (await table_counts(pool))["interaction"] == 37


async def test_other_types_and_tombstones_are_ignored_and_counted(pool: Pool) -> None:
    writer = HistoryWriter(pool)
    assert await writer.write_batch([None, event({}, "interaction.opened"), closed(call("c1"))]) == []
    assert +writer.counts == {"ignored": 2, "stored": 1}


async def test_an_empty_batch_is_nothing(pool: Pool) -> None:
    assert await HistoryWriter(pool).write_batch([]) == []


async def test_an_amendment_is_kept_once_for_each_event(pool: Pool) -> None:
    record = call("c1")
    batch = [amended(record, "e1", seq=1), amended(record, "e2", seq=2), amended(record, "e1", seq=3)]
    writer = HistoryWriter(pool)
    for _ in range(2):
        assert await writer.write_batch(batch) == []
    assert await rows(pool, "SELECT seq, event_id FROM touchpoint.amendment ORDER BY seq") == [(1, "e1"), (2, "e2")]


async def test_a_lost_database_raises_and_stores_nothing_by_halves(pool: Pool) -> None:
    writer = HistoryWriter(pool)
    await pool.execute("ALTER TABLE touchpoint.interaction_resource RENAME TO elsewhere")
    with pytest.raises(asyncpg.UndefinedTableError):
        await writer.write_batch([closed(call("c1"))])
    await pool.execute("ALTER TABLE touchpoint.elsewhere RENAME TO interaction_resource")
    assert set((await table_counts(pool)).values()) == {0}
    assert await writer.write_batch([closed(call("c1"))]) == []


async def test_names_and_addresses_stand_in_the_identity_tables_alone(pool: Pool) -> None:
    await HistoryWriter(pool).write_batch([closed(seed_case(), agents={"john": "John Doe"})])
    parties = await rows(pool, "SELECT party_id, account_id, name FROM touchpoint.party")
    assert parties == [("P-17", "ACME", "Mary Jones")]
    assert await rows(pool, "SELECT address, party_id FROM touchpoint.party_address") == [("tel:+441632960960", "P-17")]
    assert await rows(pool, "SELECT resource_id, name FROM touchpoint.resource") == [("john", "John Doe")]
    for table in TABLES[:8]:
        for row in await pool.fetch(f"SELECT t::text FROM touchpoint.{table} AS t"):
            assert not any(personal in row[0] for personal in ("Mary", "960960", "John Doe")), table


async def test_newer_identity_replaces_older_whatever_the_order_of_arrival(pool: Pool) -> None:
    def known(day: int, name: str | None) -> bytes:
        data = {"tenant": "default", "party": {"address": None, "id": "P1", "name": name}}
        return event(data, "party.known", time=f"2026-01-{day:02}T00:00:00Z")

    writer = HistoryWriter(pool)
    for value in (known(5, "New"), known(1, "Old"), known(6, None)):
        await writer.write_batch([value])
    assert await rows(pool, "SELECT name FROM touchpoint.party") == [("New",)]


async def test_an_erased_party_leaves_the_closed_record_untouched(pool: Pool) -> None:
    writer = HistoryWriter(pool)
    await writer.write_batch([closed(seed_case())])
    before = await pool.fetch("SELECT * FROM touchpoint.interaction")
    erased = {"tenant": "default", "party": {"address": "tel:+441632960960", "id": "P-17", "name": None}}
    assert await writer.write_batch([event(erased, "party.erased")]) == []
    counts = await table_counts(pool)
    assert (counts["party"], counts["party_address"], counts["interaction"]) == (0, 0, 1)
    assert await pool.fetch("SELECT * FROM touchpoint.interaction") == before


async def test_an_erasure_in_the_batch_of_the_contact_wins_over_what_came_before_it(pool: Pool) -> None:
    erased = {"tenant": "default", "party": {"id": "P-17"}, "identity": {"addresses": [], "agents": []}}
    await HistoryWriter(pool).write_batch([closed(seed_case()), event(erased, "party.erased")])
    counts = await table_counts(pool)
    assert (counts["party"], counts["party_address"], counts["interaction"]) == (0, 0, 1)


def asked_to_forget(key: str, **change: Any) -> bytes:
    """What the worker publishes of a request: about an address without the address."""
    named = [[identifier("address", "tel:+441632960960"), ""]]
    about = {"identity": {"addresses": named, "agents": []}} if key == "of the address" else {"party": {"id": "P-17"}}
    data = {"tenant": "default", **about, "erasure": {"request": "gdpr-14", "party_key": key}}
    return event(data | change, "party.erased", time="2026-01-06T00:00:00Z")


ERASURES = "SELECT request, party_key, requested_at::date::text, parties, addresses FROM touchpoint.erasure ORDER BY 2"


async def test_an_erasure_by_the_opaque_id_of_an_address_takes_its_party_along_and_is_recorded(pool: Pool) -> None:
    await HistoryWriter(pool).write_batch([closed(seed_case()), closed(call("other", address="tel:+15550100"))])
    assert await HistoryWriter(pool).write_batch([asked_to_forget("of the address")]) == []
    assert await rows(pool, "SELECT address FROM touchpoint.party_address") == [("tel:+15550100",)]
    assert await rows(pool, "SELECT party_id FROM touchpoint.party") == []
    assert await rows(pool, ERASURES) == [("gdpr-14", "of the address", "2026-01-06", 1, 1)]
    for row in await pool.fetch("SELECT e::text FROM touchpoint.erasure AS e"):
        assert not any(personal in row[0] for personal in ("Mary", "960960", "P-17"))


@pytest.mark.parametrize("together", [True, False])
async def test_a_party_id_that_is_spelt_as_an_address_or_an_address_id_is_neither(pool: Pool, together: bool) -> None:
    theirs = call("theirs", address="tel:+15550100") | {"party_id": "P-2"}
    for spelt in ("tel:+15550100", identifier("address", "tel:+15550100")):
        erased = {"tenant": "default", "party": {"id": spelt}, "erasure": {"request": spelt, "party_key": "k"}}
        batch = [closed(theirs), event(erased, "party.erased", time="2026-01-06T00:00:00Z")]
        for entries in [batch] if together else [[entry] for entry in batch]:
            assert await HistoryWriter(pool).write_batch(entries) == []
        assert await rows(pool, "SELECT address, party_id FROM touchpoint.party_address") == [("tel:+15550100", "P-2")]
        assert await rows(pool, "SELECT party_id FROM touchpoint.party") == [("P-2",)]
    assert await rows(pool, "SELECT DISTINCT parties, addresses FROM touchpoint.erasure") == [(0, 0)]


async def test_two_requests_are_two_rows_whichever_time_they_have(pool: Pool) -> None:
    asked = [("ahead", "2026-01-07T00:00:00Z"), ("gdpr-1", "2026-01-06T00:00:00Z")]
    for request, time in asked:
        about = {"party": {"id": "P-17"}, "erasure": {"request": request, "party_key": "k"}}
        await HistoryWriter(pool).write_batch([event({"tenant": "default"} | about, "party.erased", time=time)])
    assert await rows(pool, "SELECT request FROM touchpoint.erasure ORDER BY 1") == [("ahead",), ("gdpr-1",)]


async def test_an_erasure_is_carried_out_once_and_what_was_told_since_stays(pool: Pool) -> None:
    writer = HistoryWriter(pool)
    await writer.write_batch([closed(seed_case()), asked_to_forget("of the party"), asked_to_forget("of the party")])
    again = {"tenant": "default", "party": {"id": "P-17", "name": "Mary Smith"}}
    await writer.write_batch(
        [event(again, "party.known", time="2026-02-01T00:00:00Z"), asked_to_forget("of the party")]
    )
    assert await rows(pool, "SELECT name FROM touchpoint.party") == [("Mary Smith",)]
    assert await rows(pool, ERASURES) == [("gdpr-14", "of the party", "2026-01-06", 0, 0)]


async def test_the_writers_role_may_record_an_erasure_and_not_take_it_back(database: str, pool: Pool) -> None:
    async def become_writer(connection: Any) -> None:
        await connection.execute("SET SESSION AUTHORIZATION touchpoint_writer")

    async with asyncpg.create_pool(database, min_size=1, max_size=1, setup=become_writer) as writers:
        assert await HistoryWriter(writers).write_batch([closed(seed_case())]) == []
        assert await HistoryWriter(writers).write_batch([asked_to_forget("of the party")]) == []
        for change in ("DELETE FROM touchpoint.erasure", "UPDATE touchpoint.erasure SET parties = 0"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await writers.execute(change)
    assert await rows(pool, ERASURES) == [("gdpr-14", "of the party", "2026-01-06", 1, 1)]


async def test_an_interaction_that_was_open_at_the_erasure_brings_back_nobody_but_its_agents(pool: Pool) -> None:
    record = carried(seed_case(), agents={"john": "John Doe"}) | {
        "party": {"address": None, "id": "P-17", "name": None}
    }
    record["identity"] = {"addresses": [], "agents": record["identity"]["agents"], "erased": True}
    assert await HistoryWriter(pool).write_batch([event(record)]) == []
    counts = await table_counts(pool)
    assert (counts["party"], counts["party_address"], counts["interaction"]) == (0, 0, 1)
    assert await rows(pool, "SELECT name FROM touchpoint.resource") == [("John Doe",)]


async def test_ids_and_addresses_at_their_limits_are_stored_and_found(pool: asyncpg.Pool) -> None:
    letters = "".join(random.Random(1).choices([chr(n) for n in range(0x4E00, 0x9FFF)], k=1000))  # 3 bytes each
    name = letters[:200]
    record = call(name, address=f"chat:{letters[:995]}", agent=name) | {"party_id": name, "tenant": name[:100]}
    touched = {"activity_id": None, "object_type": name, "object_id": name, "object_action": name}
    record |= {"objects": [touched], "outcome": letters}
    assert await HistoryWriter(pool).write_batch([closed(record), amended(record, name)]) == []
    [found] = await pool.fetch("SELECT * FROM touchpoint.find_interactions($1, $2, NULL, 9)", name[:100], [name])
    assert str(found["interaction_id"]) == record["interaction_id"]

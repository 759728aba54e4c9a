"""The writer: once, however often; nothing overwritten; what is at fault is named, and the rest is stored."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta
from itertools import permutations
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
async def test_repeated_batch_adds_nothing(pool: Pool) -> None:
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


async def test_close_repeated_by_later_rules_is_a_repetition(
    pool: Pool,
) -> None:
    """A crash after the record was produced and before its state was: the new version makes another record of it."""
    writer = HistoryWriter(pool)
    other = {"content_hash": "0" * 64, "outcome": "changed"}
    of_release = {name: value for name, value in call("c1").items() if name not in ("rules_version", "dialects")}
    versions: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (of_release, call("c1") | other),
        (call("c2"), call("c2") | other | {"rules_version": 3}),
        (call("c3") | {"dialects": ["mailbox"]}, call("c3") | other | {"dialects": ["mailbox/2"]}),
    ]
    for first, again in versions:
        assert await writer.write_batch([closed(first)]) == []
        assert await writer.write_batch([closed(again)]) == []
        assert await writer.write_batch([closed(first), closed(again)]) == []
    assert (writer.counts["stored"], writer.counts["repeated"], writer.counts["conflicts"]) == (3, 9, 0)
    assert await rows(pool, "SELECT count(*) FROM touchpoint.interaction WHERE outcome = 'changed'") == [(0,)]
    assert await rows(pool, "SELECT rules_version, dialects FROM touchpoint.interaction ORDER BY 1, 2") == [
        (2, []),
        (2, ["mailbox"]),
        (None, None),
    ]


@pytest.mark.trap(14)
async def test_different_content_of_one_id_is_a_conflict_and_the_first_stands(pool: Pool) -> None:
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


def with_item(**fields: Any) -> dict[str, Any]:
    record = call("c1")
    record["media_items"][0] |= fields
    return record


def with_segment(**fields: Any) -> dict[str, Any]:
    record = call("c1")
    record["media_items"][0]["segments"][0] |= fields
    return record


def noise(length: int) -> str:
    """A text that cannot be compressed."""
    return random.Random(0).randbytes(length).hex()


MALFORMED = {
    "no JSON": (b"\xff\xfe{", "not a CloudEvent"),
    "truncated": (closed(call("c1"))[:-40], "not a CloudEvent"),
    "a list": (b"[]", "not a CloudEvent"),
    "no type": (b'{"data": {}}', "type"),
    "no id": (event({"tenant": "default"}), "interaction_id"),
    "no offset": (closed(call("c1") | {"started_at": "2026-01-05T09:00:00"}), "started_at"),
    "no such year": (closed(call("c1") | {"ended_at": "9999-01-05T09:00:00Z"}), "1970 to 2100"),
    "a text for a number": (closed(call("c1") | {"duration_ms": "12"}), "duration_ms"),
    "NUL": (closed(call("c1") | {"outcome": "a\0b"}), "SQLSTATE 22021"),
    "a number beyond 64 bits": (closed(call("c1") | {"duration_ms": 2**70}), "duration_ms"),
    "a number beyond 32 bits": (closed(with_item(pages=2**31)), "pages"),
    "a number beyond 16 bits": (closed(with_segment(depth=-(2**15) - 1)), "depth"),
    "half a character": (closed(call("c1") | {"outcome": "AAAA"}).replace(b"AAAA", rb"\ud800"), "malformed"),
    "no year in UTC": (closed(with_segment(started_at="0001-01-01T00:00:00+14:00")), "years 1 to 9999"),
    "no year of an event in UTC": (
        event({"party": {"id": "P1"}}, "party.known", time="9999-12-31T23:00:00-12:00"),
        "years 1 to 9999",
    ),
    "a month of 1969 in UTC": (closed(call("c1") | {"ended_at": "1970-01-01T00:00:00+01:00"}), "1970 to 2100"),
    "a month of 2101 in UTC": (closed(call("c1") | {"ended_at": "2100-12-31T23:30:00-01:00"}), "1970 to 2100"),
    "an id too long for an index": (closed(with_item(media_item_id=noise(9000))), "maximum size"),
    "a payload too deep": (
        amended(call("c1"), "e1", text="AAAA").replace(b'"AAAA"', b"[" * 9000 + b"]" * 9000),
        "nested too deeply",
    ),
    "two segments of one id": (
        closed(interaction("x", [media_item(START, "x", [segment(START, "x", "queue", 0, 9)] * 2)])),
        "SQLSTATE 23505 (UniqueViolationError), schema touchpoint, table segment_y2026m01, constraint segment_",
    ),
    "NUL in an amendment": (amended(call("c1"), "e1", text="a\0b"), "the database refuses it"),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_unstorable_record_is_named_and_the_others_are_stored(pool: Pool, name: str) -> None:
    value, said = MALFORMED[name]
    good = [closed(record) for record in calls(12) if record["interaction_id"] != call("c1")["interaction_id"]]
    [rejected] = await HistoryWriter(pool).write_batch([*good[:5], value, *good[5:]])
    assert rejected.index == 5
    assert said in rejected.cause
    assert (await table_counts(pool))["interaction"] == 11


PERSON = "Mary-Jones"
NAMED: dict[str, tuple[str, bytes]] = {
    "a key that is there twice": (
        "",
        closed(interaction("x", [media_item(START, PERSON, [segment(START, PERSON, "queue", 0, 9)] * 2)])),
    ),
    "a check of the row": (
        "ALTER TABLE touchpoint.media_item ADD CONSTRAINT no_person CHECK (media_item_id NOT LIKE 'Mary%')",
        closed(with_item(media_item_id=PERSON)),
    ),
    "a value of a payload": ("", amended(call("c1"), "e1", text=f"{PERSON}\0")),
}


@pytest.mark.parametrize("name", NAMED)
async def test_what_postgresql_refuses_is_said_without_a_value_of_its_row(pool: Pool, name: str) -> None:
    """Its own texts quote rows: `Key (interaction_id, segment_id)=(...)`, `Failing row contains (...)`."""
    change, value = NAMED[name]
    if change:
        await pool.execute(change)
    [rejected] = await HistoryWriter(pool).write_batch([value])
    assert "the database refuses it: SQLSTATE 2" in rejected.cause
    assert "Mary" not in rejected.cause


async def test_several_bad_records_are_all_found(pool: Pool) -> None:
    records = calls(40)
    for n in (3, 4, 31):
        records[n]["outcome"] = "\0"
    rejected = await HistoryWriter(pool).write_batch([closed(record) for record in records])
    assert [one.index for one in rejected] == [3, 4, 31]
    assert (await table_counts(pool))["interaction"] == 37


async def test_unrelated_types_and_tombstones_are_ignored_and_counted(pool: Pool) -> None:
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


OF_THE_DATABASE = {
    "no such table": ("ALTER TABLE touchpoint.interaction_resource RENAME TO elsewhere", asyncpg.UndefinedTableError),
    "no such column": ("ALTER TABLE touchpoint.segment RENAME track TO lane", asyncpg.UndefinedColumnError),
    "no such function": (
        "ALTER FUNCTION touchpoint.ensure_partitions RENAME TO elsewhere",
        asyncpg.UndefinedFunctionError,
    ),
    "another type": (
        "ALTER TABLE touchpoint.interaction_index ALTER content_hash TYPE bytea USING ''",
        asyncpg.PostgresError,
    ),
    "no right": ("REVOKE INSERT ON touchpoint.amendment FROM touchpoint_writer", asyncpg.InsufficientPrivilegeError),
    "read only": ("SET default_transaction_read_only = on", asyncpg.ReadOnlySQLTransactionError),
    "a trigger of somebody's": (
        """CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$;
        CREATE TRIGGER stop BEFORE INSERT ON touchpoint.resource FOR EACH ROW EXECUTE FUNCTION stop()""",
        asyncpg.RaiseError,
    ),
    "a month that cannot be made": (
        """CREATE OR REPLACE FUNCTION touchpoint.ensure_partitions(first date, months integer DEFAULT 1)
        RETURNS integer LANGUAGE sql SECURITY DEFINER AS 'SELECT 0'""",
        asyncpg.CheckViolationError,
    ),
}


@pytest.mark.parametrize("name", OF_THE_DATABASE)
async def test_database_faults_are_raised(database: str, name: str) -> None:
    """Whatever the records are: they are tried again, and never become dead letters."""
    fault, raised = OF_THE_DATABASE[name]
    owner = await asyncpg.connect(database)
    when = datetime(2011, 1, 1, tzinfo=UTC) if name == "a month that cannot be made" else START

    async def become_writer(connection: Any) -> None:
        await connection.execute("SET SESSION AUTHORIZATION touchpoint_writer")
        if fault.startswith("SET"):
            await connection.execute(fault)

    if not fault.startswith("SET"):
        await owner.execute(fault)
    batch = [closed(call(f"c{n}", when), agents={"john": "John Doe"}) for n in range(3)] + [
        amended(call("c1", when), "e1")
    ]
    async with asyncpg.create_pool(database, min_size=1, max_size=1, setup=become_writer) as writers:
        with pytest.raises(raised):
            await HistoryWriter(writers).write_batch([*batch, closed(call("poison") | {"outcome": "\0"})])
    await owner.close()


@pytest.mark.parametrize("url", ["postgresql://worker:a/b@c#d@host/db", "postgresql://worker@localhost:none/db"])
async def test_a_url_that_cannot_be_parsed_is_no_fault_of_a_record(url: str) -> None:
    async with asyncpg.create_pool(url, min_size=0, max_size=1) as nowhere:
        with pytest.raises(ValueError, match=r"int|port"):
            await HistoryWriter(nowhere).write_batch([closed(call("c1"))])


async def test_names_and_addresses_stand_in_the_identity_tables_alone(pool: Pool) -> None:
    await HistoryWriter(pool).write_batch([closed(seed_case(), agents={"john": "John Doe"})])
    parties = await rows(pool, "SELECT party_id, account_id, name FROM touchpoint.party")
    assert parties == [("P-17", "ACME", "Mary Jones")]
    assert await rows(pool, "SELECT address, party_id FROM touchpoint.party_address") == [("tel:+441632960960", "P-17")]
    assert await rows(pool, "SELECT resource_id, name FROM touchpoint.resource") == [("john", "John Doe")]
    for table in TABLES[:8]:
        for row in await pool.fetch(f"SELECT t::text FROM touchpoint.{table} AS t"):
            assert not any(personal in row[0] for personal in ("Mary", "960960", "John Doe")), table


Sighting = tuple[int, str | None, str | None, str | None]
"""Day of January, party id, name, account."""


def sighting(told: Sighting, agent: str | None = None) -> bytes:
    day, party, name, account = told
    data = {
        "tenant": "default",
        "account_id": account,
        "party": {"address": "tel:+441632960960", "id": party, "name": name},
        "identity": {
            "addresses": [[identifier("address", "tel:+441632960960"), "tel:+441632960960"]],
            "agents": [["john", agent]],
        },
    }
    return event(data, "party.known", time=f"2026-01-{day:02}T00:00:00Z")


SIGHTINGS: dict[str, list[Sighting]] = {
    "the same name again, and an older one": [(1, "P1", "A", None), (10, "P1", "A", None), (5, "P1", "B", None)],
    "no name lately": [(1, "P1", "A", None), (10, "P1", None, None), (5, "P1", "B", None)],
    "an account": [(1, "P1", "A", "X"), (10, "P1", "A", "X"), (5, "P1", "A", "Y"), (3, "P1", "A", None)],
    "name and account of different days": [(1, "P1", "A", "X"), (3, "P1", "B", None), (2, "P1", None, "Y")],
    "an address that was another party's": [(1, "P1", "A", None), (10, "P1", "A", None), (5, "P2", "B", None)],
    "an address that was nobody's": [
        (1, None, "A", None),
        (10, None, "A", None),
        (5, None, "B", None),
        (2, "P1", None, None),
    ],
    "a merge, and what was told before it": [(1, "P1", "A", None), (8, "P2", "A", None), (4, "P1", "C", None)],
    "two at one instant": [(1, "P1", "A", "X"), (1, "P1", "B", "Y"), (1, "P2", "C", "Z")],
}
LAST = """
    SELECT 'party', party_id, name, account_id, seen_at::date::text FROM touchpoint.party
    UNION ALL SELECT 'address', party_id, name, NULL, seen_at::date::text FROM touchpoint.party_address ORDER BY 1, 2
"""


def latest(values: list[tuple[int, str | None]]) -> str | None:
    return max(((day, value) for day, value in values if value), default=(0, None))[1]


def expected(told: list[Sighting]) -> list[tuple[Any, ...]]:
    """Of each field the latest."""
    last = f"2026-01-{max(day for day, *_ in told):02}"
    named = latest([(day, name) for day, party, name, _ in told if party is None])
    found: list[tuple[Any, ...]] = [("address", latest([(day, party) for day, party, *_ in told]), named, None, last)]
    for id_ in sorted({party for _, party, *_ in told if party}):
        of = [one for one in told if one[1] == id_]
        day = f"2026-01-{max(one[0] for one in of):02}"
        found.append(("party", id_, latest([(d, n) for d, _, n, _ in of]), latest([(d, a) for d, *_, a in of]), day))
    return found


@pytest.mark.parametrize("name", SIGHTINGS)
async def test_the_latest_identity_stands_in_whatever_order_and_batches_it_is_stored(pool: Pool, name: str) -> None:
    told = SIGHTINGS[name]
    for order in permutations(told):
        for batches in ([[one] for one in order], [order], [order[:2], order[2:]], [order, order[:1]]):
            await pool.execute("TRUNCATE touchpoint.party, touchpoint.party_address")
            for batch in batches:
                assert await HistoryWriter(pool).write_batch([sighting(one) for one in batch]) == []
            assert await rows(pool, LAST) == expected(told), (order, batches)


async def test_an_agents_name_never_goes_back_to_an_older_one(pool: Pool) -> None:
    """By the writer that has stored it, which remembers what it wrote, and by another."""
    told = [(1, "Ann"), (10, "Ann"), (5, "Bea")]
    for order in permutations(told):
        for writers in ([HistoryWriter(pool)] * 3, [HistoryWriter(pool) for _ in order]):
            await pool.execute("TRUNCATE touchpoint.resource")
            for writer, (day, name) in zip(writers, order, strict=True):
                assert await writer.write_batch([sighting((day, "P1", None, None), name)]) == []
            assert await rows(pool, "SELECT name, seen_at::date::text FROM touchpoint.resource") == [
                ("Ann", "2026-01-10")
            ]


async def test_identity_stored_by_an_earlier_release_counts_from_when_it_was_seen(pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO touchpoint.party (tenant, party_id, account_id, name, seen_at)"
        " VALUES ('default', 'P1', 'X', 'Old', '2026-01-05 00:00:00+00')"
    )
    for one, name, account in (
        ((4, "P1", "Older", "Y"), "Old", "X"),
        ((6, "P1", None, "Z"), "Old", "Z"),
        ((7, "P1", "New", None), "New", "Z"),
    ):
        await HistoryWriter(pool).write_batch([sighting(one)])
        assert await rows(pool, "SELECT name, account_id FROM touchpoint.party") == [(name, account)]


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


async def test_an_interaction_of_before_an_erasure_that_is_stored_after_it_brings_nobody_back(pool: Pool) -> None:
    """As a backfill by an installation of its own does, which knows nothing of the erasure."""
    key = seed_case()["party_key"]
    later = call("later", datetime(2026, 1, 7, tzinfo=UTC)) | {"party_key": key}
    for batches in ([[asked_to_forget(key)], [closed(seed_case())]], [[asked_to_forget(key), closed(seed_case())]]):
        for batch in batches:
            assert await HistoryWriter(pool).write_batch(batch) == []
        assert await rows(pool, "SELECT name FROM touchpoint.party") == []
        assert await rows(pool, "SELECT address FROM touchpoint.party_address") == []
        await pool.execute("TRUNCATE touchpoint.erasure")
        await pool.execute("SELECT touchpoint.drop_expired('2026-02-01', true)")
    await HistoryWriter(pool).write_batch([asked_to_forget(key), closed(later)])
    assert await rows(pool, "SELECT address FROM touchpoint.party_address") == [("tel:+441632960960",)]


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

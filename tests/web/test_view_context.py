"""The web's login by itself: raw SQL under the role touchpoint_web, with and without a proof."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import orjson
import pytest
from database_roles import acting_as
from history_records import amended, call, closed, identifier, seed_case

from touchpoint.history.writer import HistoryWriter
from touchpoint.web.viewer import Role, Viewer, prove

pytestmark = pytest.mark.slow
KEY = bytes(range(32))
IN_AN_HOUR = datetime(2100, 1, 1, tzinfo=UTC)
VIEWS = ("web_record", "web_interaction", "web_amendment", "web_access")
SEARCHES = (
    "SELECT * FROM touchpoint.search_interactions('{}')",
    """
    SELECT party_key, party_id, name, account_id, addresses
    FROM touchpoint.search_parties('{P-17,tel:+441632960960}', 'mary', NULL, 10)
    WHERE num_nonnulls(party_key, party_id, name, account_id) > 0 OR addresses <> '{}'
    """,
    f"SELECT * FROM touchpoint.find_viewed('{identifier('interaction', 'seed')}')",
)
READS = tuple(f"SELECT * FROM touchpoint.{view}" for view in VIEWS[:3]) + SEARCHES


def viewer(role: Role = Role.AGENT, tenant: str = "default", **other: Any) -> Viewer:
    given: dict[str, Any] = {"tenant": tenant, "role": role, "who": "anna", "expires": IN_AN_HOUR} | other
    return Viewer(**given)


@pytest.fixture
async def stored(pool: asyncpg.Pool) -> asyncpg.Pool:
    """Two tenants' history, and a key."""
    theirs = call("theirs", address="tel:+441632960111") | {"tenant": "other"}
    batch = [closed(seed_case(), agents={"john": "John Doe"}), closed(theirs), amended(seed_case(), "e1")]
    assert not await HistoryWriter(pool).write_batch(batch)
    await pool.execute("SELECT touchpoint.set_view_key($1)", KEY)
    return pool


@asynccontextmanager
async def viewing(pool: asyncpg.Pool, who: Viewer, key: bytes = KEY) -> AsyncIterator[Any]:
    async with acting_as(pool, "touchpoint_web") as connection, connection.transaction():
        await begin(connection, who, key)
        yield connection


async def begin(connection: Any, who: Viewer, key: bytes = KEY) -> list[Any]:
    claim = prove(who, key, await connection.fetchval("SELECT touchpoint.view_challenge()"))
    arguments = list(msgspec.structs.astuple(claim))
    await connection.execute("SELECT touchpoint.begin_view($1, $2, $3, $4, $5, $6, $7)", *arguments)
    return arguments


async def seen(connection: Any) -> list[str]:
    """Which of the reads show anything."""
    return [read for read in READS if await connection.fetch(read)]


async def test_what_is_proved_shows_its_tenant(stored: asyncpg.Pool) -> None:
    async with viewing(stored, viewer()) as connection:
        assert await seen(connection) == list(READS)
        [row] = await connection.fetch("SELECT * FROM touchpoint.web_interaction")
        assert (row["tenant"], row["party"], row["first_agent"]) == ("default", "Mary Jones", "John Doe")
        record = orjson.loads(await connection.fetchval("SELECT record FROM touchpoint.web_record"))
        assert record["party"] == {"address": "tel:+441632960960", "id": "P-17", "name": "Mary Jones"}
        assert record["identity"]["agents"] == [["john", "John Doe"]]


async def test_without_a_proof_every_view_is_empty(stored: asyncpg.Pool) -> None:
    async with acting_as(stored, "touchpoint_web") as connection:
        assert await seen(connection) == []
        assert await connection.fetch("SELECT * FROM touchpoint.web_access") == []


async def test_what_anybody_may_set_shows_nothing(stored: asyncpg.Pool) -> None:
    claim = {"tenant": "default", "role": "agent", "who": "anna", "expires": "4102444800000000", "proof": "0" * 64}
    claims: list[Any] = [claim, claim | {"proof": None}, claim | {"expires": "x"}, [], 7]
    forged = [orjson.dumps(one).decode() for one in claims]
    forged += ["{", "null", '"x"', '{"proof": {}}', "\\u0000", "[" * 20]
    async with acting_as(stored, "touchpoint_web") as connection:
        for text in forged:
            await connection.execute("SELECT set_config('touchpoint.view', $1, false)", text)
            assert await seen(connection) == [], text
        await connection.execute(f"SET touchpoint.view = '{orjson.dumps(claim).decode()}'")
        assert await seen(connection) == []


async def test_a_proof_under_another_key_is_refused(stored: asyncpg.Pool) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="the view is refused"):
        async with viewing(stored, viewer(), bytes(32)):
            pass
    await stored.execute("DELETE FROM touchpoint.view_key")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="the view is refused"):
        async with viewing(stored, viewer()):
            pass


async def test_each_part_of_a_context_is_proved(stored: asyncpg.Pool) -> None:
    changed = [(0, "other"), (1, "supervisor"), (2, "zoe"), (3, IN_AN_HOUR + timedelta(days=1)), (5, '["Sales"]')]
    for place, value in [*changed, (6, '["john"]'), (4, None)]:
        async with acting_as(stored, "touchpoint_web") as connection:
            attempt = connection.transaction()
            await attempt.start()
            claim = prove(viewer(), KEY, await connection.fetchval("SELECT touchpoint.view_challenge()"))
            arguments: list[Any] = list(msgspec.structs.astuple(claim))
            arguments[place] = value
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute("SELECT touchpoint.begin_view($1, $2, $3, $4, $5, $6, $7)", *arguments)
            await attempt.rollback()


async def test_a_context_of_another_transaction_is_refused(stored: asyncpg.Pool) -> None:
    """In the same session too, by the function and by the setting."""
    async with acting_as(stored, "touchpoint_web") as connection:
        async with connection.transaction():
            arguments = await begin(connection, viewer())
            setting = await connection.fetchval("SELECT current_setting('touchpoint.view')")
            assert await seen(connection)
        assert await seen(connection) == []
        async with connection.transaction():
            await connection.execute("SELECT set_config('touchpoint.view', $1, true)", setting)
            assert await seen(connection) == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("SELECT touchpoint.begin_view($1, $2, $3, $4, $5, $6, $7)", *arguments)
        async with acting_as(stored, "touchpoint_web") as another:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await another.execute("SELECT touchpoint.begin_view($1, $2, $3, $4, $5, $6, $7)", *arguments)


async def test_an_expired_context_is_refused_and_one_that_expires_shows_nothing_more(stored: asyncpg.Pool) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with viewing(stored, viewer(expires=datetime(2020, 1, 1, tzinfo=UTC))):
            pass
    now = await stored.fetchval("SELECT now()")
    async with viewing(stored, viewer(expires=now + timedelta(seconds=3))) as connection:
        assert await connection.fetchval("SELECT count(*) FROM touchpoint.web_interaction") == 1
        await connection.execute(
            "DO $$BEGIN WHILE clock_timestamp() < transaction_timestamp() + interval '3.1 seconds' LOOP END LOOP; END$$"
        )
        assert await seen(connection) == []


async def test_a_reader_sees_no_name_and_finds_nobody_by_one(stored: asyncpg.Pool) -> None:
    async with viewing(stored, viewer(Role.READER)) as connection:
        text = str([[dict(row) for row in await connection.fetch(read)] for read in READS])
        for secret in ("Mary", "John Doe", "960960"):
            assert secret not in text
        search = "SELECT party_key FROM touchpoint.search_parties($1, $2, NULL, 10) WHERE party_key IS NOT NULL"
        assert await connection.fetch(search, ["tel:+441632960960"], "mary") == []
        [found] = await connection.fetch(search, ["P-17"], "")
        assert [row[0] for row in await connection.fetch(search, [found[0]], "")] == [found[0]]
        by_number = 'SELECT * FROM touchpoint.search_interactions(\'{"party": ["tel:+441632960960"]}\')'
        assert await connection.fetch(by_number) == []


async def test_who_is_bound_to_queues_or_agents_sees_what_passed_them(stored: asyncpg.Pool) -> None:
    bound = {(("Sales",), None): True, ((), ("john",)): True, (("Service",), ()): False, ((), ()): False}
    for (queues, resources), sees in bound.items():
        async with viewing(stored, viewer(queues=queues, resources=resources)) as connection:
            assert await seen(connection) == (list(READS) if sees else []), (queues, resources)


async def test_an_auditor_reads_accesses_and_no_history(stored: asyncpg.Pool) -> None:
    log = "SELECT touchpoint.log_access('api', 'interaction', 'i1', '{k1,k2}')"
    async with viewing(stored, viewer()) as connection:
        await connection.execute(log)
        assert await connection.fetch("SELECT * FROM touchpoint.web_access") == []
    async with viewing(stored, viewer(Role.AUDITOR, who="otto")) as connection:
        assert await seen(connection) == []
        [row] = await connection.fetch("SELECT * FROM touchpoint.web_access")
        assert (row["who"], row["role"], row["action"], row["party_keys"]) == (
            "anna",
            "agent",
            "interaction",
            ["k1", "k2"],
        )
    async with viewing(stored, viewer(Role.AUDITOR, tenant="other")) as connection:
        assert await connection.fetch("SELECT * FROM touchpoint.web_access") == []
    async with acting_as(stored, "touchpoint_web") as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="no view has begun"):
            await connection.execute(log)


async def test_a_function_of_the_readers_sees_no_row_before_the_context_does(stored: asyncpg.Pool) -> None:
    """A cheap function in a condition, which a plan would like to call first."""
    async with viewing(stored, viewer()) as connection:
        await connection.execute(
            "CREATE FUNCTION pg_temp.seen(text, text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS"
            " $$BEGIN PERFORM set_config('my.seen', current_setting('my.seen') || ' ' || $1, true); RETURN true; END$$"
        )
        await connection.execute("SET LOCAL my.seen = ''")
        await connection.fetch("SELECT * FROM touchpoint.web_interaction WHERE pg_temp.seen(tenant, party_key)")
        assert (await connection.fetchval("SELECT current_setting('my.seen')")).split() == ["default"]


async def test_accesses_are_forgotten_after_their_time_but_none_of_this_month(stored: asyncpg.Pool) -> None:
    for age in ("400 days", "40 days", "1 day"):
        await stored.execute(
            "INSERT INTO touchpoint.access (accessed_at, tenant, who, role, by, action, party_keys)"
            f" VALUES (now() - interval '{age}', 'default', 'anna', 'agent', 'api', 'party', '{{}}')"
        )
    assert await stored.fetchval("SELECT touchpoint.forget_accesses(now() - interval '1 year')") == 1
    assert await stored.fetchval("SELECT touchpoint.forget_accesses(now())") == 1
    assert await stored.fetchval("SELECT count(*) FROM touchpoint.access") == 1

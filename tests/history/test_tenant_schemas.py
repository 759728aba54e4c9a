"""A login of one tenant's schema reads that tenant, and in no way another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest
from history_records import START, amended, call, closed, identifier

from touchpoint.history.writer import HistoryWriter

pytestmark = pytest.mark.slow
VIEWS = """SELECT relname FROM pg_class WHERE relnamespace = 'acme'::regnamespace AND relkind = 'v'"""
EVERY = """SELECT relname FROM pg_class WHERE relnamespace = 'touchpoint'::regnamespace AND relkind = 'v'
           AND relname NOT LIKE 'web%' AND relname NOT LIKE 'viewed%'"""


@pytest.fixture
async def acme(pool: asyncpg.Pool, database: str) -> AsyncIterator[asyncpg.Connection]:
    """A login that reads the tenant `acme` of two."""
    theirs = call("theirs") | {"tenant": "acme", "interaction_id": identifier("interaction", "theirs")}
    batch = [
        closed(call("ours", START + timedelta(hours=1))),
        closed(theirs),
        amended(theirs, "e1"),
        amended(call("ours"), "e2"),
    ]
    await HistoryWriter(pool).write_batch(batch)
    await pool.execute("CREATE ROLE acme_reports LOGIN")
    await pool.execute("SELECT touchpoint.make_tenant_schema('acme', 'acme', 'acme_reports')")
    login = await asyncpg.connect(database.replace("//postgres@", "//acme_reports@"))
    yield login
    await login.close()
    await pool.execute("DROP SCHEMA acme CASCADE; DROP OWNED BY acme_reports; DROP ROLE acme_reports")


async def test_every_view_has_the_tenants_rows_alone(pool: asyncpg.Pool, acme: asyncpg.Connection) -> None:
    views = {row[0] for row in await pool.fetch(VIEWS)}
    assert views == {row[0] for row in await pool.fetch(EVERY)}
    for view in views:
        rows = await acme.fetch(f"SELECT * FROM acme.{view}")
        assert rows, view
        assert {row["tenant"] for row in rows if "tenant" in row.keys()} <= {"acme"}, view  # noqa: SIM118
    assert {row[0] for row in await acme.fetch("SELECT event_id FROM acme.interaction_amendment")} == {"e1"}
    [row] = await acme.fetch("SELECT * FROM acme.queue_intervals('2026-01-01', '2026-02-01', '1 month')")
    assert (row["tenant"], row["offered"]) == ("acme", 1)


async def test_the_login_reaches_nothing_behind_the_views(acme: asyncpg.Connection) -> None:
    for query in (
        "SELECT * FROM touchpoint.interaction_history", "SELECT * FROM touchpoint.interaction",
        "SELECT touchpoint.queue_intervals('default', '2026-01-01', '2026-02-01')",
        "SELECT touchpoint.make_tenant_schema('default', 'mine', 'acme_reports')",
        "UPDATE acme.interaction_history SET party_id = NULL", "CREATE VIEW acme.mine AS SELECT 1",
    ):  # fmt: skip
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ObjectNotInPrerequisiteStateError)):
            await acme.execute(query)
    await acme.execute("CREATE TEMP TABLE seen (party text)")
    await acme.execute(
        "CREATE FUNCTION pg_temp.leak(party text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001"
        " AS 'BEGIN INSERT INTO seen VALUES (party); RETURN true; END'"
    )
    await acme.fetch("SELECT 1 FROM acme.interaction_history WHERE pg_temp.leak(tenant)")
    assert {row[0] for row in await acme.fetch("SELECT party FROM seen")} == {"acme"}


async def test_a_schema_is_made_again_and_not_for_who_reads_everything(
    pool: asyncpg.Pool, acme: asyncpg.Connection
) -> None:
    make = "SELECT touchpoint.make_tenant_schema($1, $2, $3)"
    await pool.execute(make, "acme", "acme", "acme_reports")
    for arguments in (
        ("acme", "acme", "touchpoint_viewer"),
        ("acme", "touchpoint", "acme_reports"),
        (None, "x", "acme_reports"),
    ):
        with pytest.raises(asyncpg.InvalidParameterValueError):
            await pool.execute(make, *arguments)
    await pool.execute("GRANT touchpoint_viewer TO acme_reports")
    with pytest.raises(asyncpg.InvalidParameterValueError, match="reads every tenant already"):
        await pool.execute(make, "acme", "acme", "acme_reports")

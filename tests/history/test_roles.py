"""Least privilege, by trying: each role against every relation and function there is, partitions among them, and
against what no role of ours may do. What is granted anew has to be written down here.
"""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest
from database_roles import acting_as
from history_records import amended, call, closed

from touchpoint.history.writer import HistoryWriter

pytestmark = pytest.mark.slow
ROLES = ("touchpoint_writer", "touchpoint_viewer", "touchpoint_web", "touchpoint_admin")
VERBS = {
    "SELECT": "SELECT * FROM touchpoint.{0} LIMIT 1",
    "INSERT": "INSERT INTO touchpoint.{0} DEFAULT VALUES",
    "UPDATE": "UPDATE touchpoint.{0} SET {1} = {1}",
    "DELETE": "DELETE FROM touchpoint.{0}",
    "TRUNCATE": "TRUNCATE touchpoint.{0}",
}
CLOSED = "interaction media_item segment activity interaction_object interaction_resource amendment".split()
IDENTITY = ("party", "party_address", "resource")
VIEWS = (
    *("interaction_history", "media_item_timeline", "interaction_record", "interaction_amendment"),
    *("queue_wait", "agent_work", "queue_interval", "agent_interval", "channel_interval"),
    *("interaction_activity", "media_item_reconciliation", "report_reconciliation"),
)
WEB = ("web_record", "web_interaction", "web_amendment", "web_access")
Verbs = frozenset[str]
READS, ADDS, KEEPS = frozenset({"SELECT"}), frozenset({"INSERT"}), frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
MAY: dict[str, dict[str, Verbs]] = {
    "touchpoint_writer": {
        **dict.fromkeys(CLOSED, ADDS),
        **dict.fromkeys(IDENTITY, KEEPS),
        "interaction_index": READS | ADDS,
        "erasure": READS | ADDS,
        "setting": READS | ADDS | {"UPDATE"},
        "migration": READS,
    },
    "touchpoint_viewer": dict.fromkeys(VIEWS, READS),
    "touchpoint_web": dict.fromkeys(WEB, READS),
    "touchpoint_admin": {
        **dict.fromkeys((*CLOSED, *VIEWS, "interaction_index", "erasure", "setting", "migration"), READS),
        **dict.fromkeys((*WEB, "viewed_interaction", "access"), READS),
        "view_token": KEEPS - {"UPDATE"},
        **dict.fromkeys(IDENTITY, KEEPS),
    },
}
CALLS = {
    "touchpoint_writer": {"ensure_partitions"},
    "touchpoint_viewer": {
        *("rfc3339", "find_interactions", "find_interaction", "find_account_interactions", "find_object_interactions"),
        *("interval_bounds", "stored_span", "queue_intervals", "agent_intervals", "channel_intervals"),
    },
    "touchpoint_web": {
        "begin_view",
        "find_view_token",
        "find_viewed",
        "log_access",
        "mask_record",
        "rfc3339",
        "search_interactions",
        "search_parties",
        "view_challenge",
        "viewed_agent_intervals",
        "viewed_contacts",
        "viewed_queue_intervals",
        "viewing",
    },
}  # the administrator: every one of them, the checks of triggers among them
NOBODY_MAY = [
    "CREATE TABLE touchpoint.mine ()",
    "CREATE TABLE public.mine ()",
    "CREATE SCHEMA mine",
    "CREATE VIEW touchpoint.mine AS SELECT 1",
    "CREATE FUNCTION touchpoint.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE OR REPLACE FUNCTION touchpoint.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "CREATE OR REPLACE VIEW touchpoint.interaction_history AS SELECT 1",
    "CREATE TRIGGER mine BEFORE INSERT ON touchpoint.party EXECUTE FUNCTION touchpoint.refuse_change()",
    "CREATE RULE mine AS ON INSERT TO touchpoint.party DO INSTEAD NOTHING",
    "CREATE INDEX ON touchpoint.party (tenant)",
    "CREATE TABLE touchpoint.mine PARTITION OF touchpoint.segment FOR VALUES FROM ('1980-01-01') TO ('1980-02-01')",
    "ALTER TABLE touchpoint.interaction DISABLE TRIGGER ALL",
    "ALTER TABLE touchpoint.interaction_y2026m01 DISABLE TRIGGER ALL",
    "ALTER TABLE touchpoint.interaction DETACH PARTITION touchpoint.interaction_y2026m01",
    "DROP TRIGGER read_only_row ON touchpoint.interaction_index",
    "DROP TABLE touchpoint.party",
    "DROP TABLE touchpoint.interaction_y2026m01",
    "DROP SCHEMA touchpoint CASCADE",
    "SET session_replication_role = replica",
    "SET ROLE postgres",
    "CREATE ROLE mine",
    "ALTER ROLE postgres PASSWORD 'mine'",
    "GRANT touchpoint_admin TO touchpoint_viewer",
    "CREATE EXTENSION pg_stat_statements",
    "COPY (SELECT 1) TO '/tmp/mine'",
    "COPY (SELECT 1) TO PROGRAM 'cat'",
    "SELECT pg_read_file('PG_VERSION')",
    "SELECT rolpassword FROM pg_authid",
    "ALTER DATABASE postgres SET timezone = 'UTC'",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres' AND pid <> pg_backend_pid()",
]
REFUSED = (
    asyncpg.InsufficientPrivilegeError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # a view that cannot be changed at all
    asyncpg.WrongObjectTypeError,  # a view is not truncated
)


async def refused(connection: Any, sql: str) -> bool:
    """Whether the database refuses it for want of rights; what is allowed is taken back."""
    attempt = connection.transaction()
    await attempt.start()
    try:
        await connection.execute(sql)
    except REFUSED:
        return True
    except asyncpg.IntegrityConstraintViolationError:
        return False  # allowed, and then an empty row after all
    finally:
        await attempt.rollback()
    return False


@pytest.fixture
async def relations(pool: asyncpg.Pool) -> dict[str, str]:
    """Every relation of the schema with the name of a column; there is a row in a partition."""
    assert not await HistoryWriter(pool).write_batch([closed(call("c1")), amended(call("c1"), "e1")])
    rows = await pool.fetch(
        "SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = 1"
        " WHERE c.relnamespace = 'touchpoint'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
    )
    return {row["relname"]: row["attname"] for row in rows}


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_may_do_with_each_relation_what_is_listed_and_nothing_else(
    pool: asyncpg.Pool, relations: dict[str, str], role: str
) -> None:
    parts = {name for name in relations if "_y" in name}
    assert {f"{table}_y2026m01" for table in CLOSED} <= parts
    assert set(relations) - parts == {
        *CLOSED,
        *IDENTITY,
        *VIEWS,
        "interaction_index",
        "erasure",
        "setting",
        "migration",
        *WEB,
        "viewed_interaction",
        "access",
        "view_key",
        "view_token",
    }
    some = {name for name in parts if name.endswith("_y2026m01")}
    async with acting_as(pool, role) as connection:
        for name in sorted(set(relations) - parts | some):
            allowed = {
                verb for verb, sql in VERBS.items() if not await refused(connection, sql.format(name, relations[name]))
            }
            assert allowed == MAY[role].get(name, frozenset()), name
    granted = await pool.fetch(
        "SELECT relname FROM pg_class WHERE relname = ANY($1) AND has_table_privilege($2, oid, $3)",
        sorted(parts), role, ", ".join(VERBS),
    )  # fmt: skip
    assert not granted, "partitions are reached through their tables alone"


@pytest.mark.parametrize("role", [*ROLES, "public"])
async def test_a_role_may_call_what_is_listed_and_nothing_else(pool: asyncpg.Pool, role: str) -> None:
    rows = await pool.fetch(
        "SELECT proname, has_function_privilege($1, oid, 'EXECUTE') AS may FROM pg_proc"
        " WHERE pronamespace = 'touchpoint'::regnamespace",
        role,
    )
    assert rows
    may = {row["proname"] for row in rows if row["may"]}
    assert may == ({row["proname"] for row in rows} if role == "touchpoint_admin" else CALLS.get(role, set()))


@pytest.mark.parametrize("role", ROLES)
async def test_roles_can_change_neither_schema_nor_server(pool: asyncpg.Pool, role: str) -> None:
    await HistoryWriter(pool).write_batch([closed(call("c1"))])
    async with acting_as(pool, role) as connection:
        others = [f"SET LOCAL ROLE {other}" for other in ROLES if other != role]
        allowed = [sql for sql in NOBODY_MAY + others if not await refused(connection, sql)]
    assert allowed == []


async def test_functions_that_run_as_their_owner_are_called_with_a_path_of_their_own(pool: asyncpg.Pool) -> None:
    """Else whoever may make a table or a function somewhere could slip it under them."""
    rows = await pool.fetch(
        "SELECT proname, proconfig::text FROM pg_proc WHERE pronamespace = 'touchpoint'::regnamespace AND prosecdef"
    )
    assert {row["proname"] for row in rows} >= {"ensure_partitions", "drop_expired", "drop_month"}
    assert [row["proname"] for row in rows if "search_path=pg_catalog, pg_temp" not in (row["proconfig"] or "")] == []

"""`touchpoint web key` and `touchpoint web token`, against a real database."""

from __future__ import annotations

import asyncio
import re

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from touchpoint.cli import application
from touchpoint.web.static_tokens import digest

pytestmark = pytest.mark.slow


def run(*words: str, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(application({"web"}), ["web", *words])


def one(database: str, sql: str, *arguments: object) -> asyncpg.Record | None:
    return asyncio.run(ask_for_one(database, sql, *arguments))


async def ask_for_one(database: str, sql: str, *arguments: object) -> asyncpg.Record | None:
    connection = await asyncpg.connect(database)
    try:
        return await connection.fetchrow(sql, *arguments)
    finally:
        await connection.close()


def test_a_key_is_made_and_set_and_one_that_is_configured_is_kept(database: str) -> None:
    made = run("key", "--database", database)
    assert made.exit_code == 0, made.output
    assert re.fullmatch(r"TOUCHPOINT_WEB__KEY=[0-9a-f]{64}\n", made.output)
    kept = run("key", "--database", database, TOUCHPOINT_WEB__KEY="ab" * 32)
    assert "TOUCHPOINT_WEB__KEY" in kept.output
    assert "abab" not in kept.output
    short = run("key", "--database", database, TOUCHPOINT_WEB__KEY="abcdef")
    assert short.exit_code == 2
    assert "abcdef" not in short.output + short.stderr


def test_a_token_is_stored_as_its_hash_alone(database: str) -> None:
    made = run(
        "token",
        "create",
        "crm",
        "--role",
        "agent",
        "--expires",
        "2030-01-01",
        "--queue",
        "Sales",
        "--database",
        database,
    )
    assert made.exit_code == 0, made.output
    token = made.output.strip()
    row = one(database, "SELECT * FROM touchpoint.find_view_token($1)", digest(token))
    assert row is not None
    assert (row["name"], row["tenant"], row["role"], row["queues"]) == ("crm", "default", "agent", ["Sales"])
    stored = one(database, "SELECT * FROM touchpoint.view_token")
    assert token not in str(stored)
    assert "crm" in run("token", "list", "--database", database).output
    again = run("token", "create", "crm", "--role", "agent", "--expires", "2030-01-01", "--database", database)
    assert (again.exit_code, "already" in again.stderr) == (1, True)
    assert run("token", "revoke", "crm", "--database", database).exit_code == 0
    assert one(database, "SELECT * FROM touchpoint.find_view_token($1)", digest(token)) is None
    assert run("token", "revoke", "crm", "--database", database).exit_code == 1


@pytest.mark.parametrize("expires", ["2020-01-01", "2300-01-01", "soon"])
def test_an_expiry_that_is_past_or_far_away_is_wrong_usage(database: str, expires: str) -> None:
    assert run("token", "create", "x", "--role", "reader", "--expires", expires, "--database", database).exit_code == 2

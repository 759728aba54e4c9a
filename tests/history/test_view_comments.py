"""Every view and every column of it is documented in the database, and docs/reference/views.md is what stands there."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest
from view_reference import page_of

pytestmark = pytest.mark.slow
REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
SILENT = """SELECT c.relname || '.' || a.attname
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'touchpoint'::regnamespace AND c.relkind = 'v'
  AND (obj_description(c.oid) IS NULL OR col_description(c.oid, a.attnum) IS NULL)"""


async def test_every_column_of_every_view_has_a_comment(pool: asyncpg.Pool) -> None:
    assert [row[0] for row in await pool.fetch(SILENT)] == []


async def test_the_page_of_views_is_what_the_database_says(database: str) -> None:
    generated = await page_of(database)
    assert (REFERENCE / "views.md").read_text() == generated, "out of date: .venv/bin/python docs/reference/make.py"

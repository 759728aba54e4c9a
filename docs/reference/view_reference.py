"""The page of views, made from the comments in a migrated database; `make.py` writes it."""

from __future__ import annotations

import asyncio
import re

import asyncpg

from touchpoint.embedded.postgres import EmbeddedPostgres
from touchpoint.history.migration_runner import migrate

VIEWS = """# Views

What BI tools and people read; in `psql`, `\\d+ touchpoint.queue_interval` says the same. Times are `timestamptz`,
durations milliseconds. Columns of intervals without another word count what **begins** in the interval, those with
`ended` or `by_end` what **ends** in it; columns that say `within the interval` **split** over the intervals what lasts
longer than one. [Twenty questions](../reports.md) are asked of them.
"""
COLUMNS = """SELECT c.relname AS view, obj_description(c.oid) AS says, a.attname AS name,
       format_type(a.atttypid, a.atttypmod) AS type, col_description(c.oid, a.attnum) AS words
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'touchpoint'::regnamespace AND c.relkind = 'v'
ORDER BY c.relname LIKE 'web%' OR c.relname LIKE 'viewed%', c.relname, a.attnum"""
FUNCTIONS = """SELECT p.proname AS name, pg_get_function_arguments(p.oid) AS arguments, obj_description(p.oid) AS says
FROM pg_proc AS p WHERE p.pronamespace = 'touchpoint'::regnamespace AND obj_description(p.oid) IS NOT NULL
ORDER BY p.proname"""


def views_page() -> str:
    """The text of views.md, from a database that it makes."""
    with EmbeddedPostgres() as server:
        asyncio.run(migrate(server.dsn()))
        return asyncio.run(page_of(server.dsn()))


async def page_of(database: str) -> str:
    """The text of views.md, from the comments in a database that is migrated."""
    connection = await asyncpg.connect(database)
    columns, functions = await connection.fetch(COLUMNS), await connection.fetch(FUNCTIONS)
    await connection.close()
    found, view = [VIEWS], ""
    for column in columns:
        if column["view"] != view:
            view = column["view"]
            found.append(f"\n## {view}\n\n{column['says']}\n\n| column | type | |\n|---|---|---|")
        found.append(f"| `{column['name']}` | {column['type']} | {column['words']} |")
    found.append("\n## Functions\n")
    for function in functions:
        arguments = re.sub(r"::\w+( \w+)*(\[\])?", "", function["arguments"])
        arguments = arguments.replace("timestamp with time zone", "timestamptz")
        found.append(f"- `{function['name']}({arguments})`: {function['says']}")
    return "\n".join(found) + "\n"

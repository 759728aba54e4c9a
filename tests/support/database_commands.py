"""The commands that speak to PostgreSQL, each in a process of its own and without the others' imports."""

from __future__ import annotations

import os
import subprocess
import sys

from patience import LIMIT

COMMANDS = """
import sys, typer
from touchpoint.cli import errors, explain, history, migrate
app = typer.Typer(pretty_exceptions_enable=False)
for command in (history.history, explain.explain, migrate.migrate, migrate.partitions):
    app.command()(errors.guarded(command))
app()
"""


def touchpoint(*words: str, database: str | None = None, stdin: int | None = None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TOUCHPOINT_")}
    if database is not None:
        environment["TOUCHPOINT_DATABASE_URL"] = database
    return subprocess.run(
        [sys.executable, "-c", COMMANDS, *words],
        capture_output=True,
        stdin=stdin,
        text=True,
        env=environment,
        check=False,
        timeout=LIMIT,
    )

"""Schemathesis asks every operation with inputs of every kind: no answer is a failure of ours, all are as described.

More of them: `schemathesis run URL/api/v1/openapi.json -H "Authorization: Bearer TOKEN" --max-examples 1000`.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from history_records import call, closed, seed_case
from serving_process import address, prepare, serving
from web_service import make_tokens

from touchpoint.history.writer import HistoryWriter

pytestmark = pytest.mark.slow
EXAMPLES = "3"  # of each operation, beside those that cover each limit of each parameter

UNSAYABLE = "positive_data_acceptance"
"""OpenAPI cannot say that `from` is before `to`, that `object_id` needs `object_type`, or which cursors are ours."""


async def store(database: str) -> None:
    async with asyncpg.create_pool(database, min_size=1, max_size=2) as pool:
        assert not await HistoryWriter(pool).write_batch([closed(seed_case()), closed(call("c1"))])


def test_no_input_of_any_operation_is_a_failure_of_ours(database: str, tmp_path: Path) -> None:
    asyncio.run(prepare(database))
    asyncio.run(store(database))
    token = asyncio.run(make_tokens(database))["supervisor"]
    with serving(database.replace("//postgres@", "//serving_login@")) as process:
        url = address(process)
        command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}api/v1/openapi.json"]
        command += ["-H", f"Authorization: Bearer {token}", "--max-examples", EXAMPLES, "--seed", "1"]
        command += ["--phases", "coverage,fuzzing", "--no-color", "--exclude-checks", UNSAYABLE]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout[-6_000:]

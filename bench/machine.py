"""On what it was measured: the machine, the versions, the settings."""

from __future__ import annotations

import asyncio
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import asyncpg

from bench.services import PARTITIONS, ROOT, Services

PACKAGES = ("faust-streaming", "aiokafka", "asyncpg", "msgspec", "orjson", "pydantic")


def describe(services: Services) -> dict[str, str]:
    """Name -> value, for the head of the results."""
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    return {
        "machine": f"{_processor()}, {len(os.sched_getaffinity(0))} cores, {int(memory.split()[1]) // 2**20} GiB",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "commit": _commit(),
        "broker": f"{services.broker_name}, {PARTITIONS} partitions a topic, 1 replica",
        "database": f"PostgreSQL {asyncio.run(_postgres(services.postgres.dsn()))}, fsync off, on a socket",
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }


async def _postgres(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval("SHOW server_version"))
    finally:
        await connection.close()


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "unknown"

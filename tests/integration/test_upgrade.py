"""Workers of release 0.1.0 are replaced one at a time under load, with much open: nothing is lost or stored twice."""

from __future__ import annotations

import asyncio
import io
import math
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from installation import SECRET, Event, Installation, Records, arrival, offline
from patience import LIMIT

from touchpoint.simulate import simulate
from touchpoint.simulate.produce import produce

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
RELEASE = "7c0714b71046df8ce9ba6bf945db0ab00fc54eb6"
"""Tag v0.1.0, which a copy of the repository may lack."""
PACE = 150.0
"""Events a second while workers are replaced."""


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source tree of release 0.1.0, out of the history."""
    git, root = shutil.which("git"), Path(__file__).parents[2]
    if git is None:
        pytest.skip("git is not here, and so the release is not")
    packed = subprocess.run([git, "-C", root, "archive", RELEASE, "src"], capture_output=True, check=False)
    if packed.returncode:
        pytest.skip(f"the history does not go back to the release: {packed.stderr.decode().strip()}")
    tree = tmp_path_factory.mktemp("release")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(tree, filter="data")
    return tree / "src"


def stitched(release: Path, installation: Installation, file: Path) -> Records:
    """What the release's own `touchpoint stitch` makes of the events."""
    command = [sys.executable, "-m", "touchpoint", "stitch", str(file)]
    environment = installation.environment() | {"PYTHONPATH": str(release)}
    done = subprocess.run(command, capture_output=True, env=environment, check=True, timeout=LIMIT)
    return {record["interaction_id"]: record for record in map(orjson.loads, done.stdout.splitlines())}


async def send(installation: Installation, events: list[Event], finish: bool = False, pace: float = math.inf) -> None:
    await produce(events, installation.client, installation.settings.topic_prefix, pace, finish)


async def test_rolling_upgrade_under_load_loses_nothing_and_each_row_names_its_rules(
    installation: Installation, release: Path, tmp_path: Path
) -> None:
    events = arrival(simulate(5, START, hours=2, volume=200), seed=5)
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in events))
    before, after = stitched(release, installation, file), offline(events)
    half, most = len(events) // 3, len(events) * 3 // 4
    old = [installation.worker(source=release) for _ in range(2)]
    await send(installation, events[:half])
    await installation.until_count(20)

    switched = asyncio.Event()

    async def load() -> None:
        """The rest in its time, so that it lasts as long as the upgrade does."""
        await send(installation, events[half:most], pace=PACE)
        await switched.wait()
        await send(installation, events[most:])

    loading = asyncio.create_task(load())
    for number, worker in enumerate(old):
        if number == 0:
            assert await worker.end() == 0
        else:
            worker.kill()  # what it had produced and not kept closes again by the new rules
        new = installation.worker()

        async def ready(page: Installation = installation) -> bool:
            return new.page("readyz")[0] == 200  # noqa: B023 - awaited before the next

        await installation.until(ready, "the new worker")
    switched.set()
    await loading
    last_of = {event["source"]: event for event in sorted(events, key=lambda each: str(each["time"]))}
    await send(installation, list(last_of.values()), finish=True)

    async def stored() -> bool:
        return await installation.count() >= len(after)

    await installation.until(stored, f"{len(after)} interactions")
    found = await installation.records()
    assert found.keys() == after.keys() == before.keys()
    made_by: Counter[int | None] = Counter()
    for id_, record in found.items():
        expected = (before if record["rules_version"] is None else after)[id_]
        assert record["content_hash"] == expected["content_hash"], (record["rules_version"], id_)
        made_by[record["rules_version"]] += 1
    assert len(made_by) == 2, "both versions closed some"
    assert not await installation.read("dead-letters")
    verified = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "touchpoint", "verify", str(file), "--complete"],
        capture_output=True, text=True, env=installation.environment(), check=False, timeout=LIMIT,
    )  # fmt: skip
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert SECRET not in verified.stdout

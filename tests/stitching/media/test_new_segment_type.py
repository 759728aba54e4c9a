"""A segment type is added, in a copy of the project: that touches the tables, a scenario and the generated pages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from patience import LIMIT

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
COPIED = (
    "src",
    "docs",
    "tests/support",
    "tests/stitching",
    "tests/cli",
    "pyproject.toml",
    "README.md",
    "CONTRIBUTING.md",
)

TABLE = "SEGMENT_TYPES: Mapping[SegmentType, SegmentRow] = {\n"
TYPE = '    "survey": SegmentRow("customer", "the customer answers a survey", label="survey"),\n'
ENTERED = '    RuleRow(3, "ivr_entered", '
RULE = """"flow survey", lambda _, fact: fact.data.get("flow") == "survey",
        closes={CUSTOMER_TRACK: "ivr_entered"}, opens=(Open("survey"),)),
"""
EDITS = [
    ("segment_types.py", '    "ivr", "routing",', '    "survey", "ivr", "routing",'),
    ("segment_types.py", TABLE, TABLE + TYPE),
    ("media/rules.py", ENTERED, ENTERED + RULE + ENTERED),
    ("media/rules.py", 'closes={"ivr": "ivr_exited"}', 'closes={"ivr": "ivr_exited", "survey": "ivr_exited"}'),
]
"""What the type takes in src/touchpoint/stitching: two files."""

SCENARIO = """Row 3  the customer answers a survey when the agent has left; a survey covers the timeline as a menu does

events
t  | event       | agent | more
0  | offered     |       |
5  | answered    | A     |
20 | released    | A     |
22 | ivr_entered |       | flow=survey
60 | ivr_exited  |       |
65 | ended       |       |

segments
type       | track    | from | to | reason
routing    | customer | 0    | 5  | answered
with_agent | A        | 5    | 20 | agent_released
routing    | customer | 20   | 22 | ivr_entered
survey     | customer | 22   | 60 | ivr_exited
routing    | customer | 60   | 65 | ended

figures
talk | flags
15   |
"""
USED = """
import msgspec
from touchpoint.cli.render import _LABELS
from touchpoint.stitching.record import SegmentRecord
print("survey" in _LABELS, "survey" in str(msgspec.json.schema(SegmentRecord)))
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    for name in COPIED:
        source, target = ROOT / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    for name, old, new in EDITS:
        path = root / "src/touchpoint/stitching" / name
        text = path.read_text()
        assert text.count(old) == 1, (name, old)
        path.write_text(text.replace(old, new))
    (root / "tests/stitching/scenarios/survey.txt").write_text(SCENARIO)
    run(root, "docs/reference/make.py")
    return root


def run(root: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words], cwd=root, env=os.environ | {"PYTHONPATH": str(root / "src")},
        capture_output=True, text=True, check=False, timeout=LIMIT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_scenario_shows_the_new_type_and_the_invariants_and_tables_hold(copy: Path) -> None:
    tests = ["tests/stitching/media/test_properties.py", "tests/stitching/media/test_tables.py"]
    run(copy, "-m", "pytest", "-q", "tests/stitching/media/test_scenarios.py", "-k", "survey or rules_of")
    run(copy, "-m", "pytest", "-q", *tests, "-m", "not slow")


def test_the_generated_pages_show_the_new_type(copy: Path) -> None:
    page = (copy / "docs/reference/rules.md").read_text()
    assert "customer_track --> survey : ivr_entered (3)" in page
    assert "survey --> routing : ivr_exited (3)" in page
    assert "| 3 | ivr_exited | ivr, survey | `ivr_exited` |" in page
    assert "`survey`" in (copy / "docs/reference/record.md").read_text()
    run(copy, "-m", "pytest", "-q", "tests/cli/test_reference_pages.py", "-k", "generates")


def test_the_record_and_the_story_of_an_item_know_the_new_type(copy: Path) -> None:
    assert run(copy, "-c", USED).split() == ["True", "True"]

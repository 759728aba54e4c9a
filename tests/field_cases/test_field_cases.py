"""What users of the vendors' systems report, as cases: a vendor's file, and the facts that its history must state.

Each folder of `cases` holds the input as the vendor writes it and `expected.json`: where the phenomenon was reported,
the dialect and its options, and the facts as Python expressions over these names: `I` the interactions, `M` the media
items by id, `P` the parties' addresses, `EV` the lines of `touchpoint translate`, `RC` and `ERR` its exit status and
standard error, `OUT` the output of `touchpoint stitch`; `seg(item, type, agent)` the segments, `tot` their seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CASES = sorted((Path(__file__).parent / "cases").iterdir())


def run(*arguments: str, environment: dict[str, str], given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "touchpoint", *arguments]
    return subprocess.run(command, input=given, capture_output=True, check=False, env=os.environ | environment)


def told(case: dict[str, Any], file: str) -> dict[str, Any]:
    """The names that a case's facts speak of."""
    status, errors, raw = 0, "", Path(file).read_bytes()
    if case["dialect"]:
        translated = run("translate", "--dialect", case["dialect"], *case["options"], file, environment=case["env"])
        status, errors, raw = translated.returncode, translated.stderr.decode(), translated.stdout
    output = run("stitch", "-", environment=case["env"], given=raw).stdout
    interactions = [json.loads(line) for line in output.splitlines()]
    items = {item["media_item_id"]: item for each in interactions for item in each["media_items"]}

    def seg(item: str, kind: str, who: str | None = None) -> list[dict[str, Any]]:
        found = (each for each in items[item]["segments"] if each["type"] == kind)
        return [each for each in found if who is None or each["resource_id"] == who]

    def tot(item: str, kind: str, who: str | None = None) -> float:
        return float(sum(each["duration_ms"] for each in seg(item, kind, who))) / 1000

    parties = {each["party"]["address"] for each in interactions}
    return {
        "I": interactions, "M": items, "P": parties, "EV": raw.splitlines(), "RC": status, "ERR": errors,
        "OUT": output.decode(), "seg": seg, "tot": tot,
    }  # fmt: skip


def wrong(folder: Path) -> list[str]:
    """The facts of a case that do not hold, each with what was raised where it could not be told."""
    case = json.loads((folder / "expected.json").read_text())
    names, found = told(case, str(next(folder.glob("input.*")))), []
    for fact in case["right"]:
        try:
            if not eval(fact, names):
                found.append(fact)
        except (KeyError, IndexError, TypeError, StopIteration) as fault:
            found.append(f"{fact}: {fault!r}")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_a_case_from_the_field_comes_out_right(folder: Path) -> None:
    assert wrong(folder) == []

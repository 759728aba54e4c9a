"""The alerts that operators load: valid, each fired by its case, each with its section of the runbook."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from operator_tools import tool

from touchpoint.telemetry.metric_table import METRICS

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy/alerts.yml"
CASES = Path(__file__).with_name("alerts_test.yml")


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([tool("promtool"), *words], capture_output=True, text=True, check=False)


def test_prometheus_takes_the_rules() -> None:
    done = promtool("check", "rules", "--lint-fatal", ALERTS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_in_its_case_and_none_where_all_is_well() -> None:
    done = promtool("test", "rules", CASES)
    assert done.returncode == 0, done.stdout + done.stderr
    fired = set(re.findall(r'alertname="(\w+)"', CASES.read_text()))
    assert fired == {rule["alert"] for rule in rules()}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_alert_has_words_a_severity_and_a_section_of_the_runbook(rule: dict[str, Any]) -> None:
    sections = re.findall(r"^## (\w+)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE)
    assert sections == [each["alert"] for each in rules()]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
    assert rule["annotations"]["summary"]


def test_alerts_speak_of_metrics_and_labels_that_there_are() -> None:
    known = {name: metric for metric in METRICS for name in exported(metric.name, metric.kind)}
    for rule in rules():
        for name, labels in re.findall(r"(touchpoint_\w+)(?:\{([^}]*)\})?", rule["expr"]):
            assert name in known, rule["alert"]
            assert set(re.findall(r"(\w+)!?=", labels)) <= set(known[name].labels), rule["alert"]


def exported(name: str, kind: str) -> list[str]:
    if kind == "histogram":
        return [f"{name}_bucket", f"{name}_sum", f"{name}_count"]
    return [f"{name}_total" if kind == "counter" else name]

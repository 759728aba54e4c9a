"""The pages of settings and metrics say what the code does, and of everything in it."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from touchpoint.settings import PREFIX, ChannelSettings, LimitSettings, Settings
from touchpoint.stream.metrics import METRICS

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("page", ["settings", "metrics"])
def test_the_page_is_what_the_code_generates(page: str) -> None:
    generated = runpy.run_path(str(REFERENCE / "make.py"))[f"{page}_page"]()
    assert (REFERENCE / f"{page}.md").read_text() == generated, "out of date: .venv/bin/python docs/reference/make.py"


def test_every_setting_and_every_metric_has_its_line_with_words() -> None:
    text = (REFERENCE / "settings.md").read_text()
    names = [PREFIX + name.upper() for name in Settings.model_fields if name != "limits"]
    names += [f"{PREFIX}LIMITS__{name.upper()}" for name in LimitSettings.model_fields]
    names += list(ChannelSettings.model_fields)
    assert [name for name in names if text.count(f"| `{name}` |") != 1] == []
    assert "None" not in text
    assert all(metric.help for metric in METRICS)

"""The pages of settings, metrics, the record and the rules say what the code does, and of everything in it."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from touchpoint.cli import COMMANDS
from touchpoint.settings import PREFIX, Settings
from touchpoint.settings.secret_files import FILE, secret_places, variable
from touchpoint.settings.sections import ChannelSettings, DialectTopic, LimitSettings, LineSettings, TopicSettings
from touchpoint.settings.web_section import WebSettings
from touchpoint.telemetry.metric_table import METRICS

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("page", ["settings", "metrics", "record", "rules"])
def test_the_page_is_what_the_code_generates(page: str) -> None:
    generated = runpy.run_path(str(REFERENCE / "make.py"))[f"{page}_page"]()
    assert (REFERENCE / f"{page}.md").read_text() == generated, "out of date: .venv/bin/python docs/reference/make.py"


def test_every_setting_and_every_metric_has_its_line_with_words() -> None:
    text = (REFERENCE / "settings.md").read_text()
    names = [PREFIX + name.upper() for name in Settings.model_fields if name not in ("limits", "lines", "web")]
    names += [f"{PREFIX}LIMITS__{name.upper()}" for name in LimitSettings.model_fields]
    names += [f"{PREFIX}LINES__{name.upper()}" for name in LineSettings.model_fields]
    names += [f"{PREFIX}WEB__{name.upper()}" for name in WebSettings.model_fields]
    names += [*ChannelSettings.model_fields, *DialectTopic.model_fields, *TopicSettings.model_fields]
    assert [name for name in names if text.count(f"\n| `{name}` |") != 1] == []
    assert "None" not in text
    assert all(m.help and m.unit for m in METRICS)


ROOT = Path(__file__).parents[2]
PAGES = [path for path in [*sorted(ROOT.glob("docs/**/*.md")), ROOT / "CONTRIBUTING.md"] if path.name != "rules.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_in_reference_pages_exist(page: Path) -> None:
    text = page.read_text()
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)#][^)]*)\)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []
    settings = {PREFIX + name.upper() for name in Settings.model_fields} | {PREFIX + "CONFIG"}
    settings |= {variable(PREFIX, place) + FILE for place in secret_places(Settings)}
    settings |= {f"{PREFIX}LIMITS__{name.upper()}" for name in LimitSettings.model_fields}
    settings |= {f"{PREFIX}LINES__{name.upper()}" for name in LineSettings.model_fields}
    settings |= {f"{PREFIX}WEB__{name.upper()}" for name in WebSettings.model_fields}
    assert set(re.findall(rf"\b{PREFIX}[A-Z_]+[A-Z]", text)) <= settings
    every = {m.name: m.kind for m in METRICS}
    metrics = {name + ("_total" if kind == "counter" else "") for name, kind in every.items()}
    metrics |= every.keys() if page.name == "metrics.md" else set()
    assert (
        set(re.findall(r"`(touchpoint_[a-z_]+)", text))
        - {"touchpoint_writer", "touchpoint_viewer", "touchpoint_web", "touchpoint_admin"}
        <= metrics
    )
    commands = {command.name for command in COMMANDS}
    assert set(re.findall(r"(?:^|`)touchpoint ([a-z-]+)", text, re.MULTILINE)) <= commands


def test_the_operators_page_has_what_operators_need() -> None:
    text = (ROOT / "docs/operations.md").read_text()
    for needed in ("/livez", "/readyz", "SIGTERM", "touchpoint migrate", "## Dead letters", "## Upgrade", "| 70 |"):
        assert needed in text

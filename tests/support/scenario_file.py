"""Reads scenarios: a contact as tables of events, expected segments, figures and interactions.

A file is a title line and sections; each section is its name and a table, columns split by `|`. Times are seconds
from `start`. An event's `to` is an agent, `queue:Q` or an address; `more` holds `name=value` pairs. Without a prefix
an event is a call's; without an item it is that of `c1`. A line of four dashes parts the scenarios of one file. The
files are in tests/stitching/scenarios.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from touchpoint.stitching.facts import SECOND, Fact, Micros
from touchpoint.stitching.verbs import FactVerb

FOLDER = Path(__file__).parent.parent / "stitching" / "scenarios"
DEFAULT_START = "2026-03-02T09:00:00+00:00"

Rows = list[dict[str, str]]

_NUMBERS = frozenset({"pages", "total_pages", "attempt", "length"})
_RELATED = frozenset({"parent", "previous", "thread", "resumes"})
_OBJECT = frozenset({"activity", "interaction", "party", "source"})


@dataclass
class Scenario:
    name: str
    title: str
    start: Micros
    facts: list[Fact]
    segments: Rows = field(default_factory=list)
    figures: Rows = field(default_factory=list)
    agents: Rows = field(default_factory=list)
    interactions: Rows = field(default_factory=list)
    silences: dict[tuple[str, str], tuple[tuple[Micros, Micros], ...]] = field(default_factory=dict)

    def at(self, seconds: str) -> Micros:
        return self.start + round(float(seconds) * SECOND)

    def since(self, time: Micros) -> str:
        """Seconds from the start, as the tables write them."""
        whole, rest = divmod(time - self.start, SECOND)
        return f"{whole + rest / SECOND:g}" if rest else str(whole)


def scenarios() -> list[Scenario]:
    return [scenario for path in sorted(FOLDER.glob("*.txt")) for scenario in read(path)]


def read(path: Path) -> Iterator[Scenario]:
    texts = path.read_text(encoding="utf-8").split("\n----\n")
    for n, text in enumerate(texts, 1):
        yield parse(path.stem if len(texts) == 1 else f"{path.stem}-{n}", text.strip("\n"))


def parse(name: str, text: str) -> Scenario:
    lines = [line.rstrip() for line in text.splitlines()]
    words = [line.split() for line in lines if line.startswith(("start ", "silent ")) and "|" not in line]
    settings = {first: rest for first, *rest in words}
    begun = datetime.fromisoformat(settings.get("start", [DEFAULT_START])[0])
    scenario = Scenario(name, lines[0], int(begun.timestamp()) * SECOND, [])
    tables = dict(_tables(lines))
    scenario.facts = [_fact(scenario, n, row) for n, row in enumerate(tables.pop("events"))]
    for section, rows in tables.items():
        setattr(scenario, section, rows)
    if "silent" in settings:
        source, begin, end = settings["silent"]
        scenario.silences["default", source] = ((scenario.at(begin), scenario.at(end)),)
    return scenario


def _tables(lines: list[str]) -> Iterator[tuple[str, Rows]]:
    names = ("events", "segments", "figures", "agents", "interactions")
    for n, line in enumerate(lines):
        if line not in names:
            continue
        header = [cell.strip() for cell in lines[n + 1].split("|")]
        rows = []
        for body in lines[n + 2 :]:
            if body in names or (not body and len(header) > 1):
                break
            cells = [cell.strip() for cell in body.split("|")]
            rows.append(dict(zip(header, cells + [""] * (len(header) - len(cells)), strict=False)))
            if len(header) == 1:
                break
        yield line, rows


def _fact(scenario: Scenario, n: int, row: dict[str, str]) -> Fact:
    kind, _, verb = row["event"].rpartition(".")
    more = dict(pair.split("=", 1) for pair in row.get("more", "").split())
    source = more.pop("source", "test")
    sequence, correlation = more.pop("seq", None), more.pop("correlation", None)
    data = _data(more)
    if row.get("agent"):
        data["resource"] = {"id": row["agent"], "kind": more.get("who", "agent")}
    if row.get("to"):
        data["to"] = _target(row["to"])
    data.pop("who", None)
    return Fact(
        time=scenario.at(row["t"]),
        kind=kind or "call",
        verb=cast("FactVerb", verb),
        source=source,
        id=more.get("id", f"e{n}"),
        subject=row.get("item") or "c1",
        sequence=sequence,
        correlation=correlation,
        dialect=data.pop("dialect", None),
        data=data,
    )


def _target(text: str) -> dict[str, Any]:
    if text.startswith("queue:"):
        return {"queue": text.removeprefix("queue:")}
    return {"address": text} if ":" in text else {"resource": {"id": text}}


def _data(more: dict[str, str]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for name, value in more.items():
        if name == "id":
            continue
        if name in _NUMBERS:
            data[name] = int(value)
        elif name in _RELATED:
            data.setdefault("related", {})[name] = value
        elif name == "duration":
            data["duration_ms"] = round(float(value) * 1000)
        elif name.startswith("reported."):
            data.setdefault("reported", {})[name.removeprefix("reported.")] = int(value)
        elif name == "connected":
            data.setdefault("reported", {})["connected_ms"] = round(float(value) * 1000)
        elif name == "party":
            data["party"] = {"address": value} if ":" in value else {"id": value}
        else:
            data[name] = value
    return data

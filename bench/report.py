"""The results: a table to read, the same as JSON, and a plot."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt

from bench.measure import Result

mpl.use("Agg")
HEAD = (
    "| | events | events/s | with start-up | events/CPU-s | seconds | start-up s | CPU s | broker CPU s "
    "| PostgreSQL CPU s | all else CPU s | peak MiB | interactions | identical |"
)
NOTES = """
* **events/s** is from the beginning of consumption (the first partition is worked on) to the last row in PostgreSQL;
  **start-up** is what came before: Python, joining the group, reading the changelogs.
* **events/CPU-s** counts the CPU of the measured process alone; broker and PostgreSQL stand beside it, over the same
  time. *All else* is the rest of the machine, this harness included: where it is large, something disturbed the run.
* The backlog was produced beforehand; at its end each source says that it has told everything, which closes it.
* *identical*: interactions with the `content_hash` of the offline fold (`touchpoint stitch`) of the same events.
* The plain app (`bench/plain_faust.py`) reads the beginning of the same stream, since rates are compared. It folds with
  the same functions and is simpler: what of another party's item it cannot name as a parent is not identical.
"""


@dataclass(frozen=True)
class Measured:
    """All results of one kind of traffic."""

    results: list[Result]

    def of(self, name: str) -> Result | None:
        return next((result for result in self.results if result.name == name), None)

    @property
    def complete(self) -> bool:
        """Touchpoint stored exactly what the fold says."""
        ours = self.of("Touchpoint")
        return ours is None or ours.identical == ours.expected == ours.stored


def write(directory: Path, machine: dict[str, str], measured: dict[str, Measured], options: argparse.Namespace) -> Path:
    """Write everything; the path of the table. A quick run goes to names of its own."""
    directory.mkdir(exist_ok=True)
    name = "quick" if options.quick else "bench"
    settings = {key: value for key, value in vars(options).items() if value is not None}
    head = {"measured": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", **machine}
    data = {
        **head,
        "options": settings,
        "results": {t: [_json(r) for r in m.results] for t, m in measured.items()},
        "ratios": {t: ratios(m) for t, m in measured.items()},
    }
    (directory / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n")
    path = directory / f"{name}.md"
    lines = ["# Benchmark", "", *(f"* {key}: {value}" for key, value in head.items())]
    lines += [f"* options: {', '.join(f'{key}={value}' for key, value in settings.items())}", ""]
    for traffic, of_traffic in measured.items():
        lines += table(traffic, of_traffic)
    path.write_text("\n".join([*lines, "## How to read it", NOTES, f"![events a second]({name}.svg)", ""]))
    plot(directory / f"{name}.svg", measured)
    return path


def _json(result: Result) -> dict[str, object]:
    rates = {"events_per_second": result.rate, "events_per_second_with_startup": result.rate_with_startup}
    return {**asdict(result), **rates, "events_per_cpu_second": result.per_cpu_second}


def table(traffic: str, measured: Measured) -> list[str]:
    """One kind of traffic."""
    lines = [f"## Traffic: {traffic}", "", HEAD, "|---" + "|---:" * 13 + "|"]
    for r in measured.results:
        stored = f"{r.stored:,} | {r.identical / r.expected:.2%}" if r.expected else "- | -"
        rates = f"{r.events:,} | **{r.rate:,.0f}** | {r.rate_with_startup:,.0f} | {r.per_cpu_second:,.0f}"
        times = f"{r.seconds:.1f} | {r.startup:.1f} | {r.cpu:.1f} | {r.broker_cpu:.1f} | {r.postgres_cpu:.1f}"
        lines.append(f"| {r.name} | {rates} | {times} | {r.other_cpu:.1f} | {r.peak_mib:.0f} | {stored} |")
    lines += ["", *(f"* {what}: **{value:.2f}**" for what, value in ratios(measured).items()), ""]
    return lines


def ratios(measured: Measured) -> dict[str, float]:
    """Touchpoint against the others of the same run."""
    ours = measured.of("Touchpoint")
    found: dict[str, float] = {}
    for other in measured.results if ours is not None else ():
        if other is not ours and ours is not None:
            found[f"Touchpoint / {other.name}, events/s"] = ours.rate / other.rate
            found[f"Touchpoint / {other.name}, events/CPU-s"] = ours.per_cpu_second / other.per_cpu_second
    return found


def plot(path: Path, measured: dict[str, Measured]) -> None:
    """Bars: events a second and a CPU second, by traffic."""
    figure, axes = plt.subplots(1, len(measured), figsize=(6 * len(measured), 3.2), squeeze=False)
    for axis, (traffic, of_traffic) in zip(axes[0], measured.items(), strict=True):
        results = of_traffic.results[::-1]
        places = range(len(results))
        for shift, values, label, colour in (
            (0.2, [r.rate for r in results], "events/s", "#1f6f8b"),
            (-0.2, [r.per_cpu_second for r in results], "events/CPU-s", "#b8d8d8"),
        ):
            bars = axis.barh([place + shift for place in places], values, 0.38, label=label, color=colour)
            axis.bar_label(bars, [f" {value:,.0f}" for value in values], fontsize=8)
        axis.set_yticks(list(places), [r.name for r in results])
        axis.set_title(f"traffic: {traffic}")
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(x=0.15)
        axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)

"""What a soak says in the end: the same as JSON, for machines, and as Markdown."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
from fault_round import BAD, PACE, Outcome
from fault_stream import DISORDER, DUPLICATES

from touchpoint.embedded.kafka import VERSION

ROOT = Path(__file__).resolve().parents[2]


class Report:
    """Rounds so far."""

    def __init__(self, command: str, began: float, brokers: int) -> None:
        """`command`: what does the same again."""
        self.outcomes: list[Outcome] = []
        self._command = command
        self._began = began
        self._brokers = brokers

    @property
    def faults(self) -> int:
        return sum(outcome.done.total() for outcome in self.outcomes)

    @property
    def green(self) -> bool:
        return all(outcome.green for outcome in self.outcomes)

    def summary(self) -> dict[str, Any]:
        """Everything, by name."""
        outcomes = self.outcomes
        return {
            "command": self._command,
            "rounds": len(outcomes),
            "faults": self.faults,
            "seconds": round(time.monotonic() - self._began),
            "events": sum(o.events for o in outcomes),
            "interactions": sum(o.interactions for o in outcomes),
            "lost": sum(len(o.compared.missing) for o in outcomes),
            "double": sum(len(o.compared.extra) for o in outcomes),
            "different": sum(len(o.compared.different) for o in outcomes),
            "bad records": BAD * len(outcomes),
            "dead letters": sum(o.letters for o in outcomes),
            "connections ended in a transaction": sum(o.in_transaction for o in outcomes),
            "other problems": [f"round {o.plan.number}: {problem}" for o in outcomes for problem in o.problems],
            "faults by kind": _sum(o.done for o in outcomes),
            "what a broken broker was": _sum(o.broken_as for o in outcomes),
            "written by the hostile producer": _sum(o.written for o in outcomes),
            "how workers ended": _sum(o.exits for o in outcomes),
            "last words of those that ended by themselves": _sum(o.last_words for o in outcomes),
            "machine": _machine(self._brokers),
        }

    def write(self, directory: Path) -> Path:
        """Both files; the Markdown's path."""
        directory.mkdir(parents=True, exist_ok=True)
        summary = self.summary()
        (directory / "soak.json").write_bytes(orjson.dumps(summary, option=orjson.OPT_INDENT_2))
        page = directory / "soak.md"
        page.write_text(markdown(summary), "utf-8")
        return page


def markdown(summary: dict[str, Any]) -> str:
    """The page."""
    verdict = "{lost} lost, {double} double, {different} different".format(**summary)
    text = f"""# Soak: {summary["faults"]} faults, {verdict}

{summary["rounds"]} rounds in {summary["seconds"]} s. {summary["events"]} events at {PACE:.0f} a second,
{DUPLICATES:.0%} of them repeated, each up to {DISORDER:.0f} s late; {summary["interactions"]} interactions compared, by
every row and hash. Bad records among them: {summary["bad records"]}; dead letters: {summary["dead letters"]}.
Connections ended in the middle of a transaction: {summary["connections ended in a transaction"]}.

Again: `{summary["command"]} --faults {summary["faults"]}`; one round of it: `--round N`.
"""
    lines = [*text.splitlines(), ""]
    tables = ["faults by kind", "what a broken broker was", "written by the hostile producer"]
    for name in (*tables, "how workers ended", "last words of those that ended by themselves", "machine"):
        lines += [f"| {name} | |", "|---|---|", *(f"| {key} | {value} |" for key, value in summary[name].items()), ""]
    lines += ["Other problems:", "", *(f"- {problem}" for problem in summary["other problems"] or ["none"]), ""]
    return "\n".join(lines)


def evidence(outcome: Outcome, directory: Path) -> None:
    """What is needed to find out why a round is not green, beside the logs."""
    told = {
        "round": outcome.plan.number,
        "schedule": [fault._asdict() for fault in outcome.plan.faults],
        "lost": outcome.compared.missing,
        "double": outcome.compared.extra,
        "different": outcome.compared.different,
        "details": outcome.details,
        "problems": outcome.problems,
        "exits": outcome.exits,
        "last words": outcome.last_words,
    }
    (directory / "outcome.json").write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2))


def _sum(counters: Iterable[Counter[str]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for counter in counters:
        total.update(counter)
    return dict(sorted(total.items()))


def _machine(brokers: int) -> dict[str, str]:
    commit = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "broker": f"Apache Kafka {VERSION}, KRaft nodes: {brokers}, 4 partitions a topic",
        "commit": subprocess.run(commit, capture_output=True, text=True, check=False).stdout.strip() or "unknown",
    }

"""The pictures of the README, from the demo's own hour: .venv/bin/python docs/images/make.py"""

from __future__ import annotations

import re
from pathlib import Path

from rich.console import Console, RenderableType

from touchpoint.cli.demo import START, named, offline, the_case
from touchpoint.cli.render import interaction_table, render_interaction
from touchpoint.cli.render_segments import render_timeline
from touchpoint.simulate import simulate

HERE = Path(__file__).parent


def picture(name: str, title: str, width: int, *parts: RenderableType) -> None:
    """Save what a terminal of that width would show."""
    console = Console(record=True, width=width, file=(HERE / "make.log").open("w"), force_terminal=True)
    console.print(*parts, sep="\n")
    svg = console.export_svg(title=title)
    svg = re.sub(r"<!--.*?-->", "", svg)
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)  # a picture loads nothing from elsewhere
    (HERE / f"{name}.svg").write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n")
    (HERE / "make.log").unlink()


def main() -> None:
    events = list(simulate(1, START, 1.0, 300.0))
    records = named(offline(events), events)
    first = sorted(records, key=lambda record: record["started_at"])[:14]
    case = the_case(records)
    picture("interactions", "touchpoint stitch --format table", 150, interaction_table(first))
    picture("history", "touchpoint history", 130, render_interaction(case))
    picture("explain", "touchpoint explain", 150, render_timeline(case))


if __name__ == "__main__":
    main()

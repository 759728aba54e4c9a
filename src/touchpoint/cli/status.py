"""`touchpoint status`: how an installation is doing."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from touchpoint.cli.brokers import BrokersOption, ask_brokers, settings_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from touchpoint.inspection.worker_status import Status

ATTENTION = 1

Workers = Annotated[
    list[str] | None,
    typer.Option("--worker", metavar="URL", help="A worker's page; may be given several times. Unset: port "
                 "TOUCHPOINT_METRICS_PORT at the address of each member of the group."),
]  # fmt: skip
Watch = Annotated[
    float, typer.Option("--watch", metavar="SECONDS", min=0.5, help="Again and again, with so long between.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One object, for machines; with --watch one a line.")]


def status(
    brokers: BrokersOption = None, worker: Workers = None, watch: Watch | None = None, as_json: AsJson = False
) -> None:
    """Show workers, their lag, event time and what holds it back.

    Lag is what is not finished and committed. Members, partitions and lag are the brokers' word; event time, sources
    and the database that of the workers' pages of metrics. A source that TOUCHPOINT_SOURCES does not name is one of the
    `others`.

    Exit status: 0; 1 if something needs an operator (no worker, a partition that is nobody's, a worker that is not
    ready, several versions), named under `problems`; 2 for a wrong configuration; 3 if no broker answers, or one
    refuses. With --watch it ends with Ctrl-C.

    Examples:

      touchpoint status

      touchpoint status --watch 5

      touchpoint status --worker http://10.0.0.5:9464/metrics --worker http://10.0.0.6:9464/metrics

      touchpoint status --json | jq '.topics[] | select(.lag > 1000)'
    """
    from touchpoint.cli.render import console
    from touchpoint.inspection.worker_status import read_status

    settings = settings_of(brokers)
    out = console()
    while True:
        found = ask_brokers(settings, read_status(settings, worker or ()))
        if as_json:
            _print_json(found)
        else:
            if watch is not None and out.is_terminal:
                out.clear()
            _show(out, found)
        if watch is None:
            break
        time.sleep(watch)
    if found.problems:
        raise typer.Exit(ATTENTION)


def _print_json(found: Status) -> None:
    import msgspec

    print(msgspec.json.encode(found).decode(), flush=True)


def _show(out: Console, found: Status) -> None:
    """The whole as tables; what needs an operator comes last, where a terminal ends."""
    out.print(f"group {found.group}: {found.state}, {len(found.workers)} workers")
    if found.workers:
        rows = [[w.name, w.host, f"{w.partitions}", f"{w.lag:,}"] for w in found.workers]
        out.print(_table(["worker", "host"], ["partitions", "lag"], rows))
    pages = [page for page in found.pages if not page.trouble]
    if pages:
        rows = [
            [p.url, p.version or "-", "yes" if p.is_ready else "no", _span(p.oldest_unstored_seconds)] for p in pages
        ]
        out.print(_table(["page", "version", "ready"], ["oldest unstored"], rows))
    rows = [[t.topic, f"{t.partitions}", f"{t.lag:,}", _span(t.delay_seconds)] for t in found.topics]
    out.print(_table(["topic"], ["partitions", "lag", "event time behind"], rows))
    if found.delay_seconds is not None:
        held = ", ".join(f"{h.topic} (source {h.source}, {h.partitions} partitions)" for h in found.held_back_by)
        out.print(f"interactions close {_span(found.delay_seconds)} behind the clock; held back by {held or 'nothing'}")
    if found.sources:
        rows = [[s.source, s.topic, f"{_moment(s.latest)}", _span(s.silent_seconds)] for s in found.sources]
        out.print(_table(["source", "topic", "latest event (UTC)"], ["ago"], rows))
    if found.steps:
        rows = [[s.agent, f"{s.batches:,}", f"{s.mean_seconds * 1000:,.0f} ms"] for s in found.steps]
        out.print(_table(["agent"], ["batches", "mean time"], rows))
    for note in found.notes:
        out.print(f"note: {note}", markup=False)
    for problem in found.problems:
        out.print(f"problem: {problem}", markup=False)


def _table(left: list[str], right: list[str], rows: list[list[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in left:
        table.add_column(name, overflow="fold")
    for name in right:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def _span(seconds: float | None) -> str:
    """A span of time for people; - if it is not known."""
    if seconds is None:
        return "-"
    whole = round(abs(seconds))
    sign = "-" if seconds < -0.5 else ""
    if whole < 120:
        return f"{sign}{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return sign + (
        f"{days} d {hours} h" if days else f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
    )

"""What the demo shows: bars while it runs, then interactions, one of them in full, and the queues' hour."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.rule import Rule
from rich.table import Table

from touchpoint.cli.demo_services import Services
from touchpoint.cli.render import console, interaction_table, render_interaction, span
from touchpoint.stitching.record import Json

Stored = Callable[[int, int], None]
"""Called with the number of media items and of interactions in the database."""


class Bars(NamedTuple):
    """How far the hour has come."""

    sent: Callable[[int], None]
    stored: Stored


class Screen:
    """Standard output."""

    def __init__(self, out: Console | None = None) -> None:
        self.out = out or console()

    def starting(self, what: str) -> None:
        self.out.print(f"Starting {what} ...", style="dim")

    @contextmanager
    def progress(self, events: int, items: int, interactions: int) -> Iterator[Bars]:
        """Three bars that go up while the block runs."""
        columns = TextColumn("{task.description:>20}"), BarColumn(40), MofNCompleteColumn(), TimeElapsedColumn()
        with Progress(*columns, console=self.out) as bars:
            sent = bars.add_task("events sent", total=events)
            stored = bars.add_task("media items stored", total=items)
            closed = bars.add_task("interactions closed", total=interactions)

            def show(items: int, interactions: int) -> None:
                bars.update(stored, completed=items)
                bars.update(closed, completed=interactions)

            yield Bars(lambda count: bars.update(sent, completed=count), show)

    def identical(self, count: int) -> None:
        self.out.print(f"{count} interactions, identical to the offline fold, hash by hash.", style="bold green")

    def table(self, records: list[Json], shown: int) -> None:
        """The first interactions of the hour."""
        self.section("Interactions")
        first = sorted(records, key=lambda record: record["started_at"])[:shown]
        self.out.print(interaction_table(first))
        if len(records) > shown:
            self.out.print(f"... and {len(records) - shown} more", style="dim")

    def case(self, record: Json) -> None:
        """One interaction in full."""
        self.section("One of them in full")
        self.out.print(render_interaction(record))

    def queues(self, rows: list[dict[str, Any]]) -> None:
        """The view queue_interval."""
        self.section("Queues by quarter of an hour")
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column("queue")
        table.add_column("from")
        for name in ("offered", "answered", "abandoned", "short", "in 20 s", "answered after", "handle time"):
            table.add_column(name, justify="right")
        for row in rows:
            times = (time_of(row[name]) for name in ("average_speed_of_answer_ms", "average_handle_ms"))
            counts = (str(row[name]) for name in COUNTS)
            table.add_row(
                row["queue"], f"{row['interval_start']:%H:%M}", *counts, f"{row['service_level']:.0%}", *times
            )
        self.out.print(table)

    def section(self, title: str) -> None:
        self.out.print(Padding(Rule(title, align="left"), (1, 0)))

    def kept(self, services: Services) -> None:
        """How to connect to what was left running, and how to end it."""
        self.section("Left running")
        url, broker = services.database_url, services.broker.address
        page = f"page        {services.page}\n" if services.page else ""
        self.out.print(
            f"{page}"
            f"PostgreSQL  psql '{url}'\n"
            f"history     touchpoint history --database '{url}' PARTY\n"
            f"broker      {broker}: touchpoint simulate --brokers {broker} --seed 2\n"
            f"the end     kill -INT {' '.join(map(str, services.pids()))}",
            soft_wrap=True,
            markup=False,
        )


COUNTS = ("offered", "answered", "abandoned", "short_abandons")


def time_of(milliseconds: int | None) -> str:
    return "" if milliseconds is None else span(milliseconds)

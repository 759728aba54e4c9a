"""`touchpoint explain`: each segment of an interaction, with the events and the rule that made it."""

from __future__ import annotations

from typing import Annotated

import typer

from touchpoint.cli.database import NOT_FOUND, USAGE, OptionalDatabase, TenantOption, ask, needed_database
from touchpoint.cli.errors import CliError, configuration

Wanted = Annotated[
    str, typer.Argument(metavar="INTERACTION", help="Its id, or that of one of its media items (a call id).")
]


AsScenario = Annotated[
    bool,
    typer.Option("--scenario", help="Print a media item's events and segments as a test's scenario, details replaced."),
]
Events = Annotated[
    list[str] | None,
    typer.Option(
        "--events", metavar="FILE", help="Events as JSON lines to find the media item's in; -: standard input."
    ),
]
Topics = Annotated[bool, typer.Option("--topics", help="Find the media item's events in the input topics.")]


def explain(
    interaction: Wanted,
    database: OptionalDatabase = None,
    tenant: TenantOption = "default",
    scenario: AsScenario = False,
    events: Events = None,
    topics: Topics = False,
) -> None:
    """Show each segment of an interaction with the events and the rules that made it.

    Exit status: 0; 1 if there is no such interaction; 2 for wrong usage; 3 if the database cannot be used.

    Examples:

        touchpoint explain 1767603600.100

        touchpoint explain 1767603600.100 --scenario --events calls.jsonl
    """
    if scenario:
        print(scenario_of(interaction, tenant, events or [], topics=topics))
        return
    database = database or needed_database()
    from touchpoint.history.reader import one_record

    record = ask(database, one_record(database, interaction, tenant=tenant))
    if record is None:
        raise CliError(f"no closed interaction {interaction!r} in tenant {tenant!r}", status=NOT_FOUND)
    from touchpoint.cli.render import console
    from touchpoint.cli.render_segments import render_timeline

    console().print(render_timeline(record))


def scenario_of(item: str, tenant: str, files: list[str], *, topics: bool) -> str:
    """A media item as a scenario. Raises CliError."""
    from touchpoint.cli.scenario import facts_of_item, scenario_text
    from touchpoint.cli.verify import from_files, from_topics

    if topics == bool(files):
        raise CliError(
            "--scenario needs the events of the media item: the database keeps none. They are in the input topics as "
            "long as those keep them (--topics), or in files of events (--events FILE), as `translate` prints them",
            status=USAGE,
        )
    settings = configuration()
    facts = facts_of_item(item, tenant, from_topics(settings) if topics else from_files(settings, files))
    if not facts:
        raise CliError(f"no event of a media item {item!r} in tenant {tenant!r}", status=NOT_FOUND)
    return scenario_text(item, facts, settings.stitching_limits())

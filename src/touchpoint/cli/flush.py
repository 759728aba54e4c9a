"""`touchpoint flush`: a source has told everything until an instant, so what is open of it alone closes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from touchpoint.cli.brokers import BrokersOption, ask_brokers, settings_of
from touchpoint.cli.errors import CliError

if TYPE_CHECKING:
    from touchpoint.producer import Report
    from touchpoint.settings import Settings

USAGE = 2

Source = Annotated[list[str], typer.Option("--source", help="As in its events; may be named more than once.")]
Tenant = Annotated[str | None, typer.Option("--tenant", help="As in its events; unset: the default one.")]
Until = Annotated[
    str,
    typer.Option("--until", metavar="TIME", help="It has told everything until then: RFC 3339 with offset, or now."),
]


def flush(source: Source, until: Until, tenant: Tenant = None, brokers: BrokersOption = None) -> None:
    """Say that a source has told everything until an instant, as at the end of a backfill.

    Writes the event source.flushed to every partition of every input, the topics with a dialect among them. A media
    item or activity all of whose events are of sources that have said so, and no later than TIME, is complete as by its
    age, and its interaction closes by its usual gaps. No clock moves: nothing of other sources is concerned, and a live
    stream may go on meanwhile. Everything of the source must be in Kafka before. To say it twice changes nothing.

    Exit status: 0; 2 for wrong usage; 3 if no broker can be used.

    Examples:

        touchpoint flush --source /import --until 2026-01-01T00:00:00Z

        touchpoint flush --source /pbx/old --source /crm/old --tenant acme --until 2025-12-31T23:59:59Z
    """
    settings = settings_of(brokers)
    at = instant(until, settings)
    count, report = ask_brokers(settings, declare(settings, source, at, tenant))
    if report.failed:
        raise CliError(
            f"{len(report.failed)} of {count} records could not be stored: {report.failed[0].error}; try again"
        )
    for each in source:
        print(f"{each} has told everything until {at}: said in {count // len(source)} partitions")


def instant(text: str, settings: Settings) -> str:
    """An instant that is not to come, with an offset. Raises CliError for anything else."""
    now = datetime.now(UTC)
    try:
        at = now if text == "now" else datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise CliError(f"--until {text!r} is not an instant with an offset, such as 2026-01-01T00:00:00Z", status=USAGE)
    if at > now + timedelta(microseconds=settings.stitching_limits().ahead):
        raise CliError(f"--until {text!r} has not come yet: nobody can have told everything until then", status=USAGE)
    return at.isoformat()


async def declare(settings: Settings, sources: list[str], until: str, tenant: str | None) -> tuple[int, Report]:
    """Write the declarations; how many records, and what became of them."""
    from touchpoint.producer import Producer

    async with Producer.connect(settings) as producer:
        count = sum([await producer.declare_flushed(source, until, tenant) for source in sources])
        return count, await producer.flush()

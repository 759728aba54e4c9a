"""`touchpoint simulate`: a realistic, seeded stream of events, to standard output or into Kafka."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Annotated

import orjson
import typer

from touchpoint.cli.errors import CliError
from touchpoint.simulate import traffic
from touchpoint.simulate.script import CloudEvent

START = "2026-01-05T09:00:00Z"
MOST_HOURS = 100 * 366 * 24
YEARS = range(1970, 2200)

Seed = Annotated[int, typer.Option(help="The same seed gives the same events.")]
Start = Annotated[str, typer.Option(metavar="TIME", help="Event time of the beginning: RFC 3339 with offset, or now.")]
Hours = Annotated[float, typer.Option(min=0, max=MOST_HOURS, help="For how many hours of event time contacts begin.")]
Volume = Annotated[float, typer.Option(min=0.1, max=1e6, help="Contacts an hour; each makes a dozen events or so.")]
Events = Annotated[int | None, typer.Option(min=0, help="Stop after so many events.")]
Brokers = Annotated[str | None, typer.Option(help="host:port,...: produce into Kafka instead of printing.")]
Prefix = Annotated[str, typer.Option(help="Prefix of the topics.")]
Rate = Annotated[str, typer.Option(help="Events a second, 'max', or 'live': as event time passes.")]
Finish = Annotated[bool, typer.Option("--finish", help="At the end each source has told everything: all of it closes.")]


def simulate(
    seed: Seed = 1,
    start: Start = START,
    hours: Hours = 1.0,
    volume: Volume = 300.0,
    events: Events = None,
    brokers: Brokers = None,
    topic_prefix: Prefix = "touchpoint.",
    rate: Rate = "max",
    finish: Finish = False,
) -> None:
    """Make a realistic, seeded stream of events.

    Calls with all that happens in them, emails, faxes, chats, business activities, identities; nobody in it exists.
    Into Kafka, events go to the topics and by the keys of the contract; the topics must be there (touchpoint topics).
    No event is sent before its own time: the worker would refuse it. So traffic that is not live ends at the clock's
    time, in the middle of contacts, and with --start now it begins --hours before.

    Examples:

        touchpoint simulate --seed 7 > events.jsonl

        touchpoint simulate --hours 24 --volume 2000 | gzip > day.jsonl.gz

        touchpoint simulate --brokers localhost:9092 --start now --rate live

        touchpoint simulate --brokers localhost:9092 --start now --hours 8
    """
    pace, begin = parse_rate(rate), parse_start(start)
    if brokers is not None:
        from touchpoint.cli.progress import produce_with_progress

        if start == "now" and pace is not None:
            begin -= timedelta(hours=hours)
        if begin > datetime.now(UTC):
            raise CliError(f"--start {start!r} lies ahead: a worker refuses events of the future", status=2)
        stream = traffic.simulate(seed, begin, hours, volume)
        stream = islice(stream if pace is None else until_now(stream), events)
        produce_with_progress(stream, brokers, topic_prefix, pace, finish=finish)
        return
    if finish or rate != "max":
        raise CliError("--rate and --finish are for Kafka: name it with --brokers host:port", status=2)
    write = sys.stdout.buffer.write
    for event in islice(traffic.simulate(seed, begin, hours, volume), events):
        write(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))


def until_now(stream: Iterable[CloudEvent]) -> Iterator[CloudEvent]:
    """The events up to the first that is of the future when it is asked for; then says so on standard error."""
    for event in stream:
        if datetime.fromisoformat(event["time"]) > datetime.now(UTC):
            print("the traffic goes on beyond now, and ends here; --rate live sends it as time passes", file=sys.stderr)
            return
        yield event


def parse_start(text: str) -> datetime:
    """An instant with an offset. Raises CliError for anything else."""
    if text == "now":
        return datetime.now(UTC).replace(microsecond=0)
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        start = None
    if start is not None and start.year not in YEARS:
        raise CliError(f"--start {text!r}: the year must be from {YEARS[0]} to {YEARS[-1]}", status=2)
    if start is None or start.tzinfo is None:
        raise CliError(f"--start {text!r} is not an instant with an offset, such as {START}, nor 'now'", status=2)
    return start


def parse_rate(text: str) -> float | None:
    """Events a second; infinity for `max`, None for `live`. Raises CliError for anything else."""
    if text in {"max", "live"}:
        return float("inf") if text == "max" else None
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not rate > 0:
        raise CliError(f"--rate {text!r} is neither a number of events a second nor 'max' nor 'live'", status=2)
    return rate

"""`touchpoint translate`: a vendor's records in, canonical events out."""

from __future__ import annotations

import re
import sys
import zlib
from collections import Counter
from collections.abc import Iterable
from gzip import BadGzipFile
from operator import itemgetter
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import orjson
import typer

from touchpoint.cli.errors import CliError
from touchpoint.cli.stitch import bounded, opened
from touchpoint.dialects import DIALECTS, Dialect, Feed, Unknown
from touchpoint.events.masking import mask

Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="As the vendor writes it; -: standard input.")]
Named = Annotated[str, typer.Option("--dialect", help="One of: " + ", ".join(DIALECTS) + ".")]
Source = Annotated[
    str | None,
    typer.Option(help="The events' source, where records do not name their system."),
]
Tenant = Annotated[str | None, typer.Option(help="The events' tenant.")]
Zone = Annotated[str, typer.Option(help="Of stamps without one, such as Europe/London.")]
Own = Annotated[
    list[str] | None,
    typer.Option(metavar="ADDRESS", help="An own mail address, or @domain; may be given several times."),
]


def translate(
    files: Files, dialect: Named, source: Source = None, tenant: Tenant = None, zone: Zone = "UTC", own: Own = None
) -> None:
    """Turn a vendor's records into events.

    Prints canonical events as JSON lines in their order. Records that are not understood are counted on standard error.

    Exit status: 0; 1 if a record that names a media item was not understood; 2 for wrong usage.

    Examples:

        touchpoint translate --dialect asterisk-queue-log --source /pbx/london /var/log/asterisk/queue_log

        touchpoint translate --dialect amazon-connect records/* | touchpoint stitch --format table -
    """
    chosen = DIALECTS.get(dialect)
    if chosen is None:
        raise CliError(f"--dialect {dialect!r} is not known; choose one of {', '.join(DIALECTS)}", status=2)
    if files.count("-") > 1:
        raise CliError("-: standard input can be read once", status=2)
    feed = Feed(source, tenant, zone_of(zone), own=own_of(own))
    missed: Counter[Unknown] = Counter()
    write(events_of(files, chosen, feed, missed))
    for unknown, count in missed.most_common():
        kept = "" if unknown.dead_letter else " (of no media item)"
        print(f"{count} not understood: {mask(unknown.reason)}{kept}", file=sys.stderr)
    if any(unknown.dead_letter for unknown in missed):
        raise typer.Exit(1)


def zone_of(name: str) -> ZoneInfo:
    """A time zone by name. Raises CliError."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise CliError(f"--zone {name!r} is no time zone; one looks like Europe/London", status=2) from None


def own_of(addresses: Iterable[str] | None) -> frozenset[str]:
    """Own mail addresses as a feed has them. Raises CliError."""
    found = [each.strip().lower().removeprefix("mailto:") for each in addresses or ()]
    for each in found:
        if not re.fullmatch(r"[^@\s]*@[^@\s]+", each):
            raise CliError(f"--own {each!r} is neither a mail address nor @ and a domain", status=2)
    return frozenset(each if each.startswith("@") else f"mailto:{each}" for each in found)


def events_of(files: Iterable[str], dialect: Dialect, feed: Feed, missed: Counter[Unknown]) -> Iterable[dict[str, Any]]:
    """The events of every record in the feed's order. Raises CliError for a file that cannot be read."""
    for name in files:
        try:
            with opened(name) as lines:
                for record in dialect.read(bounded(lines)):
                    said = dialect.translate(record, feed)
                    if isinstance(said, Unknown):
                        missed[said] += 1
                    else:
                        yield from said
        except (EOFError, zlib.error, BadGzipFile) as error:
            raise CliError(f"{name}: the gzip data is damaged ({error}); what it holds cannot be trusted") from None
        except OSError as error:
            raise CliError(f"{name}: cannot be read: {error.strerror}", status=2) from None


def write(events: Iterable[dict[str, Any]]) -> None:
    """Events as JSON lines, in the order of their times; of equal times, in that of the feed."""
    # as text: the bytes that orjson gives keep the room that it took to make them
    lines = [(event["time"], orjson.dumps(event).decode()) for event in events]
    lines.sort(key=itemgetter(0))
    sys.stdout.buffer.writelines(line.encode() + b"\n" for _, line in lines)
    sys.stdout.buffer.flush()

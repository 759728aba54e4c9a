"""`touchpoint translate`: a vendor's records in, canonical events out."""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from gzip import BadGzipFile
from operator import itemgetter
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import orjson
import typer

from touchpoint.cli.errors import CliError, configuration
from touchpoint.cli.stitch import bounded, opened
from touchpoint.dialects import DIALECTS, Dialect, Feed, IdsChanged, Unknown
from touchpoint.dialects.translator import translate as translated
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


Yes = Annotated[
    bool, typer.Option("--yes", help="Translate across a release in which the dialect's event ids changed.")
]


def translate(
    files: Files,
    dialect: Named,
    source: Source = None,
    tenant: Tenant = None,
    zone: Zone = "UTC",
    own: Own = None,
    yes: Yes = False,
) -> None:
    """Turn a vendor's records into events.

    Prints canonical events as JSON lines in their order. Records that are not understood are counted on standard error.

    Where a dialect's event ids changed in a release, records from before and after it together are refused without
    --yes: what was captured by the release before would count twice.

    Exit status: 0; 1 if a record that names a media item was not understood, or no event came of the input; 2 for
    wrong usage.

    Examples:

        touchpoint translate --dialect asterisk-queue-log --source /pbx/london /var/log/asterisk/queue_log

        touchpoint translate --dialect amazon-connect records/* | touchpoint stitch --format table -
    """
    chosen = DIALECTS.get(dialect)
    if chosen is None:
        raise CliError(f"--dialect {dialect!r} is not known; choose one of {', '.join(DIALECTS)}", status=2)
    if files.count("-") > 1:
        raise CliError("-: standard input can be read once", status=2)
    feed = Feed(source, tenant, zone_of(zone), own=own_of(own), lines=configuration().lines.lines())
    counts = ReadCounts()
    made = write(events_of(files, chosen, feed, counts), () if yes else chosen.ids_changed)
    for unknown, (count, first) in sorted(counts.missed.items(), key=lambda each: -each[1][0]):
        kept = "" if unknown.dead_letter else " (of no media item)"
        print(f"{count} not understood{kept}, the first is record {first}: {mask(unknown.reason)}", file=sys.stderr)
    if not made and counts.size:
        print(f"no event: {counts.records} records were read; {chosen.name} reads {chosen.reads}", file=sys.stderr)
    if any(unknown.dead_letter for unknown in counts.missed) or (not made and counts.size):
        raise typer.Exit(1)


@dataclass
class ReadCounts:
    """What was read beside events: records that were not understood, each with how many and the number of the first."""

    missed: dict[Unknown, tuple[int, int]] = field(default_factory=dict)
    records: int = 0
    size: int = 0

    def note(self, unknown: Unknown) -> None:
        count, first = self.missed.get(unknown, (0, self.records))
        self.missed[unknown] = (count + 1, first)

    def counted(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """The lines, counting what is not blank of them."""
        for line in lines:
            self.size += len(line.strip())
            yield line


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


def events_of(files: Iterable[str], dialect: Dialect, feed: Feed, counts: ReadCounts) -> Iterable[dict[str, Any]]:
    """The events of every record in the feed's order. Raises CliError for a file that cannot be read."""
    for name in files:
        try:
            with opened(name) as lines:
                for said in translated(dialect, feed, counts.counted(bounded(lines))):
                    counts.records += 1
                    if isinstance(said, Unknown):
                        counts.note(said)
                    else:
                        yield from said
        except (EOFError, zlib.error, BadGzipFile) as error:
            raise CliError(f"{name}: the gzip data is damaged ({error}); what it holds cannot be trusted") from None
        except OSError as error:
            raise CliError(f"{name}: cannot be read: {error.strerror}", status=2) from None


def write(events: Iterable[dict[str, Any]], ids_changed: Iterable[IdsChanged] = ()) -> int:
    """Events as JSON lines, in the order of their times; of equal times, in that of the feed. Returns how many.

    Raises CliError, and writes nothing, if they lie on both sides of a change of the dialect's ids.
    """
    # as text: the bytes that orjson gives keep the room that it took to make them
    lines = [(event["time"], orjson.dumps(event).decode()) for event in events]
    lines.sort(key=itemgetter(0))
    for change in ids_changed if lines else ():
        first, last = (datetime.fromisoformat(time) for time in (lines[0][0], lines[-1][0]))
        if first < datetime.fromisoformat(change.since) <= last:
            raise CliError(
                f"since release {change.release} the dialect gives events of {change.what} other ids, and these lie on "
                f"both sides of {change.since}: what an earlier release captured already would count twice. Leave out "
                "what was captured before the upgrade, or pass --yes if nothing was",
                status=2,
            )
    sys.stdout.buffer.writelines(line.encode() + b"\n" for _, line in lines)
    sys.stdout.buffer.flush()
    return len(lines)

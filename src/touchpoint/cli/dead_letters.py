"""`touchpoint dead-letters`: what could not be accepted, to see and to send again."""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, BinaryIO

import orjson
import typer

from touchpoint.cli.brokers import BrokersOption, ask_brokers, settings_of
from touchpoint.cli.errors import CliError
from touchpoint.cli.progress import counting

if TYPE_CHECKING:
    from touchpoint.kafka.dead_letter_reader import Letter, Wanted
    from touchpoint.settings import Settings

NOTHING = 1
USAGE = 2
SHOWN = 50

app = typer.Typer(no_args_is_help=True, help="See what could not be accepted, and send it again.")


class Format(StrEnum):
    table = "table"
    json = "json"


_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
Cause = Annotated[str | None, typer.Option("--cause", metavar="TEXT", help="Only those with this in their cause.")]
Code = Annotated[str | None, typer.Option("--code", metavar="WORD", help="Only those of this kind of cause.")]
Topic = Annotated[str | None, typer.Option("--topic", metavar="TOPIC", help="Only those that came from this topic.")]
Key = Annotated[str | None, typer.Option("--key", help="Only those with this key: of a call its id.")]
Since = Annotated[datetime | None, typer.Option("--since", formats=_TIMES, help="Buried then or later (UTC).")]
Until = Annotated[datetime | None, typer.Option("--until", formats=_TIMES, help="Buried before that (UTC).")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="In the table at most so many, the newest.")]
Shape = Annotated[Format, typer.Option("--format", help="table: for people; json: a line for each, all of them.")]
Where = Annotated[
    str,
    typer.Argument(
        metavar="PLACE", help="calls/3/1204: where the record came from; dead-letters/3/17: where the dead letter is."
    ),
]
Bytes = Annotated[int, typer.Option("--bytes", min=1, help="Show at most so many bytes of the record.")]
Raw = Annotated[bool, typer.Option("--raw", help="Write the record's bytes, and nothing else, to standard output.")]
Rate = Annotated[float | None, typer.Option("--rate", min=0.01, help="At most so many records a second.")]
DryRun = Annotated[bool, typer.Option("--dry-run/--send", help="Say what would be sent, or send it.")]


@app.command("list")
def list_(
    cause: Cause = None,
    code: Code = None,
    topic: Topic = None,
    key: Key = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = SHOWN,
    format: Shape = Format.table,  # noqa: A002 - as every other command has it
    brokers: BrokersOption = None,
) -> None:
    """List dead letters, the oldest first.

    Exit status: 0; 1 if there is none; 2 for wrong usage; 3 if no broker answers.

    Examples:

        touchpoint dead-letters list --since 2026-01-05

        touchpoint dead-letters list --topic calls --cause "unknown type" --format json | jq -r .key
    """
    settings = settings_of(brokers)
    wanted = wanted_of(settings, cause, code, topic, key, since, until)
    out = sys.stdout.buffer if format is Format.json else None
    count, newest = ask_brokers(settings, _listed(settings, wanted, limit, out))
    if not count:
        raise CliError("no dead letter matches", status=NOTHING)
    if out is None:
        from touchpoint.cli.dead_letter_view import table
        from touchpoint.cli.render import console

        console().print(table(newest))
        if count > len(newest):
            print(f"and {count - len(newest):,} older: --limit, or --format json for all", file=sys.stderr)


@app.command("show")
def show(where: Where, bytes: Bytes = 4096, raw: Raw = False, brokers: BrokersOption = None) -> None:  # noqa: A002
    """Show a dead letter: its cause, where it came from, its headers and its bytes.

    Exit status: 0; 1 if there is none; 2 for wrong usage; 3 if no broker answers.

    Examples:

        touchpoint dead-letters show calls/3/1204

        touchpoint dead-letters show dead-letters/3/17 --raw > record.json
    """
    from touchpoint.kafka.dead_letter_reader import letters_at, place

    settings = settings_of(brokers)
    try:
        asked = place(where)
    except ValueError:
        raise CliError(f"{where!r} is no place of a record, such as calls/3/1204", status=USAGE) from None
    found = ask_brokers(settings, letters_at(settings, asked))
    if not found:
        raise CliError(f"no dead letter is at, or came from, {where}", status=NOTHING)
    if raw:
        sys.stdout.buffer.write(found[-1].value or b"")
        return
    from touchpoint.cli.dead_letter_view import in_full
    from touchpoint.cli.render import console

    out = console()
    for number, letter in enumerate(found):
        if number:
            out.print()
        out.print(in_full(letter, bytes), soft_wrap=True)


@app.command("replay")
def replay(
    cause: Cause = None,
    code: Code = None,
    topic: Topic = None,
    key: Key = None,
    since: Since = None,
    until: Until = None,
    rate: Rate = None,
    dry_run: DryRun = True,
    brokers: BrokersOption = None,
) -> None:
    """Send dead letters again to where they came from, the oldest first, their bytes, key and headers as they were.

    Says what it would send; with --send it sends. An event that was accepted after all counts once, however often
    it is sent. The dead letters stay where they are; those that are refused again become new ones.

    Exit status: 0; 1 if there is none; 2 for wrong usage; 3 if no broker answers.

    Examples:

        touchpoint dead-letters replay --cause "unknown channel"

        touchpoint dead-letters replay --topic calls --since 2026-01-05 --rate 500 --send
    """
    settings = settings_of(brokers)
    wanted = wanted_of(settings, cause, code, topic, key, since, until)
    unable = Unable()
    pass_over = _counted(settings, wanted, unable) if dry_run else _sent(settings, wanted, unable, rate)
    counts = ask_brokers(settings, pass_over)
    unable.conclude()
    count = counts.total()
    if not count:
        raise CliError("no dead letter that can be sent matches", status=NOTHING)
    from touchpoint.cli.dead_letter_view import summary
    from touchpoint.cli.render import console

    console().print(summary(counts))
    done = "would be sent; nothing was. To send them: --send" if dry_run else "sent to where they came from"
    print(f"{count:,} dead letters {done}", file=sys.stderr)


class Unable:
    """Dead letters that cannot be sent, told as they are found: the first by name."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, letter: Letter) -> None:
        self.count += 1
        if self.count <= SHOWN:
            print(f"{letter.place} cannot be sent: {letter.obstacle}", file=sys.stderr)

    def conclude(self) -> None:
        if self.count > SHOWN:
            print(f"and {self.count - SHOWN:,} more cannot be sent", file=sys.stderr)


async def _able(settings: Settings, wanted: Wanted, unable: Unable) -> AsyncIterator[Letter]:
    from touchpoint.kafka.dead_letter_reader import letters

    async for letter in letters(settings, wanted):
        if letter.obstacle is None:
            yield letter
        else:
            unable(letter)


async def _counted(settings: Settings, wanted: Wanted, unable: Unable) -> Counter[tuple[str, str, str]]:
    from touchpoint.kafka.dead_letter_reader import group

    return Counter([group(letter) async for letter in _able(settings, wanted, unable)])


async def _sent(
    settings: Settings, wanted: Wanted, unable: Unable, rate: float | None
) -> Counter[tuple[str, str, str]]:
    from touchpoint.kafka.dead_letter_reader import group, replay

    counts: Counter[tuple[str, str, str]] = Counter()
    with counting("dead letters sent") as show:

        def count(letter: Letter) -> None:
            counts[group(letter)] += 1
            show(counts.total())

        await replay(settings, _able(settings, wanted, unable), rate, count)
    return counts


async def _listed(settings: Settings, wanted: Wanted, limit: int, out: BinaryIO | None) -> tuple[int, list[Letter]]:
    """How many there are and the newest; into `out` all, a line each."""
    from touchpoint.cli.dead_letter_view import as_json
    from touchpoint.kafka.dead_letter_reader import letters

    count = 0
    newest: deque[Letter] = deque(maxlen=limit)
    async for letter in letters(settings, wanted):
        count += 1
        if out is None:
            newest.append(letter)
        else:
            out.write(orjson.dumps(as_json(letter), option=orjson.OPT_APPEND_NEWLINE))
    return count, list(newest)


def wanted_of(
    settings: Settings, cause: str | None, code: str | None, topic: str | None, key: str | None,
    since: datetime | None, until: datetime | None,
) -> Wanted:  # fmt: skip
    """The filter of the options; times without an offset are UTC."""
    from touchpoint.kafka.dead_letter_reader import Wanted
    from touchpoint.kafka.topic_admin import short_name

    short = topic and short_name(settings, topic)
    times = {"since": _milliseconds(since), "until": _milliseconds(until)}
    return Wanted(cause=cause, code=code, topic=short, key=key, **times)


def _milliseconds(time: datetime | None) -> int | None:
    if time is None:
        return None
    return int((time if time.tzinfo is not None else time.replace(tzinfo=UTC)).timestamp() * 1000)

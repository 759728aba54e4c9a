"""`touchpoint stitch`: files of events in, closed interactions out."""

from __future__ import annotations

import gc
import gzip
import io
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Annotated, BinaryIO

import msgspec
import typer

from touchpoint.cli.errors import CliError, configuration
from touchpoint.cli.progress import counting
from touchpoint.events import Accepted, DeadLetter, Decoder
from touchpoint.events.masking import mask, spelt
from touchpoint.stitching.facts import Fact
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.offline import fold_all
from touchpoint.stitching.record import InteractionRecord, Json, as_json

GZIP = b"\x1f\x8b"
PROGRESS_EVERY = 1_000  # lines
LONGEST = 16 << 20  # bytes of a line that are looked at; a record has at most 256 KiB


class Format(StrEnum):
    json = "json"
    table = "table"


Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="JSON lines, plain or gzipped; -: standard input.")]
Shape = Annotated[Format, typer.Option("--format", help="json: a line for each interaction; table: for people.")]
Open = Annotated[bool, typer.Option("--open", help="Print what was still open at the last event instead.")]


def stitch(files: Files, format: Shape = Format.json, open: Open = False) -> None:  # noqa: A002 - the contract's names
    """Turn files of events into closed interactions.

    Needs no broker and no database. Events may come in any order and more than once. At the end of the input
    time runs on until every limit is reached, so everything closes. Limits, channels and the secret are those
    of TOUCHPOINT_*, as for the worker. A file has no topic, so events of every type and tenant are accepted;
    the worker accepts of each topic only what belongs there (docs/operations.md, Who may say what).

    Exit status: 0; 1 if some input was rejected, each with a line on standard error; 2 for wrong usage.

    Examples:

        touchpoint stitch events.jsonl

        touchpoint stitch monday.jsonl.gz tuesday.jsonl.gz | jq .duration_ms

        touchpoint simulate | touchpoint stitch --format table -
    """
    if files.count("-") > 1:
        raise CliError("-: standard input can be read once", status=2)
    gc.disable()  # one pass that keeps what it makes: collecting costs a fifth of the time and frees nothing
    settings = configuration()
    decoder = Decoder(settings.stitching_limits().channels, settings.number_plan)
    refused = Refused()
    facts = read(files, decoder, refused)
    secret = settings.party_secret.get_secret_value().encode()
    limits = settings.stitching_limits()
    records: Sequence[InteractionRecord | Json]
    records = still_open(facts, limits, secret) if open else closed(facts, limits, secret, refused)
    if format is Format.table:
        from touchpoint.cli.render import render_table

        render_table(map(as_json, records))
    else:
        write(records, sys.stdout.buffer)
    if refused.count:
        raise typer.Exit(1)


class Refused:
    """Input that was not accepted, shown as it is found."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, where: str, cause: str) -> None:
        """``where``: in which file, in the words of who named it; ``cause``: whatever it quotes is masked."""
        self.count += 1
        print(f"{spelt(where)}: {mask(cause)}", file=sys.stderr)


def read(files: Iterable[str], decoder: Decoder, refused: Refused) -> Iterator[Fact]:
    """The facts of every accepted line. Raises CliError for a file that cannot be read."""
    for name in files:
        try:
            with opened(name) as lines:
                yield from facts_of(name, noted(bounded(lines)), decoder, refused)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise CliError(f"{name}: the gzip data is damaged ({error}); what it holds cannot be trusted") from None
        except OSError as error:
            raise CliError(f"{name}: cannot be read: {error.strerror}", status=2) from None


def opened(name: str) -> BinaryIO:
    """A file, or standard input, unzipped where it is gzipped, whatever its name."""
    if name == "-" and sys.stdin is None:
        raise CliError("-: standard input is closed", status=2)
    raw = sys.stdin.buffer if name == "-" else open(name, "rb")  # noqa: PTH123, SIM115 - closed by the caller
    assert isinstance(raw, io.BufferedReader)
    if raw.peek(2)[:2] == GZIP:
        return io.BufferedReader(gzip.GzipFile(fileobj=raw), 1 << 20)
    return raw


def bounded(file: BinaryIO) -> Iterator[bytes]:
    """The lines; of one that is longer than any record only the beginning, so that no file fills the memory."""
    while line := file.readline(LONGEST):
        yield line
        while len(line) == LONGEST and not line.endswith(b"\n"):
            line = file.readline(LONGEST)


def facts_of(name: str, lines: Iterable[bytes], decoder: Decoder, refused: Refused) -> Iterator[Fact]:
    """The facts of one file's accepted lines. Hot path: a call and a type test for each line."""
    decode = decoder.decode
    for number, line in enumerate(lines, 1):
        verdict = decode(line)
        if type(verdict) is Accepted:
            yield verdict.fact
        elif line.isspace():
            continue
        elif type(verdict) is DeadLetter:
            longer = f"the line has more than {LONGEST >> 20} MiB; a record has at most 256 KiB"
            refused(f"{name}:{number}", verdict.cause if len(line) < LONGEST else longer)
            if verdict.about is not None:
                yield verdict.about


def noted(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines; on a terminal with a count that goes up."""
    with counting("events read") as show:
        for number, line in enumerate(lines):
            if not number % PROGRESS_EVERY:
                show(number)
            yield line


def closed(facts: Iterable[Fact], limits: Limits, secret: bytes, refused: Refused) -> list[InteractionRecord]:
    """Every interaction, once time has run on to the end."""
    outcome = fold_all(facts, limits, secret)
    for fact in outcome.unplaced:
        said = f"event {fact.id!r} of {fact.source!r} speaks of media item {fact.subject!r}, which never came"
        refused(f"{fact.kind}.{fact.verb}", said)
    return outcome.records


def still_open(facts: Iterable[Fact], limits: Limits, secret: bytes) -> list[Json]:
    """What had not closed by the time of the last event, as it would close if nothing more came."""
    known = list(facts)
    now = max((fact.time for fact in known), default=0)
    done = {record.interaction_id for record in fold_all(known, limits, secret, now).records}
    waiting = [each for each in fold_all(known, limits, secret).records if each.interaction_id not in done]
    return [as_json(record) | {"closed_by": None, "content_hash": None} for record in waiting]


def write(records: Iterable[InteractionRecord | Json], out: BinaryIO) -> None:
    """Records as JSON lines."""
    encode = msgspec.json.Encoder().encode
    out.writelines(encode(record) + b"\n" for record in records)

"""`touchpoint verify`: the events folded again, and what is stored held against it."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
import typer

from touchpoint.cli.brokers import BrokersOption, ask_brokers, settings_of
from touchpoint.cli.comparison import Comparison, compare, differences
from touchpoint.cli.database import DatabaseOption, ask
from touchpoint.cli.earlier_rules import apart
from touchpoint.cli.errors import CliError
from touchpoint.cli.progress import counting
from touchpoint.cli.stitch import Refused, read
from touchpoint.stitching.facts import Fact
from touchpoint.stitching.offline import fold_all
from touchpoint.stitching.record import RECORD_VERSION, InteractionRecord, as_json, at_version

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

    from touchpoint.events import Verdict
    from touchpoint.kafka.fetching import Damaged
    from touchpoint.settings import Settings

USAGE, UNUSABLE = 2, 3
ROWS_AT_ONCE = 500
MEMBERS_SHOWN = 20  # of one interaction

_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
Files = Annotated[
    list[str] | None, typer.Argument(metavar="[FILE...]", help="JSON lines, plain or gzipped; -: standard input.")
]
Topics = Annotated[bool, typer.Option("--topics", help="Read the input topics from their beginnings instead.")]
Rows = Annotated[bool, typer.Option("--rows", help="Compare every row, not only the content hash of each interaction.")]
Complete = Annotated[
    bool, typer.Option("--complete", help="All must be stored, also what may be open at the last event.")
]
Since = Annotated[
    datetime | None, typer.Option("--since", formats=_TIMES, help="Only what started then or later (UTC).")
]
Until = Annotated[datetime | None, typer.Option("--until", formats=_TIMES, help="Only what ended before that (UTC).")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="Show at most so many of each kind of difference.")]


class Folded(NamedTuple):
    """What the events say: records by interaction id, and which of them may be open still at the last event."""

    records: dict[str, InteractionRecord]
    open_still: frozenset[str]


def verify(
    database: DatabaseOption,
    files: Files = None,
    topics: Topics = False,
    rows: Rows = False,
    complete: Complete = False,
    since: Since = None,
    until: Until = None,
    limit: Limit = 20,
    brokers: BrokersOption = None,
) -> None:
    """Fold events again and compare what is stored with it.

    Reads files of events, or the input topics outside any group, so that no worker notices. Says which interactions
    are missing, extra or different, and in what. What an earlier version made by other rules, or would have, is
    counted apart, as earlier, and is no difference. Limits, channels and the secret are those of TOUCHPOINT_*, as for
    the worker. It reads the tables: touchpoint_admin.

    Exit status: 0 if they are equal; 1 if not; 2 for wrong usage; 3 if the database or a broker cannot be used,
    or a later version wrote to the database.

    Examples:

        touchpoint verify monday.jsonl.gz --until 2026-01-06

        touchpoint verify --topics --since 2026-01-05T06:00:00
    """
    if bool(files) == topics:
        raise CliError("name files of events, or --topics, and not both", status=USAGE)
    gc.disable()  # as in stitch: what is read is kept
    settings = settings_of(brokers)
    began, ended = utc(since), utc(until)
    facts = from_topics(settings) if topics else from_files(settings, files or [])
    folded = within(fold(facts, settings, complete=complete), began, ended)
    from touchpoint.history.reader import content_hashes

    stored = ask(database, content_hashes(database, began, ended))
    versions = {id_: one.record_version for id_, one in stored.items()}
    folded = at_versions(folded, versions)
    hashes = {id_: record.content_hash for id_, record in folded.records.items()}
    found = compare({id_: one.content_hash for id_, one in stored.items()}, hashes, folded.open_still)
    if rows:
        found = found._replace(different=sorted({*found.different, *other_rows(database, stored, folded)}))
    found, earlier = apart(database, found, folded.records)
    report(database, found, folded, limit)
    for id_ in earlier[:limit]:
        print(f"earlier    {id_}")
    print(verdict(found, folded, stored, len(earlier)))
    if not found.same:
        raise typer.Exit(1)


def require_known(versions: Iterable[int]) -> None:
    """Raises CliError if a later release, with more members than this one has, made a stored record."""
    newest = max(versions, default=RECORD_VERSION)
    if newest > RECORD_VERSION:
        raise CliError(
            f"record version {newest} is among the stored interactions, and this touchpoint knows {RECORD_VERSION}:"
            " verify with the version that stored them",
            status=UNUSABLE,
        )


def verdict(found: Comparison, folded: Folded, stored: Collection[str], earlier: int = 0) -> str:
    """What was compared, and how it came out; in a line."""
    told = f"{len(folded.records):,} interactions folded, {len(stored):,} stored"
    waiting = len(folded.open_still.difference(stored))
    if waiting:
        told += f"; {waiting:,} may be open still at the last event and are not stored (--complete: they must be)"
    if earlier:
        told += f"; {earlier:,} by earlier rules, which this version has replaced"
    if found.same:
        return f"{told}: the others are equal" if earlier else f"{told}: equal"
    missing, extra, different = map(len, found)
    return f"{told}: {missing:,} missing, {extra:,} extra, {different:,} different"


def from_files(settings: Settings, files: list[str]) -> list[Fact]:
    """The facts of every accepted line; the others are told."""
    from touchpoint.events import Decoder

    if files.count("-") > 1:
        raise CliError("-: standard input can be read once", status=USAGE)
    decoder = Decoder(settings.stitching_limits().channels, settings.number_plan)
    return list(read(files, decoder, Refused()))


def from_topics(settings: Settings) -> list[Fact]:
    """The facts of every accepted record that the input topics have."""
    facts, refused = ask_brokers(settings, _consumed(settings))
    if refused:
        print(f"{refused:,} records were not accepted, as by the worker", file=sys.stderr)
    return facts


async def _consumed(settings: Settings) -> tuple[list[Fact], int]:
    from touchpoint.events import Accepted, DeadLetter
    from touchpoint.kafka.topic_admin import feed_topics, media_topics
    from touchpoint.kafka.topic_reader import records

    facts: list[Fact] = []
    refused, verdicts = 0, _reader(settings)
    damaged: list[Damaged] = []
    topics = [topic for topic in media_topics(settings) if topic != "links"]
    with counting("events read") as show:
        async for record in records(settings, [*topics, *feed_topics(settings)], on_damaged=damaged.append):
            for verdict in verdicts(record):
                if isinstance(verdict, Accepted):
                    facts.append(verdict.fact)
                elif isinstance(verdict, DeadLetter):
                    refused += 1
                    facts += [verdict.about] if verdict.about is not None else []
            if not len(facts) % 1_000:
                show(len(facts))
    return facts, refused + len(damaged)


def _reader(settings: Settings) -> Callable[[ConsumerRecord], list[Verdict]]:
    """What becomes of a record of any input, read partition by partition in its order."""
    from touchpoint.dialects import DIALECTS
    from touchpoint.dialects.translator import Translator
    from touchpoint.events import Decoder
    from touchpoint.kafka.topic_admin import short_name
    from touchpoint.kafka.topic_rights import topic_rights
    from touchpoint.stages.feed.translation import Translation
    from touchpoint.stages.media.media_clock import TimeBound
    from touchpoint.stream.runtime import APPENDED
    from touchpoint.stream.work import now_micros

    limits, rights = settings.stitching_limits(), topic_rights(settings)
    decoder = Decoder(limits.channels, settings.number_plan)
    partitions: dict[tuple[str, int], Translation] = {}

    bound = TimeBound(limits)

    def verdicts(record: ConsumerRecord) -> list[Verdict]:
        judge = rights[short_name(settings, record.topic)].judge
        # without the broker's stamp the worker's own clock counted when it read the record: of that nothing is known
        appended = record.timestamp * 1000 if record.timestamp_type == APPENDED else now_micros()
        return [bound.verdict(judge(verdict), appended) for verdict in said(record)]

    def said(record: ConsumerRecord) -> list[Verdict]:
        declared = settings.dialect_topics.get(record.topic)
        if declared is None:
            return [decoder.decode(record.value, record.headers, record.key)]
        place = record.topic, record.partition
        if place not in partitions:
            translator = Translator(DIALECTS[declared.dialect], decoder)
            feed = declared.feed(limits.own_addresses, settings.lines.lines())
            partitions[place] = Translation(translator, feed)
        return partitions[place].verdicts(record.value, record.headers, record.key)

    return verdicts


def fold(facts: list[Fact], settings: Settings, *, complete: bool) -> Folded:
    """What `touchpoint stitch` makes of the facts."""
    limits, secret = settings.stitching_limits(), settings.party_secret.get_secret_value().encode()
    records = {str(record.interaction_id): record for record in fold_all(facts, limits, secret).records}
    if complete:
        return Folded(records, frozenset())
    reached = max((fact.time for fact in facts), default=0) - limits.disorder
    closed = {str(record.interaction_id) for record in fold_all(facts, limits, secret, reached).records}
    return Folded(records, frozenset(records.keys() - closed))


def at_versions(folded: Folded, versions: Mapping[str, int]) -> Folded:
    """Each record as the version would tell it that wrote the stored one: members that came later are no difference.

    Raises CliError for a version that is later than ours.
    """
    require_known(versions.values())
    records = folded.records.items()
    return folded._replace(records={id_: at_version(one, versions.get(id_, RECORD_VERSION)) for id_, one in records})


def within(folded: Folded, since: datetime | None, until: datetime | None) -> Folded:
    """What started at `since` or later and ended before `until`."""
    if since is None and until is None:
        return folded
    kept = {
        id_: record
        for id_, record in folded.records.items()
        if (since is None or record.started_at >= since) and (until is None or record.ended_at < until)
    }
    return Folded(kept, folded.open_still & kept.keys())


def other_rows(database: str, stored: Iterable[str], folded: Folded) -> Iterator[str]:
    """Interactions of which a row is not what the fold says, whatever their hash says."""
    from touchpoint.history.reader import records

    ids = iter(sorted(folded.records.keys() & set(stored)))
    while some := list(islice(ids, ROWS_AT_ONCE)):
        for id_, record in ask(database, records(database, some)).items():
            if next(differences(record, as_json(folded.records[id_])), None) is not None:
                yield id_


def report(database: str, found: Comparison, folded: Folded, limit: int) -> None:
    """Each difference, up to so many of a kind; of different ones the members that differ."""
    from touchpoint.cli.render import plain
    from touchpoint.history.reader import records

    for id_ in found.missing[:limit]:
        record = folded.records[id_]
        items = ", ".join(item.media_item_id for item in record.media_items)
        began, ended = (msgspec.to_builtins(time) for time in (record.started_at, record.ended_at))
        print(f"missing    {id_}  {began} to {ended}  {plain(items)}".rstrip())
    for id_ in found.extra[:limit]:
        print(f"extra      {id_}")
    shown = found.different[:limit]
    stored = ask(database, records(database, shown)) if shown else {}
    for id_ in shown:
        print(f"different  {id_}  stored -> folded")
        members = list(differences(stored[id_], as_json(folded.records[id_])))
        for path, old, new in members[:MEMBERS_SHOWN]:
            print(plain(f"             {path}: {old} -> {new}"))
        if len(members) > MEMBERS_SHOWN:
            print(f"             and {len(members) - MEMBERS_SHOWN} more")


def utc(time: datetime | None) -> datetime | None:
    """The instant; without an offset it is UTC."""
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time

"""What became of every offset that a campaign wrote: stored, skipped, a dead letter, aborted, or no record at all."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from broker_campaign import TOPICS, BrokerCampaign, Sent
from installation import Installation

from touchpoint.cli.verify import _reader as verdicts_of
from touchpoint.events import Accepted
from touchpoint.events import DeadLetter as Refused
from touchpoint.kafka.dead_letter_reader import Letter, Wanted, letters
from touchpoint.kafka.fetching import Damaged
from touchpoint.kafka.fetching.record_batch import readable
from touchpoint.kafka.topic_admin import short_name
from touchpoint.kafka.topic_reader import records
from touchpoint.settings import PREFIX
from touchpoint.stages.dead_letter_records import DAMAGED

KEPT = 64 * 1024  # bytes of a value that are compared

Place = tuple[str, int, int]


class Read(NamedTuple):
    """A record as a reader of our own has it."""

    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    fate: str  # accepted, skipped, dead letter
    item: str  # of an accepted call


class Account:
    """Counts of what became of the offsets, and findings: what should not be."""

    def __init__(self, campaign: BrokerCampaign) -> None:
        self.campaign = campaign
        self.fates: Counter[str] = Counter()
        self.findings: list[str] = []
        self._parsed: dict[Place, Read] = {}
        self._damaged: list[Damaged] = []
        self._letters: defaultdict[Place, list[Letter]] = defaultdict(list)

    async def settle(self) -> None:
        """Read everything and compare."""
        installation = self.campaign.installation
        await self._read_inputs(installation)
        async for letter in letters(installation.settings, Wanted()):
            if letter.origin is not None:
                self._letters[letter.origin.topic, letter.origin.partition, letter.origin.offset].append(letter)
        self._check_records(await stored_items(installation))
        self._check_damaged(installation)
        self._check_what_was_sent()
        self._check_offsets(await ends(installation))
        await self._check_rows(installation)

    async def _read_inputs(self, installation: Installation) -> None:
        settings = installation.settings
        verdicts = verdicts_of(settings)
        async for record in records(settings, TOPICS, on_damaged=self._damaged.append):
            (verdict,) = verdicts(record)
            accepted = isinstance(verdict, Accepted)
            fate = "accepted" if accepted else "dead letter" if isinstance(verdict, Refused) else "skipped"
            item = verdict.fact.subject if isinstance(verdict, Accepted) and verdict.fact.kind == "call" else ""
            place = short_name(settings, record.topic), record.partition, record.offset
            value = record.value and record.value[:KEPT]
            self._parsed[place] = Read(value, tuple(record.headers), fate, item)

    def _check_records(self, items: set[str]) -> None:
        for place, read in self._parsed.items():
            letters = [letter for letter in self._letters[place] if letter.code != DAMAGED]
            self.fates[read.fate] += 1
            if read.fate == "dead letter" and not any(begins(letter, read.value) for letter in letters):
                self._finding(f"{place} is no dead letter with its bytes")
            elif read.fate != "dead letter" and letters:
                self._finding(f"{place} was accepted, and is a dead letter: {letters[0].code}")
            elif read.item and read.item not in items:
                self._finding(f"{place}: {read.item} is not stored")

    def _check_damaged(self, installation: Installation) -> None:
        """Of an offset there may be a record and something damaged: a batch may have more records than offsets."""
        for each in self._damaged:
            place = short_name(installation.settings, each.topic), each.partition, each.first
            letters = [letter for letter in self._letters[place] if letter.code == DAMAGED]
            self.fates[f"damaged: {each.reason}"] += each.offset - each.first + 1
            if not any(begins(letter, each.value) for letter in letters):
                self._finding(f"{place} is damaged ({each.reason}), and no dead letter has its bytes")

    def _check_what_was_sent(self) -> None:
        """Records of whole batches come out as they were sent; aborted ones never do."""
        for sent in self.campaign.sent:
            for number, value in enumerate(sent.case.values or []):
                place = sent.topic, sent.partition, sent.offset + number
                read = self._parsed.get(place)
                if sent.aborted:
                    if read is not None:
                        self._finding(f"{place} was aborted, and came out")
                elif read is None or read.value != (value and value[:KEPT]):
                    self._finding(f"{place} is not as it was sent ({sent.case.kind})")
                elif sent.case.headers and read.headers != tuple((readable(n or b""), v) for n, v in sent.case.headers):
                    self._finding(f"the headers of {place} are not as they were sent")

    def _check_offsets(self, ends: dict[tuple[str, int], int]) -> None:
        covered: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
        for topic, partition, offset in self._parsed:
            covered[topic, partition].add(offset)
        for each in self._damaged:
            topic = short_name(self.campaign.installation.settings, each.topic)
            covered[topic, each.partition].update(range(each.first, each.offset + 1))
        for place, end in ends.items():
            gaps = sorted(set(range(end)) - covered[place])
            unexplained = [gap for gap in gaps if not self._may_be_missing(place, gap)]
            self.fates["aborted, or of no record"] += len(gaps) - len(unexplained)
            self.fates["ends of transactions"] += len(unexplained)
            if len(unexplained) > self.campaign.markers[place]:
                self._finding(f"{place}: nothing says what became of {unexplained[:20]}")

    def _may_be_missing(self, place: tuple[str, int], offset: int) -> bool:
        sent = self._last_before(place, offset)
        return sent is not None and (sent.aborted or not sent.case.whole)

    def _last_before(self, place: tuple[str, int], offset: int) -> Sent | None:
        if not hasattr(self, "_in_order"):
            self._in_order: dict[tuple[str, int], list[Sent]] = defaultdict(list)
            for sent in sorted(self.campaign.sent, key=lambda each: each.offset):
                self._in_order[sent.topic, sent.partition].append(sent)
        found = [sent for sent in self._in_order[place] if sent.offset <= offset]
        return found[-1] if found else None

    async def _check_rows(self, installation: Installation) -> None:
        """The rows are what the topics say, by a command that reads them anew."""
        command = [sys.executable, "-m", "touchpoint", "verify", "--topics", "--rows"]
        settings = installation.settings
        command += ["--database", installation.database, "--brokers", ",".join(settings.brokers)]
        environment = {name: value for name, value in installation.environment().items() if name != PREFIX + "BROKERS"}
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, env=environment, check=False
        )
        self.verified = done.stdout.strip().splitlines()[-1:] or done.stderr.splitlines()[-1:]
        if done.returncode:
            self._finding(f"verify: exit {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")

    def _finding(self, told: str) -> None:
        self.findings.append(told)

    def lines(self) -> Iterator[str]:
        """The report."""
        campaign = self.campaign
        taken, refused = campaign.taken.total(), campaign.refused.total()
        yield f"seed {campaign.seed}: {campaign.batches:,} batches, {taken:,} taken, {refused:,} refused"
        yield f"transactions: {dict(campaign.transactions)}; most records behind an open one: {campaign.most_held:.0f}"
        yield f"memory of the worker at most {campaign.most_memory / 1e6:,.0f} MB; verify: {' '.join(self.verified)}"
        yield "offsets, by what became of them:"
        yield from (f"  {count:>9,}  {fate}" for fate, count in self.fates.most_common())
        yield "batches that the broker took, by kind:"
        yield from (f"  {count:>9,}  {kind}" for kind, count in campaign.taken.most_common())
        yield "batches that it refused, by kind and error:"
        yield from (f"  {count:>9,}  {kind}: {error}" for (kind, error), count in campaign.refused.most_common())
        yield f"{len(self.findings)} findings"
        yield from (f"  {finding}" for finding in self.findings[:50])


def begins(letter: Letter, value: bytes | None) -> bool:
    """Whether a dead letter has the bytes, as far as they are compared; it may be cut."""
    return (letter.value or b"")[:KEPT] == (value or b"")[:KEPT]


async def stored_items(installation: Installation) -> set[str]:
    """The media items of all stored interactions."""
    async with installation.connected() as connection:
        rows = await connection.fetch("SELECT media_item_id FROM touchpoint.media_item")
    return {row[0] for row in rows}


async def ends(installation: Installation) -> dict[tuple[str, int], int]:
    """Where each partition of the inputs ends."""
    consumer = AIOKafkaConsumer(**installation.client)
    await consumer.start()
    try:
        settings = installation.settings
        places = [TopicPartition(settings.topic_prefix + t, p) for t in TOPICS for p in range(settings.partitions)]
        found = await consumer.end_offsets(places)
        return {(short_name(settings, place.topic), place.partition): end for place, end in found.items()}
    finally:
        await consumer.stop()

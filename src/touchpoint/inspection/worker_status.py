"""How an installation is doing: its workers, their partitions, how late it is and what holds it back.

The brokers tell members, partitions and lag. What only a worker knows (event time, sources, the database) its page of
metrics tells: at the address from which the worker joined the group, or where the operator says.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from touchpoint.inspection.worker_page import Sample, WorkerPage, read_page
from touchpoint.kafka.access import Member
from touchpoint.kafka.group_progress import GroupProgress, group_progress
from touchpoint.settings import PREFIX, Settings

STABLE = "Stable"


class WorkerStatus(msgspec.Struct, frozen=True):
    """A member of the group."""

    name: str  # its instance id, or its member id
    host: str
    partitions: int
    lag: int


class PageStatus(msgspec.Struct, frozen=True):
    """A worker as its page of metrics shows it."""

    url: str
    version: str | None
    is_ready: bool
    oldest_unstored_seconds: float
    trouble: str


class TopicStatus(msgspec.Struct, frozen=True):
    """A topic that workers read."""

    topic: str
    partitions: int
    lag: int
    delay_seconds: float | None  # how far its event time is behind the clock; None: not known


class SourceStatus(msgspec.Struct, frozen=True):
    """A source of events; `others` are all that `TOUCHPOINT_SOURCES` does not name."""

    topic: str
    source: str
    latest: float  # the time of its latest event, seconds since 1970
    silent_seconds: float


class HolderStatus(msgspec.Struct, frozen=True):
    """An input that is the slowest of some partitions, and the source of the event at which it stands."""

    topic: str
    source: str
    partitions: int


class StepStatus(msgspec.Struct, frozen=True):
    """An agent of the workers."""

    agent: str
    batches: int
    mean_seconds: float  # of a batch since the workers started


class Status(msgspec.Struct, frozen=True):
    """All of it. ``problems``: what an operator has to look at; ``notes``: what could not be learned."""

    group: str
    state: str
    workers: list[WorkerStatus]
    pages: list[PageStatus]
    topics: list[TopicStatus]
    delay_seconds: float | None  # how far the event time that closes interactions is behind the clock
    held_back_by: list[HolderStatus]
    sources: list[SourceStatus]
    steps: list[StepStatus]
    problems: list[str]
    notes: list[str]


async def read_status(settings: Settings, urls: Sequence[str] = ()) -> Status:
    """Ask the brokers, and the workers' pages. ``urls``: of these; without any, the addresses of the members.

    Raises ``TopicsError`` and ``KafkaError``, as ``group_progress`` does.
    """
    progress = await group_progress(settings)
    hosts = sorted({member.client_host for member in progress.members})
    found = urls or [f"http://{host}:{settings.metrics_port}/metrics" for host in hosts if settings.metrics_port]
    pages = await asyncio.gather(*(read_page(url) for url in found))
    return summarize(settings.app_id, progress, pages, time.time())


def summarize(group: str, progress: GroupProgress, pages: Sequence[WorkerPage], now: float) -> Status:
    """What brokers and pages tell together; ``now``: seconds since 1970."""
    read = [page for page in pages if not page.trouble]
    delay = _greatest(page.values("watermark_delay_seconds", agent="party") for page in read)
    shown = [_page(page) for page in pages]
    return Status(
        group, progress.state,
        [_worker(member, progress) for member in sorted(progress.members, key=_name)],
        shown,
        list(_topics(progress, read)),
        delay,
        list(_holders(read)),
        list(_sources(read, now)),
        list(_steps(read)),
        list(_problems(progress, shown)),
        list(_notes(progress, pages)),
    )  # fmt: skip


def _name(member: Member) -> str:
    return member.instance_id or member.member_id


def _worker(member: Member, progress: GroupProgress) -> WorkerStatus:
    mine = [each for each in progress.partitions if each.member == member.member_id]
    return WorkerStatus(_name(member), member.client_host, len(mine), sum(each.lag for each in mine))


def _page(page: WorkerPage) -> PageStatus:
    info = next(iter(page.values("build_info")), None)
    return PageStatus(
        page.url,
        info.labels["version"] if info is not None else None,
        page.value("ready") == 1 and page.value("history_usable") != 0,
        page.value("oldest_unstored_seconds") or 0.0,
        page.trouble,
    )


def _topics(progress: GroupProgress, pages: Sequence[WorkerPage]) -> Iterator[TopicStatus]:
    for topic in dict.fromkeys(each.topic for each in progress.partitions):
        of_topic = [each for each in progress.partitions if each.topic == topic]
        delay = _greatest(page.values("input_delay_seconds", topic=topic) for page in pages)
        yield TopicStatus(topic, len(of_topic), sum(each.lag for each in of_topic), delay)


def _greatest(samples: Iterable[Iterable[Sample]]) -> float | None:
    return max((sample.value for of_page in samples for sample in of_page), default=None)


def _by_source(pages: Sequence[WorkerPage], name: str, join: Callable[[Iterable[float]], float]) -> Iterator[
    tuple[str, str, float]
]:  # fmt: skip
    found = defaultdict[tuple[str, str], list[float]](list)
    for page in pages:
        for sample in page.values(name):
            found[sample.labels["topic"], sample.labels["source"]].append(sample.value)
    yield from ((topic, source, join(values)) for (topic, source), values in sorted(found.items()))


def _holders(pages: Sequence[WorkerPage]) -> Iterator[HolderStatus]:
    held = [HolderStatus(t, s, int(number)) for t, s, number in _by_source(pages, "held_partitions", sum) if number]
    yield from sorted(held, key=lambda each: -each.partitions)


def _sources(pages: Sequence[WorkerPage], now: float) -> Iterator[SourceStatus]:
    for topic, source, latest in _by_source(pages, "source_seconds", max):
        yield SourceStatus(topic, source, latest, now - latest)


def _steps(pages: Sequence[WorkerPage]) -> Iterator[StepStatus]:
    totals = defaultdict[str, list[float]](lambda: [0.0, 0.0])
    for page in pages:
        for place, name in enumerate(("batch_seconds_count", "batch_seconds_sum")):
            for sample in page.values(name):
                totals[sample.labels["agent"]][place] += sample.value
    for agent, (count, seconds) in sorted(totals.items()):
        yield StepStatus(agent, int(count), seconds / count if count else 0.0)


def _problems(progress: GroupProgress, pages: Sequence[PageStatus]) -> Iterator[str]:
    if not progress.members:
        yield "no worker is in the group: nothing is read"
    elif progress.state != STABLE:
        yield f"the group is in {progress.state}: nothing is read until its members have their partitions"
    elif left := [each for each in progress.partitions if each.member is None]:
        places = sorted({f"{each.topic} {each.partition}" for each in left})
        yield f"{len(places)} partitions are nobody's: {', '.join(places[:5])}{', ...' if len(places) > 5 else ''}"
    for page in pages:
        if not page.trouble and not page.is_ready:
            yield f"the worker at {page.url} is not ready: its /readyz and its log say why"
    versions = sorted({page.version for page in pages if page.version})
    if len(versions) > 1:
        yield f"workers of several versions: {', '.join(versions)}"


def _notes(progress: GroupProgress, pages: Sequence[WorkerPage]) -> Iterator[str]:
    yield from (page.trouble for page in pages if page.trouble)
    if progress.members and not any(not page.trouble for page in pages):
        yield f"event time and sources are told by workers: name their pages with --worker, or see {PREFIX}METRICS_HOST"

"""The topics of the contract: their names, their settings, making and checking them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from touchpoint.kafka_client import client_options
from touchpoint.producer.routing import channel_topics
from touchpoint.settings import Settings
from touchpoint.settings.sections import DialectTopic

TABLES = ("media", "parties")
FOREIGN = "vendor:"
"""Begins the short names of topics that other systems fill; their full names have no prefix of ours."""
DAY_MS = 86_400_000
STAMPS, BROKER = "message.timestamp.type", "LogAppendTime"
OF_THE_TOPIC = 1
"""The source of a setting, in Kafka's answer, that was set for the topic itself."""
LOOKS, LOOK_SECONDS = 5, 1.0
MIB = 1024 * 1024

# What a batch of each kind may have, as it is stored. Inputs take more than the contract's 256 KiB, so that what is too
# large arrives and becomes a dead letter, but not much more: compressed, a few MiB may be gigabytes. Dead letters take
# more than any input, a vendor's too, because they carry it unchanged.
# What a party may have open (MOST_STATE) is up to five times as much in an interaction's JSON: measured on short calls.
INPUT_BYTES, INTERNAL_BYTES, DEAD_LETTER_BYTES, STATE_BYTES = MIB, 32 * MIB, 16 * MIB, 32 * MIB


class TopicSpec(msgspec.Struct, frozen=True):
    """A topic as it should be."""

    name: str  # in full, with the prefix
    max_bytes: int
    config: Mapping[str, str]


class TopicReport(msgspec.Struct):
    """What ``create_topics`` found and did."""

    created: list[str] = []
    existing: list[str] = []
    altered: list[str] = []  # the broker stamps what is appended from now on
    mismatching: list[str] = []  # one line each: the topic, what it has, what it should have


class Counts(msgspec.Struct, frozen=True):
    """How many partitions the topics have."""

    ours: int  # each
    feeds: dict[str, int]  # topics with a dialect, by short name


class TopicsError(Exception):
    """Topics are missing or do not fit together. ``problems``: one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def media_topics(settings: Settings) -> tuple[str, ...]:
    """What the media agent reads, without the prefix."""
    return (*dict.fromkeys(channel_topics(settings).values()), "activities", "parties", "links")


def feed_topics(settings: Settings) -> dict[str, DialectTopic]:
    """The topics with a dialect, by short name."""
    return {FOREIGN + name: declared for name, declared in settings.dialect_topics.items()}


def full_name(settings: Settings, topic: str) -> str:
    """The name that Kafka knows, of a short one."""
    return topic.removeprefix(FOREIGN) if topic.startswith(FOREIGN) else settings.topic_prefix + topic


def short_name(settings: Settings, topic: str) -> str:
    """The short name of a topic, whichever of its names is given."""
    return FOREIGN + topic if topic in settings.dialect_topics else topic.removeprefix(settings.topic_prefix)


def feed_table(topic: str) -> str:
    """The table of a topic with a dialect, by its short name: its changelog has as many partitions as the topic."""
    return "feed-" + topic.removeprefix(FOREIGN)


def changelog(settings: Settings, table: str) -> str:
    """The full name Faust gives the changelog of a table."""
    return f"{settings.app_id}-{table}-changelog"


def specs(settings: Settings) -> list[TopicSpec]:
    """Every topic of an installation but those of topics with a dialect."""
    prefix = settings.topic_prefix
    week, month = _deleted_after(7), _deleted_after(30)
    found = [
        TopicSpec(prefix + name, INPUT_BYTES, {**(_COMPACTED if name == "parties" else week), STAMPS: BROKER})
        for name in media_topics(settings)
        if name != "links"
    ]
    found += [TopicSpec(prefix + name, INTERNAL_BYTES, {**week, STAMPS: BROKER}) for name in ("links", "touches")]
    found.append(TopicSpec(prefix + "interactions", INTERNAL_BYTES, month))
    found.append(TopicSpec(prefix + "dead-letters", DEAD_LETTER_BYTES, month))
    found += [TopicSpec(changelog(settings, table), STATE_BYTES, _COMPACTED) for table in TABLES]
    return [_completed(spec, settings) for spec in found]


def feed_specs(settings: Settings) -> dict[str, TopicSpec]:
    """The changelog that belongs to each topic with a dialect, by the topic's full name."""
    return {
        full_name(settings, topic): _completed(
            TopicSpec(changelog(settings, feed_table(topic)), STATE_BYTES, _COMPACTED), settings
        )
        for topic in feed_topics(settings)
    }


def _completed(spec: TopicSpec, settings: Settings) -> TopicSpec:
    every = {"min.insync.replicas": str(settings.min_insync), "max.message.bytes": str(spec.max_bytes)}
    return msgspec.structs.replace(spec, config={**spec.config, **every})


_COMPACTED = {"cleanup.policy": "compact"}


def _deleted_after(days: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(days * DAY_MS)}


def admin_client(settings: Settings) -> AIOKafkaAdminClient:
    """An admin client of the settings; start and close it."""
    return AIOKafkaAdminClient(**client_options(settings))


async def create_topics(settings: Settings) -> TopicReport:
    """Create what is missing, with ``settings.partitions`` partitions. Of what exists nothing is changed but who stamps
    records: the broker has to.

    Raises ``KafkaError`` if the broker refuses for another reason than that a topic exists already.
    """
    report = TopicReport()
    admin = admin_client(settings)
    await admin.start()
    try:
        wanted = {spec.name: settings.partitions for spec in specs(settings)}
        foreign = await partition_counts(admin, feeds := feed_specs(settings))
        wanted |= {feeds[topic].name: count for topic, count in foreign.items()}
        every = [spec for spec in (*specs(settings), *feeds.values()) if spec.name in wanted]
        counts = await partition_counts(admin, wanted)
        missing = [spec for spec in every if spec.name not in counts]
        await _create(admin, missing, wanted, settings)
        report.created = [spec.name for spec in missing]
        present = [spec for spec in every if spec.name in counts]
        report.existing = [*(spec.name for spec in present), *foreign]
        for name, count in counts.items():
            if count != wanted[name]:
                report.mismatching.append(f"{name} has {count} partitions, not {wanted[name]}")
        report.mismatching += [_not_there(topic) for topic in feeds if topic not in foreign]
        report.altered = await _let_the_broker_stamp(admin, present)
        told = await _other_config(admin, present)  # of what was altered just now a broker may tell what it was before
        before = tuple(f"{name} has {STAMPS}=" for name in report.altered)
        report.mismatching += [line for line in told if not line.startswith(before)]
    finally:
        await admin.close()
    return report


async def _let_the_broker_stamp(admin: AIOKafkaAdminClient, present: list[TopicSpec]) -> list[str]:
    """Alter the topics whose records producers stamp; which they were. Kafka replaces all settings of a topic at once,
    so those that it has are sent as well.
    """
    actual = await _entries(admin, present)
    altered = [
        spec.name
        for spec in present
        if STAMPS in spec.config and _told(actual.get(spec.name, ())).get(STAMPS, BROKER) != BROKER
    ]
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, name, configs={**_set(actual[name]), STAMPS: BROKER})
        for name in altered
    ]
    for response in await admin.alter_configs(resources) if resources else ():
        for code, message, _kind, name in response.resources:
            if code:
                raise for_code(code)(f"{name}: {STAMPS} cannot be set to {BROKER}: {message}")
    return altered


def _set(entries: Iterable[tuple[Any, ...]]) -> dict[str, str]:
    """The settings that are the topic's own, and no default of the broker."""
    return {
        entry[0]: entry[1]
        for entry in entries
        if entry[1] is not None and (entry[3] is False or (entry[3] is not True and entry[3] == OF_THE_TOPIC))
    }


def _told(entries: Iterable[tuple[Any, ...]]) -> dict[str, str]:
    return {entry[0]: entry[1] for entry in entries}


async def unstamped_topics(settings: Settings) -> list[str]:
    """The inputs and internal topics (in full) whose records the broker does not stamp; empty if it does not tell."""
    ours = [spec for spec in specs(settings) if STAMPS in spec.config]
    foreign = [TopicSpec(name, 0, {STAMPS: BROKER}) for name in settings.dialect_topics]
    admin = admin_client(settings)
    await admin.start()
    try:
        actual = await _configs(admin, [*ours, *foreign])
    finally:
        await admin.close()
    return [name for name, config in actual.items() if config.get(STAMPS, BROKER) != BROKER]


def _not_there(topic: str) -> str:
    return f"topic {topic} does not exist: it is declared with a dialect, so the system that fills it makes it"


async def _create(
    admin: AIOKafkaAdminClient, missing: list[TopicSpec], wanted: Mapping[str, int], settings: Settings
) -> None:
    if not missing:
        return
    topics = [
        NewTopic(spec.name, wanted[spec.name], settings.replication, topic_configs=dict(spec.config))
        for spec in missing
    ]
    response = await admin.create_topics(topics)
    for topic, code, *detail in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(f"{topic}: {detail[0] if detail else error.description}")


async def partition_counts(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, int]:
    """How many partitions those of the topics (in full) have that exist."""
    wanted = set(names) & set(await admin.list_topics())
    if not wanted:
        return {}
    described = await admin.describe_topics(sorted(wanted))
    return {topic["topic"]: len(topic["partitions"]) for topic in described if not topic["error_code"]}


async def _known_counts(admin: AIOKafkaAdminClient, names: set[str]) -> dict[str, int]:
    """As `partition_counts`; a broker that is just back, or has just made them, may not know of them yet."""
    counts = await partition_counts(admin, names)
    for _ in range(LOOKS):
        if counts.keys() >= names:
            break
        await asyncio.sleep(LOOK_SECONDS)
        counts = await partition_counts(admin, names)
    return counts


async def _configs(admin: AIOKafkaAdminClient, present: list[TopicSpec]) -> dict[str, dict[str, Any]]:
    """Topic -> its settings; empty if the broker does not tell."""
    return {name: _told(entries) for name, entries in (await _entries(admin, present)).items()}


async def _entries(admin: AIOKafkaAdminClient, present: list[TopicSpec]) -> dict[str, list[tuple[Any, ...]]]:
    """Topic -> its settings as Kafka tells them: name, value, read-only, default or source, and more."""
    if not present:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, spec.name) for spec in present]
    try:
        responses = await admin.describe_configs(resources)
    except KafkaError:
        return {}  # not every broker tells, and not everybody may ask
    actual: dict[str, list[tuple[Any, ...]]] = {}
    for response in responses:
        for _code, _message, _type, name, entries in response.resources:
            actual[name] = list(entries)
    return actual


async def record_limits(settings: Settings) -> dict[str, int]:
    """What a record of each topic (in full) may weigh: what we want, or less where the broker takes less.

    A record that the broker refuses would end the worker, and the next, and the next (faust.md 13.3).
    """
    every = [*specs(settings), *feed_specs(settings).values()]
    admin = admin_client(settings)
    await admin.start()
    try:
        actual = await _configs(admin, every)
    finally:
        await admin.close()
    taken = {name: int(config.get("max.message.bytes") or 0) for name, config in actual.items()}
    return {spec.name: min(spec.max_bytes, taken.get(spec.name) or spec.max_bytes) for spec in every}


async def differing_topics(settings: Settings) -> list[str]:
    """Settings of topics that are not as they should be, one line each; empty if the broker does not tell."""
    every = [*specs(settings), *feed_specs(settings).values()]
    admin = admin_client(settings)
    await admin.start()
    try:
        return await _other_config(admin, every)
    finally:
        await admin.close()


async def _other_config(admin: AIOKafkaAdminClient, present: list[TopicSpec]) -> list[str]:
    actual = await _configs(admin, present)
    return [
        f"{spec.name} has {key}={actual[spec.name][key]}, not {value}"
        for spec in present
        for key, value in spec.config.items()
        if actual.get(spec.name, {}).get(key, value) != value
    ]


async def check_topics(settings: Settings) -> Counts:
    """How many partitions the topics have. Raises ``TopicsError`` if one is missing or they do not fit together."""
    names, feeds = [spec.name for spec in specs(settings)], feed_specs(settings)
    changelogs = [spec.name for spec in feeds.values()]
    admin = admin_client(settings)
    await admin.start()
    try:
        counts = await _known_counts(admin, {*names, *changelogs, *feeds})
    finally:
        await admin.close()
    missing = [_not_there(topic) for topic in feeds if topic not in counts]
    missing += [
        f"topic {name} does not exist: run `touchpoint topics`" for name in (*names, *changelogs) if name not in counts
    ]
    if missing:
        raise TopicsError(missing)
    if len({counts[name] for name in names}) > 1:
        raise TopicsError(
            ["all topics must have the same number of partitions, so that a media item's events meet; they have:"]
            + [f"  {name}: {counts[name]}" for name in names]
        )
    problems = [_apart(topic, spec.name, counts) for topic, spec in feeds.items() if counts[topic] != counts[spec.name]]
    if problems:
        raise TopicsError(problems)
    return Counts(counts[names[0]], {short_name(settings, topic): counts[topic] for topic in feeds})


def _apart(topic: str, log: str, counts: Mapping[str, int]) -> str:
    way = (
        f"give it as many with `kafka-topics.sh --alter --topic {log} --partitions {counts[topic]}`"
        if counts[log] < counts[topic]
        else "the topic was made anew, so delete its changelog and run `touchpoint topics`"
    )
    return f"topic {topic} has {counts[topic]} partitions, its changelog {log} has {counts[log]}: {way}"

"""What a worker would find of its brokers: that they answer, our rights, the topics, the group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError

from touchpoint.inspection.finding import MISSING, UNUSABLE, Finding, failed
from touchpoint.kafka.access import DESCRIBE, READ, WRITE, ConsumerGroup, TopicAccess, consumer_group, topic_access
from touchpoint.kafka.topic_admin import (
    TopicsError,
    admin_client,
    check_topics,
    differing_topics,
    feed_specs,
    specs,
)
from touchpoint.kafka_client import refusal
from touchpoint.settings import PREFIX, Settings

SECONDS = 20.0
_NAMES = {DESCRIBE: "Describe", READ: "Read", WRITE: "Write"}


async def check_broker(settings: Settings) -> AsyncIterator[Finding]:
    """Nothing further where no broker answers."""
    brokers = ", ".join(settings.brokers)
    admin = admin_client(settings)
    try:
        async with asyncio.timeout(SECONDS):
            await admin.start()
    except (KafkaError, OSError) as error:
        yield await _unreachable(settings, error)
        await admin.close()
        return
    try:
        yield Finding("broker", "ok", f"{brokers}, by {settings.security}")
        async with asyncio.timeout(SECONDS):
            for finding in [*await _topics(admin, settings), await _group(admin, settings)]:
                yield finding
    except (KafkaError, OSError) as error:
        yield failed("broker", UNUSABLE, f"{brokers} refused or did not answer: {type(error).__name__}: {error}")
    finally:
        await admin.close()


async def _unreachable(settings: Settings, error: Exception) -> Finding:
    refused = await refusal(settings)
    if refused is not None:
        return failed("broker", UNUSABLE, refused.cause)
    where = ", ".join(settings.brokers)
    why = "" if isinstance(error, TimeoutError) else f" ({type(error).__name__})"
    return failed("broker", UNUSABLE, f"none answers at {where}{why}", f"check {PREFIX}BROKERS and {PREFIX}SECURITY")


async def _topics(admin: AIOKafkaAdminClient, settings: Settings) -> list[Finding]:
    ours = [spec.name for spec in (*specs(settings), *feed_specs(settings).values())]
    access = await topic_access(admin, [*ours, *settings.dialect_topics])
    found = [] if access is None else [_rights(access, settings)]
    hidden = access is not None and any(topic.hidden for topic in access.values())
    if hidden:
        return [*found, Finding("topics", "skipped", "some cannot be seen with these rights")]
    try:
        counts = await check_topics(settings)
    except TopicsError as error:
        return [*found, failed("topics", MISSING, "; ".join(error.problems), "touchpoint topics")]
    found.append(Finding("topics", "ok", f"all are there, with {counts.ours} partitions each"))
    if counts.ours != settings.partitions:
        detail = f"each has {counts.ours} partitions; {PREFIX}PARTITIONS, {settings.partitions}, is of new topics alone"
        found[-1] = Finding("topics", "note", detail, "to change their number takes an installation of its own")
    found += [] if access is None else _replicas(access, settings)
    differing = await differing_topics(settings)
    way = "touchpoint topics sets who stamps; for the rest kafka-configs.sh --alter, or say why it must be so"
    found.append(
        Finding("topics' settings", "note", "; ".join(differing), way)
        if differing
        else Finding("topics' settings", "ok", "sizes, stamps and retention are as they should be")
    )
    return found


def _rights(access: dict[str, TopicAccess], settings: Settings) -> Finding:
    lacking = list(_lacking(access, settings))
    if lacking:
        way = f"give them to {settings.sasl_username or 'our login'} (docs/operations.md, Rights in Kafka)"
        return failed("rights", UNUSABLE, "; ".join(lacking), way)
    if all(topic.operations is None for topic in access.values()):
        return Finding("rights", "skipped", "the broker does not tell")
    return Finding("rights", "ok", "Describe, Read and Write on the topics")


def _lacking(access: dict[str, TopicAccess], settings: Settings) -> Iterator[str]:
    for name, topic in access.items():
        if topic.hidden:
            yield f"no Describe on {name}"
        elif topic.operations is not None:
            needed = (DESCRIBE, READ) if name in settings.dialect_topics else (DESCRIBE, READ, WRITE)
            missing = [_NAMES[each] for each in needed if each not in topic.operations]
            if missing:
                yield f"no {', '.join(missing)} on {name}"


def _replicas(access: dict[str, TopicAccess], settings: Settings) -> Iterator[Finding]:
    there = {name: topic for name, topic in access.items() if topic.exists}
    if leaderless := [f"{name} {topic.leaderless}" for name, topic in there.items() if topic.leaderless]:
        way = "start the brokers that have them; nothing of them is read meanwhile"
        yield failed("replicas", UNUSABLE, f"partitions without a leader: {', '.join(leaderless)}", way)
        return
    few = [name for name, topic in there.items() if topic.fewest_insync < settings.min_insync]
    if few and settings.min_insync > 1:
        detail = f"fewer than {settings.min_insync} replicas in sync, so that nothing can be written: {', '.join(few)}"
        yield failed("replicas", UNUSABLE, detail, f"start the other brokers; or is {PREFIX}MIN_INSYNC too many?")
        return
    behind = [name for name, topic in there.items() if topic.fewest_insync < topic.replicas]
    if behind:
        yield Finding("replicas", "note", f"not all are in sync: {', '.join(behind)}", "look at the brokers")
        return
    fewest = min((topic.replicas for topic in there.values()), default=0)
    yield Finding("replicas", "ok", f"{fewest} or more of each partition, all in sync")


async def _group(admin: AIOKafkaAdminClient, settings: Settings) -> Finding:
    try:
        group = await consumer_group(admin, settings.app_id)
    except GroupAuthorizationFailedError:
        group = ConsumerGroup("", frozenset(), [])
    if group is None:
        return Finding("group", "skipped", "the broker does not tell")
    if group.operations is not None and READ not in group.operations:
        way = f"give it to {settings.sasl_username or 'our login'} (docs/operations.md, Rights in Kafka)"
        return failed("group", UNUSABLE, f"no Read on group {settings.app_id}", way)
    twin = next((each for each in group.members if each.instance_id and each.instance_id == settings.instance_id), None)
    if twin is not None:
        detail = (
            f"a worker at {twin.client_host} has our instance id {settings.instance_id!r}, or had it before it ended"
        )
        return Finding(
            "group", "note", detail, f"if it is another that runs, it ends: give each its {PREFIX}INSTANCE_ID"
        )
    return Finding("group", "ok", f"{settings.app_id} has {len(group.members)} workers")

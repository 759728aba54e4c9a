"""The worker as it runs: its agents, their stages and the history, wired together from the settings."""

from __future__ import annotations

import gc

import msgspec

from touchpoint.dialects import DIALECTS
from touchpoint.dialects.translator import Translator
from touchpoint.events import Decoder
from touchpoint.history.sink import History, history_pool
from touchpoint.history.watch import HistoryWatch
from touchpoint.kafka.topic_admin import feed_table, feed_topics, media_topics
from touchpoint.kafka.topic_rights import topic_rights
from touchpoint.settings import Settings
from touchpoint.stages.feed.feed_stage import FeedStage
from touchpoint.stages.media.media_stage import MediaStage
from touchpoint.stages.messages import LINKS, TOUCHES
from touchpoint.stages.party.party_stage import PartyStage
from touchpoint.stages.protocol import Assignment, Stage, StageFactory, Writer
from touchpoint.stream.process import run_worker
from touchpoint.stream.stream_worker import AgentSpec, StageSpec
from touchpoint.telemetry.metrics import Metrics

AT_ONCE = 50
"""Records of a topic with a dialect that are finished together: their memory and their offset are stored as one."""


class Stages(msgspec.Struct, frozen=True):
    """What the agents do, and where the history goes."""

    media: StageFactory
    party: StageFactory
    writer: Writer
    feeds: dict[str, StageFactory] = {}  # by topic with a dialect


def agents(settings: Settings, stages: Stages) -> list[AgentSpec]:
    """What each agent reads, where its state is, and what it does (docs/architecture.md has the picture)."""
    feeds = [
        AgentSpec(feed_table(topic), (topic,), StageSpec(feed_table(topic), build, AT_ONCE))
        for topic, build in stages.feeds.items()
    ]
    return [
        AgentSpec("media", media_topics(settings), StageSpec("media", stages.media)),
        AgentSpec("party", (TOUCHES,), StageSpec("parties", stages.party)),
        AgentSpec("history", ("interactions",), stages.writer),
        *feeds,
    ]


def production_stages(settings: Settings, writer: Writer) -> Stages:
    """The stages of the settings."""
    limits = settings.stitching_limits()
    secret = settings.party_secret.get_secret_value().encode()
    decoder = Decoder(limits.channels, settings.number_plan)
    declared, rights = feed_topics(settings), topic_rights(settings)
    inputs = {topic: rights[topic] for topic in media_topics(settings) if topic != LINKS}
    lines = settings.lines.lines()

    def media(assignment: Assignment) -> Stage:
        return MediaStage(assignment, decoder, limits, secret, inputs, declared)

    def party(assignment: Assignment) -> Stage:
        return PartyStage(assignment, limits, secret)

    def feed(topic: str) -> StageFactory:
        translator = Translator(DIALECTS[declared[topic].dialect], decoder)
        its_feed = declared[topic].feed(limits.own_addresses, lines)
        return lambda assignment: FeedStage(assignment, topic, translator, its_feed, limits, rights[topic])

    return Stages(media, party, writer, {topic: feed(topic) for topic in declared})


async def run(settings: Settings) -> int:
    """A worker until it is told to stop; its exit status. Raises what ``run_worker`` raises."""
    assert settings.database_url is not None
    _collect_less()
    async with history_pool(settings.database_url.get_secret_value()) as pool:
        watch = HistoryWatch(settings, pool, Metrics(settings.named_sources))
        stages = production_stages(settings, History(pool, watch))
        return await run_worker(settings, agents(settings, stages), watch)


def _collect_less() -> None:
    """Collecting garbage takes a tenth of a busy worker's time, mostly to look again at what imports left for good."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)

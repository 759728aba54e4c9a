"""The worker as it runs in production: the real stages, and Postgres."""

from __future__ import annotations

import gc

from touchpoint.events import Decoder
from touchpoint.history.sink import History, history_pool
from touchpoint.history.watch import HistoryWatch
from touchpoint.kafka.topic_admin import feed_topics, media_topics
from touchpoint.kafka.topic_rights import topic_rights
from touchpoint.settings import Settings
from touchpoint.stages.feed.feed_stage import FeedStage
from touchpoint.stages.media.media_stage import MediaStage
from touchpoint.stages.messages import LINKS
from touchpoint.stages.party.party_stage import PartyStage
from touchpoint.stages.protocol import State, Writer
from touchpoint.stream.stream_worker import Stages, run_worker
from touchpoint.telemetry.metrics import Metrics


def production_stages(settings: Settings, writer: Writer) -> Stages:
    """The stages of the settings."""
    limits = settings.stitching_limits()
    secret = settings.party_secret.get_secret_value().encode()
    decoder = Decoder(limits.channels, settings.number_plan)
    feeds = feed_topics(settings)
    rights = topic_rights(settings)
    lines = settings.lines.lines()
    inputs = {topic: rights[topic] for topic in media_topics(settings) if topic != LINKS}

    def media(partition: int, partitions: int, state: State) -> MediaStage:
        return MediaStage(partition, partitions, state, decoder, limits, secret, inputs, feeds)

    def feed(topic: str, partition: int, of: int, partitions: int, state: State) -> FeedStage:
        return FeedStage(partition, of, partitions, state, topic, feeds[topic], decoder, limits, rights[topic], lines)

    def party(partition: int, partitions: int, state: State) -> PartyStage:
        return PartyStage(partition, partitions, state, limits, secret)

    return Stages(media, party, writer, feed)


async def run(settings: Settings) -> int:
    """A worker until it is told to stop; its exit status. Raises what ``run_worker`` raises."""
    assert settings.database_url is not None
    _collect_less()
    async with history_pool(settings.database_url.get_secret_value()) as pool:
        watch = HistoryWatch(settings, pool, Metrics())
        return await run_worker(settings, production_stages(settings, History(pool, watch)), watch)


def _collect_less() -> None:
    """Collecting garbage takes a tenth of a busy worker's time, mostly to look again at what imports left for good."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)

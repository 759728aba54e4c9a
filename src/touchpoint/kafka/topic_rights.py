"""What each input topic may say, from the settings (``stages/rights.py`` applies it)."""

from __future__ import annotations

from collections.abc import Collection

from touchpoint.kafka.topic_admin import FOREIGN, feed_topics
from touchpoint.producer.routing import OTHERS, channel_topics, topics_of
from touchpoint.settings import Settings
from touchpoint.settings.sections import TopicSettings
from touchpoint.stages.rights import Rights

ACTIVITIES = OTHERS["activity"]
HEARTBEATS = "source"
_UNBOUND = TopicSettings()


def topic_rights(settings: Settings) -> dict[str, Rights]:
    """The rights of every input topic, by its short name."""
    carried: dict[str, set[str]] = {}
    for kind, topic in topics_of(settings).items():
        carried.setdefault(topic, {HEARTBEATS}).add(kind)
    rights = {topic: _rights(topic, kinds, settings) for topic, kinds in carried.items()}
    channels = channel_topics(settings).keys()
    feeds = {
        topic: _rights(topic.removeprefix(FOREIGN), {*channels, HEARTBEATS}, settings)
        for topic in feed_topics(settings)
    }
    return rights | feeds


def _rights(topic: str, kinds: Collection[str], settings: Settings) -> Rights:
    declared = settings.topics.get(topic, _UNBOUND)
    return Rights(
        topic=topic,
        kinds=frozenset(kinds),
        wrapups=frozenset(channel_topics(settings) if topic == ACTIVITIES else ()),
        homes=topics_of(settings),
        tenants=frozenset(declared.tenants) if declared.tenants else None,
        identity=declared.identity,
    )

"""Where an event belongs: the topic of its channel, the key of its media item (contract.md 1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from touchpoint.events.json_schema import TOPICS
from touchpoint.settings import Settings

OTHERS: Mapping[str, str] = {"activity": "activities", "interaction": "activities", "party": "parties"}
USUAL: Mapping[str, str] = {**TOPICS, **OTHERS}
"""What a type begins with -> its topic, without the prefix, in an installation that configured no channels."""


def channel_topics(settings: Settings) -> dict[str, str]:
    """Channel -> its input topic, without the prefix."""
    topics = dict(TOPICS)
    for name, channel in settings.channels.items():
        topics[name] = channel.topic or topics.get(name, name)
    return topics


def topics_of(settings: Settings) -> dict[str, str]:
    """What a type begins with -> its topic, without the prefix."""
    return {**channel_topics(settings), **OTHERS}


def address(event: Mapping[str, Any], topics: Mapping[str, str] = USUAL) -> tuple[str, str]:
    """Topic, without the prefix, and key: the media item's id, for a party's event its address, else the party.

    Raises KeyError for a type that is of no topic, such as a heartbeat: it goes to every partition.
    """
    topic = topics[event["type"].partition(".")[0]]
    data = event.get("data") or {}
    subject = event.get("subject") or data.get("media_item")
    if subject:
        return topic, subject
    party = data.get("party") or {}
    return topic, party.get("address") or party.get("id") or event["id"]

"""Genesys Cloud: detail events of the notification service, also by EventBridge, and conversation details.

Both name a thing alike - conversation, session, event, instant - so the events of a period are the same from either.
The mapping: docs/capture/genesys-cloud.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from touchpoint.dialects.dialect import Dialect, Event, Feed, Unknown
from touchpoint.dialects.forms import plain_name
from touchpoint.dialects.genesys_cloud.details import conversation_events
from touchpoint.dialects.genesys_cloud.field_forms import CONVERSATION, NOTIFICATION
from touchpoint.dialects.genesys_cloud.notifications import notification_events
from touchpoint.dialects.reading import json_records
from touchpoint.stitching.limits import Capabilities

Json = dict[str, Any]

_OTHER_API = (
    "a conversation of /api/v2/conversations, which tells no segments: use the answer of "
    "/api/v2/analytics/conversations/details/query"
)


def read(stream: Iterable[bytes]) -> Iterator[Any]:
    """Notifications and conversations; a page of the details is its conversations, so that a bad one loses itself."""
    for record in json_records(stream):
        page = record.get("conversations") if isinstance(record, dict) else None
        yield from page if isinstance(page, list) else [record]


def rules(record: Any, feed: Feed) -> list[Event] | Unknown:
    if isinstance(record, dict) and "participants" not in set(map(plain_name, record)):
        return notification_events(NOTIFICATION.record(record), feed)
    told = CONVERSATION.record(record)
    if "conversationId" not in told and "id" in told:
        return Unknown(_OTHER_API)
    return list(conversation_events(told))


DIALECT = Dialect(
    name="genesys-cloud",
    capabilities=Capabilities(transfer=False, messages=False, ordered=False, resolution=1_000),
    read=read,
    rules=rules,
    reads="notifications (v2.detail.events.conversation.*), or answers of analytics/conversations/details",
    rules_version=2,  # 1: release 0.1.0
)

"""What a scene writes: media items that say verbs, and business events, as CloudEvents with an order among equals."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

Millis = int
"""An instant: milliseconds since 1970-01-01T00:00:00Z. A span of them is also in milliseconds."""

SECOND: Millis = 1_000
MINUTE: Millis = 60 * SECOND

CloudEvent = dict[str, Any]
Written = tuple[Millis, int, CloudEvent]
"""An event with its time and its place among all events of a run, so that sorting never compares two dicts."""


@lru_cache(maxsize=4_096)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def instant(at: Millis) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    seconds, millis = divmod(at, SECOND)
    return f"{_second(seconds)}.{millis:03d}Z"


class Paper:
    """Where the events of a run are written, each with the next id."""

    def __init__(self, tag: str) -> None:
        self.tag = tag  # tells the ids of one run from those of another
        self._events: list[Written] = []
        self._written = 0
        self._named = 0

    def name(self, kind: str) -> str:
        """A new id of a media item or an activity."""
        self._named += 1
        return f"{kind}-{self.tag}-{self._named:06d}"

    def write(
        self, at: Millis, type_: str, source: str, subject: str | None, data: dict[str, Any], **attributes: str
    ) -> None:
        """Write one event."""
        self._written += 1
        id_ = f"{self.tag}-{self._written:07d}"
        event: CloudEvent = {"specversion": "1.0", "id": id_, "source": source, "type": type_, "time": instant(at)}
        if subject is not None:
            event["subject"] = subject
        event["datacontenttype"] = "application/json"
        event.update(attributes)
        event["data"] = data
        self._events.append((at, self._written, event))

    def take(self) -> list[Written]:
        """What was written since the last call."""
        taken, self._events = self._events, []
        return taken


class Item:
    """One media item: every event of it carries its id as the subject and the next sequence of its source."""

    def __init__(self, paper: Paper, channel: str, source: str, correlation: str | None = None) -> None:
        self.id = paper.name(channel)
        self._paper = paper
        self._channel = channel
        self._source = source
        self._said = 0
        self._attributes = {"correlationid": correlation} if correlation else {}

    def say(self, at: Millis, verb: str, **data: Any) -> None:
        """The item's next event; what is None stays away."""
        self._said += 1
        present = {name: value for name, value in data.items() if value is not None}
        sequence = f"{self._said:04d}"
        type_ = f"{self._channel}.{verb}"
        self._paper.write(at, type_, self._source, self.id, present, sequence=sequence, **self._attributes)

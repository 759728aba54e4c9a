"""Runs a vendor's capture through a dialect, the decoder and stitching. Fixtures begin with `#`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from touchpoint.dialects import DIALECTS, Event, Feed, Unknown
from touchpoint.events import Accepted, Decoder
from touchpoint.settings import load_settings
from touchpoint.stitching.facts import Fact
from touchpoint.stitching.offline import stitch

FIXTURES = Path(__file__).parent.parent / "dialects" / "fixtures"
CAPTURES = [
    ("asterisk-queue-log", "queue_log"),
    ("asterisk-ami", "asterisk_ami"),
    ("asterisk-cel", "asterisk_cel.csv"),
    ("freeswitch", "freeswitch_events"),
    ("genesys-cloud", "genesys_notifications.jsonl"),
    ("genesys-cloud", "genesys_details.json"),
    ("twilio-taskrouter", "twilio_event_streams.jsonl"),
    ("twilio-taskrouter", "twilio_callbacks"),
    ("amazon-connect", "connect_contact_events.jsonl"),
    ("amazon-connect", "connect_contact_records"),
    ("hylafax", "xferfaxlog"),
    ("mailbox", "mbox"),
]
LIMITS = load_settings({}).stitching_limits()
_decoder = Decoder()


def fixture(name: str) -> list[bytes]:
    """A fixture as the vendor writes it: without the header that says where it comes from."""
    lines = (FIXTURES / name).read_bytes().splitlines(keepends=True)
    assert lines[0].startswith(b"# ")
    return [line for line in lines if not line.startswith(b"# ")]


def translated(dialect: str, lines: Iterable[bytes | str], feed: Feed | None = None) -> list[Event | Unknown]:
    """What the dialect says of the lines: events, and what it did not understand."""
    feed, chosen = feed or Feed(), DIALECTS[dialect]
    said: list[Event | Unknown] = []
    for record in chosen.read(each.encode() if isinstance(each, str) else each for each in lines):
        found = chosen.translate(record, feed)
        said.extend([found] if isinstance(found, Unknown) else found)
    return said


def events(dialect: str, lines: Iterable[bytes | str], feed: Feed | None = None) -> list[Event]:
    """As `translated`, where all of it is understood."""
    said = translated(dialect, lines, feed)
    unknown = [each for each in said if isinstance(each, Unknown)]
    assert unknown == []
    return said  # type: ignore[return-value]


def facts(said: Iterable[Event]) -> list[Fact]:
    """The events as the decoder takes them; each must be accepted."""
    found = []
    for each in said:
        verdict = _decoder.decode(orjson.dumps(each))
        assert isinstance(verdict, Accepted), (each, verdict)
        found.append(verdict.fact)
    return found


def items(said: Iterable[Event]) -> dict[str, dict[str, Any]]:
    """The media items that stitching makes of the events, by id; with their agents' figures under `agents`."""
    found: dict[str, dict[str, Any]] = {}
    for record in stitch(facts(said), LIMITS):
        for item in record["media_items"]:
            found[item["media_item_id"]] = item
            item["agents"] = {row["resource_id"]: row for row in record["resources"]}
    return found


def kinds(item: dict[str, Any]) -> list[tuple[Any, ...]]:
    """An item's segments, short: type, who or which queue, milliseconds, end reason."""
    return [
        (each["type"], each["resource_id"] or each["queue"], each["duration_ms"], each["end_reason"])
        for each in item["segments"]
    ]


def said_of(found: Iterable[Event], *names: str) -> list[tuple[Any, ...]]:
    """Verbs with some fields, for comparing."""
    return [(each["type"].partition(".")[2], *(each.get("data", {}).get(name) for name in names)) for each in found]

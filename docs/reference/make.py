"""The pages made from the code (settings, metrics, record, rules, views): .venv/bin/python docs/reference/make.py"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined
from rule_reference import rules_page
from view_reference import views_page

from touchpoint.settings import PREFIX, Settings
from touchpoint.settings.sections import ChannelSettings, DialectTopic, LimitSettings, LineSettings, Span, TopicSettings
from touchpoint.settings.web_section import WebSettings
from touchpoint.stitching.facts import DAY, HOUR, MINUTE, SECOND
from touchpoint.stitching.record import (
    RECORD_VERSION,
    ActivityRecord,
    AmendmentRecord,
    IdentityRecord,
    InteractionRecord,
    MediaItemRecord,
    ObjectRecord,
    Part,
    PartyRecord,
    ResourceRecord,
    SegmentRecord,
    member_version,
)
from touchpoint.telemetry.metric_table import CAPTURE, WORKER, Metric

HERE = Path(__file__).parent
UNITS = (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND))
SECTION = re.compile(r"^    # (.+)$|^    (\w+): .+ = .+$", re.MULTILINE)

SETTINGS = """# Settings

Each is an environment variable, or a name in the TOML file that `TOUCHPOINT_CONFIG` names (`partitions = 12`,
`[limits]`, `[channels.sms]`); a variable wins over the file. All mistakes are told at once, at the start, with exit
status 2. A span of time is a number of seconds or has a unit: `90s` `10m` `4h` `30d`.

Of each secret there is also `..._FILE`, the name of a file that has it, as Docker and Kubernetes mount them:
`TOUCHPOINT_PARTY_SECRET_FILE=/run/secrets/party`. A line end at the file's end is no part of it.
"""
CHANNELS = """
## A channel

In `TOUCHPOINT_CHANNELS`, by the channel's name, as JSON; in the file as `[channels.sms]`. With
`{"sms": {"topic": "texts", "age": "2h"}}` the worker reads `touchpoint.texts` too, and accepts `sms.offered` and so on.
"""
DIALECT_TOPICS = """
## A topic with a dialect

In `TOUCHPOINT_DIALECT_TOPICS`, by the topic's full name, as JSON; in the file as `[dialect_topics."pbx.queue_log"]`:
[what it is for](../capture/README.md#a-topic-with-a-dialect).
"""
TOPICS = """
## An input topic

In `TOUCHPOINT_TOPICS`, by the topic's name without the prefix (of a topic with a dialect its full name), as JSON; in
the file as `[topics.calls]`: [what it is for](../operations.md#who-may-say-what).
"""
LINES = """
## Whose call it is

[What it is for](../capture/README.md#whose-call-it-is); in the file as `[lines]`.
"""
LIMITS = """
## Limits

The numbers of stitching. A change takes effect on what is still open; what is closed stays as it is. `stitch` must be
given those of the worker to print what the worker stores.
"""
WEB = """
## API and page

Of `touchpoint web`; in the file as `[web]`: [what they are for](../web.md).
"""
METRICS_PAGE = """# Metrics

A worker serves them at `/metrics` (`TOUCHPOINT_METRICS_HOST`, `TOUCHPOINT_METRICS_PORT`), counters with `_total` after
their name, histograms with `_bucket`, `_sum` and `_count`; beside them `process_*`: memory,
CPU, file descriptors, start. No label has a value that a producer chooses. Every series of a counter is there from the
start, at 0.
Alerts on them: [operations.md](../operations.md#what-to-watch).

"""
CAPTURE_PAGE = """
## Capture

`touchpoint capture --metrics-port PORT` serves those of its source; the label is the subcommand's name.

"""

RECORD = """# The record

What `touchpoint stitch` prints a line of, what the topic `interactions` carries as `data` of `interaction.closed`,
and what PostgreSQL keeps: a member is a column of the same name in its part's table; parts and lists of them are
tables of their own. `touchpoint schema interaction.closed` says it as JSON Schema. Instants are RFC 3339 in UTC with
`Z`, with microseconds only where there are any. Durations are milliseconds.

`record_version` is {version} now. A member of version 1 always is there, null or not; a later one only where it is set.
The `content_hash` is made of what is there, so members of later versions change no hash of what was stored before.
"""


def settings_page() -> str:
    """The text of settings.md."""
    return "\n".join([SETTINGS + "\n".join(_tables()), CHANNELS, *_table("", ChannelSettings),
                      DIALECT_TOPICS, *_table("", DialectTopic), TOPICS, *_table("", TopicSettings), LINES,
                      *_table(PREFIX + "LINES__", LineSettings), LIMITS,
                      *_table(PREFIX + "LIMITS__", LimitSettings), WEB,
                      *_table(PREFIX + "WEB__", WebSettings)]) + "\n"  # fmt: skip


def metrics_page() -> str:
    """The text of metrics.md."""
    return METRICS_PAGE + _metrics(WORKER) + CAPTURE_PAGE + _metrics(CAPTURE)


def record_page() -> str:
    """The text of record.md."""
    _, parts = msgspec.json.schema_components([part for part, _ in PARTS])
    found = [RECORD.format(version=RECORD_VERSION)]
    for part, table in PARTS:
        schema = parts[part.__name__]
        where = f" Table `{table}`." if table else ""
        found.append(f"\n## {part.__name__.removesuffix('Record')}\n\n{schema['description']}{where}\n")
        found += ["| member | value | since | |", "|---|---|---|---|"]
        for name, member in schema["properties"].items():
            what = member.get("description", "")
            found.append(f"| `{name}` | {_value(member)} | {member_version(part, name)} | {what} |")
    return "\n".join(found) + "\n"


PARTS: tuple[tuple[type[Part], str], ...] = (
    (InteractionRecord, "interaction"),
    (MediaItemRecord, "media_item"),
    (SegmentRecord, "segment"),
    (ActivityRecord, "activity"),
    (ObjectRecord, "interaction_object"),
    (ResourceRecord, "interaction_resource"),
    (AmendmentRecord, "amendment"),
    (PartyRecord, ""),
    (IdentityRecord, ""),
)
KINDS = {"uuid": "UUID", "date-time": "instant", "string": "text", "integer": "number", "boolean": "true, false"}
KINDS |= {"null": "null"}


def _value(schema: dict[str, Any]) -> str:
    """What a member of the record may be, from its JSON Schema."""
    if "anyOf" in schema:
        return " or ".join(_value(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " ".join(f"`{each}`" for each in schema["enum"])
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2].removesuffix("Record")
        return f"[{name}](#{name.lower()})"
    if schema.get("type") == "array":
        items = schema.get("prefixItems") or [schema["items"]]
        return ("pair of " if "prefixItems" in schema else "list of ") + ", ".join(map(_value, items))
    return KINDS.get(schema.get("format", schema.get("type", "")), "JSON")


def _metrics(table: Iterable[Metric]) -> str:
    head = "| metric | type | unit | labels | what it says | what to do |\n|---|---|---|---|---|---|\n"
    return head + "".join(
        f"| `{m.name}` | {m.kind} | {m.unit} | {', '.join(m.labels) or '-'} | {m.help} | {m.action or '-'} |\n"
        for m in table
    )


def _tables() -> Iterator[str]:
    source = (HERE.parents[1] / "src/touchpoint/settings/installation.py").read_text()
    body = source[source.index("class Settings(") :]
    groups: dict[str, list[str]] = {}
    for title, name in SECTION.findall(body[: body.index("@classmethod")]):
        if title:
            groups[title] = []
        elif name in Settings.model_fields and name not in ("limits", "lines", "web", "model_config"):
            list(groups.values())[-1].append(name)
    for title, names in groups.items():
        yield f"\n## {title}\n"
        yield from _table(PREFIX, Settings, names)


def _table(prefix: str, section: type[BaseModel], names: list[str] | None = None) -> Iterator[str]:
    yield "| setting | value | default | |"
    yield "|---|---|---|---|"
    for name in names or section.model_fields:
        field = section.model_fields[name]
        shown = prefix + name.upper() if prefix else name
        # the metadata of a Span is spread over the field, so it is known by its validator
        span = get_args(Span)[1] in field.metadata or Span in get_args(field.annotation)
        yield f"| `{shown}` | {_kind(field, span)} | {_default(field.default, span)} | {field.description} |"


def _kind(field: Any, span: bool) -> str:
    kind = field.annotation
    if get_origin(kind) in (Union, type(str | None)):
        kind = next(each for each in get_args(kind) if each is not type(None))
    if span:
        return "span"
    if get_origin(kind) is Literal:
        return " ".join(f"`{each}`" for each in get_args(kind))
    names = {str: "text", SecretStr: "text, secret", int: "number", float: "number", bool: "true, false", Path: "file"}
    bounds = [f"{sign}{value:g}" for sign, attribute in (("≥ ", "ge"), ("> ", "gt"), ("≤ ", "le"))
              for each in field.metadata if (value := getattr(each, attribute, None)) is not None]  # fmt: skip
    name = names.get(kind) or ("list" if get_origin(kind) is tuple else "JSON")
    return ", ".join([name, *bounds])


def _default(value: Any, span: bool) -> str:
    if value is PydanticUndefined:
        return "needed"
    if value is None or value in ((), {}) or isinstance(value, SecretStr):
        return "-"
    if span:
        unit, size = next((unit, size) for unit, size in UNITS if not value % size)
        return f"`{value // size}{unit}`"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    return f"`{str(value).lower() if isinstance(value, bool) else f'{value:g}' if isinstance(value, float) else value}`"


def main() -> None:
    (HERE / "settings.md").write_text(settings_page())
    (HERE / "metrics.md").write_text(metrics_page())
    (HERE / "record.md").write_text(record_page())
    (HERE / "rules.md").write_text(rules_page())
    (HERE / "views.md").write_text(views_page())


if __name__ == "__main__":
    main()

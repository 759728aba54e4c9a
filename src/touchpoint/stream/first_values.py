"""The series of a worker's counters that exist before anything is counted, at 0.

A counter whose series is made by its first event has no increase for `rate` and `increase`: an alert on it would miss
the first burst (Prometheus, Instrumentation: Avoid missing metrics).
"""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterator, Mapping
from importlib.metadata import version
from typing import get_args

from touchpoint.events.dead_letter_headers import TOPIC as DEAD_LETTERS
from touchpoint.events.verdicts import Code
from touchpoint.kafka.fetching.damaged import Reason
from touchpoint.settings import Settings
from touchpoint.stages.bounds import Bounds
from touchpoint.stages.messages import LINKS, TOUCHES
from touchpoint.stitching.record import RECORD_VERSION
from touchpoint.stitching.rules_version import RULES_VERSION
from touchpoint.stream.terms import FORM
from touchpoint.telemetry.metric_table import NOBODY
from touchpoint.telemetry.metrics import Metrics

Series = tuple[str, tuple[str, ...]]
"""The name of a counter or a histogram, and the values of its labels."""

INTERACTIONS = "interactions"
OUTCOMES = ("events", "nothing", "not known", "heartbeat", "again", "dead letter")
_OURS = ("damaged", "internal", "too_large")


def first_values(
    metrics: Metrics, settings: Settings, agents: Mapping[str, Collection[str]], tables: Collection[str],
    dialects: Mapping[str, str],
) -> None:  # fmt: skip
    """Show what is known before the first record. ``agents``: by name, the topics of each; ``dialects``: by topic."""
    metrics.begin(_series(agents, tables, dialects))
    versions = (version("touchpoint"), platform.python_version(), str(FORM), str(RECORD_VERSION), str(RULES_VERSION))
    metrics.set("build_info", 1, *versions)
    metrics.set("config_info", 1, settings.config_fingerprint)
    for agent in agents:
        metrics.set("assigned_partitions", 0, agent)


def _series(
    agents: Mapping[str, Collection[str]], tables: Collection[str], dialects: Mapping[str, str]
) -> Iterator[Series]:
    for agent, read in agents.items():
        yield from ((name, (agent,)) for name in ("records", "batches", "batch_seconds"))
        verdicts = {"party": ("postponed",), "history": ()}.get(agent, ("accepted", "skipped", "dead letter"))
        yield from (("events", (agent, verdict)) for verdict in verdicts)
        for topic in read:
            dialect = dialects.get(topic, "")
            yield from (("damaged_records", (topic, reason)) for reason in get_args(Reason))
            yield from (("dead_letters", (topic, code, dialect)) for code in _codes(topic))
            if topic not in {LINKS, TOUCHES, INTERACTIONS}:
                yield "flood_dead_letters", (topic,)
    yield "dead_letters", (NOBODY, "orphan", "")
    yield from (("vendor_records", (dialect, outcome)) for dialect in set(dialects.values()) for outcome in OUTCOMES)
    yield from (("forwards", (topic,)) for topic in (LINKS, TOUCHES, INTERACTIONS, DEAD_LETTERS))
    for table in tables:
        yield "changelog_bytes", (table,)
        yield from (("state_full", (table, kind)) for kind in Bounds(table).kinds())
    yield from (("retries", (failed,)) for failed in ("produce", "postgres"))


def _codes(topic: str) -> tuple[str, ...]:
    """What a dead letter of a topic may be of."""
    if topic in {LINKS, TOUCHES}:
        return _OURS
    return (*_OURS, "history") if topic == INTERACTIONS else ("damaged", *get_args(Code))

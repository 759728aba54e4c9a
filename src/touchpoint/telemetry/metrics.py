"""Every metric of the worker: name, type, unit, what it means and what to do about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Literal

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

Kind = Literal["counter", "gauge", "histogram"]


class Metric(msgspec.Struct, frozen=True):
    """One metric as it is documented and exported."""

    name: str
    kind: Kind
    unit: str
    help: str
    labels: tuple[str, ...] = ()


METRICS: tuple[Metric, ...] = (
    Metric("touchpoint_records", "counter", "records", "Records read from Kafka, by agent.", ("agent",)),
    Metric(
        "touchpoint_events", "counter", "events",
        "Events by verdict (accepted, skipped, dead letter). Many dead letters: see their causes. Of agent party, "
        "`postponed`: parties whose closing failed unexpectedly, tried again an hour of event time later; the log says "
        "where it failed. Please report it.",
        ("agent", "verdict"),
    ),
    Metric(
        "touchpoint_vendor_records", "counter", "records",
        "Records of topics with a dialect, by what became of them: events; nothing (it says nothing of a media item); "
        "not known (as nothing, but its dialect does not know it: vendors add event types); heartbeat; again (read "
        "before, as after a crash); dead letter.",
        ("dialect", "outcome"),
    ),
    Metric(
        "touchpoint_source_seconds", "gauge", "seconds since 1970",
        "The time of the latest event or heartbeat of a topic, by the sources that `TOUCHPOINT_SOURCES` names (and "
        "those that topics with a dialect are declared with); all others together are `others`. The greatest of all "
        "workers counts: `time() - max by (topic, source) (touchpoint_source_seconds)` is how long it has been silent; "
        "look at the source.",
        ("topic", "source"),
    ),
    Metric("touchpoint_batches", "counter", "batches", "Batches finished, by agent.", ("agent",)),
    Metric(
        "touchpoint_batch_seconds", "histogram", "seconds",
        "From taking a batch to its effects being durable. Growing: look at the broker, or at Postgres for history.",
        ("agent",),
    ),
    Metric(
        "touchpoint_lag_records", "gauge", "records",
        "Records not yet read of a partition. Growing for minutes: add a worker, or see whether this one is stuck.",
        ("topic", "partition"),
    ),
    Metric(
        "touchpoint_fetch_age_seconds", "gauge", "seconds",
        "For how long no broker has answered a request for records of a partition; where none has yet, since it was "
        "assigned. Above 60: it is not read, its lag is that of then or unknown, and time stands still: look at the "
        "leader of the partition. While the history waits, its records are not asked for either.",
        ("topic", "partition"),
    ),
    Metric(
        "touchpoint_open_transaction_records", "gauge", "records",
        "Records of a partition from the first transaction on that its producer has neither committed nor aborted: "
        "nobody is given them, and time stands still here meanwhile. Above 0 for minutes: a producer hangs, or holds "
        "the partition back (docs/operations.md, What to watch).",
        ("topic", "partition"),
    ),
    Metric(
        "touchpoint_damaged_records", "counter", "records",
        "What could not be parsed, each a dead letter of code `damaged`: a record, or the rest of a batch. By reason: "
        "record (its structure), headers (more than 1,000), offset (it does not follow the one before), count (a "
        "batch declares more or fewer records than it has), codec (not known), compression (its data cannot be "
        "decompressed), size (more than 64 MiB unpacked), format (not known), checksum and framing (three fetches "
        "gave the same). Look at the producer; for checksum and framing at the broker and its disk.",
        ("topic", "reason"),
    ),
    Metric(
        "touchpoint_watermark_delay_seconds", "gauge", "seconds",
        "How far the event time that closes interactions is behind the clock. Growing while events arrive: a source "
        "is silent or a producer's clock is wrong.",
        ("agent", "partition"),
    ),
    Metric("touchpoint_forwards", "counter", "records", "Records produced, by topic.", ("topic",)),
    Metric("touchpoint_closed_interactions", "counter", "interactions", "Records written to the interactions topic."),
    Metric(
        "touchpoint_dead_letters", "counter", "records",
        "Records that could not be accepted, by code (docs/operations.md). They are in the topic dead-letters, each "
        "with its cause in words.",
        ("agent", "code"),
    ),
    Metric(
        "touchpoint_flood_dead_letters", "counter", "records",
        "Dead letters of a topic while more than `TOUCHPOINT_DEAD_LETTER_LIMIT` of the last 1,000 records of one of "
        "its partitions became dead letters. Rising: a producer sends what cannot be read; the log names the codes, "
        "the dead letters the keys. All others' records are taken.",
        ("topic",),
    ),
    Metric(
        "touchpoint_changelog_bytes", "counter", "bytes",
        "State written to changelogs. Out of proportion to the events: some state is too large.", ("table",),
    ),
    Metric(
        "touchpoint_state_keys", "gauge", "keys", "Keys held in memory.", ("table", "partition"),
    ),
    Metric(
        "touchpoint_state_bytes", "gauge", "bytes",
        "State held in memory, by what its keys are of (docs/guarantees.md, When state is full).",
        ("table", "partition", "kind"),
    ),
    Metric(
        "touchpoint_state_full", "counter", "times",
        "How often the state of a key was full, so that something of it was forgotten before its time or refused, by "
        "what the key is of (docs/guarantees.md, When state is full). Rising: a number that is everybody's, or a "
        "source that repeats itself.",
        ("table", "kind"),
    ),
    Metric("touchpoint_history_rows", "counter", "records", "Records stored in Postgres."),
    Metric(
        "touchpoint_retries", "counter", "attempts",
        "Attempts repeated because the surroundings failed (produce, postgres). Rising: the broker or Postgres is in "
        "trouble; nothing is lost, it waits.",
        ("what",),
    ),
    Metric(
        "touchpoint_history_usable", "gauge", "boolean",
        "1 while Postgres takes what is stored; 0 while it does not answer or refuses. `/readyz` then says why.",
    ),
    Metric(
        "touchpoint_limits_differ", "gauge", "boolean",
        "1 while a worker of this installation was started later with other limits (its log says which): while "
        "workers are replaced by ones with new limits; for longer: restart those that report 1.",
    ),
    Metric("touchpoint_rebalances", "counter", "rebalances", "Assignments this worker took part in."),
    Metric("touchpoint_recovery_seconds", "gauge", "seconds", "How long the last reading of the changelogs took."),
    Metric("touchpoint_ready", "gauge", "boolean", "1 while the worker's partitions are being worked on."),
)  # fmt: skip

OTHERS = "others"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The metrics of one process. No label has a value that a producer chooses: those of labels are our own and the
    configuration's, so that no person becomes a label, and no producer makes a million of them.
    """

    def __init__(self, sources: Collection[str] = ()) -> None:
        """``sources``: those of events that are told apart."""
        self.registry = CollectorRegistry()
        self.totals: defaultdict[str, float] = defaultdict(float)  # of each counter, over all labels
        self._named = frozenset(sources)
        self._sources: dict[tuple[str, str], float] = {}
        made = {metric.name: self._make(metric) for metric in METRICS}
        self._counters = {name: m for name, m in made.items() if isinstance(m, Counter)}
        self._gauges = {name: m for name, m in made.items() if isinstance(m, Gauge)}
        self._histograms = {name: m for name, m in made.items() if isinstance(m, Histogram)}

    def _make(self, metric: Metric) -> Counter | Gauge | Histogram:
        if metric.kind == "counter":
            return Counter(metric.name, metric.help, metric.labels, registry=self.registry)
        if metric.kind == "gauge":
            return Gauge(metric.name, metric.help, metric.labels, registry=self.registry)
        return Histogram(metric.name, metric.help, metric.labels, registry=self.registry, buckets=_BUCKETS)

    def count(self, name: str, amount: float = 1, *labels: str) -> None:
        """Add to the counter ``touchpoint_<name>``."""
        self.totals[name] += amount
        counter = self._counters["touchpoint_" + name]
        (counter.labels(*labels) if labels else counter).inc(amount)

    def set(self, name: str, value: float, *labels: str) -> None:
        """Set the gauge ``touchpoint_<name>``."""
        gauge = self._gauges["touchpoint_" + name]
        (gauge.labels(*labels) if labels else gauge).set(value)

    def saw(self, topic: str, source: str, seconds: float) -> None:
        """An event or a heartbeat of a source in an input topic, by event time, seconds since 1970."""
        place = topic, source if source in self._named else OTHERS
        if seconds > self._sources.get(place, 0.0):
            self._sources[place] = seconds
            self.set("source_seconds", seconds, *place)

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Add an observation to the histogram ``touchpoint_<name>``."""
        histogram = self._histograms["touchpoint_" + name]
        (histogram.labels(*labels) if labels else histogram).observe(value)

    def forget(self, name: str) -> None:
        """Drop every labelled value of a gauge, as when partitions were lost."""
        self._gauges["touchpoint_" + name].clear()

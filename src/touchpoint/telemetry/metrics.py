"""The metrics of one process, as `metric_table` lists them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from touchpoint.telemetry.metric_table import NOBODY, OTHERS, WORKER, Metric

T = TypeVar("T", Counter, Gauge, Histogram)

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series of each counter


class Metrics:
    """Counts and measures under the names of a table; names are given without their `touchpoint_`."""

    def __init__(self, sources: Collection[str] = (), table: Iterable[Metric] = WORKER) -> None:
        """``sources``: those of events that are told apart."""
        self.registry = CollectorRegistry()
        self.totals: defaultdict[str, float] = defaultdict(float)  # of each counter, over all labels
        self._named = frozenset(sources)
        self._sources: dict[tuple[str, str], float] = {}
        self._known: dict[tuple[str, tuple[str, ...]], Any] = {}
        self._holders: dict[int, tuple[str, str]] = {}  # by partition: input and source
        made = {metric.name.removeprefix("touchpoint_"): self._make(metric) for metric in table}
        self._counters = {name: m for name, m in made.items() if isinstance(m, Counter)}
        self._gauges = {name: m for name, m in made.items() if isinstance(m, Gauge)}
        self._histograms = {name: m for name, m in made.items() if isinstance(m, Histogram)}
        ProcessCollector(registry=self.registry)

    def _make(self, metric: Metric) -> Counter | Gauge | Histogram:
        if metric.kind == "counter":
            return Counter(metric.name, metric.help, metric.labels, registry=self.registry)
        if metric.kind == "gauge":
            return Gauge(metric.name, metric.help, metric.labels, registry=self.registry)
        return Histogram(metric.name, metric.help, metric.labels, registry=self.registry, buckets=metric.buckets)

    def begin(self, series: Iterable[tuple[str, tuple[str, ...]]]) -> None:
        """Show these series before anything is counted: `rate` and `increase` see no event that makes its series."""
        for name, labels in series:
            (self._counters.get(name) or self._histograms[name]).labels(*labels)

    def _series(self, name: str, labels: tuple[str, ...], metrics: Mapping[str, T]) -> T:
        """Hot path: to look a series up by its labels takes prometheus_client three times as long."""
        series: T | None = self._known.get((name, labels))
        if series is None:
            metric: Any = metrics[name]
            series = self._known[name, labels] = metric.labels(*labels) if labels else metric
        assert series is not None
        return series

    def count(self, name: str, amount: float = 1, *labels: str) -> None:
        """Add to a counter."""
        self.totals[name] += amount
        self._series(name, labels, self._counters).inc(amount)

    def set(self, name: str, value: float, *labels: str) -> None:
        """Set a gauge."""
        self._series(name, labels, self._gauges).set(value)

    def observe_event(self, topic: str, source: str, seconds: float) -> None:
        """An event or a heartbeat of a source in an input topic, by event time, seconds since 1970."""
        place = topic, self._source(source)
        if seconds > self._sources.get(place, 0.0):
            self._sources[place] = seconds
            self.set("source_seconds", seconds, *place)

    def hold(self, partition: int, topic: str, source: str) -> None:
        """The event time of a partition is that of an input, which stands at an event of a source."""
        holder = topic, self._source(source)
        before = self._holders.get(partition)
        if before != holder:
            self._holders[partition] = holder
            gauge = self._gauges["held_partitions"]
            gauge.labels(*holder).inc()
            if before is not None:
                gauge.labels(*before).dec()

    def _source(self, name: str) -> str:
        return name if name in self._named or name == NOBODY else OTHERS

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Add an observation to a histogram."""
        self._series(name, labels, self._histograms).observe(value)

    def remove(self, name: str, *labels: str) -> None:
        """Drop one labelled value of a gauge, which is not known any more."""
        if self._known.pop((name, labels), None) is not None:
            self._gauges[name].remove(*labels)

    def forget(self, name: str) -> None:
        """Drop every labelled value of a gauge, as when partitions were lost."""
        self._gauges[name].clear()
        self._known = {key: series for key, series in self._known.items() if key[0] != name}
        if name == "held_partitions":
            self._holders.clear()

"""Series of metrics: there before they are counted, gone when partitions are lost, and none that a producer names."""

from __future__ import annotations

import pytest

from touchpoint.telemetry.metric_table import METRICS, NOBODY
from touchpoint.telemetry.metrics import Metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"touchpoint_{name}", labels)


def test_a_counter_is_there_at_zero_once_it_is_begun() -> None:
    metrics = Metrics()
    assert value(metrics, "retries_total", what="produce") is None
    metrics.begin([("retries", ("produce",)), ("batch_seconds", ("media",))])
    assert value(metrics, "retries_total", what="produce") == 0
    assert value(metrics, "batch_seconds_count", agent="media") == 0
    metrics.count("retries", 2, "produce")
    assert value(metrics, "retries_total", what="produce") == 2


def test_a_gauge_that_was_forgotten_is_gone_and_shows_what_is_set_afterwards() -> None:
    metrics = Metrics()
    metrics.set("lag_records", 5, "calls", "0")
    metrics.set("input_delay_seconds", 7, "calls", "0")
    metrics.forget("lag_records")
    assert value(metrics, "lag_records", topic="calls", partition="0") is None
    assert value(metrics, "input_delay_seconds", topic="calls", partition="0") == 7
    metrics.set("lag_records", 3, "calls", "0")
    assert value(metrics, "lag_records", topic="calls", partition="0") == 3


def test_a_value_that_is_not_known_any_more_is_gone_and_the_others_stay() -> None:
    metrics = Metrics()
    for partition in ("0", "1"):
        metrics.set("input_delay_seconds", 7, "calls", partition)
    metrics.remove("input_delay_seconds", "calls", "0")
    metrics.remove("input_delay_seconds", "calls", "0")
    assert value(metrics, "input_delay_seconds", topic="calls", partition="0") is None
    assert value(metrics, "input_delay_seconds", topic="calls", partition="1") == 7


def test_each_partition_is_held_by_one_input_and_unknown_sources_are_others() -> None:
    metrics = Metrics(["/pbx"])

    def held(topic: str, source: str) -> float | None:
        return value(metrics, "held_partitions", topic=topic, source=source)

    metrics.hold(0, "calls", "/pbx")
    metrics.hold(1, "calls", "/of a producer's choice")
    assert (held("calls", "/pbx"), held("calls", "others")) == (1, 1)
    metrics.hold(0, "faxes", NOBODY)
    assert (held("calls", "/pbx"), held("faxes", "none")) == (0, 1)
    metrics.forget("held_partitions")
    metrics.hold(0, "calls", "/pbx")
    assert (held("calls", "/pbx"), held("calls", "others")) == (1, None)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_the_table_names_metrics_as_prometheus_recommends(metric: object) -> None:
    found = next(each for each in METRICS if each is metric)
    assert [each.name for each in METRICS].count(found.name) == 1
    assert not found.name.endswith(("_total", "_count", "_sum", "_bucket"))
    assert bool(found.buckets) == (found.kind == "histogram")
    assert found.kind != "histogram" or found.name.endswith("_seconds")

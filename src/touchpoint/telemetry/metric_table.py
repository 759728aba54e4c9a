"""The table of metrics: of each the name, type, unit, labels, what it says and what to do about it.

docs/reference/metrics.md is made of it. No label has a value that a producer chooses: values of labels are our own and
the configuration's, so that no person becomes a label and no producer makes a million of them.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["counter", "gauge", "histogram"]

OTHERS = "others"
"""The value of the label `source` for every source that the configuration does not name."""
NOBODY = "none"
"""The value of the label `source` for an input without an event; of `topic` for a dead letter of which no record is
left."""

_BATCH = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_CLOSED_TO_STORED = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
_EVENT_TO_STORED = (1, 2.5, 5, 10, 15, 30, 60, 75, 90, 120, 180, 300, 600, 900, 1800, 3600, 14_400)


class Metric(msgspec.Struct, frozen=True):
    """One metric as it is documented and exported. Counters are exported with `_total` after their name."""

    name: str
    kind: Kind
    unit: str
    help: str
    labels: tuple[str, ...] = ()
    action: str = ""  # what an operator does about it; empty: nothing by itself
    buckets: tuple[float, ...] = ()  # of a histogram: upper bounds, in its unit


WORKER: tuple[Metric, ...] = (
    Metric(
        "touchpoint_build_info", "gauge", "1", "What runs: the version of the worker, of Python, of the form of the "
        "state in the changelogs, of the record and of the rules.",
        ("version", "python", "state_form", "record_version", "rules_version"),
        "More than one value for longer than a rollout takes: a worker was forgotten.",
    ),
    Metric(
        "touchpoint_config_info", "gauge", "1", "A fingerprint of the settings, without secrets and without what is "
        "each worker's own (instance id, metrics, log).", ("fingerprint",),
        "More than one value for longer than a rollout takes: workers are configured differently.",
    ),
    Metric(
        "touchpoint_ready", "gauge", "boolean", "1 while the worker's partitions are being worked on.", (),
        "0 for longer than a recovery takes: `/readyz` and the log say what it waits for.",
    ),
    Metric(
        "touchpoint_assigned_partitions", "gauge", "partitions", "Partitions that this worker works on, by agent.",
        ("agent",), "The sum over all workers below the number of partitions: none works on the rest.",
    ),
    Metric("touchpoint_rebalances", "counter", "rebalances", "Assignments this worker took part in.", (),
           "Rising without a rollout: a worker restarts or is too slow; nothing is stored meanwhile."),
    Metric("touchpoint_recovery_seconds", "gauge", "seconds", "How long the last reading of the changelogs took."),
    Metric("touchpoint_recovery_records", "gauge", "records", "Records of the changelogs that it read.", (),
           "Far beyond the keys of `touchpoint_state_keys`: the brokers do not compact."),
    Metric("touchpoint_records", "counter", "records", "Records read from Kafka, by agent.", ("agent",)),
    Metric(
        "touchpoint_events", "counter", "events",
        "Events by verdict (accepted, skipped, dead letter). Of agent party, `postponed`: parties whose closing failed "
        "unexpectedly, tried again an hour of event time later.",
        ("agent", "verdict"),
        "Many dead letters: see their causes. Any `postponed`: the log says where it failed; please report it.",
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
        "workers counts.",
        ("topic", "source"),
        "`time() - max by (topic, source) (touchpoint_source_seconds)` is how long it has been silent: look at the "
        "source.",
    ),
    Metric("touchpoint_batches", "counter", "batches", "Batches finished, by agent.", ("agent",)),
    Metric(
        "touchpoint_batch_seconds", "histogram", "seconds", "From taking a batch to its effects being durable.",
        ("agent",), "Growing: look at the broker, or at PostgreSQL for history.", _BATCH,
    ),
    Metric(
        "touchpoint_lag_records", "gauge", "records",
        "Records of a partition that are not finished and committed yet. A partition that is not read "
        "(`touchpoint_fetch_age_seconds`) has its lag of then.",
        ("topic", "partition"),
        "Growing for minutes: add a worker, or see whether this one is stuck; of `interactions`: look at PostgreSQL.",
    ),
    Metric(
        "touchpoint_oldest_unstored_seconds", "gauge", "seconds",
        "The age of the oldest closed interaction that was read and is not stored; 0 if there is none.", (),
        "Above a minute: PostgreSQL does not answer, refuses, or is too slow; `/readyz` and the log say which.",
    ),
    Metric(
        "touchpoint_closed_to_stored_seconds", "histogram", "seconds",
        "From the closing of an interaction (the append of its record to `interactions`) to its rows being committed, "
        "amendments and changes of parties too.", (),
        'Growing: look at PostgreSQL and at `touchpoint_lag_records{topic="interactions"}`.', _CLOSED_TO_STORED,
    ),
    Metric(
        "touchpoint_event_to_stored_seconds", "histogram", "seconds",
        "From the end of an interaction, in event time, to its rows being committed. What is read from the past, as in "
        "a backfill, is as old as it is.", (),
        "Growing while `touchpoint_closed_to_stored_seconds` does not: event time is held back.", _EVENT_TO_STORED,
    ),
    Metric(
        "touchpoint_fetch_age_seconds", "gauge", "seconds",
        "For how long no broker has answered a request for records of a partition; where none has yet, since it was "
        "assigned. While the history waits, its records are not asked for either.",
        ("topic", "partition"),
        "Above 60: it is not read, its lag is that of then or unknown, and time stands still: look at the leader of "
        "the partition.",
    ),
    Metric(
        "touchpoint_open_transaction_records", "gauge", "records",
        "Records of a partition from the first transaction on that its producer has neither committed nor aborted: "
        "nobody is given them, and time stands still here meanwhile.",
        ("topic", "partition"),
        "Above 0 for minutes: a producer hangs, or holds the partition back (docs/runbook.md).",
    ),
    Metric(
        "touchpoint_damaged_records", "counter", "records",
        "What could not be parsed, each a dead letter of code `damaged`: a record, or the rest of a batch. By reason: "
        "record (its structure), headers (more than 1,000), offset (it does not follow the one before), count (a "
        "batch declares more or fewer records than it has), codec (not known), compression (its data cannot be "
        "decompressed), size (more than 64 MiB unpacked), format (not known), checksum and framing (three fetches "
        "gave the same).",
        ("topic", "reason"),
        "Look at the producer; for checksum and framing at the broker and its disk.",
    ),
    Metric(
        "touchpoint_watermark_delay_seconds", "gauge", "seconds",
        "How far the event time that closes interactions is behind the clock.", ("agent", "partition"),
        "Growing while events arrive: `touchpoint_held_partitions` names the input and the source that hold it back.",
    ),
    Metric(
        "touchpoint_input_delay_seconds", "gauge", "seconds",
        "How far the event time of a partition of an input is behind the clock, the disorder included; 0 while it "
        "holds nothing back, absent while it is not known.", ("topic", "partition"),
        "Far beyond that of other inputs: this one is not read to its end, or its source's clock is behind.",
    ),
    Metric(
        "touchpoint_held_partitions", "gauge", "partitions",
        "Partitions whose event time is that of this input, the slowest; and the source of the event at which it "
        "stands (`none`: no event yet; `others`: `TOUCHPOINT_SOURCES` does not name it).", ("topic", "source"),
        "Where event time is late: look at this source, its clock, and whether the topic is read.",
    ),
    Metric("touchpoint_forwards", "counter", "records", "Records produced, by topic.", ("topic",)),
    Metric("touchpoint_closed_interactions", "counter", "records", "Records written to the interactions topic."),
    Metric(
        "touchpoint_dead_letters", "counter", "records",
        "Records that could not be accepted, by the topic they were read from (`none`: no record is left of it), code "
        "(docs/operations.md) and dialect (empty: events of the contract).", ("topic", "code", "dialect"),
        "They are in the topic dead-letters, each with its cause in words: `touchpoint dead-letters list`.",
    ),
    Metric(
        "touchpoint_flood_dead_letters", "counter", "records",
        "Dead letters of a topic while more than `TOUCHPOINT_DEAD_LETTER_LIMIT` of the last 1,000 records of one of "
        "its partitions became dead letters. All others' records are taken.", ("topic",),
        "Rising: a producer sends what cannot be read; the log names the codes, the dead letters the keys.",
    ),
    Metric(
        "touchpoint_changelog_bytes", "counter", "bytes", "State written to changelogs.", ("table",),
        "Out of proportion to the events: some state is too large.",
    ),
    Metric("touchpoint_state_keys", "gauge", "keys", "Keys held in memory.", ("table", "partition")),
    Metric(
        "touchpoint_state_bytes", "gauge", "bytes",
        "State held in memory, by what its keys are of (docs/guarantees.md, When state is full).",
        ("table", "partition", "kind"), "Growing from day to day: items are never told to end, or a backfill waits.",
    ),
    Metric(
        "touchpoint_state_full", "counter", "times",
        "How often the state of a key was full, so that something of it was forgotten before its time or refused, by "
        "what the key is of (docs/guarantees.md, When state is full).", ("table", "kind"),
        "Rising: a number that is everybody's, or a source that repeats itself.",
    ),
    Metric("touchpoint_history_rows", "counter", "records", "Records stored in PostgreSQL."),
    Metric(
        "touchpoint_retries", "counter", "attempts",
        "Attempts repeated because the surroundings failed (produce, postgres). Nothing is lost, it waits.", ("what",),
        "Rising: the broker or PostgreSQL is in trouble.",
    ),
    Metric(
        "touchpoint_history_usable", "gauge", "boolean",
        "1 while PostgreSQL takes what is stored; 0 while it does not answer or refuses.", (),
        "0: `/readyz` says why.",
    ),
    Metric(
        "touchpoint_limits_differ", "gauge", "boolean",
        "1 while a worker of this installation was started later with other limits (its log says which), as while "
        "workers are replaced by ones with new limits.", (),
        "1 for longer than a rollout takes: restart those that report 1.",
    ),
)  # fmt: skip

CAPTURE: tuple[Metric, ...] = (
    Metric("touchpoint_capture_records", "counter", "records", "Records read from the source.", ("source",)),
    Metric("touchpoint_capture_events", "counter", "events", "Events made of them, and stored.", ("source",)),
    Metric(
        "touchpoint_capture_unknown", "counter", "records",
        "Records that were not understood and name no media item. Nothing is lost.", ("source",),
        "Vendors add record types: a newer version may know them.",
    ),
    Metric(
        "touchpoint_capture_dead_letters", "counter", "records", "Records that became dead letters.", ("source",),
        "See their causes: `touchpoint dead-letters list`.",
    ),
    Metric(
        "touchpoint_capture_connections", "counter", "connections", "How often the source was reached anew.",
        ("source",), "Rising: the connection or the source is in trouble.",
    ),
    Metric(
        "touchpoint_capture_connected", "gauge", "boolean", "1 while the source is there.", ("source",),
        "0 for minutes: look at its log.",
    ),
    Metric(
        "touchpoint_capture_seconds_since_record", "gauge", "seconds", "Since the source last said something.",
        ("source",), "More than is usual for it at this hour: is it still told to?",
    ),
)  # fmt: skip
"""Those of `touchpoint capture`; the label is the subcommand's name."""

METRICS = WORKER + CAPTURE

"""The Faust that the transport was written against: another version, or another signature, must be looked at first."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from importlib.metadata import version

import faust
import pytest
from aiokafka.consumer import fetcher
from faust.tables.manager import TableManager as FaustTableManager
from faust.tables.recovery import Recovery
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from touchpoint.kafka.fetching import fetched, lookups
from touchpoint.stream.app import App
from touchpoint.stream.recovery import ChangelogRecovery, TableManager
from touchpoint.stream.tables import Table
from touchpoint.stream.transport import BatchSchema, Consumer, Producer
from touchpoint.stream.transport.consumer import ConsumerThread

OVERRIDES = [
    (Consumer, driver.Consumer, "ack", "(self, message)"),
    (Consumer, driver.Consumer, "_filter_tps_with_pending_acks", "(self, topics=None)"),
    (Consumer, driver.Consumer, "_new_offset", "(self, tp)"),
    (Consumer, driver.Consumer, "_commit_offsets", "(self, offsets, start_new_transaction=None)"),
    (Consumer, driver.Consumer, "on_partitions_revoked", "(self, revoked)"),
    (Consumer, driver.Consumer, "perform_seek", "(self)"),
    (Consumer, driver.Consumer, "on_buffer_drop", "(self, tp)"),
    (Consumer, driver.Consumer, "verify_all_partitions_active", "(self)"),
    (Consumer, driver.Consumer, "_drain_messages", "(self, fetcher)"),
    (Consumer, driver.Consumer, "_new_consumer_thread", "(self)"),
    (ConsumerThread, driver.AIOKafkaConsumerThread, "_create_worker_consumer", "(self, transport)"),
    (lookups.Fetcher, fetcher.Fetcher, "_proc_offset_request", "(self, node_id, topic_data)"),
    (Producer, driver.Producer, "_settings_extra", "(self)"),
    (BatchSchema, faust.Schema, "compile",
     "(self, app, *, on_key_decode_error=None, on_value_decode_error=None, default_propagate=None)"),
    (ChangelogRecovery, Recovery, "_wait", "(self, coro, timeout=None)"),
    (ChangelogRecovery, Recovery, "on_recovery_completed", "(self, generation_id=None)"),
    (TableManager, FaustTableManager, "on_start", "(self)"),
    (TableManager, FaustTableManager, "on_rebalance", "(self, assigned, revoked, newly_assigned, generation_id=None)"),
    (Table, faust.Table, "on_start", "(self)"),
    (App, faust.App, "_new_transport", "(self)"),
    (App, faust.App, "_new_producer_transport", "(self)"),
    (App, faust.App, "_create_directories", "(self)"),
]  # fmt: skip

REPLACED = {
    "MemoryRecords": (fetched.FetchedBytes, ["has_next", "size_in_bytes"]),
    "PartitionRecords": (fetched.PartitionRecords, ["__init__", "__iter__", "__next__"]),
    "FetchResult": (fetched.FetchResult, ["getall"]),
}
ORIGINALS = {
    "PartitionRecords": "(tp, records, aborted_transactions, fetch_offset, key_deserializer, value_deserializer, "
    "check_crcs, isolation_level)",
    "FetchResult": "(tp, *, assignment, partition_records, backoff)",
}

USED = {
    driver.Consumer: (
        "_set_active_tps _get_active_partitions _is_changelog_tp _getmany _commit stop_flow wait_first on_buffer_full"
    ),
    driver.AIOKafkaConsumerThread: "_ensure_consumer call_thread seek_to_beginning",
    driver.Producer: "_ensure_producer",
    Recovery: "_set_recovery_started _set_recovery_ended _restart_recovery _slurp_changelogs",
    FaustTableManager: "recovery _update_channels",
}


@pytest.mark.trap(17)
def test_the_versions_are_the_pinned_ones() -> None:
    assert version("faust-streaming") == "0.15.3"
    assert version("aiokafka") == "0.14.0"


@pytest.mark.parametrize(("ours", "base", "name", "signature"), OVERRIDES, ids=lambda value: str(value)[:40])
@pytest.mark.trap(17)
def test_an_overridden_method_has_the_signature_it_was_written_against(
    ours: type, base: type, name: str, signature: str
) -> None:
    assert name in vars(ours), f"{ours.__name__}.{name} is gone: take it out of this list"
    assert _shape(getattr(base, name)) == signature
    assert _shape(getattr(ours, name)) == signature


@pytest.mark.trap(17)
def test_aiokafka_fetcher_has_the_members_that_are_replaced() -> None:
    source = inspect.getsource(fetcher.Fetcher)
    assert source.count("MemoryRecords(part_data[-1])") == 1
    assert source.count("PartitionRecords(") == 1
    assert source.count("FetchResult(") == 1
    assert source.count("type(res_or_error) is FetchResult") == 2, "a subclass would not be taken for one"
    for name, (ours, methods) in REPLACED.items():
        assert getattr(fetcher, name) is ours
        assert all(method in vars(ours) for method in methods)
    assert _shape(fetched.PartitionRecords.__init__).replace("self, ", "") == ORIGINALS["PartitionRecords"]
    assert _shape(fetched.FetchResult.__init__).replace("self, ", "") == ORIGINALS["FetchResult"]
    assert set(vars(original("FetchResult"))) >= {"check_assignment", "_update_position", "getone", "has_more"}


def original(name: str) -> type:
    """A class of aiokafka's fetcher as it was before ours took its place."""
    spec = importlib.util.find_spec("aiokafka.consumer.fetcher")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = getattr(module, name)
    assert isinstance(found, type)
    return found


@pytest.mark.parametrize("name", ORIGINALS)
@pytest.mark.trap(17)
def test_aiokafkas_own_classes_have_the_signatures_that_ours_have(name: str) -> None:
    assert _shape(vars(original(name))["__init__"]).replace("self, ", "") == ORIGINALS[name]


@pytest.mark.parametrize(("base", "name"), [(base, name) for base, names in USED.items() for name in names.split()])
@pytest.mark.trap(17)
def test_a_private_method_we_call_is_there(base: type, name: str) -> None:
    assert hasattr(base, name)


@pytest.mark.trap(17)
def test_fausts_compiled_streams_are_there() -> None:
    importlib.import_module("faust._cython.streams")


def test_a_partition_that_a_rebalance_has_just_taken_is_not_caught_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiokafka asserts that it is assigned; a soak's worker ended by that while its agent was not told yet."""

    def highwater(_: Consumer, partition: TP) -> int:
        raise AssertionError(f"Partition {partition} is not assigned")

    monkeypatch.setattr(driver.Consumer, "highwater", highwater)
    assert not Consumer.__new__(Consumer).caught_up(TP("calls", 0))


async def test_fausts_look_at_partitions_that_have_no_position_yet_ends_no_worker() -> None:
    """It asserts that aiokafka has a position for each, which it has not after a broker that was away."""
    consumer = Consumer.__new__(Consumer)  # nothing assigned, nothing started: stock Faust fails on it
    await consumer.verify_all_partitions_active()


def _shape(method: object) -> str:
    signature = inspect.signature(method)  # type: ignore[arg-type]
    empty = inspect.Parameter.empty
    bare = [
        p.replace(annotation=empty, default=empty if p.default is empty else None)
        for p in signature.parameters.values()
    ]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))

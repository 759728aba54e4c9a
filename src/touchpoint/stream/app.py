"""The Faust app with the settings of faust.md 8."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer
from faust.types.transports import TransportT
from mode.supervisors import CrashingSupervisor

from touchpoint.history.agreement import fingerprint
from touchpoint.kafka_client import client_options
from touchpoint.settings import Settings
from touchpoint.stream.credentials import faust_credentials
from touchpoint.stream.recovery import TableManager
from touchpoint.stream.tables import Table
from touchpoint.stream.transport import Transport

FOREVER = 20 * 365 * 86400.0
PRODUCE_SECONDS = 60.0  # without an answer, a request is sent again
FETCH_BYTES = 4 * 1024 * 1024


class App(faust.App):
    """Faust with the product's transport, tables and recovery."""

    idempotent: bool = True
    recovery_seconds: float = 0.0  # of the last recovery
    recovery_records: int = 0  # that it read
    settings: Settings
    secret: bytes  # the fingerprint of the party secret
    on_recovered: Callable[[int], None] = staticmethod(lambda _generation: None)

    def _create_directories(self) -> None:
        """Nothing is kept on disk: tables live in memory and in their changelogs."""

    def _new_transport(self) -> TransportT:
        return Transport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> TransportT:
        return Transport(self.conf.broker_producer, self)

    def new_reader(self) -> AIOKafkaConsumer:
        """A consumer outside the group, for changelogs."""
        return AIOKafkaConsumer(
            **client_options(self.settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=100,
            max_partition_fetch_bytes=FETCH_BYTES,
            max_poll_records=5000,
        )


def new_app(settings: Settings) -> App:
    """Make the app; nothing connects before it is started."""
    app = App(
        settings.app_id,
        broker=[f"kafka://{address}" for address in settings.brokers],
        **faust_credentials(settings),
        **_group(settings),
        **_producer(settings),
        agent_supervisor=CrashingSupervisor,
        Table=Table,
        TableManager=TableManager,
        store="memory://",
        table_standby_replicas=0,
        stream_wait_empty=False,
        stream_buffer_maxsize=16,
        stream_publish_on_commit=False,
        processing_guarantee="at_least_once",
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=settings.partitions,
        topic_replication_factor=settings.replication,
        web_enabled=False,
        loghandlers=[],
        logging_config=None,
    )
    app.settings = settings
    app.secret = bytes.fromhex(fingerprint(settings.party_secret.get_secret_value().encode()))
    app.idempotent = settings.idempotence
    return app


def _group(settings: Settings) -> dict[str, Any]:
    return {
        "broker_max_poll_interval": FOREVER,  # faust.md 2: else an idle or back-pressured worker never returns
        "broker_session_timeout": settings.session_timeout,
        "broker_heartbeat_interval": max(0.5, settings.session_timeout / 7),
        "broker_rebalance_timeout": settings.rebalance_timeout,
        "broker_request_timeout": max(settings.rebalance_timeout * 1.5, settings.session_timeout + 5),
        "broker_commit_interval": 1.0,
        "broker_commit_every": 10_000,
        "broker_max_poll_records": 4000,
        "consumer_max_fetch_size": FETCH_BYTES,
        "consumer_auto_offset_reset": "earliest",
        "consumer_group_instance_id": settings.instance_id,
    }


def _producer(settings: Settings) -> dict[str, Any]:
    return {
        "producer_acks": -1,
        "producer_request_timeout": PRODUCE_SECONDS,
        "producer_linger": 0.0,  # batches are explicit: there is nothing to wait for
        "producer_max_batch_size": 256 * 1024,
        "producer_max_request_size": 48 * 1024 * 1024,
        "producer_compression_type": settings.compression,
        "producer_threaded": False,
    }

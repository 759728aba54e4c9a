"""Producing with a count that goes up, where somebody looks."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterable
from typing import Any

from touchpoint.cli.brokers import no_broker
from touchpoint.cli.errors import CliError, configuration


def produce_with_progress(
    events: Iterable[dict[str, Any]], brokers: str, topic_prefix: str, pace: float | None, *, finish: bool
) -> None:
    """Send events into Kafka. Raises CliError if it cannot be reached or refuses them."""
    from aiokafka.errors import KafkaConnectionError, KafkaError

    from touchpoint.kafka_client import client_options
    from touchpoint.simulate.produce import produce

    settings = configuration(brokers=brokers)
    options = client_options(settings)
    watched = sys.stderr.isatty()
    show = show_count if watched else lambda _: None
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it would log is said below, once
    try:
        count = asyncio.run(produce(events, options, topic_prefix, pace, finish, show))
    except KafkaConnectionError:
        raise no_broker(settings) from None
    except KafkaError as error:
        raise CliError(f"{brokers}: {error}; is the broker there, and are the topics (touchpoint topics)?") from None
    print(f"{chr(13) if watched else ''}{count:,} events sent to {brokers}", file=sys.stderr)


def show_count(count: int) -> None:
    print(f"\r{count:,} events sent", end="", file=sys.stderr, flush=True)

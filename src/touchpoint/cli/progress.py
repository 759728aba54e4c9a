"""A count that goes up while a command works, where somebody looks."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
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
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it would log is said below, once
    try:
        with counting("events sent") as show:
            count = asyncio.run(produce(events, options, topic_prefix, pace, finish, show))
    except KafkaConnectionError:
        raise no_broker(settings) from None
    except KafkaError as error:
        raise CliError(f"{brokers}: {error}; is the broker there, and are the topics (touchpoint topics)?") from None
    print(f"{count:,} events sent to {brokers}", file=sys.stderr)


@contextmanager
def counting(what: str) -> Iterator[Callable[[int], None]]:
    """A count of what is done, on a terminal and until the block ends; yields what takes the count so far."""
    from rich.console import Console
    from rich.progress import Progress, TextColumn

    console = Console(stderr=True)
    column = TextColumn("{task.completed:,.0f} {task.description}")
    # standard output is for the command's own bytes
    with Progress(
        column, console=console, transient=True, redirect_stdout=False, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(what, total=None)
        yield lambda count: progress.update(task, completed=count)

"""What the commands that speak to Kafka share: which brokers, and what to say when they do not answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from touchpoint.cli.errors import CliError, configuration

if TYPE_CHECKING:
    from touchpoint.settings import Settings

Result = TypeVar("Result")

UNREACHABLE = 3

BrokersOption = Annotated[
    str | None, typer.Option("--brokers", metavar="HOST:PORT,...", help="Unset: those of TOUCHPOINT_BROKERS.")
]


def settings_of(brokers: str | None) -> Settings:
    """The settings of TOUCHPOINT_*, with other brokers where some are named. Raises CliError."""
    return configuration(**({} if brokers is None else {"brokers": brokers}))


def ask_brokers(settings: Settings, question: Coroutine[Any, Any, Result]) -> Result:
    """The answer of what speaks to Kafka. Raises CliError in plain words, with status 3 where no broker answers."""
    from aiokafka.errors import KafkaConnectionError, KafkaError

    from touchpoint.stream.topics import TopicsError

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it would log is said below, once
    brokers = ", ".join(settings.brokers)
    try:
        return asyncio.run(question)
    except TopicsError as error:
        raise CliError(str(error), status=UNREACHABLE) from None
    except KafkaConnectionError as error:
        said = f" ({error})" if "gives nothing" in str(error) else ""
        raise CliError(
            f"no broker answers at {brokers}{said}: check TOUCHPOINT_BROKERS and security", status=UNREACHABLE
        ) from None
    except KafkaError as error:
        raise CliError(f"the broker at {brokers} refused: {error}", status=UNREACHABLE) from None

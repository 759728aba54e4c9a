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


def no_broker(settings: Settings, said: str = "") -> CliError:
    """What to say where no broker could be used: the first one's reason, if it is there and has one."""
    from touchpoint.kafka_client import refusal

    refused = asyncio.run(refusal(settings))
    if refused is not None:
        return CliError(f"the broker at {refused.cause}", status=UNREACHABLE)
    where = ", ".join(settings.brokers) + (f" ({said})" if said else "")
    return CliError(f"no broker answers at {where}: check TOUCHPOINT_BROKERS and security", status=UNREACHABLE)


def ask_brokers(settings: Settings, question: Coroutine[Any, Any, Result]) -> Result:
    """The answer of what speaks to Kafka. Raises CliError in plain words, with status 3 where no broker answers."""
    from aiokafka.errors import KafkaConnectionError, KafkaError, NodeNotReadyError

    from touchpoint.kafka.topic_admin import TopicsError

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it would log is said below, once
    brokers = ", ".join(settings.brokers)
    try:
        return asyncio.run(question)
    except TopicsError as error:
        raise CliError(str(error), status=UNREACHABLE) from None
    except KafkaConnectionError as error:
        raise no_broker(settings, str(error) if "gives nothing" in str(error) else "") from None
    except NodeNotReadyError:  # of a connection that is closed at once
        raise no_broker(settings) from None
    except KafkaError as error:
        raise CliError(f"the broker at {brokers} refused: {error}", status=UNREACHABLE) from None

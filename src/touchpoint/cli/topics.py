"""`touchpoint topics`: makes the topics of the contract."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated

import typer

from touchpoint.cli.brokers import no_broker
from touchpoint.cli.errors import CliError, configuration

Check = Annotated[bool, typer.Option("--check", help="Change nothing; fail if a topic is missing or differs.")]


def topics(check: Check = False) -> None:
    """Create the topics that are missing, with the partitions, replicas and settings of TOUCHPOINT_*.

    What exists is left as it is, but for inputs and internal topics whose records the broker does not stamp: it does
    from then on (message.timestamp.type=LogAppendTime). Where a topic differs otherwise, that is said.
    Exit status: 0; 1 if topics are missing or differ; 2 for a wrong configuration; 3 if no broker answers or one
    refuses.
    """
    from aiokafka.errors import KafkaConnectionError, KafkaError, NodeNotReadyError

    from touchpoint.kafka.topic_admin import TopicsError, check_topics, create_topics

    settings = configuration()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it would log is said below, once
    brokers = ", ".join(settings.brokers)
    try:
        if check:
            counts = asyncio.run(check_topics(settings))
            print(f"all topics are there, with {counts.ours} partitions each")
            return
        report = asyncio.run(create_topics(settings))
    except TopicsError as error:
        raise CliError(str(error)) from None
    except (KafkaConnectionError, NodeNotReadyError):  # the latter of a connection that is closed at once
        raise no_broker(settings) from None
    except KafkaError as error:
        raise CliError(f"the broker at {brokers} refused: {error}") from None
    for name in report.created:
        print(f"created {name}")
    for name in report.existing:
        print(f"exists  {name}")
    for name in report.altered:
        print(f"altered {name}: the broker stamps its records from now on")
    if report.mismatching:
        raise CliError("some topics differ from what they should be:\n  " + "\n  ".join(report.mismatching))

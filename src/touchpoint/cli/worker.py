"""`touchpoint worker`: the stream worker."""

from __future__ import annotations

import asyncio

import typer

from touchpoint.cli.brokers import no_broker
from touchpoint.cli.database import UNREACHABLE, USAGE
from touchpoint.cli.errors import CliError, configuration


def worker() -> None:
    """Run a stream worker until SIGTERM; start as many as there are cores: they share the partitions.

    Configured by TOUCHPOINT_* variables or the file that TOUCHPOINT_CONFIG names.
    Exit status: 0; 1 if topics are missing, the grace period was too short or most of a topic would become dead
    letters; 2 for a wrong configuration, another secret than before among it; 3 if no broker answers, or a broker or
    the database refuses; 70 if something failed that a restart may cure.
    """
    from aiokafka.errors import KafkaConnectionError

    from touchpoint.bootstrap import run
    from touchpoint.history.checks import UnusableError
    from touchpoint.kafka.topic_admin import TopicsError
    from touchpoint.telemetry.logs import configure_logs

    settings = configuration()
    if settings.database_url is None:
        raise CliError("TOUCHPOINT_DATABASE_URL is not set: postgresql://user@host:5432/name", status=2)
    configure_logs(settings.log_format, settings.log_level)
    try:
        status = asyncio.run(run(settings))
    except TopicsError as error:
        raise CliError(str(error)) from None
    except UnusableError as error:
        raise CliError(str(error), status=USAGE if error.configuration else UNREACHABLE) from None
    except KafkaConnectionError:
        raise no_broker(settings) from None
    if status:
        raise typer.Exit(status)

"""`touchpoint capture SOURCE`: a phone system's own feed, live, into Kafka or to standard output."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from touchpoint.cli.errors import CliError, configuration
from touchpoint.cli.translate import Source as Name
from touchpoint.cli.translate import Tenant

if TYPE_CHECKING:
    from touchpoint.capture.source import Source

app = typer.Typer(no_args_is_help=True, help="Capture a live source: its records become events.")

To = Annotated[str, typer.Option("--to", metavar="kafka|-", help="Where events go; -: standard output, as JSON lines.")]
State = Annotated[
    Path | None,
    typer.Option(help="A file that remembers how far the source was read; each capture needs one of its own."),
]
Heartbeat = Annotated[float, typer.Option(min=0, help="Seconds between heartbeats while the source is there; 0: none.")]
MetricsPort = Annotated[int, typer.Option(min=0, max=65535, help="Serve /metrics there; 0: do not.")]

UNEXPECTED = 70  # a restart may cure it
UNREACHABLE = 3


def capture(
    kind: str, to: str, state: Path | None, heartbeat: float, metrics_port: int, feed: dict[str, Any],
    source: Callable[[Callable[[bool], None]], Source],
) -> None:  # fmt: skip
    """Run one capture to its end. Raises CliError."""
    from aiokafka.errors import KafkaConnectionError, KafkaError

    from touchpoint.capture.kinds import KINDS
    from touchpoint.capture.run import Way, run
    from touchpoint.capture.source import SourceError
    from touchpoint.dialects import Feed
    from touchpoint.stream.logs import configure_logs

    if to not in ("kafka", "-"):
        raise CliError(f"--to {to!r} is neither kafka nor - (standard output)", status=2)
    settings = configuration()
    configure_logs(settings.log_format, settings.log_level)
    way = Way(to == "kafka", state, heartbeat, metrics_port)
    try:
        asyncio.run(run(KINDS[kind], Feed(**feed), way, settings, source))
    except SourceError as error:
        raise CliError(str(error)) from None
    except KafkaConnectionError:
        brokers = ", ".join(settings.brokers)
        raise CliError(f"no broker answers at {brokers}: check TOUCHPOINT_BROKERS", status=UNREACHABLE) from None
    except KafkaError as error:
        raise CliError(f"Kafka refused events: {error!r}", status=UNEXPECTED) from None
    except TimeoutError:
        raise CliError("the grace period was too short: what is not acknowledged is read again") from None


@app.command("queue-log")
def queue_log(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Asterisk's queue_log.")] = Path(
        "/var/log/asterisk/queue_log"
    ),
    source: Name = None,
    tenant: Tenant = None,
    to: To = "kafka",
    state: State = None,
    heartbeat: Heartbeat = 60,
    metrics_port: MetricsPort = 0,
) -> None:
    """Follow Asterisk's queue_log, through rotation.

    Examples:

        touchpoint capture queue-log --source /pbx/london --state /var/lib/touchpoint/london.json

        touchpoint capture queue-log /var/log/asterisk/queue_log --source /pbx/london --to -
    """
    from touchpoint.capture.follow import Follow

    feed = {"source": source, "tenant": tenant}
    capture("queue-log", to, state, heartbeat, metrics_port, feed, functools.partial(Follow, path))

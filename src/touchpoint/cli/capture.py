"""`touchpoint capture SOURCE`: a phone system's own feed, live, into Kafka or to standard output."""

from __future__ import annotations

import asyncio
import functools
import logging
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from touchpoint.cli.brokers import no_broker
from touchpoint.cli.errors import CliError, configuration
from touchpoint.cli.translate import Own, Tenant, Zone, own_of, zone_of
from touchpoint.cli.translate import Source as Name
from touchpoint.dialects import DIALECTS

if TYPE_CHECKING:
    from touchpoint.capture.connected import Talk
    from touchpoint.capture.source import Source
    from touchpoint.capture.tokens import Tokens

    Making = Callable[[Callable[[bool], None]], Source]

app = typer.Typer(no_args_is_help=True, help="Capture a phone system, a mailbox or a fax server, live.")

To = Annotated[str, typer.Option("--to", metavar="kafka|-", help="Where events go; -: standard output, as JSON lines.")]
State = Annotated[
    Path | None,
    typer.Option(help="A file that remembers how far the source was read; each capture needs one of its own."),
]
Heartbeat = Annotated[float, typer.Option(min=0, help="Seconds between heartbeats while the source is there; 0: none.")]
MetricsPort = Annotated[int, typer.Option(min=0, max=65535, help="Serve /metrics there; 0: do not.")]
FromEnd = Annotated[bool, typer.Option("--from-end", help="The first time, leave out what the file has already.")]
Host = Annotated[str, typer.Argument(metavar="HOST[:PORT]", help="Where it listens.")]
Tls = Annotated[bool, typer.Option("--tls", help="Connect with TLS; the certificate is checked.")]
Authority = Annotated[
    Path | None, typer.Option("--ca", help="The authority that signed its certificate; unset: the system's.")
]

OAUTH = "OAuth 2, in place of a password"
TokenUrl = Annotated[
    str | None,
    typer.Option(
        "--token-url", rich_help_panel=OAUTH,
        help="A token endpoint; the client's secret: TOUCHPOINT_CAPTURE_PASSWORD.",
    ),
]  # fmt: skip
Client = Annotated[str | None, typer.Option(help="The client's id.", rich_help_panel=OAUTH)]
Scope = Annotated[str | None, typer.Option(help="The scope that is asked for.", rich_help_panel=OAUTH)]
RefreshToken = Annotated[
    Path | None,
    typer.Option(
        help="The file of a refresh token, replaced when there is another; unset: client credentials.",
        rich_help_panel=OAUTH,
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(help="A file with an access token that something else renews.", rich_help_panel=OAUTH),
]
TokenCommand = Annotated[
    str | None,
    typer.Option(help="A command, run without a shell, that prints an access token.", rich_help_panel=OAUTH),
]

Yes = Annotated[
    bool, typer.Option("--yes", help="Capture again what was captured before a release with other event ids.")
]

UNEXPECTED = 70  # a restart may cure it


def capture(
    kind: str, to: str, state: Path | None, heartbeat: float, metrics_port: int, feed: dict[str, Any],
    source: Making, *, repeat: bool = False,
) -> None:  # fmt: skip
    """Run one capture to its end. Raises CliError."""
    from aiokafka.errors import KafkaConnectionError, KafkaError

    from touchpoint.capture.kinds import KINDS
    from touchpoint.capture.run import Way, run
    from touchpoint.capture.source import SourceError
    from touchpoint.dialects import Feed
    from touchpoint.telemetry.logs import configure_logs, traced

    if to not in ("kafka", "-"):
        raise CliError(f"--to {to!r} is neither kafka nor - (standard output)", status=2)
    settings = configuration()
    configure_logs(settings.log_format, settings.log_level)
    if settings.log_level != "debug":
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # ten lines a second while a broker is away
    way = Way(to == "kafka", state, heartbeat, metrics_port, repeat)
    try:
        asyncio.run(run(KINDS[kind], Feed(**feed, lines=settings.lines.lines()), way, settings, source))
    except SourceError as error:
        raise CliError(str(error)) from None
    except KafkaConnectionError:
        raise no_broker(settings) from None
    except KafkaError as error:
        raise CliError(f"Kafka refused events: {error!r}", status=UNEXPECTED) from None
    except TimeoutError:
        raise CliError("the grace period was too short: what is not acknowledged is read again") from None
    except OSError:
        raise  # said in one line by whoever calls
    except Exception as error:  # noqa: BLE001 - told without what it may say of people
        logging.getLogger(__name__).critical("ended unexpectedly\n%s", traced(error))
        raise typer.Exit(UNEXPECTED) from None


@app.command("queue-log")
def queue_log(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Asterisk's queue_log.")] = Path(
        "/var/log/asterisk/queue_log"
    ),
    from_end: FromEnd = False,
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
    capture("queue-log", to, state, heartbeat, metrics_port, feed, functools.partial(Follow, path, from_end=from_end))


@app.command("asterisk-ami")
def asterisk_ami(
    host: Host = "localhost:5038",
    user: Annotated[
        str, typer.Option(help="The section of manager.conf; its secret: TOUCHPOINT_CAPTURE_PASSWORD.")
    ] = "touchpoint",
    auth: Annotated[Literal["md5", "plain"], typer.Option(help="md5: the secret itself is not sent.")] = "md5",
    tls: Tls = False,
    ca: Authority = None,
    source: Name = None,
    tenant: Tenant = None,
    to: To = "kafka",
    state: State = None,
    heartbeat: Heartbeat = 60,
    metrics_port: MetricsPort = 0,
) -> None:
    """Listen to Asterisk's manager interface.

    It cannot replay what is sent while nobody listens; its queue_log can.

    Examples:

        TOUCHPOINT_CAPTURE_PASSWORD=... touchpoint capture asterisk-ami pbx1:5038 --state /var/lib/touchpoint/pbx1.json

        touchpoint capture asterisk-ami pbx1:5039 --tls --user touchpoint --to -
    """
    from touchpoint.capture.ami import Ami

    feed = {"source": source, "tenant": tenant}
    talk = functools.partial(Ami, user, password(), auth)
    capture("asterisk-ami", to, state, heartbeat, metrics_port, feed, connected(host, 5038, tls, ca, talk))


@app.command("freeswitch")
def freeswitch(
    host: Host = "localhost:8021",
    tls: Tls = False,
    ca: Authority = None,
    source: Name = None,
    tenant: Tenant = None,
    to: To = "kafka",
    state: State = None,
    heartbeat: Heartbeat = 60,
    metrics_port: MetricsPort = 0,
) -> None:
    """Listen to FreeSWITCH's event socket.

    The password is TOUCHPOINT_CAPTURE_PASSWORD. It cannot replay what is sent while nobody listens.

    Examples:

        TOUCHPOINT_CAPTURE_PASSWORD=... touchpoint capture freeswitch localhost:8021 --state /var/lib/touchpoint/fs.json
    """
    from touchpoint.capture.event_socket import EventSocket

    feed = {"source": source, "tenant": tenant}
    talk = functools.partial(EventSocket, password())
    capture("freeswitch", to, state, heartbeat, metrics_port, feed, connected(host, 8021, tls, ca, talk))


@app.command("hylafax")
def hylafax(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="HylaFAX's xferfaxlog.")] = Path(
        "/var/spool/hylafax/etc/xferfaxlog"
    ),
    from_end: FromEnd = False,
    source: Name = None,
    tenant: Tenant = None,
    zone: Zone = "UTC",
    to: To = "kafka",
    state: State = None,
    heartbeat: Heartbeat = 60,
    metrics_port: MetricsPort = 0,
) -> None:
    """Follow HylaFAX's xferfaxlog, through rotation.

    Examples:

        touchpoint capture hylafax --source /fax/london --zone Europe/London --state /var/lib/touchpoint/fax.json
    """
    from touchpoint.capture.follow import Follow

    feed = {"source": source, "tenant": tenant, "zone": zone_of(zone)}
    capture("hylafax", to, state, heartbeat, metrics_port, feed, functools.partial(Follow, path, from_end=from_end))


@app.command("mailbox")
def mailbox(
    host: Annotated[str, typer.Argument(metavar="HOST[:PORT]", help="An IMAP server.")],
    user: Annotated[
        str, typer.Option(help="The login, for Microsoft 365 the mailbox; its password: TOUCHPOINT_CAPTURE_PASSWORD.")
    ],
    folder: Annotated[list[str], typer.Option(help="A folder; may be given several times.")] = ["INBOX"],  # noqa: B006
    own: Own = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The first time, from that day on.")
    ] = None,
    poll: Annotated[
        float, typer.Option(min=0.1, max=3600, help="Seconds between two looks, where IDLE does not tell what is new.")
    ] = 20,
    starttls: Annotated[bool, typer.Option("--starttls", help="TLS by STARTTLS, usually at port 143.")] = False,
    no_tls: Annotated[bool, typer.Option("--no-tls", help="No TLS: on the same machine only.")] = False,
    ca: Authority = None,
    token_url: TokenUrl = None,
    client: Client = None,
    scope: Scope = None,
    refresh_token: RefreshToken = None,
    token_file: TokenFile = None,
    token_command: TokenCommand = None,
    yes: Yes = False,
    source: Name = None,
    tenant: Tenant = None,
    to: To = "kafka",
    state: State = None,
    heartbeat: Heartbeat = 60,
    metrics_port: MetricsPort = 0,
) -> None:
    """Read the headers of what is new in a mailbox; never a body, and nothing is marked as read.

    Name the folder of sent messages too, and whose addresses are the organisation's own.

    Examples:

        touchpoint capture mailbox imap.example.com --user service@example.com --folder INBOX --folder Sent
        --own @example.com --state /var/lib/touchpoint/service.json

        TOUCHPOINT_CAPTURE_PASSWORD=... touchpoint capture mailbox outlook.office365.com --user service@example.com
        --token-url https://login.microsoftonline.com/TENANT/oauth2/v2.0/token --client CLIENT-ID
        --scope https://outlook.office365.com/.default --state /var/lib/touchpoint/service.json
    """
    from touchpoint.capture.imap import Server
    from touchpoint.capture.mailbox_source import Bearer, Mailbox, Password, Timing
    from touchpoint.capture.reconnecting import Reconnecting, trusting

    where = host_and_port(host, 143 if starttls or no_tls else 993)
    own = own or ([user] if "@" in user else None)
    if own is None:
        raise CliError("--own: name the organisation's own addresses, or @ and its domain", status=2)
    first_day = (since or datetime.now(UTC) - timedelta(days=1)).date()
    if since is not None and not yes and (state is None or not state.exists()):
        check_ids(first_day)
    tokens = tokens_of(token_url, client, scope, refresh_token, token_file, token_command, ca)
    login = Bearer(user, tokens) if tokens else Password(user, password())
    feed = {"source": source, "tenant": tenant, "own": own_of(own) | configuration().stitching_limits().own_addresses}

    def make(told: Callable[[bool], None]) -> Source:
        server = Server(*where, None if no_tls else trusting(ca), starttls)
        return Reconnecting(Mailbox(server, login, folder, first_day, Timing(poll=poll)), told)

    capture("mailbox", to, state, heartbeat, metrics_port, feed, make, repeat=yes)


def check_ids(first_day: date) -> None:
    """Raises CliError for mails from a day on that an earlier release may have captured under other ids."""
    for change in DIALECTS["mailbox"].ids_changed:
        released = datetime.fromisoformat(change.since).date()
        if first_day < released:
            raise CliError(
                f"--since {first_day}: since release {change.release} events of {change.what} have other ids, so what "
                f"an earlier release captured would count twice. Name the day of the upgrade, {released} or later, "
                "or pass --yes if nothing was captured before",
                status=2,
            )


def tokens_of(
    url: str | None, client: str | None, scope: str | None, refresh: Path | None, file: Path | None,
    command: str | None, ca: Path | None,
) -> Tokens | None:  # fmt: skip
    """Where access tokens come from; None for a login with a password. Raises CliError for options that do not fit."""
    from touchpoint.capture import tokens
    from touchpoint.capture.reconnecting import trusting
    from touchpoint.capture.source import SourceError

    if sum(each is not None for each in (url, file, command)) > 1:
        raise CliError("one of --token-url, --token-file and --token-command", status=2)
    if url is None and any(each is not None for each in (client, scope, refresh)):
        raise CliError("--client, --scope and --refresh-token belong to --token-url", status=2)
    if file is not None:
        return tokens.TokenFile(file)
    if command is not None:
        return tokens.TokenCommand(command)
    if url is None:
        return None
    if client is None:
        raise CliError("--token-url needs --client", status=2)
    secret = configuration().capture_password
    try:
        grant = tokens.Grant(url, client, secret.get_secret_value() if secret else None, scope, refresh, trusting(ca))
        return tokens.TokenEndpoint(grant)
    except SourceError as error:
        raise CliError(str(error), status=2) from None


def password() -> str:
    """The secret of a source. Raises CliError if there is none."""
    found = configuration().capture_password
    if found is None:
        problem = (
            "TOUCHPOINT_CAPTURE_PASSWORD is not set: the secret comes from the environment, where no `ps` shows it"
        )
        raise CliError(problem, status=2)
    return found.get_secret_value()


def host_and_port(text: str, usual: int) -> tuple[str, int]:
    """`host`, `host:port`, `[v6]:port`. Raises CliError for anything else."""
    found = re.fullmatch(r"\[([0-9a-fA-F:]+)\](?::(\d{1,5}))?|([^:/\s]+)(?::(\d{1,5}))?", text)
    if found is None or int(found[2] or found[4] or 1) > 65535:
        raise CliError(f"{text!r} is not host:port", status=2)
    return found[1] or found[3], int(found[2] or found[4] or usual)


def connected(host: str, usual: int, tls: bool, ca: Path | None, talk: Callable[[], Talk]) -> Making:
    """How to make a source that listens to a connection."""
    from touchpoint.capture.connected import Address, Connected
    from touchpoint.capture.reconnecting import Reconnecting, trusting

    where = host_and_port(host, usual)

    def make(told: Callable[[bool], None]) -> Source:
        return Reconnecting(Connected(Address(*where, trusting(ca) if tls or ca else None), talk()), told)

    return make

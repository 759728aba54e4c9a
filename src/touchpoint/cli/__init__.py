"""The command `touchpoint`. Only the command asked for is imported, so help is quick and `stitch` loads no Faust."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from typing import Annotated, NamedTuple

import typer

from touchpoint.cli.errors import guarded, replace_closed_streams


class Command(NamedTuple):
    """A command by name: where its function (or its typer app, for a group) is, and its help's first line."""

    name: str
    place: str  # module:attribute
    summary: str

    def load(self) -> Callable[..., None] | typer.Typer:
        module, _, attribute = self.place.partition(":")
        return getattr(importlib.import_module(module), attribute)  # type: ignore[no-any-return]


COMMANDS = (
    Command("demo", "touchpoint.cli.demo:demo", "See an hour of calls, emails, faxes and chats become interactions."),
    Command("stitch", "touchpoint.cli.stitch:stitch", "Turn files of events into closed interactions."),
    Command("translate", "touchpoint.cli.translate:translate", "Turn a vendor's records into events."),
    Command("capture", "touchpoint.cli.capture:app", "Capture a phone system, a mailbox or a fax server, live."),
    Command("simulate", "touchpoint.cli.simulate:simulate", "Make a realistic, seeded stream of events."),
    Command("check", "touchpoint.cli.check:check", "Look at everything that a worker needs, before it starts."),
    Command("worker", "touchpoint.cli.worker:worker", "Run a stream worker until SIGTERM."),
    Command("status", "touchpoint.cli.status:status", "Show workers, their lag, event time and what holds it back."),
    Command("topics", "touchpoint.cli.topics:topics", "Create the topics that are missing."),
    Command(
        "flush",
        "touchpoint.cli.flush:flush",
        "Say that a source has told everything until an instant, as at the end of a backfill.",
    ),
    Command("migrate", "touchpoint.cli.migrate:migrate", "Bring the database's schema up to date."),
    Command(
        "partitions", "touchpoint.cli.migrate:partitions", "Make the coming months' partitions; drop expired ones."
    ),
    Command(
        "history",
        "touchpoint.cli.history:history",
        "Show the interaction history of a party, an account or a business object.",
    ),
    Command(
        "explain",
        "touchpoint.cli.explain:explain",
        "Show each segment of an interaction with the events and the rules that made it.",
    ),
    Command("web", "touchpoint.cli.web:app", "Serve the history to people and applications."),
    Command("verify", "touchpoint.cli.verify:verify", "Fold events again and compare what is stored with it."),
    Command("dead-letters", "touchpoint.cli.dead_letters:app", "See what could not be accepted, and send it again."),
    Command("schema", "touchpoint.cli.schema:schema", "Print the JSON Schema of every event."),
)


def main() -> None:
    """The console script."""
    replace_closed_streams()
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    completing = "_TOUCHPOINT_COMPLETE" in os.environ
    asked = {command.name for command in COMMANDS} if completing else set(words[:1])
    application(asked)(prog_name="touchpoint")


def application(asked: set[str]) -> typer.Typer:
    """The command line with the commands `asked` for; of the others only what help shows."""
    app = typer.Typer(name="touchpoint", no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback()(touchpoint)
    for command in COMMANDS:
        mount(app, command, command.load() if command.name in asked else None)
    return app


def mount(app: typer.Typer, command: Command, loaded: Callable[..., None] | typer.Typer | None) -> None:
    """Add one command to the command line."""
    if loaded is None:
        app.command(command.name, help=command.summary)(lambda: None)
    elif isinstance(loaded, typer.Typer):
        guard(loaded)
        app.add_typer(loaded, name=command.name)
    else:
        app.command(command.name)(guarded(loaded))


def guard(group: typer.Typer) -> None:
    """Let every command of a group, and of the groups in it, fail as `guarded` says."""
    for member in group.registered_commands:
        member.callback = member.callback and guarded(member.callback)
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            guard(inner.typer_instance)


def show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"touchpoint {version('touchpoint')}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version.")]


def touchpoint(version: Version = False) -> None:
    """Turn a contact centre's event streams into its interaction history."""


if __name__ == "__main__":
    main()

"""How commands fail: one line that names the thing, its value and the way out, and the exit status of contract.md 6."""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from touchpoint.settings import Settings

INTERRUPTED = 130  # 128 + SIGINT, as shells report it
BROKEN_PIPE = 141  # 128 + SIGPIPE


class CliError(Exception):
    """A command cannot go on; `message` is shown as it is, on lines of their own.

    `status` is the exit status: 1, or 2 for wrong usage.
    """

    def __init__(self, message: str, *, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """The command with every way it may fail mapped to a line on standard error and an exit status."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            silence(sys.stdout.fileno())
            raise typer.Exit(BROKEN_PIPE) from None
        except CliError as error:
            fail(str(error))
            raise typer.Exit(error.status) from None
        except OSError as error:
            reason = error.strerror or str(error) or type(error).__name__
            fail(f"{error.filename}: {reason}" if error.filename else reason)
            raise typer.Exit(1) from None

    return run


def configuration(**overrides: Any) -> Settings:
    """The settings of TOUCHPOINT_*; raises CliError with every mistake in them at once."""
    from touchpoint.settings import SettingsError, load_settings

    try:
        return load_settings(**overrides)
    except SettingsError as error:
        raise CliError("the configuration is wrong:\n  " + "\n  ".join(error.problems), status=2) from None


def fail(message: str) -> None:
    """Show an error; its traceback too in Python's development mode (PYTHONDEVMODE=1)."""
    if sys.flags.dev_mode:
        traceback.print_exc()
    print(f"touchpoint: {message}", file=sys.stderr)


def replace_closed_streams() -> None:
    """Let what would go to a closed standard output or error go nowhere (`touchpoint ... >&-`)."""
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            silence(descriptor)
            setattr(sys, name, open(descriptor, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - for as long as we run


def silence(descriptor: int) -> None:
    """Let what is still written to a descriptor go nowhere: its reader has left."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)

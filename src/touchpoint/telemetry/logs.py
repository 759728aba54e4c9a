"""Logging of the worker: one line an event, as text or JSON; no personal data (log types and places, never values)."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog

from touchpoint.events.masking import mask

_QUIET = ("faust", "mode", "aiokafka", "asyncio", "aiohttp", "touchpoint.stream.transport")
"""Libraries whose own notes are of no use below a warning; ours are in the name of the class Faust builds on.

Never below information: aiokafka's notes for debugging hold whole records, and the password with which it logs in.
"""

_WITHOUT_DATA = ("08", "25", "28", "3D", "42", "53", "57")  # classes of SQLSTATE; 22 and 23 quote values


def place_of(error: BaseException) -> str:
    """An error's type and where it came from; never its text, which may hold a person's data."""
    frames = traceback.extract_tb(error.__traceback__)
    return type(error).__name__ + (f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else "")


def explained(error: BaseException) -> str:
    """An error's type, and its text where it speaks of connections, rights and relations: it then holds no data."""
    state = getattr(error, "sqlstate", None)
    harmless = isinstance(error, OSError) if state is None else state.startswith(_WITHOUT_DATA)
    return f"{type(error).__name__}: {error}" if harmless else type(error).__name__


def traced(error: BaseException) -> str:
    """The places that an error went through, and those of its causes; never their texts."""
    cause = error.__cause__ or error.__context__
    before = f"{traced(cause)}\nand from that\n" if cause is not None else ""
    return f"{before}{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__)).rstrip()}"


def masked(_logger: Any, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor: whatever a line quotes, ours or a library's, it names no number and no address."""
    for name in ("event", "exception"):
        if isinstance(text := entry.get(name), str):
            entry[name] = "\n".join(map(mask, text.split("\n")))
    return entry


def configure_logs(shape: Literal["json", "text"], level: str) -> None:
    """Send everything, the libraries' too, through structlog to standard error."""
    stamps = structlog.processors.TimeStamper(fmt="iso", utc=True)
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        stamps,
        structlog.processors.format_exc_info,
        masked,
    ]
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if shape == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.INFO if level == "debug" else max(logging.WARNING, root.level))

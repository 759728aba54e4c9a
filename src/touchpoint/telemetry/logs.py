"""Logging of the worker: one line an event, as text or JSON; no personal data (log types and places, never values)."""

from __future__ import annotations

import logging
import re
import sys
import time
import traceback
from collections.abc import Callable, MutableMapping
from typing import Any, Literal

import structlog

from touchpoint.events.masking import mask

_QUIET = ("faust", "mode", "aiokafka", "asyncio", "aiohttp", "touchpoint.stream.transport")
"""Libraries whose own notes are of no use below a warning; ours are in the name of the class Faust builds on.

Never below information: aiokafka's notes for debugging hold whole records, and the password with which it logs in.
"""

REPEAT_SECONDS = 60.0
MOST_REMEMBERED = 1_000  # different lines; beyond it all are forgotten
_SERVICE = re.compile(r"\[\^-*\S[^\]]*\]: ")  # how mode, on which Faust is built, begins a line
_FRACTION = re.compile(r"\d+\.\d+")

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


class QuietFilter(logging.Filter):
    """Passes a warning or an error once, and again after a minute with the number of those it held back.

    Two lines are the same if they differ only in numbers with a fraction, as `again in 0.4 s`: a broker that is away
    is otherwise ten lines a second. What Faust notes of its services is of no use to operators, but for `Worker ready`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._passed: dict[tuple[str, str], tuple[float, int]] = {}  # when, and how many were held back since

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if (service := _SERVICE.match(message)) is not None:
            message = message[service.end() :]
            record.msg, record.args = message, ()
            if record.levelno <= logging.INFO and message != "Worker ready":
                return False
        return record.levelno < logging.WARNING or self._is_new(record, message)

    def _is_new(self, record: logging.LogRecord, message: str) -> bool:
        key, now = (record.name, _FRACTION.sub("", message)), self._clock()
        passed_at, held_back = self._passed.get(key, (now - REPEAT_SECONDS, 0))
        if now - passed_at < REPEAT_SECONDS:
            self._passed[key] = passed_at, held_back + 1
            return False
        if len(self._passed) >= MOST_REMEMBERED:
            self._passed.clear()
        self._passed[key] = now, 0
        if held_back:
            record.msg, record.args = f"{message} (and {held_back:,} times more since the last such line)", ()
        return True


def set_level(level: str) -> None:
    """Log from this level on; the libraries at most from information on, without debugging from warnings on."""
    root = logging.getLogger()
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.INFO if level == "debug" else max(logging.WARNING, root.level))


def toggle_debugging(level: str) -> None:
    """From the configured level to debugging, or back."""
    now = level if logging.getLogger().level == logging.DEBUG else "debug"
    set_level(now)
    logging.getLogger(__name__).warning("the log level is %s now", now)


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
    handler.addFilter(QuietFilter())
    logging.getLogger().handlers[:] = [handler]
    set_level(level)

"""A process that ends with this one: a small shell holds it and reads a pipe that closes when we end, however we do."""

from __future__ import annotations

import os
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import Signals
from types import TracebackType
from typing import Self

_HOLD = """
trap '' INT
exec 3<&0
"$@" 3<&- &
held=$!
{ read -r _ <&3; kill -s "$HOLD_SIGNAL" "$held"; } 2>/dev/null &
reader=$!
wait "$held"
status=$?
kill "$reader" 2>/dev/null
exit $status
"""


class Held:
    """A running command, its output in a log of its own."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        keep: bool = False,
        signal: Signals = Signals.SIGKILL,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """Start it. `signal`: what ends it. `keep`: it goes on after this process unless `stop` was called.

        It has a session of its own, as Ctrl-C at a terminal is for whoever started it.
        """
        self._signal = signal
        handle, name = tempfile.mkstemp(prefix="touchpoint-", suffix=".log")
        self.log = Path(name)
        held = list(command) if keep else ["/bin/sh", "-c", _HOLD, "hold", *command]
        stdin = subprocess.DEVNULL if keep else subprocess.PIPE
        with os.fdopen(handle, "wb") as log:
            self._process: subprocess.Popen[bytes] | None = subprocess.Popen(
                held,
                stdin=stdin,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**environment, "HOLD_SIGNAL": str(int(signal))},
            )
        self.pid = self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def said(self) -> str:
        """The end of its output."""
        return self.log.read_text(errors="replace").strip()[-2_000:] or "no output"

    def stop(self, seconds: float = 30) -> None:
        """End it and await its end. A second time does nothing."""
        if self._process is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        elif self.running:
            self._process.send_signal(self._signal)
        self._process.wait(seconds)
        self._process = None
        self.log.unlink(missing_ok=True)


class Started(ABC):
    """A server that runs for as long as a `with` block."""

    @abstractmethod
    def start(self) -> None:
        """Start it; returns when it answers."""

    @abstractmethod
    def stop(self) -> None:
        """End it, unless it was to be kept. A second time does nothing."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class HeldBroker(Started):
    """A broker in a process of its own."""

    _keep: bool
    _held: Held | None = None

    @abstractmethod
    def end(self) -> None:
        """End it, even if it was to be kept."""

    def stop(self) -> None:
        if not self._keep:
            self.end()

    @property
    def pid(self) -> int:
        """The process to end when it was kept."""
        assert self._held is not None, "the broker is not running"
        return self._held.pid

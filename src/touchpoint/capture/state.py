"""What capture remembers between two runs: how far the source was read, and the feed's memory at that place."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import orjson

from touchpoint.capture.source import Position, SourceError
from touchpoint.dialects import Memory

FORMAT = 1


@dataclass
class State:
    """Of one source. `names`: the `source` of the events that it had, for heartbeats."""

    position: Position = None
    memory: Memory = field(default_factory=Memory)
    names: set[str] = field(default_factory=set)


class StateFile:
    """A file that is replaced as a whole, so that it is of one moment whenever the process ends."""

    def __init__(self, path: Path, kind: str) -> None:
        """`kind`: of the source. Raises SourceError if another capture uses the file."""
        self.path = path
        self._kind = kind
        self._lock = self._locked()

    def load(self) -> State:
        """What was stored, or nothing yet. Raises SourceError for a file that is another's."""
        try:
            stored = orjson.loads(self.path.read_bytes())
        except FileNotFoundError:
            return State()
        except orjson.JSONDecodeError as error:
            raise SourceError(f"{self.path} is not the state of a capture ({error}): name another --state") from None
        if not isinstance(stored, dict) or stored.get("format") != FORMAT:
            raise SourceError(f"{self.path} is of another version, or no state of a capture: name another --state")
        if stored.get("kind") != self._kind:
            raise SourceError(f"{self.path} is the state of a capture of {stored.get('kind')}: name another --state")
        memory = Memory.from_bytes(orjson.dumps(stored["memory"]))
        return State(stored["position"], memory, set(stored["names"]))

    def store(self, state: State) -> None:
        """Durable when it returns."""
        content = {
            "format": FORMAT,
            "kind": self._kind,
            "position": state.position,
            "names": sorted(state.names),
            "memory": orjson.Fragment(state.memory.to_bytes()),
        }
        temporary = self.path.with_name(self.path.name + ".new")
        with temporary.open("wb") as file:
            file.write(orjson.dumps(content))
            os.fchmod(file.fileno(), 0o600)  # a memory may know who is on the phone
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        self._lock.close()

    def _locked(self) -> IO[bytes]:
        try:
            lock = self.path.with_name(self.path.name + ".lock").open("wb")
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SourceError(f"another capture uses {self.path}: one --state each") from None
        except OSError as error:
            raise SourceError(f"--state {self.path} cannot be written: {error.strerror}") from None
        return lock

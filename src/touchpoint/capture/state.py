"""What capture remembers between two runs: how far the source was read, and the feed's memory at that place."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson

from touchpoint.capture.files import open_lock, open_regular, replace
from touchpoint.capture.source import Position, SourceError
from touchpoint.dialects import Memory

FORMAT = 1
LARGEST = 256 * 1024 * 1024  # bytes; a memory of 100,000 entries has some 30 MB
MOST_NAMES = 1_000  # for each there is a heartbeat a minute to every partition


@dataclass
class State:
    """Of one source. `names`: the `source` of the events that it had, for heartbeats. `rules_version`: the dialect's
    when the first record was captured; 1 where release 0.1.0 began it, which did not say.
    """

    position: Position = None
    memory: Memory = field(default_factory=Memory)
    names: set[str] = field(default_factory=set)
    rules_version: int = 1

    def name(self, names: set[str]) -> None:
        """Remember the `source` of events. A server that invents them is given no more than so many heartbeats."""
        for each in names - self.names:
            if len(self.names) >= MOST_NAMES:
                return
            self.names.add(each)


class StateFile:
    """A file that is replaced as a whole, so that it is of one moment whenever the process ends."""

    def __init__(self, path: Path, kind: str, is_position: Callable[[Any], bool]) -> None:
        """`kind`: of the source, whose positions `is_position` knows. Raises SourceError if another uses the file."""
        self.path = path
        self._kind = kind
        self._is_position = is_position
        self._lock = self._locked()

    def load(self) -> State:
        """What was stored, or nothing yet. Raises SourceError for a file that is another's, or damaged."""
        try:
            with open_regular(self.path, follow=False) as file:
                text = file.read(LARGEST + 1)
        except FileNotFoundError:
            return State()
        except OSError as error:
            raise SourceError(f"--state {self.path} cannot be read: {error.strerror}") from None
        if len(text) > LARGEST:
            raise self._damaged(f"more than {LARGEST} bytes")
        try:
            stored = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise self._damaged(f"no JSON, {error}") from None
        if not isinstance(stored, dict) or type(stored.get("format")) is not int:
            raise self._damaged("no object with a format")
        if stored["format"] != FORMAT:
            raise SourceError(f"{self.path} is of another version of touchpoint capture: name another --state")
        if not isinstance(stored.get("kind"), str):
            raise self._damaged("it names no kind of source")
        if stored["kind"] != self._kind:
            raise SourceError(f"{self.path} is the state of a capture of {stored['kind']!r}: name another --state")
        version = stored.get("rules_version", 1)
        if type(version) is not int or version < 1:
            raise self._damaged("its rules_version is no number of one")
        position, names = self._position(stored.get("position")), self._names(stored.get("names"))
        return State(position, self._memory(stored), names, version)

    def store(self, state: State) -> None:
        """Durable when it returns. Only its owner may read it: a memory may know who is on the phone."""
        content = {
            "format": FORMAT,
            "kind": self._kind,
            "position": state.position,
            "names": sorted(state.names),
            "rules_version": state.rules_version,
            "memory": orjson.Fragment(state.memory.to_bytes()),
        }
        replace(self.path, orjson.dumps(content))

    def close(self) -> None:
        self._lock.close()

    def _position(self, stored: Any) -> Position:
        if stored is not None and not self._is_position(stored):
            raise self._damaged("its position is none of this kind of source")
        return stored

    def _names(self, stored: Any) -> set[str]:
        if not isinstance(stored, list) or not all(isinstance(each, str) and each for each in stored):
            raise self._damaged("its names are no list of texts")
        return set(stored[:MOST_NAMES])

    def _memory(self, stored: dict[str, Any]) -> Memory:
        try:
            return Memory.from_bytes(orjson.dumps(stored["memory"]))
        except (KeyError, ValueError, TypeError):
            raise self._damaged("its memory is none") from None

    def _damaged(self, how: str) -> SourceError:
        return SourceError(
            f"{self.path} is not the state of a capture, or damaged ({how}): name another --state, or move it away and"
            " capture begins as the first time"
        )

    def _locked(self) -> IO[bytes]:
        try:
            lock = open_lock(self.path.with_name(self.path.name + ".lock"))
        except OSError as error:
            raise SourceError(f"--state {self.path} cannot be written: {error.filename}: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise SourceError(f"another capture uses {self.path}: one --state each") from None
        return lock

"""Follows a log file through rotation, by renaming or by copying and truncating; nothing it still has is missed.

A rotated file is left only when there is something in a later one: until it reopens its log, the program that writes
goes on in the renamed file.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import os
import zlib
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

from touchpoint.capture.files import check_regular
from touchpoint.capture.series import LONGEST_LINE, PRECEDING, Place, ahead, beginning, digest, end, opened
from touchpoint.capture.source import Chunk, Position, SourceError, pause

log = logging.getLogger(__name__)

POLL = 0.25  # seconds
BLOCK = 256 * 1024  # bytes read at once, more or less


class Follow:
    """A source: the lines of a log file."""

    def __init__(
        self,
        path: Path,
        connected: Callable[[bool], None] = lambda _: None,
        *,
        from_end: bool = False,
        poll: float = POLL,
    ) -> None:
        """`from_end`: the first time, only what is written from now on."""
        self._path = path
        self._first = end if from_end else beginning
        self._connected = connected
        self._poll = poll
        self._tail: Tail | None = None
        self._told: object = None  # what the log was told last

    async def chunks(self, position: Position, stopping: asyncio.Event) -> AsyncGenerator[Chunk, None]:
        place = self._first(self._path) if position is None else Place(*position)
        log.info("following %s", self._path)
        yield Chunk([], list(place))  # remembered before anything is read: it may be rotated before it was
        try:
            while not stopping.is_set():
                lines = self._lines(place)
                if lines and self._tail:
                    self._tell(logging.INFO, self._tail, "reading %s", self._tail.name)
                    place = self._tail.place
                yield Chunk(lines, list(place), caught_up=not lines and self._tail is not None)
                if not lines:
                    await pause(self._poll, stopping)
        finally:
            self._turn_to(None)

    def _lines(self, place: Place) -> list[bytes]:
        """The next lines behind the place, in whatever file they are."""
        if self._tail is not None:
            lines = self._tail.lines()
            if lines or (self._tail.offset and self._tail.is_file(self._path)):
                return lines
        try:
            check_regular(self._path)
            todo = ahead(self._path, place)
        except OSError as error:
            raise SourceError(f"{self._path} cannot be read: {error.strerror}") from None
        if place.offset and not todo[0][1]:
            lost = "%s: no file has the place that was read last; what was written since is read"
            self._tell(logging.WARNING, place, lost, self._path)
        for number, (path, offset) in enumerate(todo):
            tail = self._at(path, offset)
            if tail is not None:
                left = any(_size(later) for later, _ in todo[number + 1 :])
                lines = tail.lines(left=left)
                if lines or not left:
                    return lines
        return []

    def _at(self, path: Path, offset: int) -> Tail | None:
        """Turn to a file; None if it is not there."""
        tail = self._tail
        if tail is not None and tail.offset == offset and tail.is_file(path):
            return tail
        try:
            self._turn_to(Tail(path, offset))
        except FileNotFoundError:
            self._turn_to(None)
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror}") from None
        return self._tail

    def _tell(self, level: int, about: object, message: str, what: Path) -> None:
        """To the log, once."""
        if about != self._told:
            log.log(level, message, what)
        self._told = about

    def _turn_to(self, tail: Tail | None) -> None:
        if self._tail is not None:
            self._tail.close()
        if (tail is None) is not (self._tail is None):
            self._connected(tail is not None)
        self._tail = tail


class Tail:
    """One open file, from an offset on."""

    def __init__(self, path: Path, offset: int) -> None:
        """Raises FileNotFoundError."""
        self.name = path  # when it was opened
        self._file = opened(path)
        self._zipped = path.suffix == ".gz"
        begin = max(0, offset - PRECEDING)
        self._file.seek(begin)
        self._before = self._file.read(offset - begin)
        self.offset = offset
        self._modified = os.fstat(self._file.fileno()).st_mtime_ns
        self._replaced = False

    @property
    def place(self) -> Place:
        """Behind the lines that were read."""
        return Place(self.offset, digest(self._before), self._modified)

    def lines(self, left: bool = False) -> list[bytes]:
        """Some of what was written since. `left`: nothing more will be, so a last line without an end is one."""
        lines = self._read(left or self._zipped)
        text = b"".join(lines)
        self._before = (self._before + text)[-PRECEDING:]
        self.offset += len(text)
        return lines

    def is_file(self, path: Path) -> bool:
        """Whether this is the file of that name now, and only grew since it was opened."""
        try:
            there = path.stat()
        except FileNotFoundError:
            return False
        here = os.fstat(self._file.fileno())
        return not self._replaced and (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)

    def close(self) -> None:
        self._file.close()

    def _read(self, left: bool) -> list[bytes]:
        """Lines, if what precedes them is still what was read."""
        try:
            if not self._zipped:  # what is zipped does not change
                self._file.seek(self.offset - len(self._before))
                self._replaced |= self._file.read(len(self._before)) != self._before
            return [] if self._replaced else self._whole_lines(left)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            log.error("the gzip data of a rotated file is damaged (%s): the rest of it cannot be read", error)
            return []

    def _whole_lines(self, left: bool) -> list[bytes]:
        self._modified = os.fstat(self._file.fileno()).st_mtime_ns
        lines: list[bytes] = []
        size = 0
        while size < BLOCK and (line := self._file.readline(LONGEST_LINE)):
            if not (left or line.endswith(b"\n") or len(line) == LONGEST_LINE):
                break
            lines.append(line)
            size += len(line)
        return lines


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0

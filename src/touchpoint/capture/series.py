"""A log file and those that it was rotated into: where in them a position is, and what comes after it.

A place is known by what precedes it, so it is found again in a file that was renamed, copied or compressed.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import time
import zlib
from operator import itemgetter
from pathlib import Path
from stat import S_ISREG
from typing import IO, Any, NamedTuple

from touchpoint.capture.files import open_regular

PRECEDING = 1024  # bytes that tell a place
LONGEST_LINE = 1024 * 1024  # bytes: a line without an end is cut there
FOREIGN = (".xz", ".bz2", ".zst", ".new", ".lock", ".swp")
SLACK = 1_000_000_000  # nanoseconds: a file's stamp may be behind the clock


class Place(NamedTuple):
    """Behind a line. `modified`: when its file was written last as far as it was read, nanoseconds since 1970."""

    offset: int
    preceding: str  # digest of the bytes before
    modified: int


def is_position(stored: Any) -> bool:
    """Whether this is a place, as JSON has it."""
    if not isinstance(stored, list) or len(stored) != len(Place._fields):
        return False
    offset, preceding, modified = stored
    numbers = type(offset) is type(modified) is int and 0 <= offset < 1 << 63 and modified >= 0
    return numbers and isinstance(preceding, str)


def beginning(path: Path) -> Place:
    """Before all that the log file has now, and what is written from now on."""
    return Place(0, digest(b""), _modified(path) or time.time_ns())


def end(path: Path) -> Place:
    """Behind the last whole line that the log file has now."""
    if not path.exists():
        return beginning(path)
    with open_regular(path) as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - LONGEST_LINE))
        last = file.read().rfind(b"\n")
        offset = max(0, size - LONGEST_LINE) + last + 1
        file.seek(max(0, offset - PRECEDING))
        return Place(offset, digest(file.read(min(offset, PRECEDING))), _modified(path))


def digest(preceding: bytes) -> str:
    return hashlib.sha256(preceding[-PRECEDING:]).hexdigest()[:32]


def opened(path: Path) -> IO[bytes]:
    """The file, unzipped if its name says that it is zipped. Raises OSError, also for what is no regular file."""
    file = open_regular(path)
    return _Zipped(file) if path.suffix == ".gz" else file  # type: ignore[return-value]


class _Zipped(gzip.GzipFile):
    """Closes the file beneath it too."""

    def __init__(self, beneath: IO[bytes]) -> None:
        super().__init__(fileobj=beneath, mode="rb")
        self._beneath = beneath

    def close(self) -> None:
        super().close()
        self._beneath.close()


def series(path: Path) -> list[Path]:
    """The log file and what it was rotated into (`.1`, `-20260105`, `.2.gz` ...), oldest first, itself last."""
    rotated = re.compile(re.escape(path.name) + r"[.-][0-9A-Za-z._-]+")
    names = (
        {each.name for each in path.parent.iterdir() if rotated.fullmatch(each.name)} if path.parent.is_dir() else set()
    )
    found = []
    for name in names:
        if name.endswith(FOREIGN) or (name.endswith(".gz") and name.removesuffix(".gz") in names):
            continue  # while it is compressed, both are there
        try:
            stat = (path.parent / name).stat()
        except OSError:
            continue  # moved meanwhile, or a link that leads nowhere
        if not S_ISREG(stat.st_mode):
            continue
        found.append((stat.st_mtime_ns, name))
    found.sort(key=itemgetter(1), reverse=True)  # `.2` is older than `.1` where both were written last at one instant
    return [*(path.parent / name for _, name in sorted(found, key=itemgetter(0))), path]


def holds(path: Path, place: Place) -> bool:
    """Whether the place is in the file."""
    try:
        with opened(path) as file:
            begin = max(0, place.offset - PRECEDING)
            file.seek(begin)
            return digest(before := file.read(place.offset - begin)) == place.preceding and (
                len(before) == place.offset - begin
            )
    except (OSError, EOFError, zlib.error):
        return False


def ahead(path: Path, place: Place) -> list[tuple[Path, int]]:
    """What is to be read from the place on: files, and where in them; the log file itself is the last.

    Where no file holds the place any more, the first offset is 0: all files that were written to since, as a whole.
    What is known of them counts once.
    """
    files = series(path)
    if place.offset:
        for number in reversed(range(len(files))):
            if holds(files[number], place):
                return [(files[number], place.offset), *((later, 0) for later in files[number + 1 :])]
    return [(each, 0) for each in files if each == path or _modified(each) >= place.modified - SLACK]


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0

"""Files that others may write beside: only regular ones are opened, and what is ours follows no link."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO

_KINDS = (
    (stat.S_ISDIR, "a directory"), (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"), (stat.S_ISLNK, "a symbolic link"),
)  # fmt: skip
_FLAGS = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC  # a pipe that nobody writes to is not waited for


def open_regular(path: Path, follow: bool = True) -> IO[bytes]:
    """The file, to be read. `follow`: through symbolic links.

    Raises OSError, which says what it is where it is no regular file: a pipe or a device would block for ever.
    """
    _refuse(path, path.stat() if follow else path.lstat())  # before: opening a device may do something
    return _opened(path, os.O_RDONLY | (0 if follow else os.O_NOFOLLOW), "rb")


def check_regular(path: Path) -> None:
    """Raises OSError if there is something of that name that is no regular file."""
    try:
        _refuse(path, path.stat())
    except FileNotFoundError:
        return


def open_lock(path: Path) -> IO[bytes]:
    """A file to hold a lock on, made if need be, its content left alone. Raises OSError."""
    return _opened(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, "r+b")


def replace(path: Path, content: bytes) -> None:
    """The file with that content, readable to its owner only, and durable when it returns. Raises OSError."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)  # of a process that was killed; or a link, which is not followed
    with _opened(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _opened(path: Path, flags: int, mode: str) -> IO[bytes]:
    try:
        descriptor = os.open(path, flags | _FLAGS, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a symbolic link: name the file itself", str(path)) from None
        raise
    try:
        _refuse(path, os.fstat(descriptor))
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, mode)


def _refuse(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        what = next((name for test, name in _KINDS if test(found.st_mode)), "of another kind")
        raise OSError(errno.EINVAL, f"it is {what}, not a regular file", str(path))

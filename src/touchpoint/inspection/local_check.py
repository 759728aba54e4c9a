"""What can be looked at without Kafka and PostgreSQL: the secret, the files of secrets, the port."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

from touchpoint.inspection.finding import Finding
from touchpoint.settings import PREFIX, Settings
from touchpoint.settings.secret_files import FILE, secret_places, variable

_SHORTEST_SECRET = 16  # characters


def check_local(settings: Settings) -> Iterator[Finding]:
    """The settings were read already."""
    yield Finding("settings", "ok", "read, and none is wrong")
    yield _secret(settings)
    yield _files(settings)
    yield _port(settings)


def _secret(settings: Settings) -> Finding:
    if settings.insecure_party_secret:
        way = f"set {PREFIX}PARTY_SECRET before the first event, and keep it"
        return Finding("party secret", "note", "not set: whoever knows an address can compute its party's key", way)
    if len(settings.party_secret.get_secret_value()) < _SHORTEST_SECRET:
        detail = f"shorter than {_SHORTEST_SECRET} characters: it may be guessed"
        return Finding("party secret", "note", detail, "a new installation should get a longer one")
    return Finding("party secret", "ok", "set")


def _files(settings: Settings) -> Finding:
    names = [os.environ.get(variable(PREFIX, place) + FILE) for place in secret_places(Settings)]
    paths = [*(Path(name) for name in names if name), *([settings.tls_key_file] if settings.tls_key_file else [])]
    open_to_all = [str(path) for path in paths if path.is_file() and path.stat().st_mode & 0o007]
    if open_to_all:
        way = f"chmod o= {' '.join(open_to_all)}"
        return Finding("secrets' files", "note", f"every user of this machine may use {', '.join(open_to_all)}", way)
    return Finding("secrets' files", "ok", f"{len(paths)} files" if paths else "none: secrets come from variables")


def _port(settings: Settings) -> Finding:
    if not settings.metrics_port:
        return Finding("port", "note", "metrics and health are off", f"set {PREFIX}METRICS_PORT")
    place = f"{settings.metrics_host}:{settings.metrics_port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.metrics_host, settings.metrics_port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as error:
        way = f"if that is no worker of this installation, choose another {PREFIX}METRICS_PORT or {PREFIX}METRICS_HOST"
        return Finding("port", "note", f"{place} cannot be listened at: {error.strerror}", way)
    return Finding("port", "ok", f"{place} is free for metrics and health")

"""Checks a PostgreSQL URL as far as that goes without the server, so that a mistake is told before it is used.

What is wrong is said without any part of the URL that may belong to a password: where a `/`, `#` or `@` in a password
is not percent-encoded, parts of it stand where host, port, database or options should be.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

EXAMPLE = "postgresql://user:password@host:5432/name"

_SCHEMES = ("postgresql", "postgres")
_CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "primary", "standby", "read-write", "read-only", "prefer-standby"),
}
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")
_ENCODE = "; in a user name or password write / as %2F, ? as %3F, # as %23, @ as %40, : as %3A, % as %25"


def place(url: str) -> str:
    """The database and its hosts, for messages. Raises ValueError with the reason where the URL cannot be used."""
    hosts, path, options = _parts(url)
    name = unquote(path) or options.get("dbname") or options.get("database") or "(unnamed)"
    host = hosts or options.get("host", "")
    return f"database {name} at {host if host and not host.startswith('/') else 'the local socket'}"


def with_password(url: str, password: str) -> str:
    """The URL with a password, which it must not have yet. Raises ValueError."""
    hosts, _, options = _parts(url)
    authority = url.partition("://")[2].partition("/")[0].partition("?")[0]
    if "password" in options or ":" in authority.removesuffix(hosts):
        raise ValueError("the URL has a password too: one of them is enough")
    return f"{url}{'&' if '?' in url else '?'}password={quote(password, safe='')}"


def _parts(url: str) -> tuple[str, str, dict[str, str]]:
    """Hosts with their ports, the database's name as it is encoded, the options."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in _SCHEMES:
        raise ValueError("must begin with postgresql://")
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        raise ValueError("contains white space or a control character, perhaps a line end")
    if re.search(r"%(?![0-9a-fA-F]{2})", url):
        raise ValueError(f"a % is not followed by two hexadecimal digits{_ENCODE}")
    if "#" in rest:
        raise ValueError(f"contains a #{_ENCODE}")
    try:
        urlsplit(url)
    except ValueError:
        raise ValueError(f"contains [, ] or another character that a URL cannot have there{_ENCODE}") from None
    rest, _, query = rest.partition("?")
    authority, _, path = rest.partition("/")
    if authority.count("@") > 1 or "@" in path or "@" in query:
        raise ValueError(f"has an @ that does not stand between password and host{_ENCODE}")
    if "/" in path:
        raise ValueError(f"has a / in the name of the database{_ENCODE}")
    hosts = authority.rpartition("@")[2]
    _check_hosts(hosts)
    return hosts, path, _options(query)


def _check_hosts(hosts: str) -> None:
    for host in hosts.split(",") if hosts else ():
        found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._%-]*)(?::(.*))?", host)
        if found is None:
            raise ValueError(f"its host is no name and no address{_ENCODE}")
        port = found.group(2)
        if port is not None and not (re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 65536):
            raise ValueError(f"its port is not a number from 1 to 65535{_ENCODE}")


def _options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in query.split("&") if query else ():
        name, equals, value = part.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]*", name):
            raise ValueError(f"what follows the ? is not name=value, with & between{_ENCODE}")
        options[name] = unquote(value)
    for name, allowed in _CHOICES.items():
        if options.get(name, allowed[0]) not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}")
    for name in _FILES:
        if name in options and not Path(options[name]).is_file():
            raise ValueError(f"{name}: there is no file {options[name]!r}")
    ports = options.get("port", "1").split(",")
    if not all(re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 65536 for port in ports):
        raise ValueError("port must be a number from 1 to 65535")
    return options

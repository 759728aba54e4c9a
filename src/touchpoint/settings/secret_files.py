"""Secrets from files, as Docker and Kubernetes mount them: ``TOUCHPOINT_<NAME>_FILE`` names one that holds a secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr

FILE = "_FILE"
_LONGEST = 64 * 1024  # bytes: no secret is as long

Place = tuple[str, ...]
"""Where a setting stands: its section, if it is of one, and its name."""


def secret_places(model: type[BaseModel]) -> Iterator[Place]:
    """Of every secret of a configuration."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if SecretStr in (kind, *get_args(kind)):
            yield (name,)
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from ((name, *inner) for inner in secret_places(kind))


def variable(prefix: str, place: Place) -> str:
    """The environment variable of a setting."""
    return prefix + "__".join(place).upper()


def read_secret_files(
    model: type[BaseModel], prefix: str, environ: Mapping[str, str], values: dict[str, Any]
) -> list[str]:
    """Puts what files hold into `values`, the configuration's file, in place of their names; returns what is wrong.

    A line end at the end of a file is no part of the secret.
    """
    problems: list[str] = []
    for place in secret_places(model):
        name = variable(prefix, place)
        of_file = _taken(values, (*place[:-1], place[-1] + FILE.lower()))
        by_variable = name + FILE in environ
        file = environ[name + FILE] if by_variable else of_file
        if file is None or (name in environ and not by_variable):  # a variable wins over the configuration's file
            continue
        if name in environ or (_has(values, place) and not by_variable):
            problems.append(f"{name} and {name}{FILE} are both set: one of them is enough")
            continue
        try:
            _put(values, place, _secret(str(file)))
        except ValueError as error:
            problems.append(f"{name}{FILE}: {error}")
    return problems


def _secret(file: str) -> str:
    try:
        with Path(file).open("rb") as opened:
            held = opened.read(_LONGEST + 1)
    except OSError as error:
        raise ValueError(f"cannot read {file!r}: {error.strerror}") from None
    if len(held) > _LONGEST:
        raise ValueError(f"{file!r} has more than {_LONGEST:,} bytes: it is no secret")
    try:
        text = held.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{file!r} is not UTF-8") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise ValueError(f"{file!r} is empty")
    if "\n" in text:
        raise ValueError(f"{file!r} has several lines: it must hold the secret alone")
    return text


def _has(values: Mapping[str, Any], place: Place) -> bool:
    section: Any = values
    for part in place:
        if not isinstance(section, Mapping) or part not in section:
            return False
        section = section[part]
    return True


def _taken(values: dict[str, Any], place: Place) -> Any:
    """What stands at a place, which is then empty."""
    if not _has(values, place):
        return None
    section = values
    for part in place[:-1]:
        section = section[part]
    return section.pop(place[-1])


def _put(values: dict[str, Any], place: Place, secret: str) -> None:
    section = values
    for part in place[:-1]:
        if not isinstance(section.setdefault(part, {}), dict):
            return  # it is no section, and is told as that
        section = section[part]
    section[place[-1]] = secret

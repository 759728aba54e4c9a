"""Reads the configuration, and says everything that is wrong with it at once, in plain words."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydantic_settings
from pydantic import ValidationError

from touchpoint.settings.installation import PREFIX, Settings
from touchpoint.settings.secret_files import FILE, read_secret_files, secret_places, variable

_JSON = {
    "TOUCHPOINT_CHANNELS": '{"sms": {"age": "2h"}}',
    "TOUCHPOINT_DIALECT_TOPICS": '{"pbx.queue_log": {"dialect": "asterisk-queue-log"}}',
    "TOUCHPOINT_TOPICS": '{"calls": {"tenants": ["acme"], "identity": "address"}}',
    "TOUCHPOINT_LIMITS": '{"quiet": "1m"}',
    "TOUCHPOINT_WEB__ZONES": '{"default": "Europe/London"}',
}


class SettingsError(Exception):
    """The configuration is wrong. ``problems``: one line each, naming the setting, its value and the way out."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def load_settings(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read the configuration. Raises ``SettingsError`` with every problem at once."""
    environ = os.environ if environ is None else environ
    problems = _unknown(environ)
    values, problem = _file(environ)
    problems += problem
    # what the environment names wins over the file, section by section
    for name in [n for n in values if PREFIX + n.upper() in environ]:
        del values[name]
    problems += read_secret_files(Settings, PREFIX, environ, values)
    try:
        settings = Settings(**{**values, **overrides})
    except (
        pydantic_settings.SettingsError
    ) as error:  # a section's variable that is no JSON: pydantic stops at the first
        name = PREFIX + str(error).split('"')[1].upper()
        raise SettingsError([*problems, f"{name}: must be JSON such as {_JSON.get(name, '{...}')}"]) from None
    except ValidationError as error:
        raise SettingsError(problems + [_plain(e) for e in error.errors()]) from None
    if problems:
        raise SettingsError(problems)
    return settings


def _unknown(environ: Mapping[str, str]) -> list[str]:
    known = {name.upper() for name in Settings.model_fields} | {"CONFIG"}
    known |= {variable("", at) + FILE for at in secret_places(Settings)}
    problems = []
    for given in sorted(environ):
        name = given.removeprefix(PREFIX)
        if name != given and name.split("__")[0] not in known and not name.startswith("TEST_"):
            near = difflib.get_close_matches(name, known, 1)
            problems.append(
                f"{given}: there is no such setting" + (f"; did you mean {PREFIX + near[0]}?" if near else "")
            )
    return problems


def _file(environ: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    name = environ.get(PREFIX + "CONFIG")
    if not name:
        return {}, []
    try:
        return tomllib.loads(Path(name).read_text("utf-8")), []
    except OSError as error:
        return {}, [f"{PREFIX}CONFIG: cannot read {name!r}: {error.strerror}"]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return {}, [f"{PREFIX}CONFIG: {name!r} is not TOML: {error}"]


def _plain(error: Any) -> str:
    message = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return str(message)
    if error["type"] == "extra_forbidden":
        message = "there is no such setting"
    name = PREFIX + "__".join(str(part).upper() for part in error["loc"])
    secret = any(word in name for word in ("SECRET", "PASSWORD", "DATABASE_URL", "WEB__KEY"))
    return f"{name}: {message}" + ("" if secret else f" (it is {error['input']!r})")

"""Everything an installation may set: ``TOUCHPOINT_*`` variables, or a TOML file named by ``TOUCHPOINT_CONFIG``.

A variable wins over the file. All errors are reported at once, at the start, in plain words.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import phonenumbers
import pydantic_settings
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from touchpoint.stitching.facts import DAY, HOUR, MINUTE, SECOND, Micros
from touchpoint.stitching.limits import CHANNELS, ChannelLimits, Limits

PREFIX = "TOUCHPOINT_"
FIXED_PARTY_SECRET = "touchpoint-demo"  # noqa: S105 - public on purpose: `stitch` and `demo` use it, the worker warns
_UNITS = {"ms": 1_000, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_LISTED = re.compile(r"[\s,]+")


def _span(value: Any) -> Any:
    """``90s``, ``10m``, ``4h``, ``30d`` or a number of seconds, to microseconds."""
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*", value)
        if match is None:
            raise ValueError("must be a span of time such as 90s, 10m, 4h or 30d")
        return int(float(match[1]) * _UNITS[match[2] or "s"])
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value * SECOND)
    return value


def _listed(value: Any) -> Any:
    """A comma separated text, or a list."""
    if isinstance(value, str):
        return tuple(part for part in _LISTED.split(value) if part)
    return value


Span = Annotated[Micros, BeforeValidator(_span), Field(ge=0)]
Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
Security = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class ChannelSettings(BaseModel):
    """A channel beyond call, email, fax and chat, or other limits for one of them."""

    model_config = ConfigDict(extra="forbid")

    topic: str | None = None  # its input topic without the prefix; the channel's name by default
    dialect: str | None = None  # the vendor's own JSON is translated on the way in
    stitch_gap: Span = 10 * MINUTE
    age: Span = 24 * HOUR
    linger: Span | None = None  # the stitch gap by default


class LimitSettings(BaseModel):
    """The numbers of stitching.md; see ``touchpoint.stitching.limits.Limits`` for what each means."""

    model_config = ConfigDict(extra="forbid")

    item_facts: Annotated[int, Field(ge=100)] = 2_000
    quiet: Span = 30 * SECOND
    wrapup_begins_within: Span = 2 * MINUTE
    wrapup_at_most: Span = 30 * MINUTE
    chat_idle: Span = 5 * MINUTE
    short_abandon: Span = 5 * SECOND
    activity_gap: Span = 10 * MINUTE
    activity_age: Span = 24 * HOUR
    interaction_age: Span = 30 * DAY
    disorder: Span = 60 * SECOND
    silence: Span = 5 * MINUTE


class Settings(BaseSettings):
    """The whole configuration. Each field is the variable ``TOUCHPOINT_<NAME>``; sections use two underscores."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", validate_default=False
    )

    # Kafka
    brokers: Texts = ("localhost:9092",)
    topic_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*$", max_length=100)] = "touchpoint."
    partitions: Annotated[int, Field(ge=1, le=1000)] = 12
    replication: Annotated[int, Field(ge=1)] = 3
    min_insync: Annotated[int, Field(ge=1)] = 2
    security: Security = "PLAINTEXT"
    sasl_mechanism: Mechanism = "PLAIN"
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    tls_ca_file: Path | None = None
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    tls_key_password: SecretStr | None = None
    app_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=100)] = "touchpoint"
    instance_id: str | None = None  # stable name of this worker: a quick restart then moves no partitions
    session_timeout: Annotated[float, Field(ge=1, le=300)] = 20.0  # seconds
    rebalance_timeout: Annotated[float, Field(ge=2, le=600)] = 30.0  # seconds
    idempotence: bool = True  # off only for brokers that cannot
    compression: Literal["gzip"] | None = None

    # Postgres
    database_url: SecretStr | None = None

    # Stitching
    party_secret: SecretStr = SecretStr(FIXED_PARTY_SECRET)
    default_region: str = "GB"  # of phone numbers without a country
    own_addresses: Texts = ()
    unstitched_addresses: Texts = ()
    channels: Mapping[str, ChannelSettings] = {}
    limits: LimitSettings = LimitSettings()

    # The worker
    dead_letter_ratio: Annotated[float, Field(gt=0, le=1)] = 0.05  # of a minute's events: beyond it the worker warns
    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 9464  # 0: no metrics, no health page
    state_dir: Path = Path(".touchpoint")
    grace_seconds: Annotated[float, Field(ge=1, le=600)] = 25.0  # from SIGTERM to the end, at most
    log_format: Literal["json", "text"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic passes all by name
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings

    @field_validator("brokers")
    @classmethod
    def _brokers(cls, brokers: tuple[str, ...]) -> tuple[str, ...]:
        if not brokers:
            raise ValueError("must name at least one broker, as host:port")
        for broker in brokers:
            if not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^:/\s]+):\d{1,5}", broker):
                raise ValueError(f"{broker!r} is not host:port")
        return brokers

    @field_validator("default_region")
    @classmethod
    def _region(cls, region: str) -> str:
        if region.upper() not in phonenumbers.SUPPORTED_REGIONS:
            raise ValueError("must be a two-letter country such as GB or US")
        return region.upper()

    @field_validator("channels")
    @classmethod
    def _channels(cls, channels: Mapping[str, ChannelSettings]) -> Mapping[str, ChannelSettings]:
        for name in channels:
            if not re.fullmatch(r"[a-z][a-z0-9_-]{0,40}", name) or name in _RESERVED:
                raise ValueError(f"{name!r} cannot be a channel's name: lower-case letters, digits, - and _")
        return channels

    @field_validator("database_url")
    @classmethod
    def _database(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not re.match(r"postgres(ql)?://", url.get_secret_value()):
            raise ValueError("must begin with postgresql://")
        return url

    @model_validator(mode="after")
    def _together(self) -> Settings:
        problems = []
        if self.security.startswith("SASL") and not (self.sasl_username and self.sasl_password):
            problems.append(f"security {self.security} needs {PREFIX}SASL_USERNAME and {PREFIX}SASL_PASSWORD")
        if bool(self.tls_cert_file) != bool(self.tls_key_file):
            problems.append(f"{PREFIX}TLS_CERT_FILE and {PREFIX}TLS_KEY_FILE go together")
        for field in ("tls_ca_file", "tls_cert_file", "tls_key_file"):
            path = getattr(self, field)
            if path is not None and not path.is_file():
                problems.append(f"{PREFIX}{field.upper()}: there is no file {str(path)!r}")
        if self.min_insync > self.replication:
            problems.append(f"{PREFIX}MIN_INSYNC ({self.min_insync}) is more than {PREFIX}REPLICATION")
        if self.rebalance_timeout < self.session_timeout / 2:
            problems.append(f"{PREFIX}REBALANCE_TIMEOUT must be at least half of {PREFIX}SESSION_TIMEOUT")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def insecure_party_secret(self) -> bool:
        """True while nobody has set a secret: anyone could then compute a party's key from its number."""
        return self.party_secret.get_secret_value() == FIXED_PARTY_SECRET

    def stitching_limits(self) -> Limits:
        """The limits of the stitching core."""
        channels = dict(CHANNELS)
        for name, channel in self.channels.items():
            linger = channel.stitch_gap if channel.linger is None else channel.linger
            channels[name] = ChannelLimits(channel.stitch_gap, channel.age, linger)
        return Limits(
            channels=channels,
            own_addresses=frozenset(self.own_addresses),
            unstitched_addresses=frozenset(self.unstitched_addresses),
            **self.limits.model_dump(),
        )


_RESERVED = {"activity", "interaction", "party", "source", "touches", "links", "interactions", "dead-letters"}


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
    try:
        # what the environment names wins over the file, section by section
        for name in [n for n in values if PREFIX + n.upper() in environ]:
            del values[name]
        settings = Settings(**{**values, **overrides})
    except (
        pydantic_settings.SettingsError
    ) as error:  # a section's variable that is no JSON: pydantic stops at the first
        name = PREFIX + str(error).split('"')[1].upper()
        raise SettingsError([*problems, f'{name}: must be JSON such as {{"sms": {{"age": "2h"}}}}']) from None
    except ValidationError as error:
        raise SettingsError(problems + [_plain(e) for e in error.errors()]) from None
    if problems:
        raise SettingsError(problems)
    return settings


def _unknown(environ: Mapping[str, str]) -> list[str]:
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {PREFIX + "CONFIG"}
    problems = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and name.split("__")[0] not in known and not name.startswith(PREFIX + "TEST_"):
            near = difflib.get_close_matches(name, known, 1)
            problems.append(f"{name}: there is no such setting" + (f"; did you mean {near[0]}?" if near else ""))
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
    secret = any(word in name for word in ("SECRET", "PASSWORD", "DATABASE_URL"))
    return f"{name}: {message}" + ("" if secret else f" (it is {error['input']!r})")

"""Everything an installation may set: ``TOUCHPOINT_*`` variables, or a TOML file named by ``TOUCHPOINT_CONFIG``.

A variable wins over the file. All errors are reported at once, at the start, in plain words.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import phonenumbers
from pydantic import (
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from touchpoint.dialects import CAPABILITIES
from touchpoint.events.addresses import party_address
from touchpoint.events.json_schema import TOPICS
from touchpoint.events.numbers import NumberPlan
from touchpoint.settings.database_url import place, with_password
from touchpoint.settings.secret_files import FILE, secret_places, variable
from touchpoint.settings.sections import (
    ChannelSettings,
    DialectTopic,
    LimitSettings,
    LineSettings,
    Texts,
    TopicSettings,
    as_texts,
)
from touchpoint.settings.tls import client_context
from touchpoint.settings.web_section import WebSettings
from touchpoint.stitching.limits import CHANNELS, Limits

PREFIX = "TOUCHPOINT_"
FIXED_PARTY_SECRET = "touchpoint-demo"  # noqa: S105 - public on purpose: `stitch` and `demo` use it, the worker warns
Security = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]


class Settings(BaseSettings):
    """The whole configuration. Each field is the variable ``TOUCHPOINT_<NAME>``; sections use two underscores."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        validate_default=False,
        use_attribute_docstrings=True,
    )

    # Kafka
    brokers: Texts = ("localhost:9092",)
    """the first brokers to ask, as host:port, with commas between"""
    topic_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*$", max_length=100)] = "touchpoint."
    """what every topic's name begins with"""
    partitions: Annotated[int, Field(ge=1, le=1000)] = 12
    """of each topic that `touchpoint topics` creates; not to be changed afterwards"""
    replication: Annotated[int, Field(ge=1)] = 3
    """copies of each topic that `touchpoint topics` creates"""
    min_insync: Annotated[int, Field(ge=1)] = 2
    """copies that must have a record before it counts as written; at most `replication`"""
    security: Security = "PLAINTEXT"
    """how to speak with the brokers"""
    sasl_mechanism: Mechanism = "PLAIN"
    """how to log in, with SASL"""
    sasl_username: str | None = None
    """needed with SASL, but for `OAUTHBEARER`"""
    sasl_password: SecretStr | None = None
    """needed with SASL, but for `OAUTHBEARER`"""
    sasl_token_command: str | None = None
    """needed with `OAUTHBEARER`: a command, run without a shell, that prints a token good for two minutes or more"""
    tls_ca_file: Path | None = None
    """the authority that signed the brokers' certificates; unset: the system's"""
    tls_cert_file: Path | None = None
    """our certificate, where brokers ask for one"""
    tls_key_file: Path | None = None
    """the key of our certificate"""
    tls_key_password: SecretStr | None = None
    """the password of that key"""
    app_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=100)] = "touchpoint"
    """the consumer group, and what the changelogs' names begin with: the same for all workers of an installation"""
    instance_id: str | None = None
    """a stable name of this worker, different for each: a quick restart then moves no partitions"""
    session_timeout: Annotated[float, Field(ge=1, le=300)] = 20.0
    """seconds after which the brokers give a silent worker's partitions to others; a worker that hangs ends before"""
    rebalance_timeout: Annotated[float, Field(ge=2, le=600)] = 30.0
    """seconds that workers have to finish what they do before partitions move"""
    idempotence: bool = True
    """off only for brokers that cannot"""
    compression: Literal["gzip"] | None = None
    """of what the worker produces"""

    # Postgres
    database_url: SecretStr | None = None
    """postgresql://user:password@host:5432/name; needed by the worker"""
    database_password: SecretStr | None = None
    """the password of that URL's user, as it is: in the URL some of its characters would have to be encoded"""

    # Stitching
    party_secret: SecretStr = SecretStr(FIXED_PARTY_SECRET)
    """party keys are an HMAC under it: choose one before the first event and keep it; unset: a public one"""
    default_region: str = "GB"
    """the country of phone numbers without one"""
    extension_digits: Annotated[int, Field(ge=0, le=12)] = 6
    """a party's number of so few digits, without + or the prefix of a national call, is an extension of ours"""
    messaging_numbers: bool = True
    """a WhatsApp or SMS address is the party of its phone number; off: a party of its own"""
    own_addresses: Texts = ()
    """the organisation's own addresses, with commas between: they are never a party"""
    unstitched_addresses: Texts = ()
    """addresses that many people share (switchboards, mailboxes): never a reason to join two items"""
    channels: Mapping[str, ChannelSettings] = {}
    """channels beyond those of the contract, or other limits for these, as JSON: {"sms": {"age": "2h"}}"""
    dialect_topics: Mapping[str, DialectTopic] = {}
    """topics of other systems, by their full names, as JSON: {"pbx.queue_log": {"dialect": "asterisk-queue-log"}}"""
    topics: Mapping[str, TopicSettings] = {}
    """what the events of an input topic may say, as JSON: {"calls": {"tenants": ["acme"], "identity": "address"}}"""
    limits: LimitSettings = LimitSettings()

    lines: LineSettings = LineSettings()
    web: WebSettings = WebSettings()

    # Capture
    capture_password: SecretStr | None = None
    """of the phone system or mailbox that `touchpoint capture` logs in to; with --token-url, of the client"""

    # The worker
    dead_letter_ratio: Annotated[float, Field(gt=0, le=1)] = 0.05
    """of a minute's records: with more dead letters than that the worker warns"""
    dead_letter_limit: Annotated[float, Field(gt=0, le=1)] = 0.5
    """of the last 1,000 records of a topic's partition: with more dead letters than that the worker stops; 1: never"""
    sources: Texts = ()
    """the events' sources that have a metric of their own, with commas between; the others are counted together"""
    metrics_host: str = "127.0.0.1"
    """where metrics and health are served; 0.0.0.0 for all interfaces"""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 9464
    """0: neither metrics nor health"""
    grace_seconds: Annotated[float, Field(ge=1, le=600)] = 25.0
    """from SIGTERM to the end, at most"""
    log_format: Literal["json", "text"] = "text"
    """json: one object a line, for machines"""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """what is not logged is less than this"""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        if isinstance(env_settings, EnvSettingsSource):
            files = {(variable(PREFIX, at) + FILE).lower() for at in secret_places(settings_cls)}
            env_settings.env_vars = {n: value for n, value in env_settings.env_vars.items() if n not in files}
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
        for name, channel in channels.items():
            if not re.fullmatch(r"[a-z][a-z0-9_-]{0,40}", name) or name in _TYPES:
                raise ValueError(f"{name!r} cannot be a channel's name: lower-case letters, digits, - and _")
            topic = channel.topic or name
            if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", topic) or topic in _TOPICS:
                raise ValueError(f"{topic!r} cannot be the topic of channel {name!r}: letters, digits, . - and _")
        return channels

    @field_validator("dialect_topics")
    @classmethod
    def _dialect_topics(cls, topics: Mapping[str, DialectTopic]) -> Mapping[str, DialectTopic]:
        for name in topics:
            if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", name):
                raise ValueError(f"{name!r} cannot be a topic's name: letters, digits, . - and _, at most 100")
        return topics

    @field_validator("database_url")
    @classmethod
    def _database(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            place(url.get_secret_value())
        return url

    @property
    def _can_log_in(self) -> bool:
        if self.sasl_mechanism == "OAUTHBEARER":
            return bool(self.sasl_token_command)
        return bool(self.sasl_username and self.sasl_password)

    @model_validator(mode="after")
    def _together(self) -> Settings:
        problems = [
            f"{PREFIX}{field.upper()}: {address!r} is no address such as tel:+441632960960 or mailto:a@example.com"
            for field in ("own_addresses", "unstitched_addresses")
            for address in getattr(self, field)
            if party_address(address, self.number_plan) is None
        ]
        if self.security.startswith("SASL") and not self._can_log_in:
            needed = f"{PREFIX}SASL_USERNAME and {PREFIX}SASL_PASSWORD"
            needed = f"{PREFIX}SASL_TOKEN_COMMAND" if self.sasl_mechanism == "OAUTHBEARER" else needed
            problems.append(f"security {self.security} with {self.sasl_mechanism} needs {needed}")
        if bool(self.tls_cert_file) != bool(self.tls_key_file):
            problems.append(f"{PREFIX}TLS_CERT_FILE and {PREFIX}TLS_KEY_FILE go together")
        for field in ("tls_ca_file", "tls_cert_file", "tls_key_file"):
            path = getattr(self, field)
            if path is not None and not path.is_file():
                problems.append(f"{PREFIX}{field.upper()}: there is no file {str(path)!r}")
        if self.security.endswith("SSL") and not problems:
            try:
                self.tls()
            except ValueError as error:
                problems.append(f"the files of {PREFIX}TLS_*: {error}")
        if self.min_insync > self.replication:
            problems.append(f"{PREFIX}MIN_INSYNC ({self.min_insync}) is more than {PREFIX}REPLICATION")
        if self.rebalance_timeout < self.session_timeout / 2:
            problems.append(f"{PREFIX}REBALANCE_TIMEOUT must be at least half of {PREFIX}SESSION_TIMEOUT")
        own = {self.topic_prefix + topic for topic in (*_TOPICS, *TOPICS.values())}
        own |= {self.topic_prefix + (channel.topic or name) for name, channel in self.channels.items()}
        problems += [
            f"{PREFIX}DIALECT_TOPICS: {topic!r} is a topic of our own; a vendor's records need another"
            for topic in sorted(own & self.dialect_topics.keys())
        ]
        problems += self._unknown_topics()
        problems += self._put_password_into_url()
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _put_password_into_url(self) -> list[str]:
        if self.database_url is None or self.database_password is None:
            return []
        try:
            full = with_password(self.database_url.get_secret_value(), self.database_password.get_secret_value())
        except ValueError as error:
            return [f"{PREFIX}DATABASE_PASSWORD: {error}"]
        self.database_url, self.database_password = SecretStr(full), None
        return []

    def _unknown_topics(self) -> list[str]:
        """Rights of a topic that nobody reads would protect nothing."""
        channels = {
            **TOPICS,
            **{name: channel.topic or TOPICS.get(name, name) for name, channel in self.channels.items()},
        }
        inputs = {*channels.values(), "activities", "parties", *self.dialect_topics}
        return [
            f"{PREFIX}TOPICS: {topic!r} is not an input topic; these are: {', '.join(sorted(inputs))}"
            for topic in sorted(self.topics.keys() - inputs)
        ]

    def tls(self) -> ssl.SSLContext | None:
        """The TLS context for Kafka; None for the protocols without TLS."""
        if not self.security.endswith("SSL"):
            return None
        password = self.tls_key_password.get_secret_value() if self.tls_key_password else None
        return client_context(self.tls_ca_file, self.tls_cert_file, self.tls_key_file, password)

    @property
    def number_plan(self) -> NumberPlan:
        """How phone numbers are written here."""
        return NumberPlan(self.default_region, self.extension_digits, self.messaging_numbers)

    @property
    def insecure_party_secret(self) -> bool:
        """True while nobody has set a secret: anyone could then compute a party's key from its number."""
        return self.party_secret.get_secret_value() == FIXED_PARTY_SECRET

    @property
    def named_sources(self) -> frozenset[str]:
        """The sources that the configuration names."""
        declared = (topic.source or f"/{topic.dialect}" for topic in self.dialect_topics.values())
        return frozenset((*self.sources, *declared))

    @property
    def fingerprint(self) -> int:
        """Of this version and of the settings by which a record is accepted: the same for all workers alike."""
        said = self.model_dump_json(include=_READ_BY)
        return int.from_bytes(blake2b(f"{version('touchpoint')} {said}".encode(), digest_size=6).digest())

    @property
    def config_fingerprint(self) -> str:
        """Of all settings but secrets and those that differ from worker to worker."""
        said = self.model_dump_json(exclude=_OF_ONE_WORKER)  # a secret is dumped as asterisks
        return blake2b(said.encode(), digest_size=6).hexdigest()

    def stitching_limits(self) -> Limits:
        """The limits of the stitching core."""
        channels = dict(CHANNELS)
        for name, channel in self.channels.items():
            channels[name] = channel.over(name)
        return Limits(
            channels=channels,
            capabilities=CAPABILITIES,
            own_addresses=self._canonical(self.own_addresses),
            unstitched_addresses=self._canonical(self.unstitched_addresses),
            **self.limits.model_dump(),
        )

    def shared_by_all_workers(self) -> dict[str, str]:
        """What must be alike in all workers, by the name of its setting, as text; the secret is not among it."""
        shared = {"DEFAULT_REGION": self.default_region}
        shared |= {f"LIMITS__{name.upper()}": text for name, text in as_texts(self.limits).items()}
        for field in ("channels", "topics", "dialect_topics"):
            for key, section in getattr(self, field).items():
                shared |= {f"{field.upper()}.{key}.{name}": text for name, text in as_texts(section).items()}
        for field in ("own_addresses", "unstitched_addresses"):
            addresses = sorted(self._canonical(getattr(self, field)))
            digest = hashlib.sha256("\n".join(addresses).encode()).hexdigest()[:8]
            shared[field.upper()] = f"{len(addresses)} ({digest})" if addresses else "none"
        return shared

    def _canonical(self, addresses: Iterable[str]) -> frozenset[str]:
        """As events carry them."""
        return frozenset(a for a in (party_address(each, self.number_plan) for each in addresses) if a is not None)


_OF_ONE_WORKER = {"instance_id", "metrics_host", "metrics_port", "log_format", "log_level"}
_READ_BY = {"default_region", "own_addresses", "channels", "dialect_topics", "topics", "limits"}
_TYPES = {"activity", "interaction", "party", "source"}  # what event types begin with beside channels
_TOPICS = {"activities", "parties", "touches", "links", "interactions", "dead-letters"}

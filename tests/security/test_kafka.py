"""TLS and SASL against Apache Kafka: what is right works everywhere, what is wrong is refused at once and said why."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiokafka import AIOKafkaConsumer
from installation import Installation, arrival, offline
from patience import LIMIT
from secure_kafka import MECHANISMS, OAUTH, PASSWORD, USER, SecureBroker, token

from touchpoint.inspection.certificate_check import check_certificates
from touchpoint.kafka.topic_admin import create_topics
from touchpoint.kafka_client import client_options
from touchpoint.settings import PREFIX, Settings
from touchpoint.simulate import simulate
from touchpoint.simulate.produce import produce

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
WITHIN = 50.0  # seconds: what is not understood as a refusal is tried for a minute
LOGIN = {"sasl_username": USER, "sasl_password": PASSWORD}
REFUSED = 3
Fields = dict[str, object]


def trusting(broker: SecureBroker, **fields: object) -> Fields:
    return {"tls_ca_file": broker.authority.file, **fields}


@pytest.fixture
def installation(secure_kafka: SecureBroker, database: str, tmp_path: Path) -> Iterator[Installation]:
    """All of it over TLS with a login by SCRAM-SHA-512."""
    fields = trusting(secure_kafka, security="SASL_SSL", sasl_mechanism="SCRAM-SHA-512", **LOGIN)
    made = Installation(secure_kafka.at("BOTH"), database, tmp_path, f"i{uuid.uuid4().hex[:8]}", **fields)
    made.client = client_options(made.settings)
    yield made
    made.close()


async def test_worker_over_tls_with_scram_and_least_rights_stores_what_stitch_gives(
    installation: Installation, secure_kafka: SecureBroker
) -> None:
    """Rights as docs/operations.md has them; the topics are made by somebody who may."""
    events = list(simulate(3, START, hours=0.2, volume=120))
    settings = installation.settings
    await create_topics(settings.model_copy(update={"security": "PLAINTEXT", "brokers": (secure_kafka.bootstrap,)}))
    changelogs = f"{settings.app_id}-"
    secure_kafka.allow(["Describe", "Read", "Write"], "--topic", settings.topic_prefix, "--topic", changelogs)
    secure_kafka.allow(["Read"], "--group", settings.app_id)
    worker = installation.worker()
    await produce(arrival(events, 3), installation.client, installation.settings.topic_prefix, finish=True)
    await installation.until_stored(offline(events))
    assert await worker.end() == 0
    assert PASSWORD not in worker.log.read_text()


def test_documented_rights_suffice_to_make_the_topics(secure_kafka: SecureBroker) -> None:
    name = f"i{uuid.uuid4().hex[:8]}"
    fields = login("PLAIN", topic_prefix=f"{name}.", app_id=name, replication=1, min_insync=1)(secure_kafka)
    refused = command("topics", fields)
    assert refused.returncode == 1, refused.stderr
    assert "TopicAuthorizationFailed" in refused.stderr
    secure_kafka.allow(["Create", "Describe", "DescribeConfigs"], "--topic", name)
    for _ in range(2):  # afterwards it compares them with what they should be
        done = command("topics", fields)
        assert done.returncode == 0, done.stderr


def command(name: str, fields: Fields, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment |= {PREFIX + field.upper(): str(value) for field, value in fields.items()}
    call = [sys.executable, "-m", "touchpoint", name, *arguments]
    return subprocess.run(call, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False)


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("security", ["SASL_PLAINTEXT", "SASL_SSL"])
async def test_sasl_mechanisms_log_in_with_and_without_tls(
    secure_kafka: SecureBroker, security: str, mechanism: str
) -> None:
    listener = "BOTH" if security == "SASL_SSL" else "LOGIN"
    fields = trusting(secure_kafka, brokers=secure_kafka.at(listener), security=security, sasl_mechanism=mechanism)
    await reached(Settings(**fields, **LOGIN))  # type: ignore[arg-type]


@pytest.mark.parametrize("security", ["SASL_PLAINTEXT", "SASL_SSL"])
async def test_a_token_of_a_command_logs_in_with_and_without_tls(secure_kafka: SecureBroker, security: str) -> None:
    listener = "BOTH" if security == "SASL_SSL" else "LOGIN"
    fields = trusting(secure_kafka, brokers=secure_kafka.at(listener), security=security, sasl_mechanism=OAUTH)
    await reached(Settings(**fields, sasl_token_command=f"echo {token(USER)}"))  # type: ignore[arg-type]


async def test_worker_with_tokens_stores_what_stitch_gives(
    secure_kafka: SecureBroker, database: str, tmp_path: Path
) -> None:
    name = f"o{uuid.uuid4().hex[:8]}"
    fields = trusting(secure_kafka, security="SASL_SSL", sasl_mechanism=OAUTH, sasl_token_command=f"echo {token(USER)}")
    tokens = Installation(secure_kafka.at("BOTH"), database, tmp_path, name, **fields)
    await create_topics(Settings(brokers=(secure_kafka.bootstrap,), **own(tokens)))
    secure_kafka.allow(["Read", "Write", "Describe"], "--topic", name)
    secure_kafka.allow(["Read"], "--group", name)
    events = arrival(simulate(8, START, hours=0.1, volume=100), seed=8)
    tokens.worker()
    try:
        await produce(events, {"bootstrap_servers": secure_kafka.bootstrap}, f"{name}.", finish=True)
        await tokens.until_stored(offline(events))
    finally:
        tokens.close()


def own(installation: Installation) -> dict[str, Any]:
    settings = installation.settings
    names = ("topic_prefix", "app_id", "partitions", "replication", "min_insync")
    return {name: getattr(settings, name) for name in names}


async def test_a_broker_that_asks_for_our_certificate_takes_it_and_its_key_may_have_a_password(
    secure_kafka: SecureBroker,
) -> None:
    certificate, key = secure_kafka.authority.issue("client", password=b"of the key")
    fields = trusting(
        secure_kafka, brokers=secure_kafka.at("MUTUAL"), security="SSL", tls_cert_file=certificate, tls_key_file=key
    )
    await reached(Settings(**fields, tls_key_password="of the key"))  # type: ignore[arg-type]


async def test_check_tells_when_the_certificates_of_brokers_and_our_own_end(secure_kafka: SecureBroker) -> None:
    certificate, key = secure_kafka.authority.issue("client")
    fields = trusting(
        secure_kafka, brokers=secure_kafka.at("MUTUAL"), security="SSL", tls_cert_file=certificate, tls_key_file=key
    )
    found = await check_certificates(Settings(**fields))  # type: ignore[arg-type]
    assert found is not None
    assert found.state in {"ok", "note"}
    assert "first of 2 ends on" in found.detail or (
        secure_kafka.at("MUTUAL") in found.detail and "TOUCHPOINT_TLS_CERT_FILE" in found.detail
    )
    assert await check_certificates(Settings(brokers=(secure_kafka.bootstrap,))) is None


async def reached(settings: Settings) -> None:
    async with AIOKafkaConsumer(**client_options(settings)) as consumer:
        assert isinstance(await consumer.topics(), set)


class Wrong(NamedTuple):
    """Settings that cannot do, and what must be said of them."""

    what: str
    fields: Callable[[SecureBroker], Fields]
    said: tuple[str, ...]


def login(mechanism: str, **fields: object) -> Callable[[SecureBroker], Fields]:
    return lambda broker: {
        "brokers": broker.at("LOGIN"), "security": "SASL_PLAINTEXT", "sasl_mechanism": mechanism, **LOGIN, **fields,
    }  # fmt: skip


def oauth(command: str) -> Callable[[SecureBroker], Fields]:
    return lambda broker: {
        "brokers": broker.at("LOGIN"), "security": "SASL_PLAINTEXT", "sasl_mechanism": OAUTH,
        "sasl_token_command": command,
    }  # fmt: skip


def tls(listener: str, **fields: object) -> Callable[[SecureBroker], Fields]:
    return lambda broker: trusting(broker, brokers=broker.at(listener), security="SSL", **fields)


def foreign_certificate(broker: SecureBroker) -> Fields:
    certificate, key = broker.foreign.issue("stranger")
    return tls("MUTUAL")(broker) | {"tls_cert_file": certificate, "tls_key_file": key}


REFUSES = ("refuses user", "TOUCHPOINT_SASL_USERNAME", "TOUCHPOINT_SASL_PASSWORD")
ANOTHER = ("closes the connection at once", "TOUCHPOINT_SECURITY is")
WRONG = [
    *(Wrong(f"wrong password, {each}", login(each, sasl_password="guessed"), (*REFUSES, each)) for each in MECHANISMS),
    *(Wrong(f"unknown user, {each}", login(each, sasl_username="nobody"), (*REFUSES, "nobody")) for each in MECHANISMS),
    Wrong("a token that has ended", oauth(f"echo {token(USER, -60)}"), ("refuses the token", "SASL_TOKEN_COMMAND")),
    Wrong("a command that fails", oauth("false"), ("SASL_TOKEN_COMMAND ended with status 1",)),
    Wrong("a command that prints two", oauth("echo a b"), ("prints something other than a token: 3 bytes",)),
    Wrong("no such command", oauth("/nowhere/token"), ("SASL_TOKEN_COMMAND cannot be run", "FileNotFoundError")),
    Wrong("expired certificate", tls("EXPIRED"), ("has expired", "renew it")),
    Wrong("certificate of a foreign authority", tls("FOREIGN"), ("of an authority", "TOUCHPOINT_TLS_CA_FILE")),
    Wrong("the system's authorities only", tls("TLS", tls_ca_file=""), ("this system trusts", "TLS_CA_FILE")),
    Wrong("certificate for another host", tls("ELSEWHERE"), ("for another name", "TOUCHPOINT_BROKERS")),
    Wrong("no certificate of ours", tls("MUTUAL"), (*ANOTHER[:1], "TOUCHPOINT_TLS_CERT_FILE")),
    Wrong("a stranger's certificate", foreign_certificate, ("does not trust our certificate", "stranger")),
    Wrong("plain to a TLS port", lambda broker: {"brokers": broker.at("TLS")}, ANOTHER),
    Wrong("plain to a port with login", lambda broker: {"brokers": broker.at("LOGIN")}, ANOTHER),
    Wrong("TLS to a plain port", lambda b: tls("TLS")(b) | {"brokers": b.bootstrap}, ANOTHER[1:]),
    Wrong("TLS without login", tls("BOTH"), ANOTHER),
    Wrong("login to a port without", lambda b: login("PLAIN")(b) | {"brokers": b.bootstrap}, ("wants no login",)),
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.what)
def test_wrong_kafka_credentials_are_refused_with_the_way_out(secure_kafka: SecureBroker, wrong: Wrong) -> None:
    fields = {name: value for name, value in wrong.fields(secure_kafka).items() if value != ""}
    began = time.monotonic()
    done = command("topics", fields)
    assert time.monotonic() - began < WITHIN
    assert done.returncode == REFUSED, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("touchpoint: ")]
    assert len(said) == 1, done.stderr
    assert str(fields["brokers"]) in said[0]
    for part in wrong.said:
        assert part in said[0], said[0]
    for secret in (PASSWORD, "guessed", "Traceback"):
        assert secret not in done.stderr + done.stdout


@pytest.mark.parametrize(
    "wrong",
    [each for each in WRONG if each.what in ("wrong password, PLAIN", "expired certificate")],
    ids=lambda w: w.what,
)
def test_refused_worker_ends_and_logs_no_secret_at_any_level(
    secure_kafka: SecureBroker, wrong: Wrong, database: str
) -> None:
    fields = wrong.fields(secure_kafka) | {"database_url": database, "metrics_port": 0, "log_level": "debug"}
    began = time.monotonic()
    done = command("worker", fields)
    assert time.monotonic() - began < WITHIN
    assert done.returncode == REFUSED, done.stderr
    for part in wrong.said:
        assert part in done.stderr.splitlines()[-1]
    for secret in ("guessed", "Traceback"):
        assert secret not in done.stderr + done.stdout


async def test_a_worker_that_may_be_too_early_says_what_is_wrong_and_tries_again(
    secure_kafka: SecureBroker, database: str, tmp_path: Path
) -> None:
    installation = Installation(secure_kafka.at("TLS"), database, tmp_path, "early")
    worker = installation.worker()

    async def told() -> bool:
        return "TOUCHPOINT_SECURITY is PLAINTEXT" in worker.log.read_text()

    try:
        await installation.until(told, "the reason in the log", WITHIN)
        assert worker.running
        assert await worker.end() == 0
    finally:
        installation.close()


@pytest.mark.parametrize("name", ["dead-letters", "simulate", "verify"])
def test_every_command_that_speaks_to_kafka_says_the_same(secure_kafka: SecureBroker, name: str, database: str) -> None:
    fields = login("SCRAM-SHA-256", sasl_password="guessed")(secure_kafka)
    arguments = {
        "dead-letters": ["list"],
        "simulate": ["--brokers", str(fields["brokers"]), "--hours", "0.01"],
        "verify": ["--topics", "--database", database],
    }
    done = command(name, fields, *arguments[name])
    assert done.returncode == REFUSED, done.stderr
    for part in REFUSES:
        assert part in done.stderr
    assert "guessed" not in done.stderr


def test_files_that_are_no_certificates_are_mistakes_in_the_configuration(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("hello")
    done = command("topics", {"security": "SSL", "tls_ca_file": wrong})
    assert done.returncode == 2
    assert f"{str(wrong)!r} holds no certificate" in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_password_of_the_key_is_a_mistake_in_the_configuration(
    secure_kafka: SecureBroker,
) -> None:
    certificate, key = secure_kafka.authority.issue("locked", password=b"of the key")
    for password in ({}, {"tls_key_password": "guessed"}):
        fields = trusting(secure_kafka, security="SSL", tls_cert_file=certificate, tls_key_file=key, **password)
        done = command("topics", fields)
        assert done.returncode == 2, done.stderr
        assert "the key's password is wrong" in done.stderr
        assert "guessed" not in done.stderr
